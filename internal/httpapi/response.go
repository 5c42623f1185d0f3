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
	"github.com/vektah/gqlparser/v2/gqlerror"
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

// answer is one response on its way out.
type answer struct {
	w         http.ResponseWriter
	r         *http.Request
	mediaType string
	limits    *Limits
}

// newAnswer returns an answer of the media type that the request asks for, or of application/json when it admits none.
func newAnswer(w http.ResponseWriter, r *http.Request, limits *Limits) *answer {
	a := &answer{w: w, r: r, mediaType: typeJSON, limits: limits}
	if mediaType, ok := negotiate(r); ok {
		a.mediaType = mediaType
	}
	return a
}

// refuse ends a request that does not become an operation with one error.
func (a *answer) refuse(p *Presenter, err error) {
	e := p.Present(a.r.Context(), err)
	logCode(a.r.Context(), codeOf(e))
	response := &graphql.Response{Errors: gqlerror.List{e}}
	a.send(statusOf(a.mediaType, response, false), response)
}

// send writes the response: `errors` first, then the bytes of `data` as the executor made them, neither
// parsed nor copied again, then `extensions`.
func (a *answer) send(status int, response *graphql.Response) {
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
	a.write(status, retryAfter(response.Errors), [][]byte{head.Bytes()[:split], response.Data, head.Bytes()[split:]})
}

func (a *answer) write(status int, wait time.Duration, parts [][]byte) {
	h := a.w.Header()
	h.Set("Content-Type", a.mediaType+"; charset=utf-8")
	h.Add("Vary", "Accept, Accept-Encoding")
	if wait > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	// A client that does not read would hold the answer in memory for as long as it likes.
	control := http.NewResponseController(a.w)
	_ = control.SetWriteDeadline(time.Now().Add(a.limits.WriteTimeout))
	defer func() {
		_ = control.Flush()
		_ = control.SetWriteDeadline(time.Time{})
	}()
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if size >= compressFrom && acceptsGzip(a.r) {
		h.Set("Content-Encoding", "gzip")
		a.w.WriteHeader(status)
		z := gzips.Get().(*gzip.Writer)
		z.Reset(a.w)
		defer func() {
			// In the pool it must not hold on to the response, and with it to the request and the connection.
			z.Reset(io.Discard)
			gzips.Put(z)
		}()
		for _, p := range parts {
			if _, err := z.Write(p); err != nil {
				return
			}
		}
		_ = z.Close()
		return
	}
	h.Set("Content-Length", strconv.Itoa(size))
	a.w.WriteHeader(status)
	for _, p := range parts {
		if len(p) == 0 {
			continue
		}
		if _, err := a.w.Write(p); err != nil {
			return
		}
	}
}
