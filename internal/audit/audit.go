// Package audit is the append-only log of what was done: written in the same transaction as the
// change it tells of, never updated or deleted, and without personal values.
package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/db"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// Entry is one thing that was done.
type Entry struct {
	db.Row
	OccurredAt time.Time   `db:"occurred_at"`
	ActorKind  viewer.Kind `db:"actor_kind"`
	ActorID    string      `db:"actor_id"`
	ActorName  string      `db:"actor_name"`
	Action     string      `db:"action"`
	TargetID   string      `db:"target_id"`
	CustomerID *uuid.UUID  `db:"customer_id"`
	Changes    db.JSON     `db:"changes"`
	Reason     *string     `db:"reason"`
	RequestID  string      `db:"request_id"`
	IP         string      `db:"ip"`
}

// Entries declares the audit log.
var Entries = db.NewTable[Entry]("audit_entries", "aud")

// ID returns the typed id.
func (e *Entry) ID() relay.ID { return relay.ID{Prefix: Entries.Prefix(), UUID: e.UUID} }

// Filter narrows a list of audit entries.
type Filter struct {
	OccurredAt *relay.DateTimeFilter `filter:"occurred_at"`
	Action     *relay.StringFilter   `filter:"action"`
	Customer   *relay.IDFilter       `filter:"customer_id,cust"`
	And        []*Filter
	Or         []*Filter
	Not        *Filter
}

// List declares the list of audit entries, newest first.
var List = &relay.Spec[Entry]{
	Table:   Entries,
	Default: db.Order{{Column: "occurred_at", Desc: true}, {Column: "id", Desc: true}},
	Filter:  relay.FilterBy[Filter](nil),
}

// Change is what a caller says of what it did; who, when and from where are added by [Write].
type Change struct {
	// Action is a constant such as "customer.synced".
	Action string
	// Target is what it was done to.
	Target relay.ID
	// CustomerID is the customer concerned, or zero.
	CustomerID uuid.UUID
	// Fields are the names of what changed, with values only where they are not personal.
	Fields map[string]any
	Reason string
}

// Write appends entries in the caller's transaction, in one statement whatever their number.
func Write(ctx context.Context, tx *db.Tx, v *viewer.Viewer, changes ...Change) error {
	if len(changes) == 0 {
		return nil
	}
	if v.OrganizationID == uuid.Nil {
		return fmt.Errorf("write audit entry %s: the viewer has no organization", changes[0].Action)
	}
	n := len(changes)
	ids, actions, targets := make([]uuid.UUID, n), make([]string, n), make([]string, n)
	customers, fields, reasons := make([]*string, n), make([]string, n), make([]*string, n)
	for i, c := range changes {
		ids[i], actions[i], targets[i] = db.NewID(), c.Action, c.Target.String()
		if c.CustomerID != uuid.Nil {
			customers[i] = new(c.CustomerID.String())
		}
		text := []byte("{}")
		if len(c.Fields) > 0 {
			var err error
			if text, err = json.Marshal(c.Fields); err != nil {
				return fmt.Errorf("write audit entry %s: %w", c.Action, err)
			}
		}
		fields[i] = string(text)
		if c.Reason != "" {
			reasons[i] = &c.Reason
		}
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO audit_entries (organization_id, id, occurred_at, actor_kind, actor_id, actor_name, action, target_id, customer_id, changes, reason, request_id, ip)
		SELECT $1, e.id, $2, $3, $4, $5, e.action, e.target, CAST(e.customer AS uuid), CAST(e.fields AS jsonb), e.reason, $6, $7
		FROM unnest(CAST($8 AS uuid[]), CAST($9 AS text[]), CAST($10 AS text[]), CAST($11 AS text[]), CAST($12 AS text[]), CAST($13 AS text[]))
			AS e(id, action, target, customer, fields, reason)`,
		v.OrganizationID, tx.Now, v.Kind, v.ActorText(), v.ActorName, v.RequestID, v.IP,
		pq.Array(ids), pq.Array(actions), pq.Array(targets), pq.Array(customers), pq.Array(fields), pq.Array(reasons))
	if err != nil {
		return fmt.Errorf("write audit entries: %w", err)
	}
	return nil
}
