package bulk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"caseload/internal/db"
)

// export writes a list page by page. Each page is a part of the file and a row of bulk_chunks, so that another process can go on after
// the last.
func (w *work) export(ctx context.Context, e Exporter) error {
	v := w.o.actor()
	if w.o.LineCount == nil {
		n, err := e.Count(ctx, v, w.o.kept().Filter)
		if err != nil {
			return fmt.Errorf("count the rows of an export: %w", err)
		}
		if err := w.change(ctx, w.o, func(_ *db.Tx, stored *Operation) error {
			stored.LineCount = new(int32(n))
			return nil
		}); err != nil {
			return err
		}
	}
	var last struct {
		span
		Next *string `db:"next_cursor"`
	}
	err := w.pool.Get(ctx, &last, `
		SELECT first_line, line_count, byte_to, next_cursor FROM bulk_chunks
		WHERE organization_id = $1 AND operation_id = $2 ORDER BY first_line DESC LIMIT 1`, w.o.OrganizationID, w.o.UUID)
	begun := !errors.Is(err, sql.ErrNoRows)
	if err != nil && begun {
		return fmt.Errorf("read what has been exported: %w", err)
	}
	line, at := last.FirstLine+last.LineCount, last.ByteTo
	after := ""
	if begun && last.Next != nil {
		after = *last.Next
	}
	for more := !begun || last.Next != nil; more; {
		if err := w.pause(ctx); err != nil {
			return err
		}
		page, next, err := w.exportPage(ctx, e, after, line, at)
		if err != nil {
			return err
		}
		line, at, after, more = line+page.LineCount, page.ByteTo, next, next != ""
	}
	return w.finish(ctx, w.o, Completed, nil, "Completed")
}

func (w *work) exportPage(ctx context.Context, e Exporter, after string, line int32, at int64) (page span, next string, err error) {
	p, err := w.newPart(ctx, fmt.Sprintf("%010d", line))
	if err != nil {
		return page, "", err
	}
	defer p.abort()
	rows, next, err := e.Page(ctx, w.o.actor(), w.o.kept().Filter, w.o.Format, after, p.out)
	if err != nil {
		return page, "", fmt.Errorf("export a page of %s: %w", e.Name(), err)
	}
	if rows == 0 && next != "" {
		return page, "", fmt.Errorf("export a page of %s after %s rows: it is empty, and not the last", e.Name(), strconv.Itoa(int(line)))
	}
	key, err := p.commit()
	if err != nil {
		return page, "", err
	}
	page = span{line, int32(rows), at + p.size}
	if rows == 0 {
		// An empty list has no part.
		return page, "", nil
	}
	d := done{span: page, from: at, key: key, size: p.size}
	if next != "" {
		d.next = &next
	}
	err = w.pool.InTx(ctx, w.now(), func(tx *db.Tx) error { return w.commit(ctx, tx, d) })
	return page, next, err
}
