package db

import (
	"context"
	"time"
)

// roundsFor is how long rounds go on, well within the time of a job.
const roundsFor = 40 * time.Second

// InRounds runs a statement again and again, each time as a transaction of its own, until it takes fewer than the given
// number of rows or 40 seconds are over; done tells that it was the former. The number is the statement's last argument.
// So what is removed in great numbers holds its locks for a moment only, and a backlog costs several jobs, not a failed one.
func (p *Pool) InRounds(ctx context.Context, rows int, statement string, args ...any) (done bool, err error) {
	args = append(append(make([]any, 0, len(args)+1), args...), rows)
	for began := time.Now(); time.Since(began) < roundsFor; {
		n, err := p.Exec(ctx, statement, args...)
		if err != nil || n < int64(rows) {
			return err == nil, err
		}
	}
	return false, nil
}
