package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"caseload/internal/batch"
	"caseload/internal/db"
	"caseload/internal/fault"
)

// A chunk ends with the line that reaches one of these.
const (
	chunkLines = 1000
	chunkBytes = 4 << 20
)

// chunk is lines that are applied in one transaction.
type chunk struct {
	first    int32
	from, to int64
	rows     []*Row
	bytes    int
	locks    []string
}

// span is lines that have been applied.
type span struct {
	FirstLine int32 `db:"first_line"`
	LineCount int32 `db:"line_count"`
	ByteTo    int64 `db:"byte_to"`
}

// importRows is the second pass: it applies every line that no committed chunk has.
func (w *work) importRows(ctx context.Context, kind Kind, file source) error {
	var done []span
	if err := w.pool.Select(ctx, &done, `
		SELECT first_line, line_count, byte_to FROM bulk_chunks WHERE organization_id = $1 AND operation_id = $2 ORDER BY first_line`,
		w.o.OrganizationID, w.o.UUID); err != nil {
		return fmt.Errorf("read what has been done: %w", err)
	}
	// Go on after the lines before which nothing is missing.
	var line int32
	var offset int64
	for len(done) > 0 && done[0].FirstLine == line {
		line, offset, done = line+done[0].LineCount, done[0].ByteTo, done[1:]
	}
	rows, header, closer, err := file.open(ctx, offset, line)
	if err != nil {
		return err
	}
	defer closer.Close() //nolint:errcheck // only read
	if header != nil && len(header.refusals) > 0 {
		return errors.New("apply a file: the program that goes on permits fewer columns than the one that began")
	}
	r := &chunks{rows: rows, kind: kind, keys: file.keys, done: done, decoded: kind.Decoder(w.o)}
	if err := w.applyAll(ctx, kind, r); err != nil {
		return err
	}
	return w.finish(ctx, w.o, Completed, nil, "Completed")
}

// chunks divides the rows that are left.
type chunks struct {
	rows records
	kind Kind
	keys shape
	// done are the spans further on that have been applied already.
	done    []span
	decoded func(text []byte) Row
	inspect *inspector
	unknown string
}

// next returns the next chunk, or io.EOF.
func (c *chunks) next() (*chunk, error) {
	if c.inspect == nil {
		c.inspect = newInspector(func(_, key string) { c.unknown = key })
	}
	var out *chunk
	for {
		r, err := c.rows.next()
		if errors.Is(err, io.EOF) {
			if out == nil {
				return nil, io.EOF
			}
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read a file: %w", err)
		}
		if len(c.done) > 0 && r.line >= c.done[0].FirstLine {
			if r.line == c.done[0].FirstLine+c.done[0].LineCount-1 {
				c.done = c.done[1:]
			}
			continue
		}
		if out == nil {
			out = &chunk{first: r.line, from: r.from}
		}
		row := c.decode(r)
		out.rows, out.to, out.bytes = append(out.rows, row), r.to, out.bytes+int(r.to-r.from)
		if row.Value != nil {
			if len(row.Locks) > 0 {
				out.locks = append(out.locks, row.Locks...)
			} else {
				out.locks = append(out.locks, row.Key)
			}
		}
		// A chunk is one run of lines, so it also ends before lines that have been applied.
		if len(out.rows) == chunkLines || out.bytes >= chunkBytes || len(c.done) > 0 && r.line+1 == c.done[0].FirstLine {
			return out, nil
		}
	}
}

func (c *chunks) decode(r record) *Row {
	problem := r.problem
	if problem == nil {
		c.unknown = ""
		problem = c.inspect.inspect(r.text, c.keys)
	}
	if problem == nil && c.unknown != "" {
		// The first pass has seen none: the program that goes on permits less than the one that began.
		problem = &fault.UserError{Code: fault.NotAllowed, Message: refusal(c.kind.Noun()+"/"+strconv.Itoa(int(r.line)), c.unknown), Path: []string{}}
	}
	if problem != nil {
		return &Row{Line: r.line, UserErrors: fault.UserErrors{problem}}
	}
	row := c.decoded(r.text)
	row.Line = r.line
	return &row
}

// applyAll applies the chunks in order, some at a time, those that share a key one after the other.
func (w *work) applyAll(ctx context.Context, kind Kind, from *chunks) error {
	ended := make(chan finished, w.limits.Chunks)
	running, locked := 0, map[string]struct{}{}
	var first error
	wait := func() {
		f := <-ended
		running--
		for _, key := range f.chunk.locks {
			delete(locked, key)
		}
		if first == nil {
			first = f.err
		}
	}
	for first == nil {
		c, err := from.next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				first = err
			}
			break
		}
		for running > 0 && (running == w.limits.Chunks || shares(c.locks, locked)) {
			wait()
		}
		if first == nil {
			first = w.pause(ctx)
		}
		if first != nil {
			break
		}
		for _, key := range c.locks {
			locked[key] = struct{}{}
		}
		running++
		go func() {
			ended <- finished{c, guard(func() error { return w.apply(ctx, kind, c) })}
		}()
	}
	for running > 0 {
		wait()
	}
	return first
}

// finished is a chunk that has been applied, or not.
type finished struct {
	chunk *chunk
	err   error
}

func shares(keys []string, locked map[string]struct{}) bool {
	for _, key := range keys {
		if _, ok := locked[key]; ok {
			return true
		}
	}
	return false
}

// apply applies a chunk in one transaction with its row, its results and the progress.
func (w *work) apply(ctx context.Context, kind Kind, c *chunk) error {
	v := w.o.actor()
	var rows []*Row
	for _, row := range c.rows {
		if row.Value != nil {
			rows = append(rows, row)
		}
	}
	if p, ok := kind.(Preparer); ok && len(rows) > 0 {
		if err := p.Prepare(ctx, v, w.o, rows); err != nil {
			return fmt.Errorf("prepare a chunk of %s: %w", kind.Name(), err)
		}
	}
	err := w.pool.InTx(ctx, w.now(), func(tx *db.Tx) error {
		var outcomes []Outcome
		if len(rows) > 0 {
			var err error
			if outcomes, err = kind.Apply(ctx, tx, v, w.o, rows); err != nil {
				return err
			}
			if len(outcomes) != len(rows) {
				return fmt.Errorf("%d rows have %d outcomes", len(rows), len(outcomes))
			}
		}
		counts, key, err := w.writeResults(ctx, c, outcomes)
		if err != nil {
			return err
		}
		return w.commit(ctx, tx, done{
			span: span{c.first, int32(len(c.rows)), c.to}, from: c.from, counts: counts, key: key,
		})
	})
	if err != nil {
		return fmt.Errorf("apply a chunk of %s: %w", kind.Name(), err)
	}
	return nil
}

// putTime bounds the writing of a part, during which the chunk's rows are locked.
const putTime = 8 * time.Second

// writeResults puts the outcomes of a chunk into the object store. A try of the transaction writes over what the
// try before has written.
func (w *work) writeResults(ctx context.Context, c *chunk, outcomes []Outcome) (batch.Counts, string, error) {
	ctx, cancel := context.WithTimeout(ctx, putTime)
	defer cancel()
	var counts batch.Counts
	p, err := w.newPart(ctx, fmt.Sprintf("%010d", c.first))
	if err != nil {
		return counts, "", err
	}
	defer p.abort()
	for _, row := range c.rows {
		out := Outcome{Action: batch.Failed, UserErrors: row.UserErrors}
		if row.Value != nil {
			out, outcomes = outcomes[0], outcomes[1:]
		}
		counts.Add(out.Action)
		if err := p.write(newResult(row, out)); err != nil {
			return counts, "", err
		}
	}
	if counts.Total() != len(c.rows) {
		return counts, "", errors.New("a row has an unknown action")
	}
	key, err := p.commit()
	return counts, key, err
}

// done is what a chunk, or a page of an export, adds to its operation.
type done struct {
	span
	from   int64
	counts batch.Counts
	key    string
	// next is where an export goes on.
	next *string
}

// commit writes down a chunk, as the last of its transaction: the operation's row is the fence that nobody passes
// who has lost the lease, and it is locked for no longer than the commit takes.
func (w *work) commit(ctx context.Context, tx *db.Tx, d done) error {
	n := d.counts
	if _, err := tx.Exec(ctx, `
		INSERT INTO bulk_chunks (organization_id, operation_id, first_line, line_count, byte_from, byte_to,
			created_count, updated_count, unchanged_count, failed_count, skipped_count, results_key, next_cursor, committed_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		w.o.OrganizationID, w.o.UUID, d.FirstLine, d.LineCount, d.from, d.ByteTo,
		n.Created, n.Updated, n.Unchanged, n.Failed, n.Skipped, d.key, d.next, tx.Now); err != nil {
		return fmt.Errorf("write down a chunk: %w", err)
	}
	var cancel []bool
	if err := tx.Select(ctx, &cancel, `
		UPDATE bulk_operations SET processed_count = processed_count + $4, created_count = created_count + $5, updated_count = updated_count + $6,
			unchanged_count = unchanged_count + $7, failed_count = failed_count + $8, skipped_count = skipped_count + $9,
			failure_count = 0, lease_until = $10, version = version + 1, updated_at = $11
		WHERE organization_id = $1 AND id = $2 AND lease_token = $3
		RETURNING cancel_requested_at IS NOT NULL`,
		w.o.OrganizationID, w.o.UUID, w.o.LeaseToken, d.LineCount, n.Created, n.Updated, n.Unchanged, n.Failed, n.Skipped,
		w.now().Add(leaseTime), tx.Now); err != nil {
		return fmt.Errorf("write down progress: %w", err)
	}
	if len(cancel) == 0 {
		return errLost
	}
	if cancel[0] {
		w.cancelled.Store(true)
	}
	w.changed(tx, w.o)
	return nil
}
