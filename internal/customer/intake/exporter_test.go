package intake_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/batch"
	"caseload/internal/bulk"
	"caseload/internal/bulk/bulktest"
	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/relay"
	"caseload/internal/viewer"
	"caseload/schema"
)

// export runs an export for a viewer and returns its lines.
func export(t *testing.T, b *bulktest.World, v *viewer.Viewer, filter *customer.Filter) (*bulk.Operation, []map[string]any) {
	t.Helper()
	var in bulk.CreateExportInput
	if filter != nil {
		var err error
		in.Filter, err = json.Marshal(filter)
		require.NoError(t, err)
	}
	o, err := b.CreateExport(t.Context(), v, bulk.ExportCustomers, in)
	require.NoError(t, err)
	o, text := b.Run(t, v, o)
	require.Equal(t, bulk.Completed, o.State)
	lines := []map[string]any{}
	for line := range strings.Lines(text) {
		var l map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &l), line)
		lines = append(lines, l)
	}
	require.EqualValues(t, len(lines), o.Processed)
	return o, lines
}

// filled is a world with a customer who has every section, a parent, and one who is deleted.
func filled(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.upsert(t, batch.RejectFailedRows, `{"sourceId": "0", "primaryLanguage": "en", "firstName": "Ma"}`, complete, `{"sourceId": "gone"}`)
	customers := all(t, w, customer.Table)
	ann := customers[1].ID()
	_, err := w.customers.Update(t.Context(), w.v, ann, customer.UpdateInput{
		ReferenceID: val("R-1"), ExternalMetadata: graphql.OmittableOf(db.JSON(`{"a": [1, "ü<&>"]}`)),
		Profile:    val(customer.UpdateProfileInput{Status: val[customer.Status]("LEAD")}),
		Coverage:   val(customer.UpdateCoverageInput{PlanName: val("Gold")}),
		Medicare:   val(customer.UpdateMedicareInput{MBI: val("1EG4-TE5-MK73"), HasCard: val(true)}),
		Household:  val(customer.UpdateHouseholdInput{DependentCount: val[int32](2)}),
		Enrollment: val(customer.UpdateEnrollmentInput{PlanCode: val("P1")}),
		Agent:      val(customer.UpdateAgentInput{Name: val("Smith")}),
	})
	require.NoError(t, err)
	row := `{"organizationId": "1", "sourceCustomerId": "1", "referenceId": "R-1", "enrollmentOptInStatus": "ACTIVE", "alertOptInStatus": ["ALL"]}`
	require.Equal(t, []batch.Action{batch.Update}, actions(w.create(t, batch.RejectFailedRows, row)))
	_, err = w.customers.Delete(t.Context(), w.v, customer.DeleteInput{ID: customers[2].ID()})
	require.NoError(t, err)
	return w
}

func TestAnExportHasTheNamesOfTheSchema(t *testing.T) {
	t.Parallel()
	w := filled(t)
	_, lines := export(t, w.bulk(t), w.v, nil)
	require.Len(t, lines, 2, "without the one that is deleted")
	contract, err := schema.Load()
	require.NoError(t, err)
	full := lines[1]
	compareNames(t, contract, "Customer", full, "loans", "accountHolders", "cards", "children", "primaryPhone", "primaryAddress",
		"activeSchedule", "schedules", "callTasks", "callAttempts", "inconvenientTimes")
	for field, typ := range map[string]string{
		"profile": "CustomerProfile", "coverage": "CustomerCoverage", "medicare": "CustomerMedicare", "household": "CustomerHousehold",
		"enrollment": "CustomerEnrollment", "agent": "CustomerAgent", "alertProgram": "CustomerAlertProgram",
	} {
		section, ok := full[field].(map[string]any)
		require.True(t, ok, field)
		compareNames(t, contract, typ, section)
		require.Nil(t, lines[0][field], field)
	}
	for field, typ := range map[string]string{"identifiers": "CustomerIdentifier", "phones": "CustomerPhone", "addresses": "CustomerAddress"} {
		list, ok := full[field].([]any)
		require.True(t, ok && len(list) > 0, field)
		compareNames(t, contract, typ, list[0].(map[string]any), "customer")
	}
	require.Equal(t, []any{}, lines[0]["phones"])
	require.Equal(t, lines[0]["id"], full["parent"].(map[string]any)["id"])
	require.Equal(t, map[string]any{"a": []any{1.0, "ü<&>"}}, full["externalMetadata"])
	require.Equal(t, "1985-06-15", full["birthday"])
	require.Equal(t, []any{"6789", true}, []any{full["ssnLastFour"], full["ssnProvided"]})
	require.Equal(t, []any{"MK73", true}, []any{full["medicare"].(map[string]any)["mbiLastFour"], full["medicare"].(map[string]any)["mbiProvided"]})
	require.Equal(t, "2026-03-01T00:00:00Z", full["identifiers"].([]any)[0].(map[string]any)["sourceUpdatedAt"])
	require.Nil(t, full["deletedAt"])
}

// compareNames expects an object to have all fields of a type but some, and no others.
func compareNames(t *testing.T, contract *ast.Schema, typ string, object map[string]any, but ...string) {
	t.Helper()
	var want []string
	for _, f := range contract.Types[typ].Fields {
		if !slices.Contains(but, f.Name) && !strings.HasPrefix(f.Name, "__") {
			want = append(want, f.Name)
		}
	}
	require.ElementsMatch(t, want, slices.Collect(maps.Keys(object)), typ)
}

func TestAnExportHoldsWhatItsCreatorMaySee(t *testing.T) {
	t.Parallel()
	w := filled(t)
	b := w.bulk(t)
	narrow := *w.v
	narrow.Scopes = []viewer.Scope{viewer.CustomersRead}
	wide, _ := export(t, b, w.v, nil)
	o, lines := export(t, b, &narrow, nil)
	for _, name := range []string{"birthday", "ssnLastFour"} {
		require.NotContains(t, lines[1], name)
	}
	require.NotContains(t, lines[1]["medicare"], "mbiLastFour")
	_, text := b.Run(t, &narrow, o)
	for _, secret := range []string{"1985", "6789", "MK73", "1EG4"} {
		require.NotContains(t, text, secret)
	}
	require.NoError(t, b.MayDownload(&narrow, o))
	require.Equal(t, fault.Forbidden, fault.CodeOf(b.MayDownload(&narrow, wide)), "it holds birthdays")
	_, text = b.Run(t, w.v, wide)
	for _, secret := range []string{"123-45", "123456789", "1EG4", "ssnSealed"} {
		require.NotContains(t, text, secret, "numbers are revealed one at a time")
	}

	stranger := *w.v
	stranger.OrganizationID = db.NewID()
	_, lines = export(t, b, &stranger, nil)
	require.Empty(t, lines)
}

func TestTheFilterOfAnExport(t *testing.T) {
	t.Parallel()
	w := filled(t)
	b := w.bulk(t)
	text := func(value string) *relay.StringFilter { return &relay.StringFilter{Eq: val(value)} }
	for _, c := range []struct {
		filter customer.Filter
		want   []any
	}{
		{customer.Filter{FirstName: text("Ann")}, []any{"Ann"}},
		{customer.Filter{Not: &customer.Filter{FirstName: text("Ann")}}, []any{"Ma"}},
		{customer.Filter{Or: []*customer.Filter{{FirstName: text("Ann")}, {FirstName: text("Ma")}}}, []any{"Ma", "Ann"}},
		{customer.Filter{Or: []*customer.Filter{}}, []any{}},
		{customer.Filter{And: []*customer.Filter{{FirstName: &relay.StringFilter{Null: val(true)}}, {IsDeleted: val(true)}}}, []any{nil}},
		{customer.Filter{IsDeleted: val(true)}, []any{nil}},
		{customer.Filter{Email: val("ANN@example.com")}, []any{"Ann"}},
		{customer.Filter{PhoneNumber: val("+12125551212")}, []any{"Ann"}},
		{customer.Filter{CreatedAt: &relay.DateTimeFilter{Lte: val(noon)}}, []any{"Ma", "Ann"}},
		{customer.Filter{CreatedAt: &relay.DateTimeFilter{Gt: val(noon)}}, []any{}},
	} {
		o, lines := export(t, b, w.v, &c.filter)
		names := []any{}
		for _, l := range lines {
			names = append(names, l["firstName"])
		}
		require.Equal(t, c.want, names, "%s", o.OptionJSON)
		require.EqualValues(t, len(c.want), *o.LineCount)
	}

	personal := customer.Filter{SSN: val("123-45-6789"), Or: []*customer.Filter{{MBI: val("1EG4-TE5-MK73")}},
		Not: &customer.Filter{SSNLastFour: &customer.SSNLastFourFilter{LastFour: "6789"}}}
	stored, err := json.Marshal(personal)
	require.NoError(t, err)
	long := make([]string, 501)
	tooLong, err := json.Marshal(customer.Filter{FirstName: &relay.StringFilter{In: graphql.OmittableOf(long)}})
	require.NoError(t, err)
	for filter, want := range map[string][]string{
		string(stored):                {"NOT_ALLOWED input.filter.ssn", "NOT_ALLOWED input.filter.or.0.mbi", "NOT_ALLOWED input.filter.not.ssnLastFour"},
		string(tooLong):               {"INVALID input.filter"},
		`{"firstName": {"eq": null}}`: {"INVALID input.filter"},
		`[`:                           {"INVALID input.filter"},
	} {
		_, err := b.CreateExport(t.Context(), w.v, bulk.ExportCustomers, bulk.CreateExportInput{Filter: json.RawMessage(filter)})
		errs, ok := fault.AsUserErrors(err)
		require.True(t, ok, "%v", err)
		require.Equal(t, want, codesOf(errs))
	}
	var kept string
	require.NoError(t, w.pool.Get(t.Context(), &kept, "SELECT coalesce(string_agg(options::text, ''), '') FROM bulk_operations"))
	require.NotContains(t, kept, "6789")
}

func TestPagesOfAnExport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bulk(t)
	const n = 1100
	var file strings.Builder
	for i := range n {
		fmt.Fprintf(&file, `{"sourceId": "%d", "phone": "212-555-1212", "address": {"city": "Albany"}}`+"\n", i)
	}
	_, results := b.Import(t, w.v, upsertFile(bulk.JSONL), file.String())
	_, lines := export(t, b, w.v, nil)
	require.Len(t, lines, n)
	ids := map[any]bool{}
	for _, l := range lines {
		ids[l["id"]] = true
	}
	for _, r := range results {
		require.True(t, ids[*r.ID])
	}

	e, o := customer.NewExporter(w.customers), &bulk.Operation{OptionJSON: db.JSON(`{}`)}
	var sizes, statements []int
	for after, more := "", true; more; more = after != "" {
		ctx := db.WithCounter(t.Context())
		var page bytes.Buffer
		rows, next, err := e.Page(ctx, w.pool, w.v, o, after, &page)
		require.NoError(t, err)
		require.Equal(t, rows, bytes.Count(page.Bytes(), []byte("\n")))
		sizes, statements, after = append(sizes, rows), append(statements, db.Statements(ctx)), next
	}
	require.Equal(t, []int{500, 500, 100}, sizes)
	require.Equal(t, []int{11, 11, 11}, statements)
	rows, next, err := e.Page(t.Context(), w.pool, w.v, o, "ffffffff-ffff-ffff-ffff-ffffffffffff", io.Discard)
	require.NoError(t, err)
	require.Zero(t, rows)
	require.Empty(t, next)
}

func TestAnExportCanComeBack(t *testing.T) {
	t.Parallel()
	w := filled(t)
	b := w.bulk(t)
	_, lines := export(t, b, w.v, nil)
	var file strings.Builder
	for _, l := range lines {
		own := l["identifiers"].([]any)[0].(map[string]any)
		row := map[string]any{
			"source": own["source"], "sourceId": own["sourceId"], "sourceUpdatedAt": own["sourceUpdatedAt"], "dateOfBirth": l["birthday"], "primaryLanguage": l["language"], "phone": nil,
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
		row["parent"] = nil
		if l["parentSourceId"] != nil {
			row["parent"] = map[string]any{"source": l["parentSource"], "sourceId": l["parentSourceId"], "language": l["parentLanguage"]}
		}
		if row["sourceUpdatedAt"] == nil {
			delete(row, "sourceUpdatedAt")
		}
		text, err := json.Marshal(row)
		require.NoError(t, err)
		file.Write(append(text, '\n'))
	}
	_, results := b.Import(t, w.v, bulk.CreateInput{Kind: bulk.UpsertCustomers, Format: bulk.JSONL}, file.String())
	require.Equal(t, []batch.Action{batch.Unchanged, batch.Unchanged}, bulktest.Actions(results), "%v\n%s", results, file.String())
	require.Equal(t, lines[0]["id"], *results[0].ID)
}
