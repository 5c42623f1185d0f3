package intake_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
	"caseload/internal/bulk"
	"caseload/internal/bulk/bulktest"
	"caseload/internal/customer"
	"caseload/internal/customer/intake"
	"caseload/internal/fault"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// bulk makes the service of bulk operations on the world.
func (w *world) bulk(t testing.TB) *bulktest.World {
	t.Helper()
	return bulktest.New(t, w.pool, []bulk.Kind{intake.NewUpsertKind(w.Service), intake.NewCreateKind(w.Service)}, nil)
}

// upsertFile is a file of customers of the source crm.
func upsertFile(format bulk.Format) bulk.CreateInput {
	return upsertOptions(format, intake.UpsertCustomersOptions{Source: val(" crm ")})
}

func upsertOptions(format bulk.Format, own intake.UpsertCustomersOptions) bulk.CreateInput {
	return bulk.CreateInput{Kind: bulk.UpsertCustomers, Format: format, Options: map[string]any{"upsertCustomers": &own}}
}

// In files the values of enums are texts, which no schema has checked: what is not one of them is refused by name.
func TestFilesRefuseUnknownEnumValues(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bulk(t)
	for format, content := range map[bulk.Format]string{
		bulk.JSONL: `{"sourceId": "1", "firstName": "Ann", "gender": "UNHEARD", "address": {"label": "WORKSHOP", "city": "Albany"}}`,
		bulk.CSV:   "sourceId,firstName,gender,address.label,address.city\n1,Ann,UNHEARD,WORKSHOP,Albany\n",
	} {
		_, results := b.Import(t, w.v, upsertFile(format), content)
		require.Len(t, results, 1)
		require.Equal(t, []string{"INVALID gender", "INVALID addresses.0.label"}, results[0].Wrong(), format)
		messages := ""
		for _, e := range results[0].UserErrors {
			messages += e.Message
		}
		for _, allowed := range append(names(customer.Genders), names(customer.AddressLabels)...) {
			require.Contains(t, messages, allowed, format)
		}
		require.NotContains(t, messages, "UNHEARD")
		require.NotContains(t, messages, "WORKSHOP")
	}
	require.Empty(t, all(t, w, customer.Customers))
}

func names[T ~string](values customer.Enum[T]) (names []string) {
	for _, v := range values {
		names = append(names, string(v.Value))
	}
	return names
}

// What a row needs and does not have is REQUIRED; what it has and says nothing is BLANK.
func TestFilesTellAbsentFromBlank(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bulk(t)
	for text, want := range map[string][]string{
		`{"firstName": "Ann"}`: {"REQUIRED source", "REQUIRED sourceId"}, `{"source": null, "sourceId": null}`: {"REQUIRED source", "REQUIRED sourceId"},
		`{"source": "", "sourceId": " "}`: {"BLANK source", "BLANK sourceId"}, `{"source": "erp", "sourceId": "1", "parent": {}}`: {"REQUIRED parent.sourceId"},
		`{"source": "erp", "sourceId": "1", "parent": {"sourceId": ""}}`: {"BLANK parent.sourceId"},
	} {
		_, results := b.Import(t, w.v, upsertOptions(bulk.JSONL, intake.UpsertCustomersOptions{}), text)
		require.Equal(t, want, results[0].Wrong(), text)
	}
	_, results := b.Import(t, w.v, upsertFile(bulk.CSV), "sourceId,firstName\n,Ann\nnull,Ann\n\" \",Ann\n")
	for i, want := range []string{"REQUIRED sourceId", "REQUIRED sourceId", "BLANK sourceId"} {
		require.Equal(t, []string{want}, results[i].Wrong())
	}
	_, results = b.Import(t, w.v, bulk.CreateInput{Kind: bulk.CreateCustomers, Format: bulk.JSONL, ErrorPolicy: graphql.OmittableOf(new(batch.IgnoreFailed))},
		`{"sourceOrganizationId": "50004", "sourceCustomerId": "1", "accounts": [{"sourceCustomerIds": ["1"], "status": null, "type": "", "cards": [{"status": "OPEN"}]}]}`)
	const account, card = "REQUIRED accounts.0.", "REQUIRED accounts.0.cards.0."
	require.ElementsMatch(t, []string{account + "sourceAccountId", account + "primarySourceCustomerId", account + "status", "BLANK accounts.0.type",
		card + "sourceCustomerId", card + "last4", card + "iin", card + "cardType", card + "openDate"}, results[0].Wrong())
	require.Equal(t, batch.Create, results[0].Action, "what is right is written")
}

func TestAFileOfUpserts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bulk(t)
	o, results := b.Import(t, w.v, upsertFile(bulk.JSONL), strings.Join([]string{
		strings.ReplaceAll(complete, "\n", " "),
		`{"sourceId": "2", "firstName": "Eve", "parent": {"sourceId": "1", "language": "en"}, "address": {"line1": "2 Main St", "city": "Albany", "state": "NY"}}`,
		`{"sourceId": "3", "email": "nobody"}`,
		`not JSON`,
		`{"sourceId": 4, "firstName": ["Kim"]}`,
		`{"sourceId": "  ", "firstName": "Kim"}`,
		`{"sourceId": "5", "address": {"city": "Rome"}, "addresses": []}`,
		`{"sourceId": "2", "firstName": "Eva", "addresses": null}`,
		`{"sourceId": "1", "primaryLanguage": "en", "sourceUpdatedAt": "2026-01-01T00:00:00Z", "firstName": "Old"}`,
		``,
	}, "\n"))
	require.Equal(t, bulk.Completed, o.State)
	require.Equal(t, []batch.Action{batch.Create, batch.Create, batch.Failed, batch.Failed, batch.Failed, batch.Failed, batch.Failed, batch.Update, batch.Skipped}, bulktest.Actions(results))
	require.Equal(t, []int32{2, 1, 0, 5, 1, 9}, []int32{o.CreatedCount, o.UpdatedCount, o.UnchangedCount, o.FailedCount, o.SkippedCount, *o.LineCount})
	for i, want := range map[int][]string{
		0: {}, 2: {"INVALID email"}, 3: {"INVALID "}, 4: {"INVALID firstName"}, 5: {"BLANK sourceId"}, 6: {"DUPLICATE_INPUT_ITEM address"}, 8: {"STALE_VERSION sourceUpdatedAt"},
	} {
		require.Equal(t, want, results[i].Wrong(), i)
		require.EqualValues(t, i, *results[i].Line)
	}
	require.Equal(t, []string{"1", "2"}, []string{*results[0].Key, *results[1].Key})
	require.Nil(t, results[5].Key, "a key that is wrong is not repeated")
	require.Equal(t, "4", *results[4].Key, "one that is right is, whatever else is wrong")
	require.Equal(t, *results[1].ID, *results[7].ID)
	require.Nil(t, results[2].ID)

	customers := all(t, w, customer.Customers)
	require.Len(t, customers, 2)
	require.Equal(t, []string{customers[0].ID().String(), customers[1].ID().String()}, []string{*results[0].ID, *results[1].ID})
	require.Equal(t, []any{"Ann", "Eva", &customers[0].UUID}, []any{*customers[0].FirstName, *customers[1].FirstName, customers[1].ParentID})
	require.Len(t, all(t, w, customer.Addresses), 2, "those of the first; those of the second were cleared")

	// The same again changes nothing, also as CSV.
	_, results = b.Import(t, w.v, upsertFile(bulk.CSV), "\uFEFFsourceId,primaryLanguage,firstName,gender,ssn,dateOfBirth,parent.sourceId,parent.language,phone,addresses.0.line1,addresses.0.city,addresses.0.state,addresses.0.postalCode,addresses.1.label,addresses.1.city,addresses.1.state,addresses.1.postalCode,addresses.1.country\r\n"+
		`1,en,Ann,Female,123456789,1985-06-15,0,en,2125551212,1 Main St,Albany,NY,12207,WORK,Toronto,Ontario,M5V 2T6,CA`+"\r\n"+
		`2,,Eva,,,,1,en,,,,,,,,,,`+"\r\n")
	require.Equal(t, []batch.Action{batch.Unchanged, batch.Unchanged}, bulktest.Actions(results), "%v", results)

	// An empty cell keeps, null clears, and address is a list of one.
	_, results = b.Import(t, w.v, upsertFile(bulk.CSV), "sourceId;firstName;lastName;address.city;address.country\n2;;Roe;Paris;FR\n1;null;;;\n")
	require.Equal(t, []batch.Action{batch.Update, batch.Create}, bulktest.Actions(results), "the first is known as 1 in English")
	customers = all(t, w, customer.Customers)
	require.Equal(t, []string{"Eva", "Roe"}, []string{*customers[1].FirstName, *customers[1].LastName})
	addresses := all(t, w, customer.Addresses)
	require.Equal(t, []any{"Paris", "FR"}, []any{*addresses[2].City, addresses[2].Country})
}

func TestAFileWithExtraneousKeysIsRefusedWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bulk(t)
	o, results := b.Import(t, w.v, upsertFile(bulk.JSONL), `{"sourceId": "1", "company": "Acme", "firstName": "Ann"}
{"sourceId": "2"}
{"sourceId": "3", "addresses": [{"city": "Albany"}, {"planet": "Mars", "city": "Rome"}], "parent": {"id": 1}, "ssnLastFour": "1234"}
`)
	require.Equal(t, bulk.Refused, o.State)
	want := []string{
		"#/customers/0: extraneous key [company] is not permitted", "#/customers/2/addresses/1: extraneous key [planet] is not permitted",
		"#/customers/2/parent: extraneous key [id] is not permitted", "#/customers/2: extraneous key [ssnLastFour] is not permitted",
	}
	require.Equal(t, want, []string(o.MessageTexts)[:4])
	var told []string
	for _, r := range results {
		for _, e := range r.UserErrors {
			told = append(told, e.Message)
		}
	}
	require.Equal(t, want, told)
	o, _ = b.Import(t, w.v, upsertFile(bulk.CSV), "sourceId,company,address.planet\n1,Acme,Mars\n")
	require.Equal(t, bulk.Refused, o.State)
	require.Equal(t, []string{"#/header: extraneous key [company] is not permitted", "#/header: extraneous key [address.planet] is not permitted"}, []string(o.MessageTexts)[:2])
	require.Empty(t, all(t, w, customer.Customers))
}

func TestLinesOfOneCustomerActInTheOrderOfTheFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// One customer and its parent come again and again, in three chunks; the parent is known only at the end.
	const n = 2300
	var file strings.Builder
	for i := range n {
		switch {
		case i == n-1:
			file.WriteString(`{"sourceId": "parent", "firstName": "Ma"}` + "\n")
		case i%700 == 3:
			fmt.Fprintf(&file, `{"sourceId": "child", "firstName": "Ann %d", "parent": {"sourceId": "parent"}}`+"\n", i)
		default:
			fmt.Fprintf(&file, `{"sourceId": "%d"}`+"\n", i)
		}
	}
	o, results := w.bulk(t).Import(t, w.v, upsertFile(bulk.JSONL), file.String())
	require.Len(t, results, n)
	require.Equal(t, []int32{n - 3, 3}, []int32{o.CreatedCount, o.UpdatedCount})
	for i, r := range results {
		want := batch.Create
		if i%700 == 3 && i > 3 {
			want = batch.Update
		}
		require.Equal(t, want, r.Action, i)
	}
	for _, c := range all(t, w, customer.Customers) {
		if c.ID().String() == *results[3].ID {
			require.Equal(t, "Ann 2103", *c.FirstName)
			require.Equal(t, *results[n-1].ID, relay.ID{Prefix: customer.Customers.Prefix(), UUID: *c.ParentID}.String())
		}
	}
}

func TestWhoMayUpsertByFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.bulk(t)
	narrow := *w.v
	narrow.Scopes = []viewer.Scope{viewer.CustomersRead}
	for _, kind := range []bulk.KindName{bulk.UpsertCustomers, bulk.CreateCustomers} {
		_, err := b.Create(context.Background(), &narrow, bulk.CreateInput{Kind: kind, Format: bulk.JSONL}, bulk.File{})
		require.Equal(t, fault.Forbidden, fault.CodeOf(err))
	}
	for _, test := range []struct {
		own  intake.UpsertCustomersOptions
		want []string
	}{
		{intake.UpsertCustomersOptions{Language: val("English!")}, []string{"INVALID input.upsertCustomers.language"}},
		{intake.UpsertCustomersOptions{Source: val(" ")}, []string{"BLANK input.upsertCustomers.source"}},
		{intake.UpsertCustomersOptions{Source: val(strings.Repeat("é", 65)), Language: val(strings.Repeat("e", 36))},
			[]string{"TOO_LONG input.upsertCustomers.source", "TOO_LONG input.upsertCustomers.language"}},
	} {
		_, err := b.Create(t.Context(), w.v, upsertOptions(bulk.JSONL, test.own), bulk.File{})
		errs, _ := fault.AsUserErrors(err)
		require.Equal(t, test.want, codesOf(errs))
	}

	// Without a source of the file each row names its own.
	_, results := b.Import(t, w.v, upsertOptions(bulk.JSONL, intake.UpsertCustomersOptions{Language: val("en")}), `{"sourceId": "1"}
{"sourceId": "1", "source": "erp"}
`)
	require.Equal(t, []string{"REQUIRED source"}, results[0].Wrong())
	require.Equal(t, batch.Create, results[1].Action)
	require.Equal(t, "en", all(t, w, customer.Identifiers)[0].Language)
}
