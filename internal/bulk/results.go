package bulk

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"

	"caseload/internal/audit"
	"caseload/internal/batch"
	"caseload/internal/blob"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// result is a line of a results file.
type result struct {
	// Line is null for what is not of one line, such as the header.
	Line       *int32             `json:"line"`
	Action     *batch.Action      `json:"action"`
	Key        *string            `json:"key"`
	ID         *string            `json:"id"`
	Success    bool               `json:"success"`
	UserErrors []*fault.UserError `json:"userErrors"`
}

// newResult is the line of a row.
func newResult(row *Row, out Outcome) *result {
	r := &result{Line: &row.Line, Action: &out.Action, Success: out.Action.Wrote(), UserErrors: append([]*fault.UserError{}, firstErrors(out.UserErrors)...)}
	if row.Key != "" {
		r.Key = &row.Key
	}
	if out.ID != (relay.ID{}) {
		r.ID = new(out.ID.String())
	}
	return r
}

// part is one piece of the results, on its way to the object store.
type part struct {
	w   *blob.Writer
	out *bufio.Writer
	enc *json.Encoder
	// size is in bytes, after the commit.
	size int64
}

// newPart begins a part. Its name ends with the token of the lease: a process that has lost the lease may still be writing, and must
// not overwrite the part that counts.
func (w *work) newPart(ctx context.Context, name string) (*part, error) {
	to, err := w.store.Create(ctx, w.o.OrganizationID, w.o.folder()+name+"-"+w.o.LeaseToken.String()+".jsonl")
	if err != nil {
		return nil, fmt.Errorf("write results: %w", err)
	}
	p := &part{w: to, out: bufio.NewWriterSize(to, 64<<10)}
	p.enc = json.NewEncoder(p.out)
	p.enc.SetEscapeHTML(false)
	return p, nil
}

func (p *part) write(r *result) error {
	if err := p.enc.Encode(r); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

func (p *part) abort() { p.w.Abort() }

func (p *part) commit() (key string, err error) {
	if err := p.out.Flush(); err != nil {
		return "", fmt.Errorf("write results: %w", err)
	}
	stored, err := p.w.Commit()
	if err != nil {
		return "", err
	}
	p.size = stored.Size
	return stored.Key, nil
}

// Results streams what became of the lines, one JSON object a line, in the order of the file: of an operation
// that is under way up to the last line before which nothing is missing. An export's is the file itself. The error
// is NOT_FOUND when the results have been removed. The caller closes the reader, whose context is ctx.
func (s *Service) Results(ctx context.Context, o *Operation) (io.ReadCloser, error) {
	if o.FilesRemovedAt != nil {
		return nil, fault.New(fault.NotFound, "The results have been removed.")
	}
	r := &resultsReader{s: s, ctx: ctx, o: o}
	if o.ReportKey != nil {
		r.keys, r.whole = []string{*o.ReportKey}, true
	}
	return r, nil
}

// Open is [Service.Results] by id, for signed links: it checks no permission, as [Service.MayDownload] was checked when the link was
// made. NOT_FOUND when the organization has no such operation, or its results have been removed. Call [Service.Fetched] before the
// first byte is read.
func (s *Service) Open(ctx context.Context, sc db.Scope, id uuid.UUID) (*Operation, io.ReadCloser, error) {
	o, err := Operations.ByID(ctx, s.pool, sc, id)
	if err != nil {
		return nil, nil, err
	}
	content, err := s.Results(ctx, o)
	return o, content, err
}

// Fetched audits the download of an export; by is the viewer who asked for the link.
func (s *Service) Fetched(ctx context.Context, by *viewer.Viewer, o *Operation) error {
	if s.exporters[o.Kind] == nil {
		return nil
	}
	return s.pool.InTx(ctx, s.now(), func(tx *db.Tx) error {
		return audit.Write(ctx, tx, by, audit.Change{Action: "bulk_operation.export_fetched", Target: o.ID(), Fields: map[string]any{"kind": o.Kind}})
	})
}

// MayDownload returns nil when the viewer may download the results of an operation of its organization, else a FORBIDDEN fault. For an
// export it needs the exporter's scopes, and those scopes of the creator that added fields. Results of an import hold no personal
// data: the scope for bulk operations, which the fields that show them require, is enough.
func (s *Service) MayDownload(v *viewer.Viewer, o *Operation) error {
	e := s.exporters[o.Kind]
	if e == nil {
		return nil
	}
	needed, creator := e.Scopes(), o.actor()
	for _, scope := range e.Reveals() {
		if creator.Has(scope) {
			needed = append(needed, scope)
		}
	}
	return v.Require(needed...)
}

// resultsReader reads the parts one after the other.
type resultsReader struct {
	s   *Service
	ctx context.Context //nolint:containedctx // a reader has no other way to be cancelled
	o   *Operation
	// keys are parts that are known and not read; line is the line after them; whole tells that there are no more.
	keys  []string
	line  int32
	whole bool
	part  io.ReadCloser
}

// partsAtOnce is how many parts one statement looks up.
const partsAtOnce = 500

func (r *resultsReader) Read(p []byte) (int, error) {
	for {
		if r.part == nil {
			if err := r.open(); err != nil {
				return 0, err
			}
		}
		n, err := r.part.Read(p)
		if errors.Is(err, io.EOF) {
			err = r.Close()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// open opens the next part; io.EOF when there is none.
func (r *resultsReader) open() error {
	if len(r.keys) == 0 && !r.whole {
		if err := r.look(); err != nil {
			return err
		}
	}
	if len(r.keys) == 0 {
		return io.EOF
	}
	part, err := r.s.store.Open(r.ctx, r.o.OrganizationID, r.keys[0], 0)
	if err != nil {
		return fmt.Errorf("read results: %w", err)
	}
	r.part, r.keys = part, r.keys[1:]
	return nil
}

// look finds the next parts.
func (r *resultsReader) look() error {
	var rows []struct {
		FirstLine int32  `db:"first_line"`
		LineCount int32  `db:"line_count"`
		Key       string `db:"results_key"`
	}
	if err := r.s.pool.Select(r.ctx, &rows, `
		SELECT first_line, line_count, results_key FROM bulk_chunks
		WHERE organization_id = $1 AND operation_id = $2 AND first_line >= $3 ORDER BY first_line LIMIT $4`,
		r.o.OrganizationID, r.o.UUID, r.line, partsAtOnce); err != nil {
		return fmt.Errorf("find results: %w", err)
	}
	r.whole = len(rows) < partsAtOnce
	for _, c := range rows {
		// Chunks are written concurrently: the second may be committed before the first. After the end, a gap stays.
		if c.FirstLine != r.line && !r.o.State.Final() {
			r.whole = true
			return nil
		}
		r.keys, r.line = append(r.keys, c.Key), c.FirstLine+c.LineCount
	}
	return nil
}

// Close implements io.Closer.
func (r *resultsReader) Close() error {
	if r.part == nil {
		return nil
	}
	part := r.part
	r.part = nil
	return part.Close()
}
