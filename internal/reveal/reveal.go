// Package reveal shows sealed values in full, one at a time, to callers who say why. Each look is an entry of the audit log.
package reveal

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"caseload/internal/audit"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// Field names a kind of value; the names are those of the enum PiiField.
type Field string

// Value declares one kind of sealed value: in which rows it is, and how it is opened.
type Value struct {
	Field Field
	// Prefix begins the ids of its rows, and Noun is what such a row is called, such as "customer".
	Prefix, Noun string
	// Open reads the value of a row, "" when none is stored, and which customer it is about, zero when none is known. A row that the
	// scope does not have is fault.NotFound.
	Open func(ctx context.Context, tx *db.Tx, sc db.Scope, id uuid.UUID) (value string, customer uuid.UUID, err error)
}

// Input is what revealPii needs.
type Input struct {
	ID     relay.ID
	Field  Field
	Reason string
}

// Service reveals the values that were declared to it. It is safe for concurrent use.
type Service struct {
	pool   *db.Pool
	now    func() time.Time
	values map[Field]Value
}

// New makes a service. Each kind of value is declared once.
func New(pool *db.Pool, now func() time.Time, values ...Value) *Service {
	s := &Service{pool, now, make(map[Field]Value, len(values))}
	for _, v := range values {
		if _, ok := s.values[v.Field]; ok {
			panic("reveal: two declarations of " + string(v.Field))
		}
		s.values[v.Field] = v
	}
	return s
}

// Fields returns the kinds of values that were declared, with the prefix of the ids that go with each.
func (s *Service) Fields() map[Field]string {
	out := make(map[Field]string, len(s.values))
	for f, v := range s.values {
		out[f] = v.Prefix
	}
	return out
}

// Reveal returns one value of one row in full, "" when none is stored, and writes who asked and why to the audit log, also when
// there is nothing to reveal. The id of a type that has no such value is BAD_USER_INPUT.
func (s *Service) Reveal(ctx context.Context, v *viewer.Viewer, in Input) (string, error) {
	declared, ok := s.values[in.Field]
	if !ok {
		return "", fmt.Errorf("reveal: %s is declared nowhere", in.Field)
	}
	id, err := in.ID.As(declared.Prefix)
	if err != nil {
		return "", fault.New(fault.BadUserInput, "This is the id of another type; %s goes with the id of its %s, which begins with %s_.", in.Field, declared.Noun, declared.Prefix)
	}
	c := fault.NewCheck("input")
	reason := input.Reason(c.At("reason"), &in.Reason, 10, 500)
	if err := c.Err(); err != nil {
		return "", err
	}
	var value string
	err = s.pool.InTx(ctx, s.now(), func(tx *db.Tx) error {
		var about uuid.UUID
		if value, about, err = declared.Open(ctx, tx, v.Scope(), id); err != nil {
			return input.NoSuch(err, declared.Noun, "input", "id")
		}
		return audit.Write(ctx, tx, v, audit.Change{Action: declared.Noun + ".pii_revealed", Target: in.ID, CustomerID: about, Reason: reason,
			Fields: map[string]any{"fields": []string{string(in.Field)}, "provided": value != ""}})
	})
	if err != nil {
		return "", err
	}
	return value, nil
}
