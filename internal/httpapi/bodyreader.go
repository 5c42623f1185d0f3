package httpapi

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"caseload/internal/fault"
)

// bodyReader reads the body of a request: never more than it was allowed to, each time within the stall timeout, and
// all of it by a deadline. What ended it stays the answer to every later read. The server lifts the deadline where the
// body ends. That of a body that did not come stays, so that the server does not wait for the rest either: it announces
// that the connection ends, and closes it.
type bodyReader struct {
	body    io.Reader
	control *http.ResponseController
	stall   time.Duration
	end     time.Time
	left    int64
	ended   error
}

func newBodyReader(w http.ResponseWriter, r *http.Request) *bodyReader {
	return &bodyReader{body: r.Body, control: http.NewResponseController(w)}
}

// allow says how many bytes may be read from now on. The reader of parts reads ahead, so it is a bound against
// endless headers and preambles, not the limit of a part.
func (r *bodyReader) allow(n int64) { r.left = n }

// within sets the deadline of everything that is read from now on, and the longest wait for the next bytes.
func (r *bodyReader) within(total, stall time.Duration) {
	r.end, r.stall = time.Now().Add(total), stall
}

// Read reads from the body. Its errors are [fault.Error], or io.EOF.
func (r *bodyReader) Read(p []byte) (int, error) {
	if r.ended != nil {
		return 0, r.ended
	}
	if r.left <= 0 {
		r.ended = fault.New(fault.BadRequest, "The headers or the text around a part of the multipart body are too long.")
		return 0, r.ended
	}
	now := time.Now()
	deadline := now.Add(r.stall)
	if r.end.Before(deadline) {
		deadline = r.end
	}
	// Not every connection has deadlines; the check below then still bounds the whole.
	_ = r.control.SetReadDeadline(deadline)
	if !now.Before(r.end) {
		r.ended = tooSlow()
		return 0, r.ended
	}
	n, err := r.body.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		r.ended = io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded):
		r.ended = tooSlow()
	default:
		r.ended = brokenBody()
	}
	return n, r.ended
}

// finish reads what is left of the body, which is next to nothing.
func (r *bodyReader) finish() error {
	r.allow(partOverhead)
	_, err := io.Copy(io.Discard, r)
	return err
}

// abandon prepares an answer to a request that was not read to its end and whose rest may be long: the connection is
// closed after it, and a client that sends nothing more does not hold it open.
func abandon(w http.ResponseWriter) {
	w.Header().Set("Connection", "close")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Second))
}

func tooSlow() *fault.Error {
	return fault.New(fault.Timeout, "The request body came too slowly or took too long; nothing was changed. Send it again, or split it.")
}

func brokenBody() *fault.Error {
	return fault.New(fault.BadRequest, "The request body could not be read to its end.")
}
