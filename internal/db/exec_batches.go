package db

import (
	"context"
	"slices"
	"time"
)

// batchesFor bounds the time of all batches, well below the timeout of a job.
const batchesFor = 40 * time.Second

// ExecInBatches runs a statement, whose last argument is the number of rows it may touch, until it touches fewer (done) or 40
// seconds have passed. Each batch is a transaction of its own, so its locks are short, and a large backlog takes several jobs.
func (p *Pool) ExecInBatches(ctx context.Context, rows int, statement string, args ...any) (done bool, err error) {
	args = append(slices.Clip(args), rows)
	for began := time.Now(); time.Since(began) < batchesFor; {
		n, err := p.Exec(ctx, statement, args...)
		if err != nil || n < int64(rows) {
			return err == nil, err
		}
	}
	return false, nil
}
