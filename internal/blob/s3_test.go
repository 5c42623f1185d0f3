package blob_test

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// s3 is as much of an S3 server as the store asks of one: a bucket of objects, uploads in parts, ranges, a list.
type s3 struct {
	*httptest.Server
	mu      sync.Mutex
	objects map[string][]byte
	// uploads are the parts of uploads that are not complete, by upload and number.
	uploads map[string]map[int][]byte
	most    int
	// ranges are the pieces that were asked for, in their order.
	ranges []string
	// closed has every request refused.
	closed atomic.Bool
}

const bucketPath = "/caseload"

func newS3(t *testing.T) *s3 {
	t.Helper()
	s := &s3{objects: map[string][]byte{}, uploads: map[string]map[int][]byte{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *s3) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for k := range s.objects {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

func (s *s3) largestUpload() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

func (s *s3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.closed.Load() {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	body, err := content(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	key := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, bucketPath), "/")
	q := r.URL.Query()
	s.mu.Lock()
	defer s.mu.Unlock()
	upload := q.Get("uploadId")
	switch {
	case key == "" && r.Method == http.MethodGet:
		s.list(w, q.Get("prefix"))
	case key == "":
		w.WriteHeader(http.StatusOK)
	case r.Method == http.MethodPost && q.Has("uploads"):
		id := "upload-" + strconv.Itoa(len(s.uploads))
		s.uploads[id] = map[int][]byte{}
		answer(w, struct {
			XMLName               xml.Name `xml:"InitiateMultipartUploadResult"`
			Bucket, Key, UploadId string
		}{Bucket: "caseload", Key: key, UploadId: id})
	case r.Method == http.MethodPut && upload != "":
		n, _ := strconv.Atoi(q.Get("partNumber"))
		s.uploads[upload][n] = body
		w.Header().Set("ETag", `"part"`)
	case r.Method == http.MethodPost && upload != "":
		parts := s.uploads[upload]
		s.most = max(s.most, len(parts))
		var whole []byte
		for n := 1; n <= len(parts); n++ {
			whole = append(whole, parts[n]...)
		}
		s.objects[key] = whole
		answer(w, struct {
			XMLName     xml.Name `xml:"CompleteMultipartUploadResult"`
			Bucket, Key string
			ETag        string
		}{Bucket: "caseload", Key: key, ETag: `"whole"`})
	case r.Method == http.MethodDelete && upload != "":
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPut:
		s.objects[key] = body
		w.Header().Set("ETag", `"whole"`)
	case r.Method == http.MethodDelete:
		delete(s.objects, key)
		w.WriteHeader(http.StatusNoContent)
	default:
		s.get(w, r, key)
	}
}

// content undoes the framing in which the client sends bodies whose hash follows them.
func content(r *http.Request) ([]byte, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil || !strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked") {
		return raw, err
	}
	var out []byte
	in := bufio.NewReader(bytes.NewReader(raw))
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		size, _, _ := strings.Cut(strings.TrimSpace(line), ";")
		n, err := strconv.ParseInt(size, 16, 64)
		if err != nil || n == 0 {
			return out, err
		}
		chunk := make([]byte, n+2)
		if _, err := io.ReadFull(in, chunk); err != nil {
			return nil, err
		}
		out = append(out, chunk[:n]...)
	}
}

func (s *s3) get(w http.ResponseWriter, r *http.Request, key string) {
	object, ok := s.objects[key]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		answer(w, struct {
			XMLName xml.Name `xml:"Error"`
			Code    string
		}{Code: "NoSuchKey"})
		return
	}
	w.Header().Set("ETag", `"whole"`)
	w.Header().Set("Last-Modified", "Mon, 02 Mar 2026 15:00:00 GMT")
	from, to := 0, len(object)-1
	if asked := r.Header.Get("Range"); asked != "" {
		s.ranges = append(s.ranges, asked)
		if n, _ := fmt.Sscanf(asked, "bytes=%d-%d", &from, &to); n == 0 {
			http.Error(w, asked, http.StatusBadRequest)
			return
		}
		to = min(to, len(object)-1)
		if from >= len(object) {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			answer(w, struct {
				XMLName xml.Name `xml:"Error"`
				Code    string
			}{Code: "InvalidRange"})
			return
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(object)))
		w.Header().Set("Content-Length", strconv.Itoa(to+1-from))
		w.WriteHeader(http.StatusPartialContent)
	} else {
		w.Header().Set("Content-Length", strconv.Itoa(len(object)))
	}
	if r.Method != http.MethodHead {
		_, _ = w.Write(object[from : to+1])
	}
}

func (s *s3) list(w http.ResponseWriter, prefix string) {
	type entry struct{ Key, LastModified, ETag, Size string }
	result := struct {
		XMLName     xml.Name `xml:"ListBucketResult"`
		IsTruncated bool
		Contents    []entry
	}{}
	for k, v := range s.objects {
		if strings.HasPrefix(k, prefix) {
			result.Contents = append(result.Contents, entry{k, "2026-03-02T15:00:00Z", `"whole"`, strconv.Itoa(len(v))})
		}
	}
	slices.SortFunc(result.Contents, func(a, b entry) int { return strings.Compare(a.Key, b.Key) })
	answer(w, result)
}

func answer(w http.ResponseWriter, v any) {
	text, err := xml.Marshal(v)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(text)
}
