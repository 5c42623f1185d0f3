package bulk

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/lib/pq"
)

// guard runs f and returns a panic as an error: a defect in a kind must not end the process.
func guard(f func() error) (err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if e, ok := p.(runtime.Error); ok {
			err = fmt.Errorf("panic: %w", e)
			return
		}
		// Its value may be personal data.
		err = fmt.Errorf("panic with a %T", p)
	}()
	return f()
}

// describe returns an error for the log. PostgreSQL quotes the value that it refuses, which may be personal data, so of its errors
// only the place is logged.
func describe(err error) string {
	if p, ok := errors.AsType[*pq.Error](err); ok {
		return fmt.Sprintf("SQLSTATE %s at table %q, column %q, constraint %q", p.Code, p.Table, p.Column, p.Constraint)
	}
	return err.Error()
}
