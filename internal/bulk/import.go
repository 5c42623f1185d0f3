package bulk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"caseload/internal/fault"
)

// A chunk ends with the line that reaches one of these.
const (
	chunkLines = 1000
	chunkBytes = 4 << 20
)

// objectBytes is about what an object of a row takes in memory, even if its text has two bytes.
const objectBytes = 192

// maxRowErrors bounds the errors of one row.
const maxRowErrors = 100

// firstErrors returns the first errors of a row, and how many more there are.
func firstErrors(errs fault.UserErrors) fault.UserErrors {
	if len(errs) <= maxRowErrors {
		return errs
	}
	more := &fault.UserError{Code: fault.LimitExceeded, Message: fmt.Sprintf("%d more.", len(errs)-maxRowErrors), Path: []string{}}
	// A copy, so that the long list is freed.
	return append(slices.Clone(errs[:maxRowErrors]), more)
}

// chunk is lines that are applied in one transaction.
type chunk struct {
	first int32
	from  int64
	rows  []*Row
	// ends are where the rows end in the file.
	ends []int64
	// weight is about what the rows take in memory, in bytes.
	weight int
	locks  []string
}

func (c *chunk) to() int64 { return c.ends[len(c.ends)-1] }

// applicable are the rows that can be applied.
func (c *chunk) applicable() (rows []*Row) {
	for _, row := range c.rows {
		if row.Value != nil {
			rows = append(rows, row)
		}
	}
	return rows
}

// halves divides a chunk of several rows that can be applied, so that each half has a part of them.
func (c *chunk) halves() [2]*chunk {
	rows := c.applicable()
	at := slices.Index(c.rows, rows[len(rows)/2])
	return [2]*chunk{
		{first: c.first, from: c.from, rows: c.rows[:at], ends: c.ends[:at]},
		{first: c.rows[at].Line, from: c.ends[at-1], rows: c.rows[at:], ends: c.ends[at:]},
	}
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
	// Go on after the chunks before which nothing is missing.
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
	if err := w.choosePutTime(ctx); err != nil {
		return err
	}
	r := &chunks{rows: rows, kind: kind, keys: file.keys, done: done, decoded: kind.Decoder(w.o), lines: w.chunkLines}
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
	// lines are how many a chunk has at most.
	lines int
}

// next returns the next chunk, or io.EOF.
func (c *chunks) next() (*chunk, error) {
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
		out.rows, out.ends = append(out.rows, row), append(out.ends, r.to)
		out.weight += int(r.to-r.from) + objectBytes*bytes.Count(r.text, []byte("{")) + row.Weight
		if row.Value != nil {
			out.locks = append(out.locks, row.Locks...)
			if len(row.Locks) == 0 && row.Key != "" {
				out.locks = append(out.locks, row.Key)
			}
		}
		// A chunk is one run of lines, so it also ends before lines that have been applied.
		if len(out.rows) == c.lines || out.weight >= chunkBytes || len(c.done) > 0 && r.line+1 == c.done[0].FirstLine {
			return out, nil
		}
	}
}

// decode reads a row.
func (c *chunks) decode(r record) *Row {
	problem := r.problem
	if problem == nil && holdsNUL(r.text) {
		problem = nulProblem(r.text)
	}
	if problem != nil {
		return &Row{Line: r.line, UserErrors: fault.UserErrors{problem}}
	}
	row := c.decoded(r.text)
	if len(row.unknown) > 0 {
		row = Row{UserErrors: c.refusals(r.line, row.unknown)}
	}
	row.Line, row.UserErrors = r.line, firstErrors(row.UserErrors)
	return &row
}

// refusals says of each key that it is not permitted.
func (c *chunks) refusals(line int32, keys []unknownKey) fault.UserErrors {
	var errs fault.UserErrors
	for _, k := range keys[:min(len(keys), maxRowErrors)] {
		errs = append(errs, &fault.UserError{Code: fault.NotAllowed, Message: rowRefusal(c.kind, line, k.pointer, k.key), Path: []string{}})
	}
	return errs
}

// applyAll applies the chunks in order, several at once, those that share a key one after the other.
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
