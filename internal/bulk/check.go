package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"caseload/internal/db"
	"caseload/internal/fault"
)

const (
	// maxLines bounds the lines of a file. Each has a result, which may be much longer than the line.
	maxLines = 10_000_000
	// maxMessages is how many refusals are kept with the operation itself, and maxReported how many the report has.
	maxMessages = 100
	maxReported = 100_000
)

// check is the first pass: a file with keys that are not permitted is refused, with a report of them, and nothing is written to the
// database.
func (w *work) check(ctx context.Context, kind Kind, file source) error {
	rows, header, closer, err := file.open(ctx, 0, 0)
	if err != nil {
		return err
	}
	defer closer.Close() //nolint:errcheck // only read
	r := &report{w: w}
	defer r.abort()
	if header != nil {
		for _, text := range header.refusals {
			r.add(ctx, nil, text)
		}
	}
	// CSV too: a cell may hold an object, or a list of them.
	lines, err := w.checkLines(ctx, kind, file.keys, rows, r)
	if err != nil {
		return err
	}
	if r.count > 0 {
		return r.refuse(ctx, lines)
	}
	return w.change(ctx, w.o, func(_ *db.Tx, stored *Operation) error {
		stored.State, stored.LineCount, stored.FailureCount = Running, lines, 0
		return nil
	})
}

// lookEvery is after how many lines the check looks whether it must end.
const lookEvery = 1000

// checkLines reports what is wrong with the keys of a file and returns how many lines it has, or nil when they are too
// many.
func (w *work) checkLines(ctx context.Context, kind Kind, keys shape, rows records, r *report) (*int32, error) {
	var lines int32
	inspect := newInspector(func(pointer, key string) {
		line := lines
		r.add(ctx, &line, rowRefusal(kind, line, pointer, key))
	})
	for {
		if lines%lookEvery == 0 {
			if err := w.interrupted(ctx); err != nil {
				return nil, err
			}
		}
		row, err := rows.next()
		if errors.Is(err, io.EOF) {
			return &lines, r.err
		}
		if err != nil {
			return nil, fmt.Errorf("check a file: %w", err)
		}
		if lines == w.mostLines {
			r.add(ctx, nil, fmt.Sprintf("#/%s: a file may have at most %d lines", kind.Noun(), w.mostLines))
			return nil, r.err
		}
		if row.problem == nil {
			// What is no JSON object is a failed row of the second pass.
			_ = inspect.inspect(row.text, keys)
		}
		lines++
	}
}

// rowRefusal says that a key in a row is not permitted; pointer leads from the row to the key's object.
func rowRefusal(kind Kind, line int32, pointer, key string) string {
	return refusal(kind.Noun()+"/"+strconv.Itoa(int(line))+pointer, key)
}

// report collects refusals: the first of them for the operation, the others, up to maxReported, for the object store.
type report struct {
	w        *work
	part     *part
	messages []string
	count    int
	err      error
}

func (r *report) add(ctx context.Context, line *int32, text string) {
	if r.err != nil {
		return
	}
	if r.count++; r.count > maxReported {
		return
	}
	if len(r.messages) < maxMessages {
		r.messages = append(r.messages, text)
	}
	if r.part == nil {
		if r.part, r.err = r.w.newPart(ctx, "report"); r.err != nil {
			return
		}
	}
	r.write(line, text)
}

func (r *report) write(line *int32, text string) {
	r.err = r.part.write(&result{Line: line, UserErrors: []*fault.UserError{{Code: fault.NotAllowed, Message: text, Path: []string{}}}})
}

func (r *report) abort() {
	if r.part != nil {
		r.part.abort()
	}
}

// refuse ends the operation as refused, with the report.
func (r *report) refuse(ctx context.Context, lines *int32) error {
	if more := r.count - maxReported; more > 0 && r.err == nil {
		r.write(nil, fmt.Sprintf("%d more.", more))
	}
	if r.err != nil {
		return r.err
	}
	key, err := r.part.commit()
	if err != nil {
		return err
	}
	if more := r.count - len(r.messages); more > 0 {
		r.messages = append(r.messages, fmt.Sprintf("%d more: see the results.", more))
	}
	return r.w.finish(ctx, r.w.o, Refused, func(stored *Operation) {
		stored.ReportKey, stored.LineCount, stored.ResultsBytes = &key, lines, r.part.size
	}, r.messages...)
}
