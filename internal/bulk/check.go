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

// maxMessages is how many refusals are kept with the operation itself; the report has all.
const maxMessages = 100

// check is the first pass: every key that is not permitted is written to the report, and the file refused, with
// nothing written to the database. A file without such keys goes on.
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
	var lines int32
	if header == nil {
		if lines, err = w.checkLines(ctx, kind, file.keys, rows, r); err != nil {
			return err
		}
	} else if lines, err = w.countLines(ctx, rows); err != nil {
		return err
	}
	if r.count > 0 {
		return r.refuse(ctx, lines)
	}
	return w.change(ctx, w.o, func(_ *db.Tx, stored *Operation) error {
		stored.State, stored.LineCount, stored.FailureCount = Running, &lines, 0
		return nil
	})
}

// lookEvery is after how many lines it is looked whether the work must end.
const lookEvery = 1000

func (w *work) checkLines(ctx context.Context, kind Kind, keys shape, rows records, r *report) (lines int32, err error) {
	inspect := newInspector(func(pointer, key string) {
		line := lines
		r.add(ctx, &line, refusal(kind.Noun()+"/"+strconv.Itoa(int(line))+pointer, key))
	})
	for {
		if lines%lookEvery == 0 {
			if err := w.interrupted(ctx); err != nil {
				return 0, err
			}
		}
		row, err := rows.next()
		if errors.Is(err, io.EOF) {
			return lines, r.err
		}
		if err != nil {
			return 0, fmt.Errorf("check a file: %w", err)
		}
		if row.problem == nil {
			// What is no JSON object is a failed row of the second pass.
			_ = inspect.inspect(row.text, keys)
		}
		lines++
	}
}

// countLines is checkLines of a file whose keys are in its header.
func (w *work) countLines(ctx context.Context, rows records) (lines int32, err error) {
	for {
		if lines%lookEvery == 0 {
			if err := w.interrupted(ctx); err != nil {
				return 0, err
			}
		}
		if _, err := rows.next(); errors.Is(err, io.EOF) {
			return lines, nil
		} else if err != nil {
			return 0, fmt.Errorf("check a file: %w", err)
		}
		lines++
	}
}

// report gathers refusals: the first of them for the operation, all of them for the object store.
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
	r.count++
	if len(r.messages) < maxMessages {
		r.messages = append(r.messages, text)
	}
	if r.part == nil {
		if r.part, r.err = r.w.newPart(ctx, "report"); r.err != nil {
			return
		}
	}
	r.err = r.part.write(&result{Line: line, UserErrors: []*resultError{{Code: fault.NotAllowed, Message: text, Path: []string{}}}})
}

func (r *report) abort() {
	if r.part != nil {
		r.part.abort()
	}
}

// refuse ends the operation with the report.
func (r *report) refuse(ctx context.Context, lines int32) error {
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
		stored.ReportKey, stored.LineCount = &key, &lines
	}, r.messages...)
}
