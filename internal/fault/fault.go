package fault

import (
	"errors"
	"fmt"
	"time"
)

// Error is a failure with a code and a sentence that a client may read. Its cause goes to the log only.
type Error struct {
	Code    Code
	Message string
	// RetryAfter is how long to wait before the next try; zero says nothing.
	RetryAfter time.Duration
	// Details are extra values for `extensions`; they must not hold personal data.
	Details map[string]any
	cause   error
}

// New makes an Error. The message is shown to clients as it is: no input values, no SQL, no hosts.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes an Error that keeps its cause for the log.
func Wrap(code Code, cause error, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), cause: cause}
}

// Error returns the code, the message and, for the log, the cause.
func (e *Error) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.cause)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// After returns a copy that tells the client how long to wait.
func (e *Error) After(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// CodeOf returns the code of the first Error in the chain, or [Internal].
func CodeOf(err error) Code {
	var f *Error
	// An *Error that is nil is an error that is not: it has no code to read.
	if errors.As(err, &f) && f != nil {
		return f.Code
	}
	return Internal
}
