package intake_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
	"caseload/internal/customer/customertest"
	"caseload/internal/customer/intake"
	"caseload/internal/db"
	"caseload/internal/fault"
)

const seedCustomer = customertest.SeedCustomer

// decodeCreate reads a line as the binding of the kind does.
func decodeCreate(text string) (*intake.CreateRow, fault.UserErrors) {
	in, row := intake.CreateRows.Decode([]byte(text))
	return in, row.UserErrors
}

// create calls Create under a policy and expects no error of the call as a whole.
func (w *world) create(t testing.TB, policy batch.ErrorPolicy, rows ...string) *intake.CreateResult {
	t.Helper()
	result, err := w.Create(t.Context(), w.v, intake.CreateInput{Customers: customertest.CreateRows(t, rows...), ErrorPolicy: policy})
	require.NoError(t, err)
	require.Len(t, result.Results, len(rows))
	return result
}

// actions are what became of the rows.
func actions(r *intake.CreateResult) []batch.Action {
	var out []batch.Action
	for _, row := range r.Results {
		out = append(out, row.Action)
	}
	return out
}

// wrong are the codes and paths of a row's errors, below the row.
func wrong(r *intake.UpsertResult) []string {
	out := []string{}
	for _, e := range r.UserErrors {
		out = append(out, string(e.Code)+" "+strings.Join(e.Path[3:], "."))
	}
	return out
}

// everything is all that createCustomers stores, by the names that the source gave, without ids and times of ours.
const everything = `
	SELECT coalesce(json_agg(x ORDER BY x::text), '[]') FROM (
		SELECT json_build_array('customer', c.reference_id, c.first_name, c.last_name, c.email, c.parent_source_id, c.search_text, c.version,
			c.do_not_call, c.do_not_sms, c.do_not_email, c.do_not_mail, c.is_test, c.external_metadata,
			(SELECT i.source_id FROM customer_identifiers i WHERE i.customer_id = c.parent_id),
			(SELECT json_agg(json_build_array(i.source, i.source_id, i.language, i.source_created_at)) FROM customer_identifiers i WHERE i.customer_id = c.id),
			(SELECT json_agg(json_build_array(a.label, a.city, a.state, a.postal_code, a.country)) FROM customer_addresses a WHERE a.customer_id = c.id),
			(SELECT json_agg(json_build_array(p.enrollment_starts_at, p.enrollment_ends_at, p.opt_in_status, p.alert_opt_ins, p.targeting_indicator))
				FROM customer_alert_programs p WHERE p.id = c.id)) AS x FROM customers c
		UNION ALL
		SELECT json_build_array('account', a.source, a.source_account_id, a.status, a.type, a.source_portfolio_id, a.opened_at, a.closed_at, a.primary_source_customer_id,
			(SELECT i.source_id FROM customer_identifiers i WHERE i.customer_id = a.primary_customer_id), a.number_index, a.version) FROM accounts a
		UNION ALL
		SELECT json_build_array('holder', (SELECT a.source_account_id FROM accounts a WHERE a.id = h.account_id), h.source, h.source_customer_id, h.is_primary,
			(SELECT i.source_id FROM customer_identifiers i WHERE i.customer_id = h.customer_id)) FROM account_holders h
		UNION ALL
		SELECT json_build_array('card', (SELECT a.source_account_id FROM accounts a WHERE a.id = k.account_id), k.source, k.source_customer_id, k.iin, k.last_four,
			k.card_type, k.status, k.network_identifier, k.opened_at, k.closed_at,
			(SELECT i.source_id FROM customer_identifiers i WHERE i.customer_id = k.customer_id)) FROM cards k
	) all_rows(x)`

// stored is everything, one row a line.
func (w *world) stored(t testing.TB) string { return w.storedBut(t) }

// storedBut is stored without the columns of these names.
func (w *world) storedBut(t testing.TB, columns ...string) string {
	t.Helper()
	query := everything
	for _, column := range columns {
		query = strings.NewReplacer("c."+column+",", "NULL,", "a."+column+",", "NULL,", "a."+column+")", "NULL)").Replace(query)
	}
	var text []byte
	require.NoError(t, w.pool.Get(t.Context(), &text, query))
	var rows []json.RawMessage
	require.NoError(t, json.Unmarshal(text, &rows))
	lines := make([]string, len(rows))
	for i, row := range rows {
		lines[i] = string(row)
	}
	return strings.Join(lines, "\n")
}

// all lists the rows of a table of the world's organization.
func all[T any](t testing.TB, w *world, table *db.Table[T]) []*T {
	t.Helper()
	order := db.By()
	rows, err := table.List(t.Context(), w.pool, w.v.Scope(), db.Where{}, db.Page{Order: order})
	require.NoError(t, err)
	return rows
}

// edit returns a JSON object with one value, at a path such as accounts.0.status, replaced; remove takes it out.
func edit(t testing.TB, text, path string, value any) string {
	t.Helper()
	var root any
	require.NoError(t, json.Unmarshal([]byte(text), &root))
	steps := strings.Split(path, ".")
	at := root
	for _, step := range steps[:len(steps)-1] {
		switch x := at.(type) {
		case map[string]any:
			at = x[step]
		case []any:
			at = x[0]
		}
	}
	object, last := at.(map[string]any), steps[len(steps)-1]
	if value == remove {
		delete(object, last)
	} else {
		object[last] = value
	}
	out, err := json.Marshal(root)
	require.NoError(t, err)
	return string(out)
}

type removal struct{}

var remove = removal{}

func codesOf(errs fault.UserErrors) []string {
	out := []string{}
	for _, e := range errs {
		out = append(out, string(e.Code)+" "+strings.Join(e.Path, "."))
	}
	return out
}
