package intake_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
	"caseload/internal/customer"
	"caseload/internal/customer/intake"
)

// benchRows is how many customers a pass of the benchmarks brings, in calls of the largest size.
const benchRows = 20_000

// benchRow is a customer as a source system has it. The variant changes what comes with the second state of it.
func benchRow(i, variant int) *intake.UpsertRow {
	return &intake.UpsertRow{
		SourceID: fmt.Sprintf("bench-%07d", i), DebtorID: val(fmt.Sprint("D", i)), FirstName: val(fmt.Sprintf("First%d", i%977)),
		LastName: val(fmt.Sprintf("Last%d", i%7919)), Email: val(fmt.Sprintf("person%d.v%d@example.com", i, variant)),
		DateOfBirth: val(fmt.Sprintf("19%02d-0%d-1%d", 50+i%50, 1+i%9, i%10)), Gender: val("Female"), PrimaryLanguage: val("en"),
		Phone: val(fmt.Sprintf("+1212555%04d", i%10000)),
		Addresses: graphql.OmittableOf([]*customer.AddressInput{{
			Line1: val(fmt.Sprintf("%d Main Street", i)), City: val("New York"), State: val("NY"), PostalCode: val("10001"),
		}}),
	}
}

func benchBatches(change func(i int) int) []intake.BulkUpsertInput {
	var out []intake.BulkUpsertInput
	for from := 0; from < benchRows; from += batch.MaxRows {
		in := intake.BulkUpsertInput{Source: "bench"}
		for i := from; i < from+batch.MaxRows; i++ {
			in.Customers = append(in.Customers, benchRow(i, change(i)))
		}
		out = append(out, in)
	}
	return out
}

// BenchmarkBulkUpsert measures rows a second of the three passes that docs/performance.md tells of.
func BenchmarkBulkUpsert(b *testing.B) {
	w := newWorld(b)
	passes := []struct {
		name string
		rows []intake.BulkUpsertInput
	}{
		{"insert", benchBatches(func(int) int { return 0 })},
		{"half changed", benchBatches(func(i int) int { return i % 2 })},
		{"no-op", benchBatches(func(i int) int { return i % 2 })},
	}
	for b.Loop() {
		w.v.OrganizationID = uuid.New()
		for n, pass := range passes {
			if n == 1 {
				analyze(b, w)
			}
			start := time.Now()
			for _, in := range pass.rows {
				result, err := w.BulkUpsert(b.Context(), w.v, in)
				require.NoError(b, err)
				require.Zero(b, result.Counts.Failed, "%v", result.Results[0].UserErrors)
			}
			b.ReportMetric(benchRows/time.Since(start).Seconds(), strings.ReplaceAll(pass.name, " ", "-")+"-rows/s")
		}
	}
}

// BenchmarkCopyAndMerge is what the same rows cost by COPY and the hand-written merge, without checks, results and the
// audit log: what there is to compare [BenchmarkBulkUpsert] with.
func BenchmarkCopyAndMerge(b *testing.B) {
	w := newWorld(b)
	copied := []string{"source_id", "debtor_id", "first_name", "last_name", "email", "birthday", "gender", "language", "phone", "line1", "city", "state", "postal_code"}
	for b.Loop() {
		organization := uuid.New()
		for n, pass := range []struct {
			name   string
			change func(i int) int
		}{{"insert", func(int) int { return 0 }}, {"half changed", func(i int) int { return i % 2 }}, {"no-op", func(i int) int { return i % 2 }}} {
			if n == 1 {
				analyze(b, w)
			}
			start := time.Now()
			tx, err := w.pool.SQL().BeginTx(b.Context(), nil)
			require.NoError(b, err)
			_, err = tx.Exec("CREATE TEMP TABLE sent (source_id text, debtor_id text, first_name text, last_name text, email text, birthday date, gender text, language text, phone text, line1 text, city text, state text, postal_code text) ON COMMIT DROP")
			require.NoError(b, err)
			st, err := tx.Prepare("COPY sent (" + strings.Join(copied, ", ") + ") FROM STDIN")
			require.NoError(b, err)
			for i := range benchRows {
				r := benchRow(i, pass.change(i))
				a := r.Addresses.Value()[0]
				_, err = st.Exec(r.SourceID, *r.DebtorID.Value(), *r.FirstName.Value(), *r.LastName.Value(), *r.Email.Value(), *r.DateOfBirth.Value(), "FEMALE", "en", *r.Phone.Value(),
					*a.Line1.Value(), *a.City.Value(), *a.State.Value(), *a.PostalCode.Value())
				require.NoError(b, err)
			}
			_, err = st.Exec()
			require.NoError(b, err)
			require.NoError(b, st.Close())
			for _, query := range mergeSQL {
				_, err = tx.Exec(strings.ReplaceAll(query, ":org", "'"+organization.String()+"'"))
				require.NoError(b, err, query)
			}
			require.NoError(b, tx.Commit())
			b.ReportMetric(benchRows/time.Since(start).Seconds(), strings.ReplaceAll(pass.name, " ", "-")+"-rows/s")
		}
	}
}

// analyze does what autovacuum does in time: a plan made on an empty table would be kept.
func analyze(b *testing.B, w *world) {
	_, err := w.pool.SQL().Exec("ANALYZE customers, customer_identifiers, customer_phones, customer_addresses")
	require.NoError(b, err)
}

var mergeSQL = []string{
	`CREATE TEMP TABLE matched ON COMMIT DROP AS SELECT s.*, coalesce(i.customer_id, gen_random_uuid()) AS customer_id, i.customer_id IS NULL AS is_new
		FROM sent s LEFT JOIN customer_identifiers i ON i.organization_id = :org AND i.source = 'bench' AND i.source_id = s.source_id AND i.language = 'en'`,
	`INSERT INTO customers AS t (organization_id, id, first_name, last_name, email, birthday, debtor_id, gender, language, search_text, created_at, updated_at, created_by, updated_by)
		SELECT :org, customer_id, first_name, last_name, email, birthday, debtor_id, gender, language,
			lower(first_name || ' ' || last_name || ' ' || email || ' ' || substr(phone, 2) || ' ' || source_id), now(), now(), 'x', 'x' FROM matched
		ON CONFLICT (organization_id, id) DO UPDATE SET first_name = excluded.first_name, last_name = excluded.last_name, email = excluded.email, birthday = excluded.birthday,
			debtor_id = excluded.debtor_id, gender = excluded.gender, language = excluded.language, search_text = excluded.search_text, updated_at = excluded.updated_at, version = t.version + 1
		WHERE (t.first_name, t.last_name, t.email, t.birthday, t.debtor_id, t.gender, t.language) IS DISTINCT FROM
			(excluded.first_name, excluded.last_name, excluded.email, excluded.birthday, excluded.debtor_id, excluded.gender, excluded.language)`,
	`INSERT INTO customer_identifiers (organization_id, id, customer_id, source, source_id, language, created_at)
		SELECT :org, gen_random_uuid(), customer_id, 'bench', source_id, 'en', now() FROM matched WHERE is_new`,
	`INSERT INTO customer_phones AS t (organization_id, id, customer_id, label, number, created_at, updated_at)
		SELECT :org, gen_random_uuid(), customer_id, 'PRIMARY', phone, now(), now() FROM matched
		ON CONFLICT (organization_id, customer_id, label) DO UPDATE SET number = excluded.number, updated_at = excluded.updated_at WHERE t.number <> excluded.number`,
	`INSERT INTO customer_addresses AS t (organization_id, id, customer_id, label, line1, city, state, postal_code, created_at, updated_at)
		SELECT :org, gen_random_uuid(), customer_id, 'PRIMARY', line1, city, state, postal_code, now(), now() FROM matched
		ON CONFLICT (organization_id, customer_id, label) DO UPDATE SET line1 = excluded.line1, city = excluded.city, state = excluded.state, postal_code = excluded.postal_code, updated_at = excluded.updated_at
		WHERE (t.line1, t.city, t.state, t.postal_code) IS DISTINCT FROM (excluded.line1, excluded.city, excluded.state, excluded.postal_code)`,
}
