package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river"

	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/jobs"
)

// keysVersion is the migration that brings stored keys into their form. It is Go, since the form is.
const keysVersion = 15

// keyColumn is a column of keys of other systems, with the form in which they are compared.
type keyColumn struct {
	table, column string
	form          func(string) string
	// limit is the length of a key, 0 for what is no key and is only brought into its form.
	limit int
	// searched tells that a customer's search text holds the key.
	searched bool
}

// The limits of keys.
const (
	maxSource = 64
	maxKey    = 255
)

// keyColumns are all columns of keys; those by which rows are unique come before those that only name them, so that a row
// and what names it get the same form.
var keyColumns = []keyColumn{
	{"customers", "reference_id", input.KeyForm, maxKey, true},
	{"customers", "debtor_id", input.KeyForm, maxKey, false},
	{"customers", "parent_source", input.KeyForm, maxSource, false},
	{"customers", "parent_source_id", input.KeyForm, maxKey, false},
	{"customers", "email", input.EmailForm, 0, true},
	{"customers", "language", input.LanguageForm, 0, false},
	{"customer_identifiers", "source", input.KeyForm, maxSource, false},
	{"customer_identifiers", "source_id", input.KeyForm, maxKey, true},
	{"accounts", "source", input.KeyForm, maxSource, false},
	{"accounts", "source_account_id", input.KeyForm, maxKey, false},
	{"accounts", "source_portfolio_id", input.KeyForm, maxKey, false},
	{"accounts", "primary_source_customer_id", input.KeyForm, maxKey, false},
	{"account_holders", "source", input.KeyForm, maxSource, false},
	{"account_holders", "source_customer_id", input.KeyForm, maxKey, false},
	{"cards", "source", input.KeyForm, maxSource, false},
	{"cards", "source_customer_id", input.KeyForm, maxKey, false},
}

// StoredKey is a stored key that only a person can bring in order.
type StoredKey struct {
	OrganizationID, Row string
	Table, Column       string
	// Taken reports that the key stays as it is since another row has it in its form. Otherwise nobody can send the key any more:
	// nothing of it can be seen, or [input.Key] refuses it.
	Taken bool
}

// NormalizeKeys brings every stored key of another system, e-mail address and language tag into the form in which they are read and
// compared, removes what only repeats another key of the same customer, and enqueues the jobs that link those who waited for a key.
// It tells left of each key that is left for a person, by table and row, without those of customers that are deleted.
//
// It goes through one organization after another and locks one customer, or one other row, at a time, customers before what belongs
// to them as servers do. It may be stopped and run again, and runs beside servers.
func NormalizeKeys(ctx context.Context, db *sql.DB, left func(StoredKey)) error {
	organizations, err := read(ctx, db, `SELECT organization_id::text FROM organizations ORDER BY organization_id`)
	if err != nil {
		return fmt.Errorf("list organizations: %w", err)
	}
	for _, organization := range organizations {
		for _, column := range keyColumns {
			if err := column.normalize(ctx, db, organization[0], left); err != nil {
				return fmt.Errorf("normalize %s.%s: %w", column.table, column.column, err)
			}
		}
		if err := enqueueLinks(ctx, db, organization[0]); err != nil {
			return fmt.Errorf("enqueue the links of those who waited: %w", err)
		}
	}
	return nil
}

// keyBatch is how many rows are read at once.
const keyBatch = 5000

// Which rows of a table belong to deleted customers; the others have no owner that can be deleted.
var deletedSQL = map[string]string{
	"customers":            `t.deleted_at IS NOT NULL`,
	"customer_identifiers": `EXISTS (SELECT FROM customers c WHERE c.organization_id = $1 AND c.id = t.customer_id AND c.deleted_at IS NOT NULL)`,
}

func (k keyColumn) normalize(ctx context.Context, db *sql.DB, organization string, left func(StoredKey)) error {
	deleted := deletedSQL[k.table]
	if deleted == "" {
		deleted = "false"
	}
	query := fmt.Sprintf(`SELECT t.id::text, t.%[1]s, (%[2]s)::text FROM %[3]s t WHERE t.organization_id = $1 AND t.id > $2 AND t.%[1]s IS NOT NULL ORDER BY t.id LIMIT %[4]d`,
		k.column, deleted, k.table, keyBatch)
	for after := "00000000-0000-0000-0000-000000000000"; ; {
		rows, err := read(ctx, db, query, organization, after)
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, row := range rows {
			id, stored := row[0], row[1]
			after = id
			form := k.form(stored)
			taken := false
			if form != stored && form != "" {
				if taken, err = k.put(ctx, db, organization, id, stored, form); err != nil {
					return err
				}
			}
			if row[2] == "false" && (taken || k.limit > 0 && input.Key(fault.NewCheck(), form, k.limit) == "") {
				left(StoredKey{organization, id, k.table, k.column, taken})
			}
		}
	}
}

// maxTries is how often a statement is run that servers stand in the way of.
const maxTries = 5

// retry runs f again while other writers lock what it needs, or change it at the same time.
func retry(f func() error) error {
	for try := 1; ; try++ {
		err := f()
		var refused *pq.Error
		if !errors.As(err, &refused) || try == maxTries || !slices.Contains([]pqerror.Code{"40001", "40P01", "55P03"}, refused.Code) {
			return err
		}
	}
}

// put writes one key in its form, if it is still the one that was read, and what the search finds it by. It reports whether the key
// stays as it is, since another row has that form.
func (k keyColumn) put(ctx context.Context, db *sql.DB, organization, id, stored, form string) (taken bool, err error) {
	err = retry(func() error { return k.putOnce(ctx, db, organization, id, stored, form) })
	var refused *pq.Error
	if errors.As(err, &refused) {
		switch refused.Code {
		case "23505":
			return true, nil
		case "23514": // NFC can be longer than what was stored; nobody can send such a key
			return false, nil
		}
	}
	return false, err
}

func (k keyColumn) putOnce(ctx context.Context, db *sql.DB, organization, id, stored, form string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	exec := func(query string, args ...any) {
		if err == nil {
			_, err = tx.ExecContext(ctx, query, append([]any{organization, id}, args...)...)
		}
	}
	customer := `id = $2`
	switch {
	case k.table == "customer_identifiers":
		other := "source_id"
		if k.column == other {
			other = "source"
		}
		customer = `id = (SELECT customer_id FROM customer_identifiers WHERE organization_id = $1 AND id = $2)`
		exec(`SELECT FROM customers WHERE organization_id = $1 AND ` + customer + ` FOR UPDATE`)
		// A customer into which others were merged has their spellings too.
		exec(fmt.Sprintf(`DELETE FROM customer_identifiers i USING customer_identifiers k
			WHERE i.organization_id = $1 AND i.id = $2 AND i.%[1]s = $3
				AND k.organization_id = $1 AND k.customer_id = i.customer_id AND k.%[1]s = $4 AND k.%[2]s = i.%[2]s AND k.language = i.language`, k.column, other), stored, form)
	case k.column == "reference_id":
		exec(`SELECT FROM customers WHERE organization_id = $1 AND (id = $2 OR merged_into_id = $2) ORDER BY id FOR UPDATE`)
		exec(`UPDATE customers SET reference_id = NULL WHERE organization_id = $1 AND merged_into_id = $2 AND reference_id = $3`, form)
	}
	exec(fmt.Sprintf(`UPDATE %[1]s SET %[2]s = $4 WHERE organization_id = $1 AND id = $2 AND %[2]s = $3`, k.table, k.column), stored, form)
	if k.searched {
		// Values with spaces between them: what only looks like the key within another value stays.
		exec(`UPDATE customers SET search_text = right(left(replace(' ' || search_text || ' ', ' ' || CAST($3 AS text) || ' ', ' ' || CAST($4 AS text) || ' '), -1), -1)
			WHERE organization_id = $1 AND `+customer, strings.ToLower(stored), strings.ToLower(form))
	}
	if err != nil {
		return err
	}
	return tx.Commit()
}

// linkArgs are the arguments of the job of [intake.LinkParentsArgs], which the tests of that package keep from being imported here:
// their databases are made by this one.
type linkArgs struct {
	Organization string   `json:"organization"`
	Identifiers  []string `json:"identifiers"`
}

// Kind implements river.JobArgs.
func (linkArgs) Kind() string { return "customers.lead" }

const (
	// arrivedSQL waits for transactions that took no notice of keys in their form while they brought customers; later ones see them.
	arrivedSQL = `SELECT pg_advisory_xact_lock(hashtextextended('arrivals of ' || CAST($1 AS text), 0))`

	// awaitedSQL finds identifiers for which somebody waits: a child, an account or a card.
	awaitedSQL = `
		SELECT DISTINCT i.id::text FROM (
			SELECT parent_source AS source, parent_source_id AS source_id, coalesce(parent_language, '') AS language
				FROM customers WHERE organization_id = $1 AND parent_id IS NULL AND parent_source_id IS NOT NULL
			UNION SELECT source, source_customer_id, '' FROM account_holders WHERE organization_id = $1 AND customer_id IS NULL
			UNION SELECT source, source_customer_id, '' FROM cards WHERE organization_id = $1 AND customer_id IS NULL
		) w JOIN customer_identifiers i ON i.organization_id = $1 AND i.source = w.source AND i.source_id = w.source_id AND i.language = w.language`
)

// linksOfJob is how many identifiers a job links: an attempt begins with the first, so all must be done within its timeout.
const linksOfJob = 500

// enqueueLinks enqueues the jobs that link those who waited for keys, and can be linked now that they have their form.
func enqueueLinks(ctx context.Context, db *sql.DB, organization string) error {
	if err := retry(func() error { _, err := db.ExecContext(ctx, arrivedSQL, organization); return err }); err != nil {
		return err
	}
	awaited, err := read(ctx, db, awaitedSQL, organization)
	if err != nil || len(awaited) == 0 {
		return err
	}
	var links []river.InsertManyParams
	for chunk := range slices.Chunk(awaited, linksOfJob) {
		args := linkArgs{Organization: organization}
		for _, row := range chunk {
			args.Identifiers = append(args.Identifiers, row[0])
		}
		links = append(links, river.InsertManyParams{Args: args})
	}
	client, err := jobs.Inserter(db)
	if err != nil {
		return err
	}
	_, err = client.InsertMany(ctx, links)
	return err
}

// read returns rows of texts.
func read(ctx context.Context, db *sql.DB, query string, args ...any) (out [][]string, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		row, to := make([]string, len(columns)), make([]any, len(columns))
		for i := range row {
			to[i] = &row[i]
		}
		if err := rows.Scan(to...); err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, rows.Err()
}

// normalizeKeys is the migration. Keys that stay do not stop it: `caseload migrate keys` lists them at any time.
func normalizeKeys() *goose.Migration {
	m := goose.NewGoMigration(keysVersion,
		&goose.GoFunc{RunDB: func(ctx context.Context, db *sql.DB) error {
			return NormalizeKeys(ctx, db, func(StoredKey) {})
		}},
		// The form of before is not known any more, and none needs it.
		&goose.GoFunc{RunDB: func(context.Context, *sql.DB) error { return nil }})
	m.Source = fmt.Sprintf("%05d_keys.go", keysVersion)
	return m
}
