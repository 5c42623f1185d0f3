package entity_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/entity"
	"caseload/internal/fault"
	"caseload/internal/idempotency"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// thing is a plain entity with one of everything that a declaration can say.
type thing struct {
	entity.Row
	Name       string     `db:"name" audit:"theName"`
	Count      int32      `db:"count"`
	Seen       int32      `db:"seen" audit:"-"`
	ArchivedAt *time.Time `db:"archived_at"`
}

// Constraints of a table have names of their own, but a check's may stand at two tables: so things have a sentence.
const createThings = `CREATE SCHEMA t;
	CREATE TABLE t.things (organization_id uuid NOT NULL, id uuid NOT NULL, name text NOT NULL, count integer NOT NULL, seen integer NOT NULL,
		archived_at timestamptz, version integer NOT NULL, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, created_by text NOT NULL, updated_by text NOT NULL,
		PRIMARY KEY (organization_id, id), CONSTRAINT task_types_name_key UNIQUE (organization_id, name));
	CREATE TABLE t.parts (organization_id uuid NOT NULL, thing_id uuid NOT NULL,
		CONSTRAINT parts_thing_fkey FOREIGN KEY (organization_id, thing_id) REFERENCES t.things (organization_id, id))`

var things = entity.New[thing]("t.things", "thing", "odd Thing", entity.Created, entity.Updated, entity.Deleted)

// letters keeps what is emitted.
type letters struct {
	events []entity.Event
	err    error
}

func (l *letters) Emit(_ context.Context, _ *db.Tx, _ *viewer.Viewer, e entity.Event) error {
	l.events = append(l.events, e)
	return l.err
}

type world struct {
	entity.Env
	t        testing.TB
	out      *letters
	outcomes *idempotency.Outcomes
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func open(t testing.TB) *world {
	t.Helper()
	w := dbtest.NewWorld(t, dbtest.WorldOptions{Start: noon})
	for statement := range strings.SplitSeq(createThings, ";\n") {
		w.Exec(t, statement)
	}
	out := &letters{}
	v := &viewer.Viewer{Kind: viewer.APIKey, OrganizationID: db.NewID(), ActorID: db.NewID(), ActorName: "desk", RequestID: "r-1"}
	return &world{entity.Env{Pool: w.Pool, Now: noon, Viewer: v, Outbox: out}, t, out, idempotency.New(w.Pool, w.Sealer, w.Clock.Now)}
}

// later is the same place some time later, as another actor.
func (w *world) later() entity.Env {
	e, v := w.Env, *w.Viewer
	v.ActorID = db.NewID()
	e.Now, e.Viewer = noon.Add(time.Hour), &v
	return e
}

func (w *world) made(name string) *thing {
	w.t.Helper()
	row, err := things.Create(w.t.Context(), w.Env, func(row *thing, _ *fault.Check) { row.Name = name })
	require.NoError(w.t, err)
	return row
}

func (w *world) stored(id relay.ID) *thing {
	w.t.Helper()
	row, err := things.ByID(w.t.Context(), w.Pool, w.Viewer.Scope(), id.UUID)
	require.NoError(w.t, err)
	return row
}

// entry is an audit entry as the tests compare it.
type entry struct{ Action, Changes, By string }

func (w *world) audited(id relay.ID) []entry {
	w.t.Helper()
	var out []entry
	require.NoError(w.t, w.Pool.Select(w.t.Context(), &out, `SELECT action, changes::text AS changes, actor_id AS by FROM audit_entries WHERE organization_id = $1 AND target_id = $2 ORDER BY id`,
		w.Viewer.OrganizationID, id.String()))
	return out
}

func (w *world) rows() int {
	w.t.Helper()
	n, err := things.Count(w.t.Context(), w.Pool, w.Viewer.Scope(), db.Where{})
	require.NoError(w.t, err)
	return n
}

// refused expects one user error.
func refused(t testing.TB, err error, code fault.UserCode, path string) {
	t.Helper()
	users, ok := fault.AsUserErrors(err)
	require.True(t, ok, "%v", err)
	require.Len(t, users, 1)
	require.Equal(t, code, users[0].Code)
	require.Equal(t, path, strings.Join(users[0].Path, "."))
}

func renamed(name string) func(*thing, *fault.Check) {
	return func(row *thing, _ *fault.Check) { row.Name = name }
}

func TestCreate(t *testing.T) {
	t.Parallel()
	w := open(t)
	row, err := things.Create(t.Context(), w.Env, func(row *thing, c *fault.Check) {
		require.NotZero(t, row.UUID, "what is sealed to a row needs its id")
		row.Name, row.Count = "one", 7
	})
	require.NoError(t, err)
	by := w.Viewer.ActorText()
	require.Equal(t, &thing{Row: entity.Row{Row: db.Row{OrganizationID: w.Viewer.OrganizationID, UUID: row.UUID}, Version: 1, CreatedAt: noon, UpdatedAt: noon, CreatedBy: by, UpdatedBy: by},
		Name: "one", Count: 7}, row)
	id := things.ID(row)
	require.Equal(t, "thing", id.Prefix)
	stored := w.stored(id)
	stored.CreatedAt, stored.UpdatedAt = stored.CreatedAt.UTC(), stored.UpdatedAt.UTC()
	require.Equal(t, row, stored)
	require.Equal(t, []entry{{"odd_thing.created", `{"theName": "one"}`, by}}, w.audited(id))
	require.Equal(t, []entity.Event{{Type: "odd_thing.created", ID: id, Version: 1}}, w.out.events)
}

func TestWrongInputWritesNothing(t *testing.T) {
	t.Parallel()
	w := open(t)
	ctx := db.WithCounter(t.Context())
	_, err := things.Create(ctx, w.Env, func(_ *thing, c *fault.Check) {
		c.At("name").Add(fault.Blank, "Give a name.")
		c.At("count").Add(fault.OutOfRange, "Give less.")
	})
	users, _ := fault.AsUserErrors(err)
	require.Len(t, users, 2, "all errors at once: %v", err)
	require.Equal(t, []string{"input", "count"}, users[1].Path)
	require.Zero(t, db.Statements(ctx))

	id := things.ID(w.made("one"))
	two := int32(2)
	_, err = things.Update(t.Context(), w.Env, id, &two, func(row *thing, c *fault.Check) {
		row.Name = "changed"
		c.At("name").Add(fault.TooLong, "Shorter.")
	})
	users, _ = fault.AsUserErrors(err)
	require.Len(t, users, 2, "what is stale is told beside what is wrong: %v", err)
	require.Equal(t, "one", w.stored(id).Name)
	require.Len(t, w.audited(id), 1)
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	w := open(t)
	id, e := things.ID(w.made("one")), w.later()
	one := int32(1)
	row, err := things.Update(t.Context(), e, id, &one, func(row *thing, _ *fault.Check) { row.Count, row.Name, row.Seen = 3, "two", 9 })
	require.NoError(t, err)
	require.Equal(t, int32(2), row.Version)
	for _, got := range []*thing{row, w.stored(id)} {
		require.Equal(t, "two", got.Name)
		require.True(t, got.CreatedAt.Equal(noon))
		require.True(t, got.UpdatedAt.Equal(e.Now))
		require.Equal(t, []string{w.Viewer.ActorText(), e.Viewer.ActorText()}, []string{got.CreatedBy, got.UpdatedBy})
	}
	require.Equal(t, entry{"odd_thing.updated", `{"fields": ["name", "count"]}`, e.Viewer.ActorText()}, w.audited(id)[1], "names, without values and without what is the server's own")
	require.Equal(t, entity.Event{Type: "odd_thing.updated", ID: id, Version: 2, Changed: []string{"name", "count"}}, w.out.events[1])

	_, err = things.Update(t.Context(), e, id, &one, renamed("three"))
	refused(t, err, fault.StaleVersion, "input.expectedVersion")
	require.Equal(t, "two", w.stored(id).Name)
}

func TestUnchangedIsNotWritten(t *testing.T) {
	t.Parallel()
	w := open(t)
	id := things.ID(w.made("one"))
	ctx := db.WithCounter(t.Context())
	row, err := things.Update(ctx, w.later(), id, nil, renamed("one"))
	require.NoError(t, err)
	require.Equal(t, 1, db.Statements(ctx), "it is locked and read, no more")
	require.Equal(t, int32(1), row.Version)
	require.True(t, w.stored(id).UpdatedAt.Equal(noon))
	require.Len(t, w.audited(id), 1)
	require.Len(t, w.out.events, 1)
}

func TestForeignRowsAreMissing(t *testing.T) {
	t.Parallel()
	w := open(t)
	row := w.made("one")
	id, e := things.ID(row), w.Env
	v := *w.Viewer
	v.OrganizationID = db.NewID()
	e.Viewer = &v
	nobody := relay.ID{Prefix: "thing", UUID: uuid.Max}
	for name, change := range map[string]func(id relay.ID) (*thing, error){
		"update":  func(id relay.ID) (*thing, error) { return things.Update(t.Context(), e, id, nil, renamed("x")) },
		"archive": func(id relay.ID) (*thing, error) { return things.Archive(t.Context(), e, id) },
		"restore": func(id relay.ID) (*thing, error) { return things.Restore(t.Context(), e, id) },
		"delete":  func(id relay.ID) (*thing, error) { return things.Delete(t.Context(), e, id) },
	} {
		got, foreign := change(id)
		require.Nil(t, got, name)
		refused(t, foreign, fault.Missing, "input.id")
		_, absent := change(nobody)
		require.Equal(t, absent, foreign, "%s: letter for letter", name)
		_, err := change(relay.ID{Prefix: "goal", UUID: id.UUID})
		require.Equal(t, fault.BadUserInput, fault.CodeOf(err), "%s: the id of another type", name)
	}
	require.Equal(t, int32(1), w.stored(id).Version)
	require.Len(t, w.audited(id), 1)
}

func TestConstraintsAreUserErrors(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.made("one")
	_, err := things.Create(t.Context(), w.Env, renamed("one"))
	refused(t, err, fault.Taken, "input.name")
	id := things.ID(w.made("two"))
	_, err = things.Update(t.Context(), w.Env, id, nil, renamed("one"))
	refused(t, err, fault.Taken, "input.name")
	require.Equal(t, 2, w.rows())
	require.Len(t, w.audited(id), 1)
	require.Len(t, w.out.events, 2)
}

func TestReplaysReturnTheFirstOutcome(t *testing.T) {
	t.Parallel()
	w := open(t)
	row := w.made("one")
	id := things.ID(row)
	for key, change := range map[string]func(ctx context.Context) (*thing, error){
		"create": func(ctx context.Context) (*thing, error) { return things.Create(ctx, w.Env, renamed("new")) },
		"update": func(ctx context.Context) (*thing, error) { return things.Update(ctx, w.Env, id, nil, renamed("other")) },
		"same": func(ctx context.Context) (*thing, error) {
			return things.Update(ctx, w.Env, id, nil, func(*thing, *fault.Check) {})
		},
		"archive": func(ctx context.Context) (*thing, error) { return things.Archive(ctx, w.Env, id) },
		"restore": func(ctx context.Context) (*thing, error) { return things.Restore(ctx, w.Env, id) },
		"delete": func(ctx context.Context) (*thing, error) {
			return things.Delete(ctx, w.Env, things.ID(row))
		},
	} {
		t.Run(key, func(t *testing.T) {
			if key == "delete" {
				row = w.made("to be deleted")
			}
			guard := w.outcomes.Request(w.Viewer, key, nil)
			first, err := change(db.WithGuard(t.Context(), guard.Guard("f")))
			require.NoError(t, err)
			rows, entries := w.rows(), len(w.audited(things.ID(first)))
			_, err = change(db.WithGuard(t.Context(), guard.Guard("f")))
			replay := idempotency.ReplayOf(err)
			require.NotNil(t, replay, "%v", err)
			var again *thing
			require.NoError(t, json.Unmarshal(replay.Outcome, &again))
			require.Equal(t, things.ID(first), things.ID(again))
			require.Equal(t, []any{first.Name, first.Version, first.Seen}, []any{again.Name, again.Version, again.Seen})
			require.True(t, first.UpdatedAt.Equal(again.UpdatedAt))
			require.Equal(t, []int{rows, entries}, []int{w.rows(), len(w.audited(things.ID(first)))}, "nothing is done twice")
		})
	}
}

func TestConcurrentChangesFollowEachOther(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.Outbox = quiet{}
	id := things.ID(w.made("one"))
	const crowd = 20
	together := func(change func() error) (errs []error) {
		errs = make([]error, crowd)
		var group sync.WaitGroup
		for i := range crowd {
			group.Go(func() { errs[i] = change() })
		}
		group.Wait()
		return errs
	}
	grow := func(row *thing, _ *fault.Check) { row.Count++ }
	require.NoError(t, errors.Join(together(func() error { _, err := things.Update(t.Context(), w.Env, id, nil, grow); return err })...))
	require.Equal(t, []int32{crowd, crowd + 1}, []int32{w.stored(id).Count, w.stored(id).Version}, "none is lost")
	require.Len(t, w.audited(id), crowd+1)

	read := w.stored(id).Version
	won := 0
	for _, err := range together(func() error { _, err := things.Update(t.Context(), w.Env, id, &read, grow); return err }) {
		if err == nil {
			won++
			continue
		}
		refused(t, err, fault.StaleVersion, "input.expectedVersion")
	}
	require.Equal(t, 1, won, "of those who have read the same version")

	won = 0
	for _, err := range together(func() error { _, err := things.Delete(t.Context(), w.Env, id); return err }) {
		if err == nil {
			won++
			continue
		}
		refused(t, err, fault.Missing, "input.id")
	}
	require.Equal(t, 1, won)
}

// quiet keeps nothing, so that many may use it at once.
type quiet struct{}

func (quiet) Emit(context.Context, *db.Tx, *viewer.Viewer, entity.Event) error { return nil }

func TestArchiveRestoreAndDeleteTwice(t *testing.T) {
	t.Parallel()
	w := open(t)
	id := things.ID(w.made("one"))
	twice := func(change func(context.Context, entity.Env, relay.ID) (*thing, error), at entity.Env, version int32, archived bool) {
		t.Helper()
		for _, e := range []entity.Env{at, w.Env} {
			row, err := change(t.Context(), e, id)
			require.NoError(t, err)
			require.Equal(t, version, row.Version)
			require.Equal(t, archived, row.ArchivedAt != nil)
			if archived {
				require.True(t, row.ArchivedAt.Equal(at.Now), "the first time counts")
			}
			require.Equal(t, archived, w.stored(id).ArchivedAt != nil)
		}
	}
	twice(things.Restore, w.later(), 1, false)
	twice(things.Archive, w.later(), 2, true)
	twice(things.Restore, w.later(), 3, false)
	row, err := things.Delete(t.Context(), w.Env, id)
	require.NoError(t, err)
	require.Equal(t, "one", row.Name, "as it was")
	require.Zero(t, w.rows())
	_, err = things.Delete(t.Context(), w.Env, id)
	refused(t, err, fault.Missing, "input.id")

	var actions []string
	for _, e := range w.audited(id) {
		actions = append(actions, e.Action)
		require.Equal(t, `{"theName": "one"}`, e.Changes)
	}
	require.Equal(t, []string{"odd_thing.created", "odd_thing.archived", "odd_thing.restored", "odd_thing.deleted"}, actions)
	require.Len(t, w.out.events, 2, "archiving is not declared as an event")
	require.Equal(t, "odd_thing.deleted", w.out.events[1].Type)
}

func TestWhatIsInUseIsNotDeleted(t *testing.T) {
	t.Parallel()
	w := open(t)
	id := things.ID(w.made("one"))
	_, err := w.Pool.Exec(t.Context(), "INSERT INTO t.parts VALUES ($1, $2)", w.Viewer.OrganizationID, id.UUID)
	require.NoError(t, err)
	_, err = things.Delete(t.Context(), w.Env, id)
	refused(t, err, fault.InvalidState, "input.id")
	require.Equal(t, 1, w.rows())
	require.Len(t, w.audited(id), 1)
}

// An event that cannot be told takes its change with it.
func TestEventsAreOfTheTransaction(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.out.err = errors.New("the outbox is full")
	_, err := things.Create(t.Context(), w.Env, renamed("one"))
	require.ErrorIs(t, err, w.out.err)
	w.Outbox = nil
	_, err = things.Create(t.Context(), w.Env, renamed("one"))
	require.ErrorContains(t, err, "there is no outbox")
	require.Zero(t, w.rows())
}

// What is not plain is made of the parts, in a transaction with what else belongs to it.
func TestPartsWorkInATransactionOfTheDomain(t *testing.T) {
	t.Parallel()
	w := open(t)
	row, err := things.Make(w.Env, renamed("one"))
	require.NoError(t, err)
	full := errors.New("one is too many")
	create := func(limit int) error {
		return w.Pool.InTx(t.Context(), noon.Add(time.Minute), func(tx *db.Tx) error {
			if err := things.Add(t.Context(), tx, w.Env, row); err != nil {
				return err
			}
			n, err := things.Count(t.Context(), tx, w.Viewer.Scope(), db.Where{})
			if err == nil && n > limit {
				err = full
			}
			return err
		})
	}
	require.ErrorIs(t, create(0), full)
	require.Zero(t, w.rows())
	require.NoError(t, create(1))
	id := things.ID(row)
	require.True(t, w.stored(id).CreatedAt.Equal(noon.Add(time.Minute)), "the time of the transaction")

	require.NoError(t, w.Pool.InTx(t.Context(), noon, func(tx *db.Tx) error {
		_, err := things.Change(t.Context(), tx, w.Env, "seen", id, nil, func(row *thing, _ *fault.Check) { row.Seen = 1 })
		return err
	}))
	require.Equal(t, entry{"odd_thing.seen", `{"theName": "one"}`, w.Viewer.ActorText()}, w.audited(id)[1])
}
