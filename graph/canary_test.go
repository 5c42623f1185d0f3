package graph_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/graph"
	"caseload/internal/bulk"
	"caseload/internal/graphtest"
	"caseload/internal/observe"
	"caseload/internal/relay"
)

// canaries are numbers that nothing else contains, by the name of the input field that is made for them. The right
// form is stored sealed; the number of a card is refused wherever it stands.
var canaries = map[string]string{
	"ssn": "512-73-8846", "mbi": "7QW9-RT4-XD58", "medicaidNumber": "MCD-KANARI-917355", "vaNumber": "VA-KANARI-662041", "accountNumber": "99KANARI7736251048",
}

// pan is the full number of a payment card: right by its check digit.
const pan = "4929381332664295"

// traces are the forms in which the numbers could have been left behind, in small letters.
func traces() []string {
	var out []string
	for _, number := range append(slices.Sorted(maps.Values(canaries)), pan) {
		forms := []string{number, strings.ReplaceAll(number, "-", ""), "4929 3813 3266 4295"}
		for _, form := range forms {
			out = append(out, strings.ToLower(form), hex.EncodeToString([]byte(form)), hex.EncodeToString([]byte(strings.ToLower(form))),
				strings.ToLower(strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(form)), "=")))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// coalMine is a world in which everything that leaves a trace is watched.
type coalMine struct {
	*graphtest.World
	*graphtest.Workers
	t        *testing.T
	metrics  *observe.Metrics
	receiver *graphtest.Receiver
	answers  strings.Builder
	// sent are the coordinates of the input fields that held a number.
	sent map[string]bool
	keys int
}

func newCoalMine(t *testing.T) *coalMine {
	t.Helper()
	m := &coalMine{t: t, metrics: observe.NewMetrics(), receiver: graphtest.NewReceiver(t), sent: map[string]bool{}}
	m.World = graphtest.New(t, graphtest.Configure(func(o *graph.Options) { o.Compiled, o.Metrics = true, m.metrics }))
	m.Workers = m.NewWorkers(t, m.Server, m.metrics)
	m.OK(t, m.Harbor.Key, createEndpoint, vars{"url": m.receiver.URL})
	return m
}

// send runs an operation without and with an idempotency key, and repeats that; all answers are watched.
func (m *coalMine) send(document string, variables vars) *graphtest.Reply {
	m.t.Helper()
	m.keys++
	key := fmt.Sprintf("canary-%d", m.keys)
	first := m.Send(m.t, m.Harbor.Key, document, variables)
	m.answers.WriteString(first.Body)
	for range 2 {
		m.answers.WriteString(m.Send(m.t, m.Harbor.Key, document, variables, idempotencyKey, key).Body)
	}
	return first
}

// mutate sends one mutation by variables, with its arguments, and notes which fields held a number.
func (m *coalMine) mutate(name string, arguments vars, selected string) *graphtest.Reply {
	m.t.Helper()
	f := schema.Mutation.Fields.ForName(name)
	var declared, given []string
	for _, a := range f.Arguments {
		declared, given = append(declared, "$"+a.Name+": "+a.Type.String()), append(given, a.Name+": $"+a.Name)
		m.note(a.Type, arguments[a.Name])
	}
	return m.send(fmt.Sprintf("mutation Canary(%s) { %s(%s) { %s userErrors { code message path } } }", strings.Join(declared, ", "), name, strings.Join(given, ", "), selected), arguments)
}

func (m *coalMine) note(typ *ast.Type, value any) {
	switch value := value.(type) {
	case map[string]any:
		for name, v := range value {
			f := schema.Types[typ.Name()].Fields.ForName(name)
			if f == nil {
				continue
			}
			if text, ok := v.(string); ok && holdsNumber(text) {
				m.sent[typ.Name()+"."+name] = true
			}
			m.note(f.Type, v)
		}
	case []any:
		for _, v := range value {
			m.note(typ, v)
		}
	}
}

func holdsNumber(text string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(traces(), func(trace string) bool { return strings.Contains(text, trace) })
}

// clean fails the test when a number is in a text.
func (m *coalMine) clean(where, text string) {
	m.t.Helper()
	text = strings.ToLower(text)
	for _, trace := range traces() {
		if at := strings.Index(text, trace); at >= 0 {
			require.Failf(m.t, "a number was left behind", "%s holds %q: …%s…", where, trace, text[max(0, at-200):min(len(text), at+200)])
		}
	}
}

// inspect looks for the numbers wherever something could have been left.
func (m *coalMine) inspect() {
	m.t.Helper()
	m.clean("an answer", m.answers.String())
	m.clean("the log", m.Log.String())
	rec := httptest.NewRecorder()
	m.metrics.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	require.Contains(m.t, rec.Body.String(), "caseload_graphql_operation")
	m.clean("the metrics", rec.Body.String())
	jobs := rows(m.t, m.World, `river\_%`)
	require.Contains(m.t, jobs, "bulk.run")
	require.Contains(m.t, jobs, "webhook.drain")
	m.clean("the jobs", jobs)
	tables := rows(m.t, m.World, "%")
	require.Contains(m.t, tables, "Kanary", "the search does find what is stored in the clear")
	require.Contains(m.t, tables, `:"\\x01`, "sealed values are there, as hexadecimal digits")
	m.clean("the database", tables)
	m.store()
	for _, d := range m.receiver.All() {
		m.clean("a webhook", string(d.Body))
	}
}

// store looks for the numbers in what lies in the object store.
func (m *coalMine) store() {
	m.t.Helper()
	files := objects(m.t, m.World)
	require.NotEmpty(m.t, files)
	for path, content := range files {
		m.clean("the object store", path+"\n"+content)
	}
}

// rows is every row of the tables whose names fit.
func rows(t testing.TB, w *graphtest.World, like string) string {
	t.Helper()
	var tables []string
	require.NoError(t, w.Pool.Select(t.Context(), &tables, `SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE $1 ORDER BY 1`, like))
	var b strings.Builder
	for _, table := range tables {
		var some []string
		require.NoError(t, w.Pool.Select(t.Context(), &some, `SELECT row_to_json(r)::text FROM `+table+` r`))
		b.WriteString(table + "\n" + strings.Join(some, "\n") + "\n")
	}
	return b.String()
}

// wrongForms are what people send by mistake: still the number, to who knows it.
func wrongForms(number string) []string {
	return []string{number + "x" + strings.Repeat("0", 300), "?" + number + "!", number + "\x00", pan, "4929 3813 3266 4295", number + " " + pan}
}

// person is a row that has what a new customer needs.
func person(key, value string, more ...vars) map[string]any {
	row := map[string]any{key: value, "firstName": "Kanary", "lastName": "Bird"}
	for _, m := range more {
		maps.Copy(row, m)
	}
	return row
}

// accountOf is an account of a customer in source 50004.
func accountOf(customer string, more vars) map[string]any {
	row := map[string]any{"sourceAccountId": "A-" + customer, "sourceCustomerIds": []any{customer}, "primarySourceCustomerId": customer, "status": "OPEN", "type": "DDA"}
	maps.Copy(row, more)
	return row
}

func card(customer string, more vars) map[string]any {
	row := map[string]any{"sourceCustomerId": customer, "last4": "4295", "iin": "492938", "cardType": "DEBIT", "status": "OPEN", "openDate": "2026-01-02T03:04:05Z"}
	maps.Copy(row, more)
	return row
}

func syncRow(reference string, more vars) map[string]any {
	return person("referenceId", reference, vars{"taskType": "collections", "email": "kanary@example.com", "birthday": "1985-06-15", "phoneNumber": "+14155550123",
		"timezone": "America/Los_Angeles", "streetAddress1": "1 Main St", "city": "San Francisco", "state": "CA", "zipCode": "94102"}, more)
}

// Values that nothing else contains go through every mutation that has a place for them, right and wrong, with and
// without an idempotency key, and through files; then everything that is kept or told is searched for them.
func TestNoNumberIsLeftInTheClear(t *testing.T) {
	t.Parallel()
	m := newCoalMine(t)
	const outcome = "results { action customer { id ssnLastFour ssnProvided } userErrors { code message path } }"
	number := func(field string) vars { return vars{field: canaries[field]} }

	// The right forms are stored.
	r := m.mutate("bulkUpsertCustomers", vars{"input": map[string]any{"source": "LMS", "customers": []any{person("sourceId", "U-1", number("ssn"))}}}, outcome)
	require.Equal(t, []any{"CREATE", "8846"}, []any{r.At("bulkUpsertCustomers.results.0.action"), r.At("bulkUpsertCustomers.results.0.customer.ssnLastFour")}, r.Body)
	twin := r.Text("bulkUpsertCustomers.results.0.customer.id")
	r = m.mutate("createCustomers", vars{"input": map[string]any{"customers": []any{person("sourceCustomerId", "K-1", vars{"sourceOrganizationId": "50004", "ssn": canaries["ssn"],
		"accounts": []any{accountOf("K-1", vars{"accountNumber": canaries["accountNumber"], "cards": []any{card("K-1", nil)}})}})}}},
		"requestId importRequest { rows { nodes { key userErrors { message } } } } "+outcome)
	require.Equal(t, "CREATE", r.At("createCustomers.results.0.action"), r.Body)
	id := r.Text("createCustomers.results.0.customer.id")
	r = m.mutate("updateCustomer", vars{"input": map[string]any{"id": id, "ssn": canaries["ssn"], "medicare": map[string]any{
		"mbi": canaries["mbi"], "medicaidNumber": canaries["medicaidNumber"], "vaNumber": canaries["vaNumber"]}}}, "customer { medicare { mbiProvided mbiLastFour medicaidNumberProvided vaNumberProvided } }")
	require.Equal(t, map[string]any{"mbiProvided": true, "mbiLastFour": "XD58", "medicaidNumberProvided": true, "vaNumberProvided": true}, r.At("updateCustomer.customer.medicare"), r.Body)
	r = m.mutate("syncCustomerSchedule", vars{"input": syncRow("Y-1", number("ssn"))}, "customer { id ssnLastFour }")
	require.Equal(t, "8846", r.At("syncCustomerSchedule.customer.ssnLastFour"), r.Body)
	r = m.mutate("bulkSyncCustomerSchedules", vars{"input": map[string]any{"customers": []any{syncRow("Y-2", number("ssn"))}}}, "results { success userErrors { message } }")
	require.Equal(t, true, r.At("bulkSyncCustomerSchedules.results.0.success"), r.Body)

	// The wrong forms are refused, and so is the number of a card in every place of an account.
	for _, wrong := range wrongForms(canaries["ssn"]) {
		m.mutate("bulkUpsertCustomers", vars{"input": map[string]any{"source": "LMS", "customers": []any{person("sourceId", "U-2", vars{"ssn": wrong})}}}, outcome)
		for _, policy := range []string{"IGNORE_FAILED", "REJECT_EVERYTHING"} {
			m.mutate("bulkUpsertCustomers", vars{"input": map[string]any{"source": "LMS", "errorPolicy": policy, "customers": []any{person("sourceId", "U-3", vars{"ssn": wrong}), person("sourceId", "U-4", nil)}}}, outcome)
		}
		m.mutate("createCustomers", vars{"input": map[string]any{"customers": []any{person("referenceId", "R-2", vars{"ssn": wrong})}}}, "requestId importRequest { rows { nodes { userErrors { message } } } } "+outcome)
		m.mutate("updateCustomer", vars{"input": map[string]any{"id": id, "ssn": wrong}}, "customer { id }")
		m.mutate("syncCustomerSchedule", vars{"input": syncRow("Y-3", vars{"ssn": wrong, "ssnLastFour": "0000"})}, "customer { id }")
		m.mutate("bulkSyncCustomerSchedules", vars{"input": map[string]any{"customers": []any{syncRow("Y-4", vars{"ssn": wrong})}}}, "results { userErrors { code message path } }")
		m.mutate("bulkSyncCustomerSchedules", vars{"input": map[string]any{"customers": []any{syncRow("Y-4", vars{"ssnLastFour": wrong})}}}, "results { userErrors { code message path } }")
	}
	for _, field := range []string{"mbi", "medicaidNumber", "vaNumber"} {
		for _, wrong := range wrongForms(canaries[field])[:3] {
			if field != "mbi" && strings.HasPrefix(wrong, "?") {
				continue // They have no form of their own, so this is a right one.
			}
			r := m.mutate("updateCustomer", vars{"input": map[string]any{"id": id, "medicare": map[string]any{field: wrong}}}, "customer { id }")
			require.NotEmpty(t, r.At("updateCustomer.userErrors"), "%s: %s", field, r.Body)
		}
	}
	for i, place := range []vars{
		{"accountNumber": pan}, {"accountNumber": "4929 3813 3266 4295"}, {"accountNumber": canaries["accountNumber"] + strings.Repeat("1", 40)}, {"sourcePortfolioId": pan}, {"type": pan}, {"status": pan}, {"sourceAccountId": pan},
		{"cards": []any{card("K-2", vars{"last4": pan})}}, {"cards": []any{card("K-2", vars{"iin": pan})}}, {"cards": []any{card("K-2", vars{"networkIdentifier": pan})}},
		{"cards": []any{card("K-2", vars{"cardType": pan})}}, {"cards": []any{card("K-2", vars{"sourceAccountId": pan})}}, {"cards": []any{card("K-2", vars{"openDate": pan})}}, {"cards": []any{card("K-2", vars{"number": pan})}},
	} {
		for _, policy := range []string{"REJECT_FAILED_ROWS", "IGNORE_FAILED"} {
			r := m.mutate("createCustomers", vars{"input": map[string]any{"errorPolicy": policy, "customers": []any{person("sourceCustomerId", "K-2", vars{"sourceOrganizationId": "50004", "accounts": []any{accountOf("K-2", place)}})}}},
				"requestId importRequest { rows { nodes { key userErrors { code message path } } } } "+outcome)
			require.True(t, len(r.Errors) > 0 || r.At("createCustomers.results.0.userErrors.0") != nil, "%d: %v is refused: %s", i, place, r.Body)
		}
	}

	for _, place := range []string{"sourceCustomerId", "sourceParentCustomerId", "targetingIndicator", "enrollmentOptInStatus", "sourceOrganizationId"} {
		r := m.mutate("createCustomers", vars{"input": map[string]any{"customers": []any{person("sourceCustomerId", "K-3", vars{"sourceOrganizationId": "50004"}, vars{place: pan})}}},
			"requestId importRequest { rows { nodes { key userErrors { code message path } } } } "+outcome)
		require.NotNil(t, r.At("createCustomers.results.0.userErrors.0"), "%s is refused: %s", place, r.Body)
	}

	// What is wrong with a document is told without its text.
	for _, document := range []string{
		`mutation { updateCustomer(input: {id: "` + id + `", ssn: 512738846}) { userErrors { code } } }`,
		`mutation { updateCustomer(input: {id: "` + id + `", ssnn: "512-73-8846"}) { userErrors { code } } }`,
		`mutation { updateCustomer(input: {id: "` + id + `", ssn: ["512-73-8846"]}) { userErrors { code } } }`,
		`mutation { updateCustomer(input: {id: "512-73-8846"}) { userErrors { code } } }`,
		`mutation { updateCustomer(input: {id: "` + id + `", birthday: "512-73-8846"}) { userErrors { code } } }`,
		`mutation { updateCustomer(input: {id: "` + id + `", gender: "7QW9-RT4-XD58"}) { userErrors { code } } }`,
		`mutation { updateCustomer(input: {id: "` + id + `", ssn: "512-73-8846) { userErrors { code } } }`,
		`mutation M4929381332664295 { updateCustomer(input: {id: "` + id + `", ssn: "512-73-8846"} { userErrors { code } } }`,
		`{ customers(filter: {ssn: "512-73-8846"}) { nodes { id } } }`, `{ customers(filter: {mbi: "7QW9-RT4-XD58"}) { totalCount } }`, `{ accounts(filter: {number: "99KANARI7736251048"}) { nodes { id } } }`,
		`{ customers(filter: {ssn: "512-73-88466"}) { nodes { id } } }`, `{ customers(filter: {ssn: 512738846}) { nodes { id } } }`, `{ customers(filter: {mbi: "7QW9-RT4-XD58-1"}) { nodes { id } } }`,
	} {
		m.send(document, nil)
	}
	for _, wrong := range []any{512738846, []any{canaries["ssn"]}, map[string]any{"ssn": canaries["ssn"]}, canaries["ssn"]} {
		m.send(`mutation Canary($in: UpdateCustomerInput!) { updateCustomer(input: $in) { userErrors { code message } } }`, vars{"in": map[string]any{"id": id, "ssn": wrong, "birthday": wrong}})
		m.send(`mutation Canary($in: UpdateCustomerInput!) { updateCustomer(input: $in) { userErrors { code message } } }`, vars{"in": map[string]any{"id": wrong}})
		m.send(`mutation Canary($in: UpdateCustomerInput!) { updateCustomer(input: $in) { userErrors { code message } } }`, vars{"in": wrong})
	}
	for _, filter := range []map[string]any{{"ssn": canaries["ssn"]}, {"mbi": canaries["mbi"]}, {"or": []any{map[string]any{"not": map[string]any{"ssn": canaries["ssn"]}}}}} {
		r := m.mutate("createExport", vars{"input": map[string]any{"kind": "EXPORT_CUSTOMERS", "exportCustomers": map[string]any{"filter": filter}}}, "bulkOperation { id }")
		require.NotEmpty(t, r.At("createExport.userErrors"), "an export keeps no number: %s", r.Body)
	}

	// Sealed values move with who they belong to.
	r = m.mutate("mergeCustomers", vars{"input": map[string]any{"survivorId": id, "duplicateIds": []any{twin}, "reason": "twice the same"}}, "customer { id } merged { id }")
	require.Equal(t, id, r.At("mergeCustomers.customer.id"), r.Body)
	m.mutate("deleteCustomer", vars{"input": map[string]any{"id": id}}, "deletedId")
	m.mutate("restoreCustomer", vars{"input": map[string]any{"id": id}}, "customer { id }")

	m.files()
	for _, id := range m.endpoints() {
		require.NoError(t, m.Deliverer.Drain(t.Context(), m.Harbor.ID(), id.UUID))
	}
	require.NotEmpty(t, m.receiver.All())

	// The one way to the numbers shows that they are there.
	accounts := m.OK(t, m.Harbor.Key, `{ account(sourceAccount: {source: "50004", sourceAccountId: "A-K-1"}) { id } }`, nil).Text("account.id")
	for field, want := range map[string]string{"SSN": "512738846", "MBI": "7QW9RT4XD58", "MEDICAID_NUMBER": canaries["medicaidNumber"], "VA_NUMBER": canaries["vaNumber"], "ACCOUNT_NUMBER": canaries["accountNumber"]} {
		in := map[string]any{"id": id, "field": field, "reason": "The customer is on the phone."}
		if field == "ACCOUNT_NUMBER" {
			in["id"] = accounts
		}
		r := m.OK(t, m.Harbor.Key, `mutation ($in: RevealPiiInput!) { revealPii(input: $in) { value userErrors { code message } } }`, vars{"in": in})
		require.Equal(t, want, r.At("revealPii.value"), r.Body)
		require.True(t, holdsNumber(r.Body), "the search does find what is there")
	}
	m.inspect()

	// A mutation that gets a place for such a number has to be sent one here.
	for coordinate := range places() {
		require.True(t, m.sent[coordinate], "%s was never sent a number", coordinate)
	}
}

// numbered matches the input fields that are made for a number, or for a part of one.
var numbered = regexp.MustCompile(`(?i)^(ssn|mbi|medicaidNumber|vaNumber|accountNumber|ssnLastFour|last4|iin|.*cardNumber|.*kba.*)$`)

// partial are those of them that hold a part alone, with the reason why that is enough.
var partial = map[string]string{"CreateCustomerInput.ssnLastFour": "four digits identify nobody; the whole number is sent in ssn", "SsnLastFourFilter.lastFour": "four digits"}

// places are the coordinates of the input fields of all mutations that are made for a number.
func places() map[string]bool {
	out, seen := map[string]bool{}, map[string]bool{}
	var walk func(typ *ast.Type)
	walk = func(typ *ast.Type) {
		def := schema.Types[typ.Name()]
		if seen[def.Name] || def.Kind != ast.InputObject {
			return
		}
		seen[def.Name] = true
		for _, f := range def.Fields {
			if coordinate := def.Name + "." + f.Name; numbered.MatchString(f.Name) && f.Type.NamedType == "String" && partial[coordinate] == "" {
				out[coordinate] = true
			}
			walk(f.Type)
		}
	}
	for _, f := range schema.Mutation.Fields {
		for _, a := range f.Arguments {
			walk(a.Type)
		}
	}
	return out
}

// endpoints are the ids of Harbor's webhook endpoints.
func (m *coalMine) endpoints() []relay.ID {
	var out []relay.ID
	r := m.OK(m.t, m.Harbor.Key, `{ webhookEndpoints { nodes { id } } }`, nil)
	for i := range r.Len("webhookEndpoints.nodes") {
		id, err := relay.ParseID(r.Text(fmt.Sprintf("webhookEndpoints.nodes.%d.id", i)))
		require.NoError(m.t, err)
		out = append(out, id)
	}
	return out
}

// files sends the numbers by files of every kind and format, right and wrong, and works on them.
func (m *coalMine) files() {
	t := m.t
	text := func(row map[string]any) string { return line(t, row) }
	var upsert, create, sync, upsertCSV, syncCSV strings.Builder
	upsertCSV.WriteString("sourceId,firstName,lastName,ssn,dateOfBirth\nF-100,Kanary,Bird,512-73-8846,1985-06-15\n")
	syncCSV.WriteString("referenceId,taskType,firstName,ssn,ssnLastFour\nF-100,collections,Kanary,512-73-8846,8846\n")
	upsert.WriteString(text(person("sourceId", "F-0", vars{"ssn": canaries["ssn"]})))
	create.WriteString(text(person("sourceCustomerId", "F-0", vars{"ssn": canaries["ssn"], "accounts": []any{accountOf("F-0", vars{"accountNumber": canaries["accountNumber"]})}})))
	sync.WriteString(text(syncRow("F-0", vars{"ssn": canaries["ssn"]})))
	for i, wrong := range wrongForms(canaries["ssn"]) {
		name := fmt.Sprintf("F-%d", i+1)
		upsert.WriteString(text(person("sourceId", name, vars{"ssn": wrong})) + text(person("sourceId", name, vars{"dateOfBirth": wrong})) + `{"sourceId": "` + name + `", "ssn": 512738846}` + "\n" + `{"ssn": "512-73-8846` + "\n" + `"` + pan + `"` + "\n")
		create.WriteString(text(person("sourceCustomerId", name, vars{"ssn": wrong})) + text(person("sourceCustomerId", name, vars{"accounts": []any{accountOf(name, vars{"accountNumber": pan, "cards": []any{card(name, vars{"last4": pan})}})}})) +
			text(person("sourceCustomerId", name, vars{"accounts": wrong})))
		sync.WriteString(text(syncRow(name, vars{"ssn": wrong})) + text(syncRow(name, vars{"birthday": wrong, "externalLoanIds": []any{wrong}})))
		if !strings.ContainsAny(wrong, "\x00") {
			upsertCSV.WriteString(name + ",Kanary,Bird," + wrong + ",\n" + name + ",Kanary,Bird,," + wrong + "\n" + name + ",too,few," + wrong + "\n" + name + ",an,open,\"" + wrong + "\n")
			syncCSV.WriteString(name + ",collections,Kanary," + wrong + ",\n" + name + ",collections,Kanary,," + wrong + "\n")
		}
	}
	for _, f := range []struct {
		kind    bulk.KindName
		format  bulk.Format
		source  any
		content string
	}{
		{bulk.UpsertCustomers, bulk.JSONL, "LMS", upsert.String()}, {bulk.UpsertCustomers, bulk.CSV, "LMS", upsertCSV.String()},
		{bulk.CreateCustomers, bulk.JSONL, "50004", create.String()},
		{bulk.SyncSchedules, bulk.JSONL, nil, sync.String()}, {bulk.SyncSchedules, bulk.CSV, nil, syncCSV.String()},
		// A refused file is removed too.
		{bulk.UpsertCustomers, bulk.JSONL, "LMS", `{"sourceId": "F-0", "ssn": "512-73-8846", "company": "4929381332664295"}` + "\n"},
	} {
		id := begin(t, m.World, m.Harbor.Key, f.kind, f.format, f.source, f.content)
		// The upload, which is full of them, lies there now.
		m.store()
		r := end(t, m.World, m.Workers, m.Harbor, id)
		// The results lie in the store as cipher text, so they are looked at as they are fetched.
		m.answers.WriteString(r.Body + m.Download(t, r.Text("bulkOperation.resultsUrl")).Body)
		lines := results(t, m.World, r)
		if !strings.Contains(f.content, "company") {
			require.Equal(t, "COMPLETED", r.At("bulkOperation.state"), r.Body)
			require.Equal(t, float64(len(lines)), r.At("bulkOperation.lineCount"), "one line for each")
			require.Positive(t, r.At("bulkOperation.failedCount"), r.Body)
		}
		if f.format == bulk.JSONL {
			require.NotEqual(t, "FAILED", lines[0].Action, "the right form is taken: %v", lines[0])
		}
	}
	// A file that is refused at the door is not kept either.
	r := m.Upload(t, m.Harbor.Key, uploadLines, vars{"kind": "UPSERT_CUSTOMERS", "format": "JSONL", "upsert": vars{"source": strings.Repeat("x", 100)}}, graphtest.File{Name: "a.jsonl", Content: upsert.String()})
	require.NotEmpty(t, r.At("createBulkOperation.userErrors"), r.Body)
	m.answers.WriteString(r.Body)
	r = m.Upload(t, m.Harbor.Key, uploadLines, vars{"kind": pan, "format": canaries["ssn"]}, graphtest.File{Name: "a.jsonl", Content: upsert.String()})
	require.NotEmpty(t, r.Errors)
	m.answers.WriteString(r.Body)
}
