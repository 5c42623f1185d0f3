package bulk

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/lib/pq"
)

// guard runs f and makes an error of a panic: a defect in a kind must not end the process and all other work with it.
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
		// Its value may be a row's.
		err = fmt.Errorf("panic with a %T", p)
	}()
	return f()
}

// describe returns an error for the log. PostgreSQL quotes the value that it chokes on, which may be personal data,
// so of its errors only the place is told.
func describe(err error) string {
	var p *pq.Error
	if errors.As(err, &p) {
		return fmt.Sprintf("SQLSTATE %s at table %q, column %q, constraint %q", p.Code, p.Table, p.Column, p.Constraint)
	}
	return err.Error()
}
