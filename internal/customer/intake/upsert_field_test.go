package intake_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
	"caseload/internal/customer"
	"caseload/internal/customer/customertest"
	"caseload/internal/customer/intake"
	"caseload/internal/reveal"
)

// upsert calls BulkUpsert for the source crm under a policy, and expects no error of the call as a whole.
func (w *world) upsert(t testing.TB, policy batch.ErrorPolicy, rows ...string) *intake.BulkUpsertResult {
	t.Helper()
	result, err := w.BulkUpsert(t.Context(), w.v, intake.BulkUpsertInput{Source: "crm", Customers: customertest.UpsertRows(t, rows...), ErrorPolicy: policy})
	require.NoError(t, err)
	require.Len(t, result.Results, len(rows))
	require.Equal(t, len(rows), result.Counts.Total())
	for i, r := range result.Results {
		require.EqualValues(t, i, r.Index)
		require.Equal(t, "sourceId", r.LookupKey)
	}
	return result
}

// upsertActions are what became of the rows.
func upsertActions(r *intake.BulkUpsertResult) string {
	var out []string
	for _, row := range r.Results {
		out = append(out, string(row.Action))
	}
	return strings.Join(out, " ")
}

// complete is a row with every field.
const complete = `{"sourceId": "1", "debtorId": "D", "firstName": "Ann", "middleName": "B.", "lastName": "Lee", "abbreviation": "AL", "title": "Dr.",
	"dateOfBirth": "1985-06-15", "gender": "Female", "ssn": "123-45-6789", "phone": "212-555-1212", "email": "ann@example.com",
	"primaryLanguage": "en", "parent": {"sourceId": "0", "language": "en"}, "sourceUpdatedAt": "2026-03-01T00:00:00Z", "clientRef": "my row",
	"addresses": [{"line1": "1 Main St", "city": "Albany", "state": "ny", "postalCode": "12207"}, {"label": "WORK", "city": "Toronto", "state": "Ontario", "postalCode": "M5V 2T6", "country": "ca"}]}`

// shown is what is stored of a field of the one customer, opened and as text; nil is nothing.
func shown(t testing.TB, w *world, field string) any {
	t.Helper()
	if field == "ssn" {
		rows := all(t, w, customer.Customers)
		if !rows[0].SSNProvided() {
			require.Nil(t, rows[0].SSNLastFourSealed)
			require.Nil(t, rows[0].SSNIndex)
			require.Nil(t, rows[0].SSNLastFourBirthdayIndex)
			return nil
		}
		ssn, err := customertest.Revealer(w.pool, w.sealer).Reveal(t.Context(), w.v, reveal.Input{Field: customer.FieldSSN, ID: rows[0].ID(), Reason: "the customer asked for it"})
		require.NoError(t, err)
		return ssn
	}
	column := map[string]string{
		"debtorId": "debtor_id", "firstName": "first_name", "middleName": "middle_name", "lastName": "last_name", "abbreviation": "abbreviation", "title": "title",
		"dateOfBirth": "birthday", "gender": "gender", "phone": "(SELECT number FROM customer_phones p WHERE p.customer_id = c.id)", "email": "email",
		"primaryLanguage": "language", "parent": "nullif(concat_ws('/', parent_source, parent_source_id, parent_language), '')",
		"sourceUpdatedAt": "(SELECT source_updated_at FROM customer_identifiers i WHERE i.customer_id = c.id)",
		"addresses":       "(SELECT string_agg(concat_ws('|', label, line1, city, state, postal_code, country), ' ' ORDER BY label) FROM customer_addresses a WHERE a.customer_id = c.id)",
	}[field]
	require.NotEmpty(t, column, field)
	var text *string
	require.NoError(t, w.pool.Get(t.Context(), &text, "SELECT CAST("+column+" AS text) FROM customers c"))
	if text == nil {
		return nil
	}
	return *text
}

// wide is a text of n characters, each of several bytes.
func wide(n int) string { return strings.Repeat("é", n) }

// fieldCases has every field of the source document with what a valid value is stored as, what null does, and the
// values that are refused.
var fieldCases = []struct {
	field string
	// first is what the complete row stores; value is another, stored as then.
	first, value, then any
	// kept tells that null does not clear.
	kept bool
	// wrong are refused, with the code and the path below the row.
	wrong map[string]string
	// alien are values of a wrong type, which neither a file nor the graph takes; nil means those of a text.
	alien []string
	// misread are refused in a file alone: the graph reads an object as a list of one.
	misread []string
}{
	{field: "debtorId", first: "D", value: wide(255), then: wide(255), wrong: map[string]string{`"` + wide(256) + `"`: "TOO_LONG debtorId", `" "`: "BLANK debtorId",
		`"` + card + `"`: "INVALID debtorId", `"D 4111-1111-1111-1111"`: "INVALID debtorId"}},
	{field: "primaryLanguage", first: "en", value: "es-MX", then: "es-MX", wrong: map[string]string{
		`"english"`: "INVALID primaryLanguage", `" "`: "BLANK primaryLanguage", `"` + strings.Repeat("en-", 12) + `"`: "TOO_LONG primaryLanguage"}},
	{field: "firstName", first: "Ann", value: " Eve ", then: "Eve", wrong: map[string]string{`"` + wide(256) + `"`: "TOO_LONG firstName", `""`: "BLANK firstName"}},
	{field: "middleName", first: "B.", value: wide(255), then: wide(255), wrong: map[string]string{`"` + wide(256) + `"`: "TOO_LONG middleName"}},
	{field: "lastName", first: "Lee", value: wide(255), then: wide(255), wrong: map[string]string{`"` + wide(256) + `"`: "TOO_LONG lastName"}},
	{field: "abbreviation", first: "AL", value: wide(50), then: wide(50), wrong: map[string]string{`"` + wide(51) + `"`: "TOO_LONG abbreviation"}},
	{field: "title", first: "Dr.", value: wide(50), then: wide(50), wrong: map[string]string{`"` + wide(51) + `"`: "TOO_LONG title"}},
	{field: "dateOfBirth", first: "1985-06-15", value: "2026-03-02", then: "2026-03-02", wrong: map[string]string{
		`"2026-03-03"`: "OUT_OF_RANGE dateOfBirth", `"1899-12-31"`: "OUT_OF_RANGE dateOfBirth", `"15.06.1985"`: "INVALID dateOfBirth", `"2025-02-29"`: "INVALID dateOfBirth"}},
	{field: "gender", first: "FEMALE", value: "Non-Binary", then: "NON_BINARY", wrong: map[string]string{`"Unknown"`: "INVALID gender", `""`: "BLANK gender"}},
	{field: "ssn", first: "123456789", value: "321549876", then: "321549876", wrong: map[string]string{
		`"98765432"`: "INVALID ssn", `"000-45-6789"`: "INVALID ssn", `"123-00-6789"`: "INVALID ssn", `"123-45-0000"`: "INVALID ssn", `"***-**-6789"`: "INVALID ssn"}},
	{field: "phone", first: "+12125551212", value: "+442079460958", then: "+442079460958", wrong: map[string]string{
		`"12"`: "INVALID phone", `"call me"`: "INVALID phone", `"` + wide(256) + `"`: "TOO_LONG phone"}},
	{field: "email", first: "ann@example.com", value: "eve@example.org", then: "eve@example.org", wrong: map[string]string{
		`"ann"`: "INVALID email", `"Ann <ann@example.com>"`: "INVALID email", `"` + strings.Repeat("a", 250) + `@example.com"`: "TOO_LONG email"}},
	{field: "parent", first: "crm/0/en", value: json.RawMessage(`{"source": "erp", "sourceId": 77}`), then: "erp/77/en", wrong: map[string]string{
		`{"sourceId": ""}`: "BLANK parent.sourceId", `{"sourceId": "1"}`: "INVALID parent", `{"sourceId": "2", "source": "` + wide(65) + `"}`: "TOO_LONG parent.source",
		`{"sourceId": "2", "language": "x y"}`: "INVALID parent.language", `{"sourceId": "` + wide(256) + `"}`: "TOO_LONG parent.sourceId",
		`{"sourceId": "` + card + `"}`: "INVALID parent.sourceId", `{"sourceId": "2", "source": "` + card + `"}`: "INVALID parent.source"},
		alien: []string{`"2"`, `2`, `true`, `[1]`, `{"sourceId": true}`, `{"sourceId": 1.5}`, `{"sourceId": "2", "source": {}}`, `{"sourceId": "2", "language": []}`}},
	{field: "addresses", first: "PRIMARY|1 Main St|Albany|NY|12207|US WORK|Toronto|Ontario|M5V 2T6|CA", value: json.RawMessage(`[{"label": "MAILING", "line1": "PO Box 1", "state": "AE", "postalCode": "09012-1234"}]`),
		then: "MAILING|PO Box 1|AE|09012-1234|US", wrong: map[string]string{
			`[{"state": "Ontario"}]`: "INVALID addresses.0.state", `[{"postalCode": "M5V 2T6"}]`: "INVALID addresses.0.postalCode", `[{"country": "USA", "city": "x"}]`: "INVALID addresses.0.country",
			`[{"country": "CA", "postalCode": "` + wide(21) + `"}]`: "TOO_LONG addresses.0.postalCode", `[{}]`: "REQUIRED addresses.0", `[{"label": "HOME", "city": "x"}]`: "INVALID addresses.0.label",
			`[{"city": "x"}, {"label": "PRIMARY", "city": "y"}]`:                          "DUPLICATE_INPUT_ITEM addresses.1.label",
			`[{"city": "x"}, {"line1": "` + wide(256) + `", "label": "WORK"}]`:            "TOO_LONG addresses.1.line1",
			`[{"city": "x"}, {"city": "x"}, {"city": "x"}, {"city": "x"}, {"city": "x"}]`: "LIMIT_EXCEEDED addresses"},
		alien: []string{`"x"`, `1`, `true`, `[1]`, `[[]]`, `[{"city": {}}]`, `[{"city": true}]`, `[{"label": []}]`}, misread: []string{`{"city": "x"}`}},
	{field: "sourceUpdatedAt", first: "2026-03-01 00:00:00+00", value: "2026-03-01T01:00:00.5-01:00", then: "2026-03-01 02:00:00.5+00", kept: true, wrong: map[string]string{
		`"yesterday"`: "INVALID sourceUpdatedAt", `"2026-03-01"`: "INVALID sourceUpdatedAt", `"2026-03-04T00:00:00Z"`: "OUT_OF_RANGE sourceUpdatedAt", `"0000-01-01T00:00:00Z"`: "OUT_OF_RANGE sourceUpdatedAt"}},
}

// TestEveryFieldOfAnUpsert goes through absent, valid, again the same, null and wrong for every field.
func TestEveryFieldOfAnUpsert(t *testing.T) {
	t.Parallel()
	for _, test := range fieldCases {
		t.Run(test.field, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			require.Equal(t, "CREATE", upsertActions(w.upsert(t, "", complete)))
			require.Equal(t, test.first, shown(t, w, test.field))
			send := func(value string) *intake.BulkUpsertResult {
				in := intake.BulkUpsertInput{Source: "crm", Language: val("en"), Customers: customertest.UpsertRows(t, `{"sourceId": "1", "`+test.field+`": `+value+`}`)}
				result, err := w.BulkUpsert(t.Context(), w.v, in)
				require.NoError(t, err)
				return result
			}
			in := intake.BulkUpsertInput{Source: "crm", Language: val("en"), Customers: customertest.UpsertRows(t, `{"sourceId": "1"}`)}
			absent, err := w.BulkUpsert(t.Context(), w.v, in)
			require.NoError(t, err)
			require.Equal(t, "UNCHANGED", upsertActions(absent))
			require.Equal(t, test.first, shown(t, w, test.field))
			for text, want := range test.wrong {
				r := send(text)
				require.Equal(t, "FAILED", upsertActions(r), text)
				require.Equal(t, []string{want}, wrong(r.Results[0]), text)
				require.Nil(t, r.Results[0].Customer)
				require.Equal(t, test.first, shown(t, w, test.field), text)
				if sent := strings.Trim(text, `"`); len(sent) > 3 {
					require.NotContains(t, r.Results[0].UserErrors[0].Message, sent)
				}
			}
			value, err := json.Marshal(test.value)
			require.NoError(t, err)
			changed := "UPDATE"
			if test.kept {
				changed = "UNCHANGED"
			}
			require.Equal(t, changed, upsertActions(send(string(value))))
			require.Equal(t, test.then, shown(t, w, test.field))
			require.Equal(t, "UNCHANGED", upsertActions(send(string(value))))
			if test.kept {
				require.Equal(t, "UNCHANGED", upsertActions(send("null")))
				require.Equal(t, test.then, shown(t, w, test.field))
				return
			}
			require.Equal(t, "UPDATE", upsertActions(send("null")))
			require.Nil(t, shown(t, w, test.field))
			require.Equal(t, "UNCHANGED", upsertActions(send("null")))
		})
	}
}

// aliens are what no text is.
var aliens = []string{`true`, `{}`, `{"a": "b"}`, `["a", "b"]`}

// A line with a value of the wrong type is refused before anything is judged.
func TestEveryTypeOfAnUpsert(t *testing.T) {
	t.Parallel()
	for _, test := range fieldCases {
		in := func(value string) []string {
			_, row := intake.UpsertRows.Decode([]byte(`{"sourceId": "1", "` + test.field + `": ` + value + `}`))
			return codesOf(row.UserErrors)
		}
		values := test.alien
		if values == nil {
			values = aliens
		}
		for _, value := range values {
			errs := in(value)
			require.Len(t, errs, 1, "%s: %s", test.field, value)
			require.True(t, strings.HasPrefix(errs[0], "INVALID "+test.field), "%s: %s: %s", test.field, value, errs[0])
		}
		for _, value := range test.misread {
			require.Equal(t, []string{"INVALID " + test.field}, in(value))
		}
		require.Empty(t, in("null"))
	}
}

// TestTheKeyOfAnUpsert judges what makes the identity of a row: without it nothing is written under any policy.
func TestTheKeyOfAnUpsert(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for text, want := range map[string]string{
		`{"sourceId": ""}`:                                                          "BLANK sourceId",
		`{"sourceId": "` + wide(256) + `"}`:                                         "TOO_LONG sourceId",
		`{"sourceId": "` + card + `"}`:                                              "INVALID sourceId",
		`{"sourceId": "card-4111-1111-1111-1111"}`:                                  "INVALID sourceId",
		`{"sourceId": "1", "source": "` + card + `"}`:                               "INVALID source",
		`{"sourceId": "1", "source": " "}`:                                          "BLANK source",
		`{"sourceId": "1", "source": "` + wide(65) + `"}`:                           "TOO_LONG source",
		`{"sourceId": "1", "primaryLanguage": "x y"}`:                               "INVALID primaryLanguage",
		`{"sourceId": "1", "primaryLanguage": "` + strings.Repeat("en-", 12) + `"}`: "TOO_LONG primaryLanguage",
		`{"sourceId": "1", "sourceUpdatedAt": "yesterday", "clientRef": "mine"}`:    "INVALID sourceUpdatedAt",
	} {
		for _, policy := range []batch.ErrorPolicy{batch.RejectFailedRows, batch.IgnoreFailed, batch.RejectEverything} {
			r := w.upsert(t, policy, text)
			require.Equal(t, "FAILED", upsertActions(r), text)
			require.Equal(t, []string{want}, wrong(r.Results[0]), text)
			require.NotContains(t, asJSON(t, r), "4111", "a key that is wrong is not repeated")
		}
	}
	require.Empty(t, all(t, w, customer.Customers))
	// A number stands for its digits, and what the source calls the row comes back.
	r := w.upsert(t, "", `{"sourceId": 3002196, "clientRef": "mine"}`, `{"sourceId": "3002196"}`, `{"sourceId": "3002196", "primaryLanguage": "es"}`, `{"sourceId": "3002196", "source": "erp"}`)
	require.Equal(t, "CREATE UNCHANGED CREATE CREATE", upsertActions(r))
	require.Equal(t, "3002196", r.Results[0].Key)
	require.Equal(t, "mine", *r.Results[0].ClientRef)
	require.Nil(t, r.Results[0].Customer.ReferenceID)
	require.Equal(t, []string{"Completed"}, r.Messages)
	require.Len(t, all(t, w, customer.Customers), 3)
	too := w.upsert(t, "", `{"sourceId": "9", "clientRef": "`+wide(256)+`"}`)
	require.Equal(t, []string{"TOO_LONG clientRef"}, wrong(too.Results[0]))
	hidden := w.upsert(t, batch.IgnoreFailed, `{"sourceId": "9", "clientRef": "4111 1111 1111 1111 123"}`)
	require.Equal(t, []string{"INVALID clientRef"}, wrong(hidden.Results[0]))
	require.Nil(t, hidden.Results[0].ClientRef)
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}
