package graph_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/graph"
	"caseload/internal/bulk"
	"caseload/internal/db"
	"caseload/internal/graphtest"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

const exportAs = `mutation ($kind: BulkOperationKind!, $format: BulkOperationFormat, $customers: ExportCustomersOptions, $accounts: ExportAccountsOptions) {
	createExport(input: {kind: $kind, format: $format, exportCustomers: $customers, exportAccounts: $accounts}) { bulkOperation { id format options } userErrors { code path } } }`

// exported runs an export and returns its file.
func exported(t testing.TB, w *graphtest.World, o *graphtest.Tenant, key string, variables vars) string {
	t.Helper()
	r := w.OK(t, key, exportAs, variables)
	require.Empty(t, r.At("createExport.userErrors"), r.Body)
	id := finish(t, w, o, r.Text("createExport.bulkOperation.id"))
	r = w.OK(t, key, readBulk, vars{"id": id})
	require.Equal(t, "COMPLETED", r.At("bulkOperation.state"), "%s\n%s", r.Body, w.Log)
	file := w.Download(t, r.Text("bulkOperation.resultsUrl"))
	require.Equal(t, 200, file.Status)
	return file.Body
}

// objectsOf reads JSON Lines.
func objectsOf(t testing.TB, text string) (lines []map[string]any) {
	t.Helper()
	for line := range strings.Lines(text) {
		var l map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &l), line)
		lines = append(lines, l)
	}
	return lines
}

// namesOf expects an object to have all fields of a type but some, and no others.
func namesOf(t testing.TB, typ string, object any, but ...string) {
	t.Helper()
	var want []string
	for _, f := range schema.Types[typ].Fields {
		if !slices.Contains(but, f.Name) && !strings.HasPrefix(f.Name, "__") {
			want = append(want, f.Name)
		}
	}
	require.ElementsMatch(t, want, slices.Collect(maps.Keys(object.(map[string]any))), typ)
}

// A field that is new in the schema is in the exports of its type, or is left out here.
func TestExportsHaveTheFieldsOfTheSchema(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	people := w.Harbor.People(t, 2)
	lines := objectsOf(t, exported(t, w, w.Harbor, w.Harbor.Key, vars{"kind": "EXPORT_CUSTOMERS"}))
	require.Len(t, lines, 2)
	full := lines[0]
	namesOf(t, "Customer", full, "loans", "accountHolders", "cards", "children", "primaryPhone", "primaryAddress",
		"activeSchedule", "schedules", "callTasks", "callAttempts", "inconvenientTimes")
	for field, typ := range map[string]string{
		"profile": "CustomerProfile", "coverage": "CustomerCoverage", "medicare": "CustomerMedicare", "household": "CustomerHousehold",
		"enrollment": "CustomerEnrollment", "agent": "CustomerAgent", "alertProgram": "CustomerAlertProgram",
	} {
		namesOf(t, typ, full[field])
	}
	for field, typ := range map[string]string{"identifiers": "CustomerIdentifier", "phones": "CustomerPhone", "addresses": "CustomerAddress"} {
		namesOf(t, typ, full[field].([]any)[0], "customer")
	}
	require.Equal(t, graphtest.ID(people[1].Customer), graphtest.At(full, "parent.id"))
	require.Nil(t, full["mergedInto"])
	require.Equal(t, "1985-06-15", full["birthday"])
	require.Equal(t, []any{"MK73", true}, []any{graphtest.At(full, "medicare.mbiLastFour"), graphtest.At(full, "medicare.mbiProvided")})
	require.Equal(t, []any{"ALL"}, graphtest.At(full, "alertProgram.alertOptIns"))

	lines = objectsOf(t, exported(t, w, w.Harbor, w.Harbor.Key, vars{"kind": "EXPORT_ACCOUNTS"}))
	require.Len(t, lines, 2)
	namesOf(t, "Account", lines[0])
	namesOf(t, "AccountHolder", graphtest.At(lines[0], "holders.0"), "account")
	namesOf(t, "Card", graphtest.At(lines[0], "cards.0"), "account")
	require.Equal(t, graphtest.ID(people[0].Customer), graphtest.At(lines[0], "holders.0.customer.id"))
}

// The columns of comma-separated values, and so the fields of JSON Lines, are where programs of others look for them.
func TestGoldenColumnsOfExports(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	w.Harbor.People(t, 1)
	exporters, err := graph.Exporters(w.Pool, w.Customers.Sealer())
	require.NoError(t, err)
	var got strings.Builder
	for _, e := range exporters {
		header, _, _ := strings.Cut(exported(t, w, w.Harbor, w.Harbor.Key, vars{"kind": string(e.Name()), "format": "CSV"}), "\n")
		fmt.Fprintf(&got, "%s\n\t%s\n", e.Name(), strings.ReplaceAll(header, ",", "\n\t"))
	}
	const golden = "testdata/exports.golden.txt"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got.String()), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got.String())
}

// flat writes an object as the cells of its columns, without those that are null.
func flat(object map[string]any, before string, cells map[string]string) map[string]string {
	for name, value := range object {
		switch v := value.(type) {
		case nil:
		case string:
			cells[before+name] = v
		case map[string]any:
			if name != "externalMetadata" {
				flat(v, before+name+".", cells)
				continue
			}
			text, _ := json.Marshal(v)
			cells[before+name] = string(text)
		default:
			text, _ := json.Marshal(v)
			cells[before+name] = string(text)
		}
	}
	return cells
}

// Comma-separated values hold what JSON Lines hold, whatever is in the texts.
func TestFormatsOfAnExportSayTheSame(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	people := w.Harbor.People(t, 3)
	for i, name := range []string{"a, \"b\"\nü", "", " 'x\\\t"} {
		_, err := w.Pool.Exec(t.Context(), `UPDATE customers SET first_name = $3, middle_name = NULL, external_metadata = '{"a": [1, "\"<&>"]}' WHERE organization_id = $1 AND id = $2`,
			w.Harbor.ID(), people[i].Customer.UUID, name)
		require.NoError(t, err)
	}
	_, err := w.Pool.Exec(t.Context(), `DELETE FROM customer_medicare WHERE organization_id = $1 AND id = $2`, w.Harbor.ID(), people[1].Customer.UUID)
	require.NoError(t, err)
	for _, kind := range []string{"EXPORT_CUSTOMERS", "EXPORT_ACCOUNTS"} {
		lines := objectsOf(t, exported(t, w, w.Harbor, w.Harbor.Key, vars{"kind": kind, "format": "JSONL"}))
		records, err := csv.NewReader(strings.NewReader(exported(t, w, w.Harbor, w.Harbor.Key, vars{"kind": kind, "format": "CSV"}))).ReadAll()
		require.NoError(t, err)
		require.Len(t, records, len(lines)+1, kind)
		for i, l := range lines {
			cells := map[string]string{}
			for at, name := range records[0] {
				text := records[i+1][at]
				if strings.HasPrefix(text, "[") || strings.HasPrefix(text, "{") {
					var v any
					require.NoError(t, json.Unmarshal([]byte(text), &v))
					canonical, _ := json.Marshal(v)
					text = string(canonical)
				}
				if text != "" {
					cells[name] = text
				}
			}
			want := flat(l, "", map[string]string{})
			maps.DeleteFunc(want, func(_, text string) bool { return text == "" })
			require.Equal(t, want, cells)
		}
	}
}

func TestAnExportHoldsWhatItsCreatorMaySee(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	w.Harbor.People(t, 2)
	narrow := w.Harbor.KeyWithout(t, viewer.PIIRead)
	for kind, hidden := range map[string][]string{"EXPORT_CUSTOMERS": {"birthday", "ssnLastFour", "mbiLastFour"}, "EXPORT_ACCOUNTS": {"numberMasked"}} {
		for _, format := range []string{"JSONL", "CSV"} {
			wide, less := exported(t, w, w.Harbor, w.Harbor.Key, vars{"kind": kind, "format": format}), exported(t, w, w.Harbor, narrow, vars{"kind": kind, "format": format})
			for _, name := range hidden {
				require.Contains(t, wide, name)
				require.NotContains(t, less, name)
			}
			for _, secret := range []string{"1985", "MK73"} {
				require.NotContains(t, less, secret)
			}
			for _, text := range []string{wide, less} {
				require.NotRegexp(t, `219-?09-?\d{4}|1EG4`, text, "numbers are revealed one at a time")
			}
			require.Empty(t, exported(t, w, w.Summit, w.Summit.Key, vars{"kind": kind, "format": format}))
		}
		r := w.Do(t, w.Harbor.KeyWithout(t, viewer.CustomersRead), exportAs, vars{"kind": kind})
		require.Equal(t, "FORBIDDEN", r.Code(), r.Body)
	}
}

func TestTheFilterOfAnExport(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	people := w.Harbor.People(t, 3)
	first, second := people[0], people[1]
	_, err := w.Pool.Exec(t.Context(), `UPDATE customers SET first_name = NULL, deleted_at = now(), deleted_by = 'system' WHERE organization_id = $1 AND id = $2`, w.Harbor.ID(), people[2].Customer.UUID)
	require.NoError(t, err)
	name := *first.Customer.FirstName
	a, b, gone := graphtest.ID(first.Customer), graphtest.ID(second.Customer), graphtest.ID(people[2].Customer)
	for _, c := range []struct {
		filter vars
		want   []string
	}{
		{nil, []string{a, b}},
		{vars{"firstName": vars{"eq": name}}, []string{a}},
		{vars{"not": vars{"firstName": vars{"eq": name}}}, []string{b}},
		{vars{"or": []any{vars{"firstName": vars{"eq": name}}, vars{"referenceId": vars{"eq": second.ReferenceID}}}}, []string{a, b}},
		{vars{"or": []any{}}, nil},
		{vars{"and": []any{vars{"firstName": vars{"null": true}}, vars{"isDeleted": true}}}, []string{gone}},
		{vars{"isDeleted": true}, []string{gone}},
		{vars{"email": strings.ToUpper(*first.Customer.Email)}, []string{a}},
		{vars{"phoneNumber": "+12125550100"}, []string{a}},
		{vars{"createdAt": vars{"lte": "2030-01-01T00:00:00Z"}}, []string{a, b}},
		{vars{"createdAt": vars{"gt": "2030-01-01T00:00:00Z"}}, nil},
		{vars{"doNotCall": vars{"eq": false}}, []string{a, b}},
	} {
		var got []string
		for _, l := range objectsOf(t, exported(t, w, w.Harbor, w.Harbor.Key, vars{"kind": "EXPORT_CUSTOMERS", "customers": vars{"filter": c.filter}})) {
			got = append(got, l["id"].(string))
		}
		require.Equal(t, c.want, got, "%v", c.filter)
	}
	lines := objectsOf(t, exported(t, w, w.Harbor, w.Harbor.Key, vars{"kind": "EXPORT_ACCOUNTS", "accounts": vars{"filter": vars{"primaryCustomer": vars{"eq": a}, "status": "OPEN"}}}))
	require.Len(t, lines, 1)
	require.Equal(t, a, graphtest.At(lines[0], "primaryCustomer.id"))

	deep := vars{"firstName": vars{"eq": name}}
	for range 6 {
		deep = vars{"not": deep}
	}
	for _, c := range []struct {
		variables vars
		want      []any
	}{
		{vars{"kind": "EXPORT_CUSTOMERS", "customers": vars{"filter": vars{"ssn": "123-45-6789", "or": []any{vars{"mbi": "1EG4-TE5-MK73"}}, "not": vars{"ssnLastFour": vars{"lastFour": "6789", "birthday": "1985-06-15"}}}}},
			[]any{"NOT_ALLOWED input.exportCustomers.filter.ssn", "NOT_ALLOWED input.exportCustomers.filter.or.0.mbi", "NOT_ALLOWED input.exportCustomers.filter.not.ssnLastFour"}},
		{vars{"kind": "EXPORT_ACCOUNTS", "accounts": vars{"filter": vars{"number": "00012345"}}}, []any{"NOT_ALLOWED input.exportAccounts.filter.number"}},
		{vars{"kind": "EXPORT_CUSTOMERS", "customers": vars{"filter": deep}}, []any{"INVALID input.exportCustomers.filter"}},
		{vars{"kind": "EXPORT_CUSTOMERS", "accounts": vars{}}, []any{"NOT_ALLOWED input.exportAccounts"}},
		{vars{"kind": "UPSERT_CUSTOMERS"}, []any{"INVALID input.kind"}},
	} {
		r := w.OK(t, w.Harbor.Key, exportAs, c.variables)
		var got []any
		for i := range r.Len("createExport.userErrors") {
			got = append(got, r.Text(fmt.Sprintf("createExport.userErrors.%d.code", i))+" "+join(r.At(fmt.Sprintf("createExport.userErrors.%d.path", i))))
		}
		require.Equal(t, c.want, got, r.Body)
	}
	var kept string
	require.NoError(t, w.Pool.Get(t.Context(), &kept, "SELECT coalesce(string_agg(options::text, ''), '') FROM bulk_operations"))
	require.NotContains(t, kept, "6789")
	r := w.OK(t, w.Harbor.Key, exportAs, vars{"kind": "EXPORT_CUSTOMERS", "customers": vars{"filter": vars{"email": "ann@example.com"}}})
	require.Equal(t, map[string]any{}, r.At("createExport.bulkOperation.options"), "a filter is not shown")
}

// A page costs a fixed number of statements, and pages follow each other without a gap.
func TestPagesOfExports(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	f := w.NewWorkers(t, w.Server, nil)
	const n = 1100
	var file strings.Builder
	for i := range n {
		fmt.Fprintf(&file, `{"sourceId": "%d", "phone": "212-555-1212", "address": {"city": "Albany"}}`+"\n", i)
	}
	end(t, w, f, w.Harbor, begin(t, w, w.Harbor.Key, bulk.UpsertCustomers, bulk.JSONL, "LMS", file.String()))
	exporters, err := graph.Exporters(w.Pool, w.Customers.Sealer())
	require.NoError(t, err)
	pages := func(e bulk.Exporter, format bulk.Format) (sizes, statements []int, all string) {
		var text bytes.Buffer
		for after, more := "", true; more; more = after != "" {
			ctx := db.WithCounter(t.Context())
			rows, next, err := e.Page(ctx, w.Harbor.System, nil, format, after, &text)
			require.NoError(t, err)
			sizes, statements, after = append(sizes, rows), append(statements, db.Statements(ctx)), next
		}
		return sizes, statements, text.String()
	}
	for _, e := range exporters {
		if e.Name() != "EXPORT_CUSTOMERS" {
			continue
		}
		sizes, statements, text := pages(e, bulk.JSONL)
		require.Equal(t, []int{500, 500, 100}, sizes)
		// Nobody has a parent or was merged: those two edges have no keys to look for.
		require.Equal(t, []int{11, 11, 11}, statements)
		ids := map[any]bool{}
		for _, l := range objectsOf(t, text) {
			ids[l["id"]] = true
			require.Len(t, l["phones"], 1)
		}
		require.Len(t, ids, n)
		_, _, text = pages(e, bulk.CSV)
		require.Equal(t, n+1, strings.Count(text, "\n"), "one header")
		count, err := e.Count(t.Context(), w.Harbor.System, nil)
		require.NoError(t, err)
		require.Equal(t, n, count)
		rows, next, err := e.Page(t.Context(), w.Harbor.System, nil, bulk.JSONL, "ffffffff-ffff-ffff-ffff-ffffffffffff", io.Discard)
		require.NoError(t, err)
		require.Zero(t, rows)
		require.Empty(t, next)
	}
}

// Of a customer with more phones than a page of a client has, all are exported.
func TestListsOfAnExportAreWhole(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.Person(t)
	_, err := w.Pool.Exec(t.Context(), `INSERT INTO customer_identifiers (organization_id, id, customer_id, source, source_id, language, created_at)
		SELECT $1, gen_random_uuid(), $2, 'more', CAST(i AS text), '', now() FROM generate_series(1, 250) i`, w.Harbor.ID(), p.Customer.UUID)
	require.NoError(t, err)
	lines := objectsOf(t, exported(t, w, w.Harbor, w.Harbor.Key, vars{"kind": "EXPORT_CUSTOMERS"}))
	identifiers := lines[0]["identifiers"].([]any)
	require.Len(t, identifiers, 251)
	id := func(v any) string {
		parsed, err := relay.ParseID(v.(map[string]any)["id"].(string))
		require.NoError(t, err)
		return parsed.UUID.String()
	}
	require.True(t, slices.IsSortedFunc(identifiers, func(a, b any) int { return strings.Compare(id(a), id(b)) }), "in the order of ids, so that an export of the same is the same")
}

// What was exported can be sent back, and changes nothing.
func TestAnExportCanComeBack(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	f := w.NewWorkers(t, w.Server, nil)
	seed := `{"sourceId": "0", "primaryLanguage": "en", "firstName": "Ma"}
{"sourceId": "1", "sourceUpdatedAt": "2026-03-01T00:00:00Z", "debtorId": "D-1", "firstName": "Ann", "middleName": "M.", "lastName": "Bird", "abbreviation": "AB", "title": "Dr.", "dateOfBirth": "1985-06-15", "gender": "Female", "ssn": "219-09-9999", "phone": "+12125551212", "email": "ann@example.com", "primaryLanguage": "en", "parent": {"sourceId": "0", "language": "en"}, "addresses": [{"label": "PRIMARY", "line1": "1 Main St", "city": "Troy", "state": "NY", "postalCode": "12180", "country": "US"}]}
`
	end(t, w, f, w.Harbor, begin(t, w, w.Harbor.Key, bulk.UpsertCustomers, bulk.JSONL, "crm", seed))
	lines := objectsOf(t, exported(t, w, w.Harbor, w.Harbor.Key, vars{"kind": "EXPORT_CUSTOMERS"}))
	require.Len(t, lines, 2)
	require.Equal(t, "2026-03-01T00:00:00.000Z", graphtest.At(lines[1], "identifiers.0.sourceUpdatedAt"))
	var file strings.Builder
	for _, l := range lines {
		row := map[string]any{"dateOfBirth": l["birthday"], "primaryLanguage": l["language"], "phone": nil, "parent": nil}
		for _, name := range []string{"source", "sourceId", "sourceUpdatedAt"} {
			if v := graphtest.At(l, "identifiers.0."+name); v != nil {
				row[name] = v
			}
		}
		for _, name := range strings.Fields("debtorId firstName middleName lastName abbreviation title gender email") {
			row[name] = l[name]
		}
		for _, p := range l["phones"].([]any) {
			row["phone"] = p.(map[string]any)["number"]
		}
		addresses := []any{}
		for _, a := range l["addresses"].([]any) {
			address := a.(map[string]any)
			for _, name := range []string{"id", "createdAt", "updatedAt"} {
				delete(address, name)
			}
			addresses = append(addresses, address)
		}
		row["addresses"] = addresses
		if l["parentSourceId"] != nil {
			row["parent"] = map[string]any{"source": l["parentSource"], "sourceId": l["parentSourceId"], "language": l["parentLanguage"]}
		}
		file.WriteString(line(t, row))
	}
	r := end(t, w, f, w.Harbor, begin(t, w, w.Harbor.Key, bulk.UpsertCustomers, bulk.JSONL, nil, file.String()))
	require.Equal(t, 2.0, r.At("bulkOperation.unchangedCount"), "%v\n%s", results(t, w, r), file.String())
}
