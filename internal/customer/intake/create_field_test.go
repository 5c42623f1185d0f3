package intake_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
	"caseload/internal/customer"
	"caseload/internal/customer/account"
	"caseload/internal/customer/customertest"
	"caseload/internal/customer/intake"
)

// fieldCase says what one value of a field is answered with; "" is that the row is written.
type fieldCase struct {
	value any
	want  string
}

func long(n int) string { return strings.Repeat("ü", n) }

// Every field of the source document, with what stands for absent, null, right, too long, of the wrong form, of the
// wrong type and outside of its enumeration. Paths are those of the row, in the seed's example.
var createFields = []struct {
	path         string
	absent, null string
	valid        []any
	wrong        []fieldCase
	wrongType    any
}{
	{path: "organizationId", absent: "REQUIRED sourceOrganizationId", null: "REQUIRED sourceOrganizationId", valid: []any{"50004", 50004, strings.Repeat("9", 64)},
		wrong: []fieldCase{{"", "BLANK sourceOrganizationId"}, {strings.Repeat("9", 65), "TOO_LONG sourceOrganizationId"}, {"50 004", "INVALID sourceOrganizationId"}, {"٣", "INVALID sourceOrganizationId"}}, wrongType: true},
	{path: "sourceParentCustomerId", valid: []any{"anybody", 17, long(255)},
		wrong: []fieldCase{{" ", "BLANK"}, {long(256), "TOO_LONG"}, {"a\x00b", "INVALID"}, {seedID, "INVALID"}, {card, "INVALID"}}, wrongType: map[string]any{}},
	{path: "postalCode", valid: []any{"78753", "78753-0001"}, wrong: []fieldCase{{"", "BLANK"}, {strings.Repeat("1", 21), "TOO_LONG"}, {"SW1A 1AA", "INVALID"}}, wrongType: []any{}},
	{path: "country", null: "REQUIRED", valid: []any{"US", "us", "DE"}, wrong: []fieldCase{{"", "BLANK"}, {long(256), "TOO_LONG"}, {"USA", "INVALID"}, {"XX", "INVALID"}}, wrongType: 1.5},
	{path: "customerCreationDate", valid: []any{"2017-01-01T08:00:00Z", "2017-01-01T08:00:00.123456789-05:00", "1900-01-01T00:00:00Z", "2200-12-31T23:59:59Z"},
		wrong: []fieldCase{{"", "BLANK"}, {long(256), "TOO_LONG"}, {"2017-01-01", "INVALID"}, {"2017-01-01T08:00:00", "INVALID"}, {"2017-02-30T08:00:00Z", "INVALID"}, {"1899-12-31T23:59:59Z", "OUT_OF_RANGE"}, {"2201-01-01T00:00:00Z", "OUT_OF_RANGE"}}, wrongType: false},
	{path: "enrollmentStartDate", valid: []any{"2023-01-01T08:00:00Z", "2022-01-01T08:00:00Z"}, wrong: []fieldCase{{"yesterday", "INVALID"}, {"2023-01-01T08:00:01Z", "OUT_OF_RANGE enrollmentEndDate"}}, wrongType: []any{}},
	{path: "enrollmentEndDate", valid: []any{"2023-01-01T08:00:00Z", "2024-01-01T08:00:00Z"}, wrong: []fieldCase{{"tomorrow", "INVALID"}, {"2022-12-31T23:59:59Z", "OUT_OF_RANGE"}}, wrongType: []any{}},
	{path: "enrollmentOptInStatus", valid: []any{"ACTIVE", "INACTIVE", "SOMETHING_NEW_2"}, wrong: []fieldCase{{"", "BLANK"}, {strings.Repeat("A", 51), "TOO_LONG"}, {"active", "INVALID"}, {"2NEW", "INVALID"}}, wrongType: []any{}},
	{path: "alertOptInStatus", valid: []any{[]any{}, []any{"ALL"}, []any{"CARD", "FRAUD", "CARD"}},
		wrong: []fieldCase{{[]any{"ALL", "CARD"}, "INVALID"}, {[]any{"CARD", "card"}, "INVALID alertOptInStatus.1"}, {[]any{""}, "BLANK alertOptInStatus.0"}, {[]any{strings.Repeat("A", 51)}, "TOO_LONG alertOptInStatus.0"}}, wrongType: "ALL"},
	{path: "targetingIndicator", valid: []any{"TARGET", "CONTROL"}, wrong: []fieldCase{{"", "BLANK"}, {strings.Repeat("A", 51), "TOO_LONG"}, {"Target", "INVALID"}}, wrongType: []any{}},
	{path: "doNotCall", valid: []any{true, false}, wrongType: "yes"},
	{path: "doNotSms", valid: []any{true, false}, wrongType: 1},
	{path: "doNotEmail", valid: []any{true, false}, wrongType: "true"},
	{path: "doNotMail", valid: []any{true, false}, wrongType: []any{true}},
	{path: "isTest", valid: []any{true, false}, wrongType: "yes"},
	{path: "test", valid: []any{true, false}, wrongType: 0},
	// Any type of JSON can be read, so that there is none that is wrong before the value is judged.
	{path: "externalMetadata", valid: []any{map[string]any{}, map[string]any{"a": []any{1, nil, "x"}}},
		wrong: []fieldCase{{"x", "INVALID"}, {1, "INVALID"}, {[]any{}, "INVALID"}, {map[string]any{"a": "\x00"}, "INVALID"}, {map[string]any{"a": long(33 << 10)}, "TOO_LONG"}}},
	{path: "accounts", valid: []any{[]any{}}, wrongType: map[string]any{}},

	{path: "accounts.0.sourceAccountId", absent: "BLANK", null: "BLANK", valid: []any{"K", 12},
		wrong: []fieldCase{{" ", "BLANK"}, {long(256), "TOO_LONG"}, {"a\x00b", "INVALID"}, {card, "INVALID"}}, wrongType: true},
	{path: "accounts.0.sourceCustomerIds", absent: "REQUIRED", null: "REQUIRED", valid: []any{[]any{seedID}, []any{seedID, seedID, "other"}},
		wrong: []fieldCase{{[]any{}, "REQUIRED"}, {[]any{"other", "another"}, "INVALID accounts.0.sourceCustomerIds;INVALID accounts.0.primarySourceCustomerId;INVALID accounts.0.cards.0.sourceCustomerId"}, {[]any{seedID, ""}, "BLANK accounts.0.sourceCustomerIds.1"}, {[]any{seedID, long(256)}, "TOO_LONG accounts.0.sourceCustomerIds.1"}, {[]any{seedID, card}, "INVALID accounts.0.sourceCustomerIds.1"}}, wrongType: "other"},
	{path: "accounts.0.primarySourceCustomerId", absent: "BLANK", null: "BLANK", valid: []any{seedID, "2e052a88-6ae1-4b78-8d96-f3a037402567"},
		wrong: []fieldCase{{"", "BLANK"}, {long(256), "TOO_LONG"}, {"stranger", "INVALID"}, {card, "INVALID"}}, wrongType: true},
	{path: "accounts.0.status", absent: "BLANK", null: "BLANK", valid: []any{"OPEN"}, wrong: []fieldCase{{"", "BLANK"}, {"AJAR", "INVALID"}, {"open", "INVALID"}, {"CLOSED", "REQUIRED accounts.0.accountCloseDate"}}, wrongType: true},
	{path: "accounts.0.type", absent: "BLANK", null: "BLANK", valid: []any{"DDA", "SAV"}, wrong: []fieldCase{{"", "BLANK"}, {strings.Repeat("A", 51), "TOO_LONG"}, {"Dda", "INVALID"}, {card, "INVALID"}}, wrongType: true},
	{path: "accounts.0.sourcePortfolioId", valid: []any{"P", 5}, wrong: []fieldCase{{"", "BLANK"}, {long(256), "TOO_LONG"}, {card, "INVALID"}}, wrongType: true},
	{path: "accounts.0.accountNumber", valid: []any{"GB29 NWBK 6016 1331 9268 19", "12-3456"}, wrong: []fieldCase{{"", "BLANK"}, {strings.Repeat("1", 31), "INVALID"}, {"123", "INVALID"}, {"12_34", "INVALID"}, {card, "INVALID"}, {"4111 1111 1111 1111", "INVALID"}}, wrongType: true},
	{path: "accounts.0.accountOpenDate", valid: []any{"2018-05-12T20:30:00Z"}, wrong: []fieldCase{{"", "BLANK"}, {"2018", "INVALID"}, {"0018-05-12T20:30:00Z", "OUT_OF_RANGE"}}, wrongType: true},
	{path: "accounts.0.accountCloseDate", wrong: []fieldCase{{"", "BLANK"}, {"2018", "INVALID"}, {"2300-01-01T00:00:00Z", "OUT_OF_RANGE"}, {"2020-01-01T00:00:00Z", "INVALID"}}, wrongType: true},
	{path: "accounts.0.cards", valid: []any{[]any{}}, wrongType: "2345"},

	{path: "accounts.0.cards.0.sourceAccountId", wrong: []fieldCase{{"other", "INVALID"}, {"", "BLANK"}, {card, "INVALID"}}, wrongType: true},
	{path: "accounts.0.cards.0.sourceCustomerId", absent: "BLANK", null: "BLANK", valid: []any{"2e052a88-6ae1-4b78-8d96-f3a037402567"},
		wrong: []fieldCase{{"", "BLANK"}, {long(256), "TOO_LONG"}, {"stranger", "INVALID"}, {card, "INVALID"}}, wrongType: true},
	{path: "accounts.0.cards.0.last4", absent: "BLANK", null: "BLANK", valid: []any{"0000", 2345}, wrong: []fieldCase{{"", "BLANK"}, {"234", "INVALID"}, {"23456", "INVALID"}, {"12a4", "INVALID"}, {card, "INVALID"}}, wrongType: true},
	{path: "accounts.0.cards.0.iin", absent: "BLANK", null: "BLANK", valid: []any{"123456", "12345678"}, wrong: []fieldCase{{"", "BLANK"}, {"12345", "INVALID"}, {"1234567", "INVALID"}, {"123456789", "INVALID"}, {card, "INVALID"}}, wrongType: true},
	{path: "accounts.0.cards.0.cardType", absent: "BLANK", null: "BLANK", valid: []any{"DEBIT", "PREPAID", "NEW_ONE"}, wrong: []fieldCase{{"", "BLANK"}, {strings.Repeat("A", 51), "TOO_LONG"}, {"credit", "INVALID"}}, wrongType: true},
	{path: "accounts.0.cards.0.status", absent: "BLANK", null: "BLANK", valid: []any{"OPEN"}, wrong: []fieldCase{{"", "BLANK"}, {"LOST", "INVALID"}, {"CLOSED", "REQUIRED accounts.0.cards.0.closeDate"}}, wrongType: true},
	{path: "accounts.0.cards.0.networkIdentifier", valid: []any{"3", 3, long(50)}, wrong: []fieldCase{{"", "BLANK"}, {long(51), "TOO_LONG"}, {card, "INVALID"}}, wrongType: true},
	{path: "accounts.0.cards.0.openDate", absent: "BLANK", null: "BLANK", valid: []any{"2023-01-01T08:00:00+02:00"}, wrong: []fieldCase{{"", "BLANK"}, {"01/01/2023", "INVALID"}, {"1899-01-01T00:00:00Z", "OUT_OF_RANGE"}}, wrongType: true},
	{path: "accounts.0.cards.0.closeDate", wrong: []fieldCase{{"", "BLANK"}, {"x", "INVALID"}, {"2024-01-01T08:00:00Z", "INVALID"}}, wrongType: true},

	// What a customer has beside the source document.
	// Right values of the reference are those of TestCustomersAreKnownByEitherKey: a customer has one, for good.
	{path: "referenceId", wrong: []fieldCase{{" ", "BLANK"}, {long(256), "TOO_LONG"}, {"a\x00", "INVALID"}, {card, "INVALID"}, {"ref-4111-1111-1111-1111", "INVALID"}}, wrongType: true},
	{path: "firstName", valid: []any{"Ann", long(255)}, wrong: []fieldCase{{" ", "BLANK"}, {long(256), "TOO_LONG"}, {"a\x00", "INVALID"}}, wrongType: true},
	{path: "middleName", valid: []any{"Ann"}, wrong: []fieldCase{{"", "BLANK"}, {long(256), "TOO_LONG"}}, wrongType: true},
	{path: "lastName", valid: []any{"Ann"}, wrong: []fieldCase{{"", "BLANK"}, {long(256), "TOO_LONG"}}, wrongType: true},
	{path: "email", valid: []any{"ann@example.com"}, wrong: []fieldCase{{"", "BLANK"}, {long(256), "TOO_LONG"}, {"ann", "INVALID"}}, wrongType: true},
	{path: "birthday", valid: []any{"1985-06-15"}, wrong: []fieldCase{{"", "BLANK"}, {"15.6.1985", "INVALID"}, {"2026-03-03", "OUT_OF_RANGE"}}, wrongType: true},
	{path: "ssnLastFour", valid: []any{"6789"}, wrong: []fieldCase{{"", "BLANK"}, {"678", "INVALID"}}, wrongType: true},
	{path: "ssn", valid: []any{"123-45-6789"}, wrong: []fieldCase{{"", "BLANK"}, {"000-45-6789", "INVALID"}}, wrongType: true},
	{path: "phoneNumber", valid: []any{"+12125551212"}, wrong: []fieldCase{{"", "BLANK"}, {"12", "INVALID"}}, wrongType: true},
	{path: "timezone", valid: []any{"America/New_York"}, wrong: []fieldCase{{"", "BLANK"}, {"EST", "INVALID"}}, wrongType: true},
	{path: "language", valid: []any{"es-MX"}, wrong: []fieldCase{{"", "BLANK"}, {long(36), "TOO_LONG"}, {"spanish!", "INVALID"}}, wrongType: true},
	{path: "streetAddress1", valid: []any{"1 Main St"}, wrong: []fieldCase{{"", "BLANK"}, {long(256), "TOO_LONG"}}, wrongType: true},
	{path: "streetAddress2", valid: []any{"Apt 2"}, wrong: []fieldCase{{"", "BLANK"}, {long(256), "TOO_LONG"}}, wrongType: true},
	{path: "city", valid: []any{"Albany"}, wrong: []fieldCase{{"", "BLANK"}, {long(256), "TOO_LONG"}}, wrongType: true},
	{path: "state", valid: []any{"tx"}, wrong: []fieldCase{{"", "BLANK"}, {long(256), "TOO_LONG"}, {"Texas", "INVALID"}}, wrongType: true},
}

const (
	seedID = customertest.SeedID
	// card is the full number of a card, as test systems of the networks use it.
	card = "4111111111111111"
)

func TestEveryFieldOfCreate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, f := range createFields {
		at := func(want string) []string {
			switch {
			case want == "":
				return []string{}
			case strings.Contains(want, " "):
				return strings.Split(want, ";")
			}
			return []string{want + " " + f.path}
		}
		// Each value comes after those before it, and after the seed's example, which it changes.
		try := func(name string, value any, want string, afresh bool) *intake.UpsertResult {
			seed := seedCustomer
			if f.path == "accounts.0.sourceAccountId" {
				seed = edit(t, seed, "accounts.0.cards.0.sourceAccountId", remove)
			}
			if afresh {
				seed = strings.Replace(seed, `"50004"`, `"50005"`, 1)
				require.True(t, w.create(t, batch.RejectFailedRows, seed).Results[0].Success())
			}
			r := w.create(t, batch.RejectFailedRows, edit(t, seed, f.path, value)).Results[0]
			require.Equal(t, at(want), wrong(r), "%s %s %v, afresh: %v", f.path, name, value, afresh)
			require.Equal(t, want == "", r.Success())
			for _, e := range r.UserErrors {
				require.Regexp(t, `^[A-Z].*\.$`, e.Message)
			}
			return r
		}
		for _, afresh := range []bool{false, true} {
			try("absent", remove, f.absent, afresh)
			try("null", nil, f.null, afresh)
			for _, value := range f.valid {
				try("valid", value, "", afresh)
				if !afresh {
					require.Equal(t, batch.Unchanged, try("valid", value, "", afresh).Action, "%s %v again", f.path, value)
				}
			}
		}
		for _, c := range f.wrong {
			try("wrong", c.value, c.want, false)
		}
		if f.wrongType == nil {
			continue
		}
		_, errs := decodeCreate(edit(t, seedCustomer, f.path, f.wrongType))
		require.Equal(t, []string{"INVALID " + f.path}, codesOf(errs), "%s of the wrong type", f.path)
	}
}

// Absent keeps what is stored, null clears it.
func TestAbsentIsNotNullInCreate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	full := edit(t, edit(t, edit(t, edit(t, seedCustomer, "referenceId", "R"), "firstName", "Ann"), "city", "Austin"), "accounts.0.accountNumber", "ACC-0001")
	w.create(t, batch.RejectFailedRows, full)
	before := w.stored(t)
	keys := `"organizationId": "50004", "sourceCustomerId": "` + seedID + `"`
	require.Equal(t, []batch.Action{batch.Unchanged}, actions(w.create(t, batch.RejectFailedRows, "{"+keys+"}")))
	bare := edit(t, edit(t, edit(t, seedCustomer, "accounts.0.sourcePortfolioId", remove), "accounts.0.accountOpenDate", remove), "accounts.0.cards", remove)
	require.Equal(t, []batch.Action{batch.Unchanged}, actions(w.create(t, batch.RejectFailedRows, bare)))
	require.Equal(t, before, w.stored(t))

	r := w.create(t, batch.RejectFailedRows, "{"+keys+`, "sourceParentCustomerId": null, "referenceId": null, "firstName": null, "city": null, "postalCode": null,
		"customerCreationDate": null, "enrollmentStartDate": null, "enrollmentEndDate": null, "enrollmentOptInStatus": null, "alertOptInStatus": null, "targetingIndicator": null, "accounts": null}`)
	require.Equal(t, []batch.Action{batch.Update}, actions(r))
	c := r.Results[0].Customer
	require.Nil(t, c.FirstName)
	require.Nil(t, c.ParentSourceID)
	require.Equal(t, "R", *c.ReferenceID, "a key is not cleared by the row that it leads to")
	require.Zero(t, w.count(t, "customer_alert_programs"), "nothing is left of the program")
	a := all(t, w, customer.Addresses)[0]
	require.Equal(t, []any{(*string)(nil), (*string)(nil), "US"}, []any{a.City, a.PostalCode, a.Country})
	require.Nil(t, all(t, w, customer.Identifiers)[0].SourceCreatedAt)

	cleared := edit(t, edit(t, edit(t, seedCustomer, "accounts.0.sourcePortfolioId", nil), "accounts.0.accountOpenDate", nil), "accounts.0.accountNumber", nil)
	w.create(t, batch.RejectFailedRows, edit(t, cleared, "accounts.0.cards.0.networkIdentifier", nil))
	k := all(t, w, account.Accounts)[0]
	require.Equal(t, []any{(*string)(nil), false}, []any{k.SourcePortfolioID, k.NumberProvided()})
	require.Nil(t, k.OpenedAt)
	require.Nil(t, k.NumberIndex)
	require.Nil(t, all(t, w, account.Cards)[0].NetworkIdentifier)
}

func TestAccountsAndCardsCloseWithADate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	closed := edit(t, edit(t, seedCustomer, "accounts.0.status", "CLOSED"), "accounts.0.accountCloseDate", "2020-01-01T00:00:00Z")
	closed = edit(t, edit(t, closed, "accounts.0.cards.0.status", "CLOSED"), "accounts.0.cards.0.closeDate", "2024-01-01T00:00:00Z")
	for _, c := range []struct {
		edits map[string]any
		want  []string
	}{
		{nil, []string{}},
		{map[string]any{"accounts.0.accountCloseDate": remove, "accounts.0.cards.0.closeDate": remove}, []string{}},
		{map[string]any{"accounts.0.accountCloseDate": nil}, []string{"REQUIRED accounts.0.accountCloseDate"}},
		{map[string]any{"accounts.0.accountCloseDate": "2018-05-12T20:29:59Z"}, []string{"OUT_OF_RANGE accounts.0.accountCloseDate"}},
		{map[string]any{"accounts.0.accountCloseDate": "2018-05-12T20:30:00Z"}, []string{}},
		{map[string]any{"accounts.0.accountOpenDate": "2021-01-01T00:00:00Z", "accounts.0.accountCloseDate": remove}, []string{"OUT_OF_RANGE accounts.0.accountCloseDate"}},
		{map[string]any{"accounts.0.cards.0.closeDate": "2022-12-31T23:59:59Z"}, []string{"OUT_OF_RANGE accounts.0.cards.0.closeDate"}},
		{map[string]any{"accounts.0.status": "OPEN", "accounts.0.accountCloseDate": remove}, []string{"INVALID accounts.0.accountCloseDate"}},
		{map[string]any{"accounts.0.status": "OPEN", "accounts.0.accountCloseDate": nil, "accounts.0.cards.0.status": "OPEN", "accounts.0.cards.0.closeDate": nil}, []string{}},
	} {
		w.create(t, batch.RejectFailedRows, closed)
		row := closed
		for path, value := range c.edits {
			row = edit(t, row, path, value)
		}
		require.Equal(t, c.want, wrong(w.create(t, batch.RejectFailedRows, row).Results[0]), fmt.Sprint(c.edits))
	}
}

func TestAddressesFollowTheRulesOfTheirCountry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, c := range []struct {
		first, then string
		want        []string
	}{
		{``, `"postalCode": "SW1A 1AA", "country": "gb", "state": "Greater London"`, []string{}},
		{`"postalCode": "SW1A 1AA", "country": "GB", "state": "Greater London"`, `"country": "US"`, []string{"REQUIRED state", "REQUIRED postalCode"}},
		{`"postalCode": "SW1A 1AA", "country": "GB", "state": "Greater London"`, `"country": "US", "state": "ny", "postalCode": "10001"`, []string{}},
		{`"postalCode": "10001", "state": "NY"`, `"country": "CA"`, []string{}},
		{``, `"country": "Nowhere", "postalCode": "SW1A 1AA"`, []string{"INVALID country"}},
		{``, `"state": "New York"`, []string{"INVALID state"}},
		{``, `"postalCode": null, "city": null`, []string{}},
	} {
		id := fmt.Sprint("A", i)
		if c.first != "" {
			require.True(t, w.create(t, batch.RejectFailedRows, person(id, c.first)).Results[0].Success())
		}
		require.Equal(t, c.want, wrong(w.create(t, batch.RejectFailedRows, person(id, c.then)).Results[0]), c.then)
	}
	require.Equal(t, 4, w.count(t, "customer_addresses"), "nulls alone make no address")
}

func TestCountries(t *testing.T) {
	t.Parallel()
	n := 0
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			if customer.IsCountry(string(a) + string(b)) {
				n++
			}
		}
	}
	require.Equal(t, 249, n, "ISO 3166-1 has assigned 249 codes")
	for _, code := range []string{"", "us", "USA", "UK", "XK", "EU", "AN"} {
		require.False(t, customer.IsCountry(code), code)
	}
}
