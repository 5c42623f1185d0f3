package entity

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"caseload/internal/audit"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// Verb is what was done to a row, as the audit log and events name it: "goal.created" is a noun and a verb. A domain
// that does something else has verbs of its own, such as "revoked".
type Verb string

// The verbs of plain entities.
const (
	Created  Verb = "created"
	Updated  Verb = "updated"
	Archived Verb = "archived"
	Restored Verb = "restored"
	Deleted  Verb = "deleted"
)

// Event is a change of a row, without its values.
type Event struct {
	// Type is a noun and a verb, such as "goal.created".
	Type string
	ID   relay.ID
	// Version grows with every change.
	Version int32
	// Changed are the columns that changed, for [Updated].
	Changed []string
}

// Outbox stores events in the transaction of the change.
type Outbox interface {
	Emit(ctx context.Context, tx *db.Tx, v *viewer.Viewer, e Event) error
}

// Env is the context of a change: the database, the time and the viewer.
type Env struct {
	Pool   *db.Pool
	Now    time.Time
	Viewer *viewer.Viewer
	// Outbox is needed by kinds that declare events.
	Outbox Outbox
}

// Kind declares a plain entity: its table, and what its rows are called in messages and in the audit log. It is made
// once, at start, and is safe for concurrent use.
//
// The audit log names the columns that an update changed. A struct tag says what more it holds: the value of a field with
// `audit:"name"` stands in the entry of every other verb, under that name; a column with `audit:"-"` is left out of the
// names of changed ones, as it is the server's own.
type Kind[T any, P Plain[T]] struct {
	*db.Table[T]
	noun   string
	events []Verb
	// shown are the columns whose values the audit log holds, by the name there; hidden are never named.
	shown  map[string]string
	hidden []string
}

// New declares a plain entity: its table, the prefix of its typed ids, what one is called ("claim code"), and the verbs
// that emit events. It panics when T is not a table's struct, as that is a mistake in the program.
func New[T any, P Plain[T]](table, prefix, noun string, events ...Verb) *Kind[T, P] {
	k := &Kind[T, P]{Table: db.NewTable[T](table, prefix), noun: noun, events: events, shown: map[string]string{}}
	for _, c := range k.Columns() {
		switch name := k.Type().FieldByIndex(c.Index).Tag.Get("audit"); name {
		case "":
		case "-":
			k.hidden = append(k.hidden, c.Name)
		default:
			k.shown[name] = c.Name
		}
	}
	return k
}

// ID returns the typed id of a row.
func (k *Kind[T, P]) ID(row *T) relay.ID {
	return relay.ID{Prefix: k.Prefix(), UUID: P(row).row().UUID}
}

// Create makes the row that fill fills, in a transaction of its own. What fill records in its check, which stands at
// "input", comes back as fault.UserErrors, and nothing is written; so does a violated constraint.
func (k *Kind[T, P]) Create(ctx context.Context, e Env, fill func(row *T, c *fault.Check)) (*T, error) {
	row, err := k.Make(e, fill)
	if err != nil {
		return nil, err
	}
	return db.InTx(ctx, e.Pool, e.Now, func(tx *db.Tx) (*T, error) { return row, k.Add(ctx, tx, e, row) })
}

// Update changes the row with an id, in a transaction of its own. A version other than the one that was read, where one
// is given, is STALE_VERSION; an id that nobody or another organization has is NOT_FOUND, at input.id. What merge records
// in its check comes back beside them. A merge that changes nothing writes nothing.
func (k *Kind[T, P]) Update(ctx context.Context, e Env, id relay.ID, read *int32, merge func(row *T, c *fault.Check)) (*T, error) {
	return db.InTx(ctx, e.Pool, e.Now, func(tx *db.Tx) (*T, error) { return k.Change(ctx, tx, e, Updated, id, read, merge) })
}

// Archive gives the row its archived_at, a column that the struct must have. One that is archived already stays as it is.
func (k *Kind[T, P]) Archive(ctx context.Context, e Env, id relay.ID) (*T, error) {
	return db.InTx(ctx, e.Pool, e.Now, func(tx *db.Tx) (*T, error) {
		return k.Change(ctx, tx, e, Archived, id, nil, func(row *T, _ *fault.Check) {
			if at := k.archivedAt(row); *at == nil {
				*at = &tx.Now
			}
		})
	})
}

// Restore takes the row's archived_at away. One that is not archived stays as it is.
func (k *Kind[T, P]) Restore(ctx context.Context, e Env, id relay.ID) (*T, error) {
	return db.InTx(ctx, e.Pool, e.Now, func(tx *db.Tx) (*T, error) {
		return k.Change(ctx, tx, e, Restored, id, nil, func(row *T, _ *fault.Check) { *k.archivedAt(row) = nil })
	})
}

// Delete removes the row, in a transaction of its own, and returns it as it was. One that others point at is
// INVALID_STATE.
func (k *Kind[T, P]) Delete(ctx context.Context, e Env, id relay.ID) (*T, error) {
	return db.InTx(ctx, e.Pool, e.Now, func(tx *db.Tx) (*T, error) { return k.Remove(ctx, tx, e, id) })
}

// Make returns a new row as fill fills it, to be written by [Kind.Add], or what is wrong with it.
func (k *Kind[T, P]) Make(e Env, fill func(row *T, c *fault.Check)) (*T, error) {
	row, c := new(T), fault.NewCheck("input")
	*P(row).row() = NewRow(e.Viewer.OrganizationID, e.Viewer.ActorText(), e.Now)
	fill(row, c)
	if err := c.Err(); err != nil {
		return nil, err
	}
	return row, nil
}

// Add writes a new row in a transaction of the caller's.
func (k *Kind[T, P]) Add(ctx context.Context, tx *db.Tx, e Env, row *T) error {
	base := P(row).row()
	base.CreatedAt, base.UpdatedAt = tx.Now, tx.Now
	if err := k.Insert(ctx, tx, e.Viewer.Scope(), row); err != nil {
		return db.Refused(err, "input")
	}
	return k.tell(ctx, tx, e, Created, row, nil)
}

// Change is [Kind.Update] in a transaction of the caller's, for any verb. The row is locked until the transaction ends.
func (k *Kind[T, P]) Change(ctx context.Context, tx *db.Tx, e Env, verb Verb, id relay.ID, read *int32, merge func(row *T, c *fault.Check)) (*T, error) {
	row, err := k.lock(ctx, tx, e, id)
	if err != nil {
		return nil, err
	}
	before, base, c := *row, P(row).row(), fault.NewCheck("input")
	input.Version(c, read, base.Version, k.noun)
	merge(row, c)
	if err := c.Err(); err != nil {
		return nil, err
	}
	changed := k.Differences(&before, row)
	if len(changed) == 0 {
		return row, nil
	}
	base.UpdatedAt, base.UpdatedBy = tx.Now, e.Viewer.ActorText()
	if err := k.Table.Update(ctx, tx, e.Viewer.Scope(), row); err != nil {
		return nil, db.Refused(err, "input")
	}
	return row, k.tell(ctx, tx, e, verb, row, changed)
}

// Remove is [Kind.Delete] in a transaction of the caller's.
func (k *Kind[T, P]) Remove(ctx context.Context, tx *db.Tx, e Env, id relay.ID) (*T, error) {
	row, err := k.lock(ctx, tx, e, id)
	if err != nil {
		return nil, err
	}
	base := P(row).row()
	if _, err := tx.Exec(ctx, "DELETE FROM "+k.Name()+" WHERE organization_id = $1 AND id = $2", base.OrganizationID, base.UUID); err != nil {
		// Only a reference to the row can keep it.
		if db.Violated(err) != "" {
			return nil, fault.UserErrors{{Code: fault.InvalidState, Message: "The " + k.noun + " is in use; remove it first from what uses it.", Path: []string{"input", "id"}}}
		}
		return nil, err
	}
	return row, k.tell(ctx, tx, e, Deleted, row, nil)
}

func (k *Kind[T, P]) lock(ctx context.Context, tx *db.Tx, e Env, id relay.ID) (*T, error) {
	u, err := id.As(k.Prefix())
	if err != nil {
		return nil, err
	}
	row, err := k.Lock(ctx, tx, e.Viewer.Scope(), u)
	if err != nil {
		return nil, input.NoSuch(err, k.noun, "input", "id")
	}
	return row, nil
}

// tell writes the audit entry of a change and emits its event, if one is declared: last, as an outbox takes locks that must be
// short.
func (k *Kind[T, P]) tell(ctx context.Context, tx *db.Tx, e Env, verb Verb, row *T, changed []string) error {
	changed = slices.DeleteFunc(changed, func(column string) bool { return slices.Contains(k.hidden, column) })
	fields := map[string]any{}
	if verb == Updated {
		fields["fields"] = changed
	} else {
		for name, column := range k.shown {
			fields[name] = k.Value(row, column)
		}
	}
	what := strings.ReplaceAll(strings.ToLower(k.noun), " ", "_") + "." + string(verb)
	if err := audit.Write(ctx, tx, e.Viewer, audit.Change{Action: what, Target: k.ID(row), Fields: fields}); err != nil {
		return err
	}
	if !slices.Contains(k.events, verb) {
		return nil
	}
	if e.Outbox == nil {
		return fmt.Errorf("tell of %s: there is no outbox", what)
	}
	return e.Outbox.Emit(ctx, tx, e.Viewer, Event{Type: what, ID: k.ID(row), Version: P(row).row().Version, Changed: changed})
}

// archivedAt returns the field of a row that says since when it is archived.
func (k *Kind[T, P]) archivedAt(row *T) **time.Time {
	return reflect.ValueOf(row).Elem().FieldByIndex(k.Column("archived_at").Index).Addr().Interface().(**time.Time)
}
