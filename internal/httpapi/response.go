package httpapi

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
)

// compressFrom is the size in bytes from which a response is compressed: below it, the packets on the
// wire are the same.
const compressFrom = 4 << 10

// Buffers above this size are left to the collector, or one big request would keep its memory for ever.
const keepBuffer = 256 << 10

var (
	buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}
	// Level 1: a page of results shrinks tenfold even so, at a third of the time.
	gzips = sync.Pool{New: func() any { w, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed); return w }}
)

func getBuffer() *bytes.Buffer { return buffers.Get().(*bytes.Buffer) }

func putBuffer(b *bytes.Buffer) {
	if b.Cap() <= keepBuffer {
		b.Reset()
		buffers.Put(b)
	}
}

// statusOf returns the HTTP status of a response. One with data is 200, whatever errors stand beside it.
// One without data has the status of its first error; but clients that asked for application/json take
// anything else than 200 for a broken server, so errors of the operation itself are 200 for them.
func statusOf(mediaType string, response *graphql.Response, operation bool) int {
	if response.Data != nil || len(response.Errors) == 0 {
		return http.StatusOK
	}
	status := codeOf(response.Errors[0]).Info().Status
	if operation && mediaType == typeJSON && status == http.StatusBadRequest {
		return http.StatusOK
	}
	return status
}

// send writes a response: `errors` first, then the bytes of `data` as the executor made them, neither
// parsed nor copied again, then `extensions`. ofOperation reports whether its errors are of an operation, not of the request
// around it.
func (b *Base) send(w http.ResponseWriter, r *http.Request, response *graphql.Response, ofOperation bool) {
	head := getBuffer()
	defer putBuffer(head)
	head.WriteByte('{')
	encoder := json.NewEncoder(head)
	encoder.SetEscapeHTML(false)
	if len(response.Errors) > 0 {
		head.WriteString(`"errors":`)
		_ = encoder.Encode(response.Errors)
		head.Truncate(head.Len() - 1)
	}
	if response.Data != nil {
		if len(response.Errors) > 0 {
			head.WriteByte(',')
		}
		head.WriteString(`"data":`)
	}
	split := head.Len()
	if len(response.Extensions) > 0 {
		if split > 1 {
			head.WriteByte(',')
		}
		mark := head.Len()
		head.WriteString(`"extensions":`)
		if encoder.Encode(response.Extensions) != nil {
			head.Truncate(max(mark-1, 1))
		} else {
			head.Truncate(head.Len() - 1)
		}
	}
	head.WriteString("}\n")
	mediaType, _ := negotiate(r)
	status, wait := statusOf(mediaType, response, ofOperation), retryAfter(response.Errors)
	h := w.Header()
	h.Set("Content-Type", mediaType+"; charset=utf-8")
	h.Add("Vary", "Accept, Accept-Encoding")
	if wait > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	b.write(w, r, status, head.Bytes()[:split], response.Data, head.Bytes()[split:])
}

// write writes a body in one piece, compressed when it is large and the client takes that.
func (b *Base) write(w http.ResponseWriter, r *http.Request, status int, parts ...[]byte) {
	// A client that does not read would hold the answer in memory for as long as it likes.
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(b.Limits.WriteTimeout))
	defer func() {
		_ = control.Flush()
		_ = control.SetWriteDeadline(time.Time{})
	}()
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	var to io.Writer = w
	if size >= compressFrom && acceptsGzip(r) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzips.Get().(*gzip.Writer)
		z.Reset(w)
		defer func() {
			_ = z.Close()
			// In the pool it must not hold on to the response, and with it to the request and the connection.
			z.Reset(io.Discard)
			gzips.Put(z)
		}()
		to = z
	} else {
		w.Header().Set("Content-Length", strconv.Itoa(size))
	}
	w.WriteHeader(status)
	for _, p := range parts {
		if _, err := to.Write(p); err != nil {
			return
		}
	}
}
