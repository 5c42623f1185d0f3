package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/lib/pq"
	"github.com/pressly/goose/v3"

	"caseload/internal/input"
)

// keysVersion is the migration that brings stored keys into their form. It is Go, since the form is.
const keysVersion = 15

// keyColumn is a column of keys of other systems, with the form in which they are compared.
type keyColumn struct {
	table, column string
	form          func(string) string
	// searched tells that a customer's search text holds the key.
	searched bool
}

// keyColumns are all columns of keys; those by which rows are unique come before those that only name them, so that a row
// and what names it get the same form.
var keyColumns = []keyColumn{
	{"customers", "reference_id", input.KeyForm, true},
	{"customers", "debtor_id", input.KeyForm, false},
	{"customers", "parent_source", input.KeyForm, false},
	{"customers", "parent_source_id", input.KeyForm, false},
	{"customers", "email", input.EmailForm, true},
	{"customers", "language", input.LanguageForm, false},
	{"customer_identifiers", "source", input.KeyForm, false},
	{"customer_identifiers", "source_id", input.KeyForm, true},
	{"accounts", "source", input.KeyForm, false},
	{"accounts", "source_account_id", input.KeyForm, false},
	{"accounts", "source_portfolio_id", input.KeyForm, false},
	{"accounts", "primary_source_customer_id", input.KeyForm, false},
	{"account_holders", "source", input.KeyForm, false},
	{"account_holders", "source_customer_id", input.KeyForm, false},
	{"cards", "source", input.KeyForm, false},
	{"cards", "source_customer_id", input.KeyForm, false},
}

// KeyCollision is a stored key that cannot get its form: another row has that already, or nothing of the key can be seen.
// Which of the rows is right is for a person to say: merge them, or delete one.
type KeyCollision struct {
	OrganizationID, Row string
	Table, Column       string
	// Taken tells that another row has the key in its form; otherwise the key is empty in it.
	Taken bool
}

// NormalizeKeys brings every stored key of another system, e-mail address and language tag into the form in which they are read
// and compared, and returns those that stay as they are, by table and row. It goes through one organization after
// another in small steps, holds no lock for longer than one row, may be stopped and run again, and runs beside servers.
func NormalizeKeys(ctx context.Context, db *sql.DB) ([]KeyCollision, error) {
	organizations, err := texts(ctx, db, `SELECT organization_id::text FROM organizations ORDER BY organization_id`)
	if err != nil {
		return nil, fmt.Errorf("list organizations: %w", err)
	}
	var left []KeyCollision
	for _, organization := range organizations {
		for _, column := range keyColumns {
			found, err := column.normalize(ctx, db, organization)
			if err != nil {
				return left, fmt.Errorf("normalize %s.%s: %w", column.table, column.column, err)
			}
			left = append(left, found...)
		}
	}
	return left, nil
}

// keyBatch is how many rows are read at once.
const keyBatch = 1000

func (k keyColumn) normalize(ctx context.Context, db *sql.DB, organization string) (left []KeyCollision, err error) {
	// Keys that are printable ASCII without spaces at their ends are in their form, and nearly all are; e-mail addresses and tags
	// may have other case.
	suspect := fmt.Sprintf(`(%[1]s ~ '[^ -~]|^ | $' OR %[1]s = '')`, k.column)
	switch k.column {
	case "email":
		suspect = `(email ~ '[^ -~]|^ | $|@.*[A-Z]')`
	case "language":
		suspect = `(language ~ '[^ -~]|^ | $|[A-Z]|-[a-z]{2}(-|$)|-[a-z]{4}(-|$)')`
	}
	query := fmt.Sprintf(`SELECT id::text, %s FROM %s WHERE organization_id = $1 AND id > $2 AND %s ORDER BY id LIMIT %d`, k.column, k.table, suspect, keyBatch)
	for after := "00000000-0000-0000-0000-000000000000"; ; {
		rows, err := pairs(ctx, db, query, organization, after)
		if err != nil || len(rows) == 0 {
			return left, err
		}
		for _, row := range rows {
			id, stored := row[0], row[1]
			after = id
			form := k.form(stored)
			switch {
			case form == stored:
				continue
			case form == "":
				left = append(left, KeyCollision{organization, id, k.table, k.column, false})
				continue
			}
			var taken *pq.Error
			if err := k.put(ctx, db, organization, id, stored, form); errors.As(err, &taken) && taken.Code == "23505" {
				left = append(left, KeyCollision{organization, id, k.table, k.column, true})
			} else if err != nil {
				return left, err
			}
		}
	}
}

// put writes one key, if it is still the one that was read, and what the search finds it by.
func (k keyColumn) put(ctx context.Context, db *sql.DB, organization, id, stored, form string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	if _, err := tx.ExecContext(ctx, fmt.Sprintf(`UPDATE %[1]s SET %[2]s = $4 WHERE organization_id = $1 AND id = $2 AND %[2]s = $3`, k.table, k.column),
		organization, id, stored, form); err != nil {
		return err
	}
	if k.searched {
		whose := `id = $2`
		if k.table != "customers" {
			whose = fmt.Sprintf(`id = (SELECT customer_id FROM %s WHERE organization_id = $1 AND id = $2)`, k.table)
		}
		if _, err := tx.ExecContext(ctx, `UPDATE customers SET search_text = replace(search_text, $3, $4) WHERE organization_id = $1 AND `+whose,
			organization, id, strings.ToLower(stored), strings.ToLower(form)); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func texts(ctx context.Context, db *sql.DB, query string, args ...any) (out []string, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

func pairs(ctx context.Context, db *sql.DB, query string, args ...any) (out [][2]string, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	for rows.Next() {
		var p [2]string
		if err := rows.Scan(&p[0], &p[1]); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

// normalizeKeys is the migration. Keys that stay do not stop it: `caseload migrate keys` lists them at any time.
func normalizeKeys() *goose.Migration {
	m := goose.NewGoMigration(keysVersion,
		&goose.GoFunc{RunDB: func(ctx context.Context, db *sql.DB) error {
			_, err := NormalizeKeys(ctx, db)
			return err
		}},
		// The form of before is not known any more, and none needs it.
		&goose.GoFunc{RunDB: func(context.Context, *sql.DB) error { return nil }})
	m.Source = fmt.Sprintf("%05d_keys.go", keysVersion)
	return m
}
