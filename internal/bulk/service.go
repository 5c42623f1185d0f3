package bulk

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"caseload/internal/audit"
	"caseload/internal/blob"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/jobs"
	"caseload/internal/notify"
	"caseload/internal/viewer"
)

// Topic is the bus topic of changed operations; the subject is the operation.
const Topic = "bulk"

// ServiceOptions are what a [Service] is made of.
type ServiceOptions struct {
	Pool  *db.Pool
	Bus   *notify.Bus
	Store *blob.Store
	Log   *slog.Logger
	Now   func() time.Time
	// Kinds and Exporters are the operations that there are; no two have the same name.
	Kinds     []Kind
	Exporters []Exporter
	Limits    Limits
}

// Limits bound what operations use. Each must be more than 0.
type Limits struct {
	// FileBytes is the largest file.
	FileBytes int64
	// OrganizationBytes is what the files of an organization may take: those of operations under way or waiting, and
	// the results that are kept.
	OrganizationBytes int64
	// Open is how many operations of an organization may be under way or waiting.
	Open int
	// PerOrganization is how many of them run at once, in all processes.
	PerOrganization int
	// PerProcess is how many operations of all organizations this process runs at once.
	PerProcess int
	// Chunks is how many chunks of one operation are written at once, each on a connection.
	Chunks int
	// Keep is how long results are kept after the end.
	Keep time.Duration
}

// DefaultLimits are the limits where nothing else is set.
var DefaultLimits = Limits{FileBytes: 2 << 30, OrganizationBytes: 50 << 30, Open: 100, PerOrganization: 5, PerProcess: 2, Chunks: 2, Keep: 7 * 24 * time.Hour}

// Service creates, cancels and shows operations. It is safe for concurrent use.
type Service struct {
	pool      *db.Pool
	bus       *notify.Bus
	store     *blob.Store
	log       *slog.Logger
	now       func() time.Time
	kinds     map[KindName]Kind
	exporters map[KindName]Exporter
	limits    Limits
	// mostLines is how many lines a file may have.
	mostLines int32
	// chunkLines is how many lines are applied in one transaction.
	chunkLines int
	// jobs enqueues; it runs nothing.
	jobs *river.Client[*sql.Tx]
}

// New makes the service. It returns an error for two kinds of one name, a mistake in the program.
func New(o ServiceOptions) (*Service, error) {
	s := &Service{
		pool: o.Pool, bus: o.Bus, store: o.Store, log: o.Log, now: o.Now, limits: o.Limits,
		kinds: map[KindName]Kind{}, exporters: map[KindName]Exporter{}, mostLines: maxLines, chunkLines: chunkLines,
	}
	for _, k := range o.Kinds {
		if s.known(k.Name()) {
			return nil, fmt.Errorf("make bulk operations: two are named %s", k.Name())
		}
		s.kinds[k.Name()] = k
	}
	for _, e := range o.Exporters {
		if s.known(e.Name()) {
			return nil, fmt.Errorf("make bulk operations: two are named %s", e.Name())
		}
		s.exporters[e.Name()] = e
	}
	var err error
	if s.jobs, err = jobs.Inserter(o.Pool.SQL()); err != nil {
		return nil, fmt.Errorf("make bulk operations: %w", err)
	}
	return s, nil
}

func (s *Service) known(name KindName) bool {
	return s.kinds[name] != nil || s.exporters[name] != nil
}

// Create makes an import of an uploaded file, which it owns from then on and removes when the operation has finished. The
// viewer needs the kind's scopes now, not later: the operation acts on its behalf to the end. Wrong input comes back as
// fault.UserErrors; the file is then still the caller's.
func (s *Service) Create(ctx context.Context, v *viewer.Viewer, in CreateInput, file File) (*Operation, error) {
	c := fault.NewCheck("input")
	policy := in.check(c)
	kind, ok := s.kinds[in.Kind]
	if !ok {
		c.At("kind").Add(fault.Invalid, "Use one of %s.", names(s.kinds))
		return nil, c.Err()
	}
	if err := v.Require(kind.Scopes()...); err != nil {
		return nil, err
	}
	checkOptions(c, in.Kind, in.Options)
	own := kind.Check(in.Format, in.Options[OptionsName(in.Kind)], c)
	if file.Size > s.limits.FileBytes {
		c.At("file").Add(fault.LimitExceeded, "A file may have at most %d bytes.", s.limits.FileBytes)
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(file.Key, blob.Key(v.OrganizationID, blob.Uploads)) {
		return nil, fmt.Errorf("create a bulk operation: the file is not an upload of the viewer's organization")
	}
	o := &Operation{Kind: in.Kind, Format: in.Format, FileName: &file.Name, FileKey: &file.Key, FileSHA256: file.SHA256, ByteSize: file.Size}
	chosen := kept{ErrorPolicy: policy}
	if own != nil {
		var err error
		if chosen.Kind, err = json.Marshal(own); err != nil {
			return nil, fmt.Errorf("create a bulk operation: %w", err)
		}
	}
	return s.create(ctx, v, o, chosen)
}

// CreateExport makes an export. The viewer needs the exporter's scopes. Wrong input comes back as
// fault.UserErrors.
func (s *Service) CreateExport(ctx context.Context, v *viewer.Viewer, in ExportInput) (*Operation, error) {
	c := fault.NewCheck("input")
	exporter, ok := s.exporters[in.Kind]
	if !ok {
		c.At("kind").Add(fault.Invalid, "Use one of %s.", names(s.exporters))
		return nil, c.Err()
	}
	if err := v.Require(exporter.Scopes()...); err != nil {
		return nil, err
	}
	format, own := cmp.Or(in.Format, JSONL), OptionsName(in.Kind)
	checkFormat(c, format)
	checkOptions(c, in.Kind, in.Filters)
	if err := exporter.Check(ctx, v, in.Filters[own], c.At(own, "filter")); err != nil {
		return nil, err
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return s.create(ctx, v, &Operation{Kind: in.Kind, Format: format}, kept{Filter: in.Filters[own]})
}

func names[K any](kinds map[KindName]K) string {
	var names []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		names = append(names, string(kind))
	}
	return strings.Join(names, ", ")
}

// lockSQL serializes the transactions that count the operations of an organization.
const lockSQL = `SELECT pg_advisory_xact_lock(hashtextextended('bulk operations of ' || CAST($1 AS text), 0))`

// keptSQL sums up what the files of an organization take, each half by the index that is made for it.
const keptSQL = `
	SELECT CAST(coalesce((SELECT sum(byte_size + results_bytes) FROM bulk_operations WHERE organization_id = $1 AND finished_at IS NULL), 0)
		+ coalesce((SELECT sum(results_bytes) FROM bulk_operations WHERE organization_id = $1 AND finished_at IS NOT NULL AND files_removed_at IS NULL), 0) AS bigint)`

func (s *Service) create(ctx context.Context, v *viewer.Viewer, o *Operation, chosen kept) (*Operation, error) {
	text, err := json.Marshal(chosen)
	if err != nil {
		return nil, fmt.Errorf("create a bulk operation: %w", err)
	}
	o.Row = db.Row{OrganizationID: v.OrganizationID, UUID: db.NewID()}
	o.OptionJSON, o.State, o.Version, o.MessageTexts = text, Pending, 1, []string{}
	o.ActorKind, o.ActorID, o.ActorName, o.RequestID, o.IP = v.Kind, v.ActorID, v.ActorName, v.RequestID, v.IP
	o.ActorScopes = []string{}
	for _, scope := range v.Scopes {
		o.ActorScopes = append(o.ActorScopes, string(scope))
	}
	o.CreatedBy, o.UpdatedBy = v.ActorText(), v.ActorText()
	return db.InTx(ctx, s.pool, s.now(), func(tx *db.Tx) (*Operation, error) {
		o.RunnableAt, o.EnqueuedAt, o.CreatedAt, o.UpdatedAt = tx.Now, &tx.Now, tx.Now, tx.Now
		if _, err := tx.Exec(ctx, lockSQL, v.OrganizationID); err != nil {
			return nil, fmt.Errorf("create a bulk operation: %w", err)
		}
		open, err := Operations.Count(ctx, tx, v.Scope(), db.Where{}.And("c.finished_at IS NULL"))
		if err != nil {
			return nil, fmt.Errorf("count open bulk operations: %w", err)
		}
		if open >= s.limits.Open {
			return nil, fault.UserErrors{{Code: fault.LimitExceeded, Message: fmt.Sprintf("The organization has %d bulk operations under way or waiting, which is the most; wait for one to finish, or cancel it.", open), Path: []string{"input"}}}
		}
		var kept int64
		if err := tx.Get(ctx, &kept, keptSQL, v.OrganizationID); err != nil {
			return nil, fmt.Errorf("sum up the files of bulk operations: %w", err)
		}
		if kept+o.ByteSize > s.limits.OrganizationBytes {
			return nil, fault.UserErrors{{Code: fault.LimitExceeded, Message: fmt.Sprintf("With this file the organization would have more than the %d bytes that the files of its bulk operations and their results may take; wait until some have finished, or results have been removed.", s.limits.OrganizationBytes), Path: []string{"input"}}}
		}
		if err := Operations.Insert(ctx, tx, v.Scope(), o); err != nil {
			return nil, db.Refused(err, "input")
		}
		if err := s.enqueue(ctx, tx, RunArgs{o.OrganizationID, o.UUID}); err != nil {
			return nil, err
		}
		s.changed(tx, o)
		return o, audit.Write(ctx, tx, v, audit.Change{Action: "bulk_operation.created", Target: o.ID(), Fields: map[string]any{"kind": o.Kind, "format": o.Format, "bytes": o.ByteSize}})
	})
}

// Cancel cancels an operation: at once when it is not leased, else after the chunks that are being written. What was done stays,
// and the results end with it. Safe to repeat; one that has finished is left as it is.
func (s *Service) Cancel(ctx context.Context, v *viewer.Viewer, in CancelInput) (*Operation, error) {
	id, err := in.ID.As(Operations.Prefix())
	if err != nil {
		return nil, err
	}
	var o *Operation
	var file *string
	err = s.pool.InTx(ctx, s.now(), func(tx *db.Tx) error {
		file = nil
		if o, err = Operations.Lock(ctx, tx, v.Scope(), id); err != nil {
			return input.NoSuch(err, "bulk operation", "input", "id")
		}
		tx.Keep(&o)
		if o.State.Final() || o.CancelRequested() {
			return nil
		}
		o.CancelRequestedAt, o.UpdatedAt, o.UpdatedBy = &tx.Now, tx.Now, v.ActorText()
		if o.LeaseToken == nil || o.LeaseUntil.Before(tx.Now) {
			// It is not leased. A process whose lease has run out commits nothing more.
			file = o.FileKey
			o.end(Cancelled, tx.Now, s.limits.Keep, cancelledMessage(o))
		}
		if err := Operations.Update(ctx, tx, v.Scope(), o); err != nil {
			return fmt.Errorf("cancel a bulk operation: %w", err)
		}
		s.changed(tx, o)
		return audit.Write(ctx, tx, v, audit.Change{Action: "bulk_operation.cancelled", Target: o.ID(), Fields: map[string]any{"kind": o.Kind, "processed": o.ProcessedCount}})
	})
	if err != nil {
		return nil, err
	}
	s.drop(ctx, o.OrganizationID, file)
	return o, nil
}

// end gives an operation its final state.
func (o *Operation) end(state State, now time.Time, keep time.Duration, messages ...string) {
	o.State, o.FinishedAt, o.ExpiresAt, o.UpdatedAt = state, &now, new(now.Add(keep)), now
	o.LeaseToken, o.LeaseUntil, o.FileKey = nil, nil, nil
	o.MessageTexts = messages
}

func cancelledMessage(o *Operation) string {
	if o.LineCount == nil {
		return fmt.Sprintf("Cancelled after %d lines.", o.ProcessedCount)
	}
	return fmt.Sprintf("Cancelled after %d of %d lines.", o.ProcessedCount, *o.LineCount)
}

// drop removes the upload of an operation that has ended. After an error, [Service.Expire] removes it.
func (s *Service) drop(ctx context.Context, organizationID uuid.UUID, key *string) {
	if key == nil {
		return
	}
	if err := s.store.Delete(context.WithoutCancel(ctx), organizationID, *key); err != nil {
		s.log.Warn("the file of a bulk operation could not be removed yet", "error", err)
	}
}

// changed notifies subscribers after the commit.
func (s *Service) changed(tx *db.Tx, o *Operation) {
	m := notify.Message{Topic: Topic, OrganizationID: o.OrganizationID, Subject: o.UUID, Kind: string(o.State), At: tx.Now}
	tx.AfterCommit(func() { s.bus.Publish(m) })
}

// Change says that an operation changed, not what it is now.
type Change struct {
	State      State
	OccurredAt time.Time
	// OperationID says which.
	OperationID uuid.UUID
}

// Changes returns the changes of the viewer's organization, or of one operation, until the context ends; the
// channel is closed when some may have been missed.
func (s *Service) Changes(ctx context.Context, v *viewer.Viewer, operationID *uuid.UUID) <-chan *Change {
	return notify.Changes(ctx, s.bus, Topic, v.OrganizationID, operationID, func(m notify.Message) *Change { return &Change{State(m.Kind), m.At, m.Subject} })
}
