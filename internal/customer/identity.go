package customer

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/civil"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/pii"
	"caseload/internal/viewer"
)

// Identities are the birthdays and social security numbers in the rows of one call, by the key of the customer. One key with two
// of either is a mistake of the sender: the later row would overwrite one person's data with another's.
type Identities[K comparable] map[K]identity

type identity struct {
	birthday civil.Date
	ssn      pii.SSN
}

// Check records at the fields of a row which of them differ from an earlier row of the same key, and removes those from the row.
func (s Identities[K]) Check(c *fault.Check, key K, birthday, ssn *graphql.Omittable[*string]) {
	another := func(field string, in *graphql.Omittable[*string]) {
		c.At(field).Add(fault.DuplicateInputItem, "The same customer stands in this call before, with another %s. Send the same wherever it is named.", field)
		*in = graphql.Omittable[*string]{}
	}
	otherBirthday, otherSSN := s.Differ(key, &Line{Check: c, BirthdayField: "birthday", Birthday: *birthday, SSN: *ssn})
	if otherBirthday {
		another("birthday", birthday)
	}
	if otherSSN {
		another("ssn", ssn)
	}
}

// Differ reports which of the two differ from an earlier row of the same key. What is wrong or cannot be read differs from nothing,
// and nothing from it.
func (s Identities[K]) Differ(key K, row *Line) (otherBirthday, otherSSN bool) {
	known := s[key]
	otherBirthday = differs(row, row.BirthdayField, row.Birthday, &known.birthday, func(text string) (civil.Date, bool) {
		return input.Date(fault.NewCheck(), text)
	})
	otherSSN = differs(row, "ssn", row.SSN, &known.ssn, func(text string) (pii.SSN, bool) {
		ssn, err := pii.ParseSSN(input.Form(text))
		return ssn, err == nil
	})
	s[key] = known
	return otherBirthday, otherSSN
}

func differs[T comparable](row *Line, field string, in graphql.Omittable[*string], known *T, read func(string) (T, bool)) bool {
	if in.Value() == nil || row.Check.Has(field) {
		return false
	}
	value, ok := read(*in.Value())
	if !ok {
		return false
	}
	var unknown T
	if *known == unknown {
		*known = value
	}
	return value != *known
}

// Line is a row of a call, or a line of a file that was applied to a customer, with the birthday and the social security number
// that it gives.
type Line struct {
	Record        *Record
	Check         *fault.Check
	BirthdayField string
	Birthday, SSN graphql.Omittable[*string]
}

// changedBeforeSQL finds which of the two a request changed of customers since a time; who was created had none before. Clients may
// choose the id of a request: what others of the same id changed since counts too. Entries of before this version may have null
// in the place of an empty list.
const changedBeforeSQL = `
	SELECT DISTINCT a.customer_id, f.name
	FROM audit_entries a, jsonb_array_elements_text(CASE jsonb_typeof(a.changes->'fields') WHEN 'array' THEN a.changes->'fields' ELSE '[]' END) AS f(name)
	WHERE a.organization_id = $1 AND a.customer_id = ANY($2) AND a.occurred_at >= $3 AND a.request_id = $4 AND f.name IN ('created', 'birthday', 'ssn')`

// CheckLines records at the lines of a file, begun at a time, which give a customer another birthday or social security number
// than an earlier line of the file: in this transaction, or in one before it by the same request. Unlike the rows of one call
// they are applied nevertheless, since each line of a file acts as a call of its own. It is called before [Service.Save], and
// asks the database only where a stored value changes.
func CheckLines(ctx context.Context, tx *db.Tx, v *viewer.Viewer, begun time.Time, lines []Line) error {
	birthdays, ssns := map[uuid.UUID]bool{}, map[uuid.UUID]bool{}
	var changed []uuid.UUID
	for _, l := range lines {
		now, before := &l.Record.Customer, &l.Record.stored.Customer
		birthdays[now.UUID] = now.Birthday != nil && before.Birthday != nil && !Same(now.Birthday, before.Birthday)
		ssns[now.UUID] = now.SSNSealed != nil && before.SSNSealed != nil && !bytes.Equal(now.SSNSealed, before.SSNSealed)
		if birthdays[now.UUID] || ssns[now.UUID] {
			changed = append(changed, now.UUID)
		}
	}
	type change struct {
		CustomerID uuid.UUID `db:"customer_id"`
		Name       string
	}
	earlier := map[change]bool{}
	if len(changed) > 0 {
		var found []change
		if err := tx.Select(ctx, &found, changedBeforeSQL, v.OrganizationID, pq.Array(changed), begun, v.RequestID); err != nil {
			return fmt.Errorf("look up earlier lines: %w", err)
		}
		for _, f := range found {
			earlier[f] = true
		}
	}
	identities := Identities[*Record]{}
	for i := range lines {
		l := &lines[i]
		id := l.Record.Customer.UUID
		otherBirthday, otherSSN := identities.Differ(l.Record, l)
		note := func(field, name string, differs bool, changes map[uuid.UUID]bool, in graphql.Omittable[*string]) {
			if in.Value() != nil && !l.Check.Has(field) && changes[id] && (earlier[change{id, name}] || earlier[change{id, "created"}]) {
				differs, changes[id] = true, false
			}
			if differs {
				l.Check.At(field).Add(fault.DuplicateInputItem, "An earlier line of this file gives the same customer another %s; the last one counts.", field)
			}
		}
		note(l.BirthdayField, "birthday", otherBirthday, birthdays, l.Birthday)
		note("ssn", "ssn", otherSSN, ssns, l.SSN)
	}
	return nil
}
