package httpapi

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"caseload/internal/fault"
)

// intake reads the body of a multipart request: never more than it was allowed to, each time within the stall
// timeout, and all of it by a deadline. What ended it stays the answer to every later read.
type intake struct {
	body    io.Reader
	control *http.ResponseController
	stall   time.Duration
	end     time.Time
	left    int64
	ended   error
}

// allow says how many bytes may be read from now on. The reader of parts reads ahead, so it is a bound against
// endless headers and preambles, not the limit of a part.
func (i *intake) allow(n int64) { i.left = n }

// within sets the deadline of everything that is read from now on, and the longest wait for the next bytes.
func (i *intake) within(total, stall time.Duration) {
	i.end, i.stall = time.Now().Add(total), stall
}

// Read reads from the body. Its errors are [fault.Error], or io.EOF.
func (i *intake) Read(p []byte) (int, error) {
	if i.ended != nil {
		return 0, i.ended
	}
	if i.left <= 0 {
		i.ended = fault.New(fault.BadRequest, "The headers or the text around a part of the multipart body are too long.")
		return 0, i.ended
	}
	now := time.Now()
	if !now.Before(i.end) {
		i.ended = tooSlow()
		return 0, i.ended
	}
	deadline := now.Add(i.stall)
	if i.end.Before(deadline) {
		deadline = i.end
	}
	// Not every connection has deadlines; the check above then still bounds the whole.
	_ = i.control.SetReadDeadline(deadline)
	n, err := i.body.Read(p[:min(int64(len(p)), i.left)])
	i.left -= int64(n)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		i.ended = io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded):
		i.ended = tooSlow()
	default:
		i.ended = brokenBody()
	}
	return n, i.ended
}

// finish reads what is left of the body, which is next to nothing, and lifts the deadline: while an operation
// runs the server watches the connection by reading from it, and takes an expired deadline for a client that left.
func (i *intake) finish() error {
	i.allow(partOverhead)
	if _, err := io.Copy(io.Discard, i); err != nil {
		return err
	}
	_ = i.control.SetReadDeadline(time.Time{})
	return nil
}

// abandon prepares an answer to a request that was not read to its end: the connection is closed after it, and a
// client that sends nothing more does not hold it open.
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
