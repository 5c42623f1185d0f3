package lending

import (
	"errors"
	"log/slog"
	"time"

	"caseload/internal/fault"
)

// The kinds of failure, for errors.Is.
var (
	// ErrUnavailable: the lending system did not answer, is overloaded, or failed too often lately.
	// The same request may succeed later.
	ErrUnavailable = errors.New("lending system unavailable")
	// ErrRefused: the lending system refused, or answered with something that is not its contract.
	// Trying again is pointless until somebody changes the configuration or the lending system.
	ErrRefused = errors.New("lending system refused")
	// ErrNotFound: the lending system does not know the borrower.
	ErrNotFound = errors.New("borrower not found in lending system")
	// ErrLoanNotFound: the lending system does not know the loan of [Request.LoanID].
	ErrLoanNotFound = errors.New("loan not found in lending system")
)

// Error is a failure of the lending system. Its text may be shown to clients: it holds no address, key,
// identifier or anything that was received. The cause is for the log, through slog.
type Error struct {
	// Kind is one of the sentinel errors of this package.
	Kind error
	// Message is one sentence for the client.
	Message string
	// RetryAfter is when to try again, as the lending system or the open circuit says; zero says nothing.
	RetryAfter time.Duration

	cause error
	// again marks a failure after which another try may succeed.
	again bool
	// neutral marks a failure that says nothing about the health of the lending system.
	neutral bool
	// open marks a request that was not made because the circuit is open.
	open bool
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the kind and the cause, so that errors.Is finds both.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.cause}
}

// LogValue returns the message with the cause. The cause may name the host; it never holds the key,
// the borrower's id, or a part of an answer.
func (e *Error) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("kind", e.Kind.Error()), slog.String("message", e.Message)}
	if e.cause != nil {
		attrs = append(attrs, slog.String("cause", e.cause.Error()))
	}
	return slog.GroupValue(attrs...)
}

// UserCode returns the code under which the failure is reported as a user error.
func (e *Error) UserCode() fault.UserCode {
	switch e.Kind {
	case ErrUnavailable:
		return fault.LendingUnavailable
	case ErrNotFound, ErrLoanNotFound:
		return fault.Missing
	default:
		return fault.LendingRefused
	}
}

func unavailable(cause error, message string) *Error {
	return &Error{Kind: ErrUnavailable, Message: message, cause: cause}
}

func refused(cause error, message string) *Error {
	return &Error{Kind: ErrRefused, Message: message, cause: cause}
}
