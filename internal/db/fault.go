package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/lib/pq"

	"caseload/internal/fault"
)

// Fault gives a database error its code, or returns nil for an error that is not the database's.
// Texts are fixed: nothing of the SQL, the arguments, the host or other rows reaches the message.
func Fault(err error) *fault.Error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	var p *pq.Error
	switch {
	case errors.Is(err, ErrUnknown):
		// First: the texts of its causes, below, say that nothing was changed.
		return fault.Wrap(fault.Unavailable, err, "The connection to the database broke off at the end: the change may have been made. Look, or send it again with its Idempotency-Key.").After(time.Second)
	case errors.Is(err, ErrRetry):
		return fault.Wrap(fault.Conflict, err, "Other writers kept changing the same rows. Nothing was changed; send it again.").After(200 * time.Millisecond)
	case errors.Is(err, sql.ErrNoRows):
		return fault.Wrap(fault.NotFound, err, "Not found.")
	case errors.Is(err, context.DeadlineExceeded):
		return timeout(err)
	case errors.As(err, &p):
		return sqlState(p)
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), isNetwork(err):
		return unavailable(err)
	}
	return nil
}

func sqlState(p *pq.Error) *fault.Error {
	switch code := string(p.Code); {
	case code == "40001" || code == "40P01":
		return fault.Wrap(fault.Conflict, p, "Other writers kept changing the same rows. Nothing was changed; send it again.").After(200 * time.Millisecond)
	case code == "57014":
		return timeout(p)
	case code == "55P03":
		return fault.Wrap(fault.Conflict, p, "Another writer holds these rows. Nothing was changed; send it again.").After(500 * time.Millisecond)
	case code == "25006":
		return fault.Wrap(fault.Unavailable, p, "The server is read-only for the moment; retry later.").After(5 * time.Second)
	case code == "22021", code == "22P05":
		// PostgreSQL keeps no zero character: JSON can send one, in text or inside a JSON value.
		return fault.Wrap(fault.BadUserInput, p, "Text must be UTF-8 without the character U+0000.")
	case strings.HasPrefix(code, "08"), strings.HasPrefix(code, "53"), strings.HasPrefix(code, "57P"):
		return unavailable(p)
	}
	return fault.Wrap(fault.Internal, p, "Something went wrong on our side. Quote the request id.")
}

func timeout(err error) *fault.Error {
	return fault.Wrap(fault.Timeout, err, "This took longer than its limit and was stopped; a mutation that was stopped changed nothing.")
}

func unavailable(err error) *fault.Error {
	return fault.Wrap(fault.Unavailable, err, "The database cannot be reached at the moment; retry with backoff.").After(time.Second)
}

func isNetwork(err error) bool {
	_, ok := errors.AsType[net.Error](err)
	return ok
}

// retryable reports whether running the same transaction again may succeed at once.
func retryable(err error) bool {
	if errors.Is(err, ErrRetry) {
		return true
	}
	p, ok := errors.AsType[*pq.Error](err)
	return ok && (p.Code == "40001" || p.Code == "40P01")
}

// Violated returns the name of the constraint that a statement violated, or "".
func Violated(err error) string {
	if p, ok := errors.AsType[*pq.Error](err); ok && strings.HasPrefix(string(p.Code), "23") {
		return p.Constraint
	}
	return ""
}
