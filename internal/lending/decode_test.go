package lending

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

const fullBorrower = `{"referenceId":"C-1","firstName":" Ada ","lastName":"O’Brien","email":"ada@example.com","birthday":"1985-06-15",
"ssnLastFour":"0123","phoneNumber":"+14155555555","timezone":"America/Los_Angeles","language":"en","streetAddress1":"1 Main St",
"streetAddress2":"","city":"San Francisco","state":"CA","zipCode":"94102","doNotCall":false,
"externalMetadata":{"pay_day":"Friday","rate":1.10},"somethingNew":{"a":[1,2]},"middleName":null}`

func TestDecodeBorrower(t *testing.T) {
	t.Parallel()
	b, err := decodeBorrower([]byte(fullBorrower))
	require.NoError(t, err)
	require.Equal(t, "C-1", b.ReferenceID)
	require.Equal(t, "Ada", *b.FirstName)
	require.Equal(t, "O’Brien", *b.LastName)
	require.Equal(t, "1985-06-15", b.Birthday.String())
	require.Equal(t, "0123", *b.SSNLastFour)
	require.Equal(t, "America/Los_Angeles", *b.TimeZone)
	require.Nil(t, b.StreetAddress2, "blank text is unknown")
	require.False(t, *b.DoNotCall)
	require.Equal(t, `{"pay_day":"Friday","rate":1.10}`, string(b.ExternalMetadata))

	b, err = decodeBorrower([]byte(`{"referenceId":77}`))
	require.NoError(t, err)
	require.Equal(t, Borrower{ReferenceID: "77"}, b)
}

func TestBorrowerDoesNotPrint(t *testing.T) {
	t.Parallel()
	b, err := decodeBorrower([]byte(fullBorrower))
	require.NoError(t, err)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		require.Equal(t, "borrower C-1", fmt.Sprintf(verb, b))
		require.Equal(t, "borrower C-1", fmt.Sprintf(verb, &b))
	}
	require.Equal(t, "borrower C-1", b.LogValue().String())
}

func TestDecodeBorrowerRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, want string }{
		"empty":                {``, "must be JSON"},
		"truncated":            {`{"referenceId":"C-1"`, "must be JSON"},
		"html":                 {`<html>`, "must be JSON"},
		"two values":           {`{"referenceId":"1"} {}`, "one JSON value"},
		"list":                 {`[]`, "must be a JSON object"},
		"null":                 {`null`, "must be a JSON object"},
		"repeated name":        {`{"referenceId":"1","firstName":"A","firstName":"B"}`, "without repeated names"},
		"repeated deep":        {`{"referenceId":"1","x":{"a":1,"a":2}}`, "without repeated names"},
		"invalid UTF-8":        {"{\"referenceId\":\"\xff\"}", "UTF-8"},
		"lone surrogate":       {`{"referenceId":"\ud800"}`, "UTF-8"},
		"NUL":                  {`{"referenceId":"1","externalMetadata":{"a":"x\u0000y"}}`, "U+0000"},
		"NUL in a name":        {`{"referenceId":"1","externalMetadata":{"a\u0000":1}}`, "U+0000"},
		"absurd number":        {`{"referenceId":"1","externalMetadata":{"a":1e400000}}`, "exponent"},
		"long number":          {`{"referenceId":"1","externalMetadata":{"a":` + strings.Repeat("9", 65) + `}}`, "64 characters"},
		"too deep":             {`{"referenceId":"1","x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`, "nested at most 16"},
		"no id":                {`{"firstName":"A"}`, "referenceId must be"},
		"null id":              {`{"referenceId":null}`, "referenceId must be"},
		"blank id":             {`{"referenceId":" "}`, "referenceId must be"},
		"fractional id":        {`{"referenceId":1.0}`, "referenceId must be"},
		"negative id":          {`{"referenceId":-1}`, "referenceId must be"},
		"number for text":      {`{"referenceId":"1","zipCode":94102}`, "zipCode must be text"},
		"number for digits":    {`{"referenceId":"1","ssnLastFour":1234}`, "ssnLastFour must be four digits"},
		"three digits":         {`{"referenceId":"1","ssnLastFour":"123"}`, "ssnLastFour must be four digits"},
		"foreign digits":       {`{"referenceId":"1","ssnLastFour":"١٢٣٤"}`, "ssnLastFour must be four digits"},
		"control character":    {`{"referenceId":"1","city":"a\nb"}`, "city must be text"},
		"long text":            {`{"referenceId":"1","city":"` + strings.Repeat("ä", 256) + `"}`, "city must be text"},
		"no such day":          {`{"referenceId":"1","birthday":"2023-02-29"}`, "birthday must be a calendar date"},
		"date and time":        {`{"referenceId":"1","birthday":"2023-02-28T00:00:00Z"}`, "birthday must be a calendar date"},
		"year zero":            {`{"referenceId":"1","birthday":"0000-01-01"}`, "birthday must be a calendar date"},
		"text for flag":        {`{"referenceId":"1","doNotCall":"false"}`, "doNotCall must be true"},
		"number for flag":      {`{"referenceId":"1","doNotCall":0}`, "doNotCall must be true"},
		"list for metadata":    {`{"referenceId":"1","externalMetadata":[]}`, "externalMetadata must be an object"},
		"enormous metadata":    {`{"referenceId":"1","externalMetadata":{"a":"` + strings.Repeat("x", MaxMetadataBytes) + `"}}`, "externalMetadata must be an object of at most"},
		"everything, at once":  {`{"firstName":1,"birthday":2}`, "firstName must be text of at most 255 characters without control characters, or null; birthday must"},
		"list for text":        {`{"referenceId":"1","email":["a@example.com"]}`, "email must be text"},
		"object for reference": {`{"referenceId":{}}`, "referenceId must be"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := decodeBorrower([]byte(c.body))
			require.ErrorContains(t, err, c.want)
			require.IsType(t, violation(""), err)
		})
	}
	_, err := decodeBorrower([]byte(`{"referenceId":"1","x":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`))
	require.NoError(t, err, "at the limit")
}

func TestDecodeLoans(t *testing.T) {
	t.Parallel()
	loans, next, err := decodeLoans([]byte(`{"loans":[
		{"id":123,"status":"OPEN","product":"Payday","originalPrincipal":0.1,"principalBalance":"999999999999999.999999","amountDue":-5,
		 "daysPastDue":30,"currency":"CAD","openedOn":"2024-02-29","nextDueOn":null,"extra":1},
		{"id":"L-9","status":"CLOSED"}],"nextPage":"p2"}`))
	require.NoError(t, err)
	require.Equal(t, "p2", next)
	require.Len(t, loans, 2)
	require.Equal(t, "123", loans[0].ID)
	require.Equal(t, "0.1", loans[0].OriginalPrincipal.String())
	require.Equal(t, "999999999999999.999999", loans[0].PrincipalBalance.String())
	require.Equal(t, "-5", loans[0].AmountDue.String())
	require.EqualValues(t, 30, *loans[0].DaysPastDue)
	require.Equal(t, "CAD", loans[0].Currency)
	require.Nil(t, loans[0].NextDueOn)
	require.Equal(t, Loan{ID: "L-9", Status: "CLOSED", Currency: "USD"}, loans[1])

	same, _, err := decodeLoans([]byte(`{"loans":[{"id":7,"status":"OPEN"},{"status":"OPEN","id":"7"}]}`))
	require.NoError(t, err)
	require.Len(t, same, 1, "the same loan stated twice, alike, is one loan")
}

func TestDecodeLoansRefuses(t *testing.T) {
	t.Parallel()
	loan := func(member string) string {
		return `{"loans":[{"id":1,"status":"OPEN"},{"id":2,"status":"OPEN",` + member + `}]}`
	}
	for name, c := range map[string]struct{ body, want string }{
		"no list":          {`{}`, "loans must be a list"},
		"object for list":  {`{"loans":{}}`, "loans must be a list"},
		"text in list":     {`{"loans":["x"]}`, "loans[0] must be an object"},
		"no id":            {`{"loans":[{"status":"OPEN"}]}`, "loans[0].id must be"},
		"no status":        {`{"loans":[{"id":1}]}`, "loans[0].status must be"},
		"number for page":  {`{"loans":[],"nextPage":2}`, "nextPage must be text"},
		"exponent":         {loan(`"amountDue":1e2`), "loans[1].amountDue must be a decimal"},
		"exponent in text": {loan(`"amountDue":"1e999999999"`), "loans[1].amountDue must be a decimal"},
		"too exact":        {loan(`"amountDue":0.1234567`), "loans[1].amountDue must be a decimal"},
		"too large":        {loan(`"amountDue":1000000000000000`), "loans[1].amountDue must be a decimal"},
		"thousands":        {loan(`"amountDue":"1,000.00"`), "loans[1].amountDue must be a decimal"},
		"plus sign":        {loan(`"amountDue":"+1"`), "loans[1].amountDue must be a decimal"},
		"NaN":              {loan(`"amountDue":"NaN"`), "loans[1].amountDue must be a decimal"},
		"flag for money":   {loan(`"amountDue":true`), "loans[1].amountDue must be a decimal"},
		"text for days":    {loan(`"daysPastDue":"3"`), "loans[1].daysPastDue must be a whole"},
		"negative days":    {loan(`"daysPastDue":-3`), "loans[1].daysPastDue must be a whole"},
		"fractional days":  {loan(`"daysPastDue":3.0`), "loans[1].daysPastDue must be a whole"},
		"too many days":    {loan(`"daysPastDue":99999999999`), "loans[1].daysPastDue must be a whole"},
		"currency":         {loan(`"currency":"usd"`), "loans[1].currency must be"},
		"two statements":   {`{"loans":[{"id":"7","status":"OPEN"},{"id":7,"status":"CLOSED"}]}`, "loans[1].id must be unique"},
		"too many":         {`{"loans":[` + strings.Repeat(`{},`, MaxLoans) + `{}]}`, "a list of at most 1000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loans, _, err := decodeLoans([]byte(c.body))
			require.ErrorContains(t, err, c.want)
			require.Nil(t, loans)
		})
	}
	_, _, err := decodeLoans([]byte(`{"loans":[` + strings.TrimSuffix(strings.Repeat(`{"id":1.5},`, 500), ",") + `]}`))
	require.Less(t, len(err.Error()), 2000, "a long list of violations is cut")
}

func TestEnrichment(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	yes, no := true, false
	b := Borrower{FirstName: text("Ada"), City: text("Reno"), DoNotCall: &no, ExternalMetadata: json.RawMessage(`{"a":1}`)}
	require.NoError(t, b.fillFrom(Borrower{FirstName: text("Eve"), LastName: text("Hill"), City: text("Elko"), ZipCode: text("89801"),
		DoNotCall: &yes, ExternalMetadata: json.RawMessage(`{"a":2,"b":{"c":3}}`)}))
	require.Equal(t, "Ada", *b.FirstName)
	require.Equal(t, "Hill", *b.LastName)
	require.Equal(t, "Reno", *b.City)
	require.Nil(t, b.ZipCode, "addresses are not mixed")
	require.True(t, *b.DoNotCall, "an opt-out is never outvoted")
	require.Equal(t, `{"a":1,"b":{"c":3}}`, string(b.ExternalMetadata))

	big := json.RawMessage(fmt.Sprintf(`{"b":%q}`, strings.Repeat("x", MaxMetadataBytes-100)))
	b.ExternalMetadata = json.RawMessage(fmt.Sprintf(`{"a":%q}`, strings.Repeat("x", 200)))
	require.ErrorContains(t, b.fillFrom(Borrower{ExternalMetadata: big}), "together are too large")
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		fullBorrower, `{"loans":[{"id":1,"status":"OPEN","amountDue":"1.5","daysPastDue":3}],"nextPage":"x"}`,
		`{"id":1,"status":"OPEN","borrowerReferenceId":"C-1","borrower":{"firstName":"A"}}`, `{"referenceId":"\ud800"}`, `[[[[`, ``,
	} {
		f.Add([]byte(seed))
	}
	sound := func(t *testing.T, texts ...*string) {
		for _, s := range texts {
			if s != nil && (*s == "" || !utf8.ValidString(*s) || strings.ContainsRune(*s, 0) || utf8.RuneCountInString(*s) > MaxTextLength) {
				t.Errorf("unsound text %q", *s)
			}
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if b, err := decodeBorrower(body); err == nil {
			sound(t, &b.ReferenceID, b.FirstName, b.LastName, b.Email, b.SSNLastFour, b.PhoneNumber, b.TimeZone, b.City)
			if b.ExternalMetadata != nil && !json.Valid(b.ExternalMetadata) {
				t.Errorf("metadata is not JSON: %q", b.ExternalMetadata)
			}
		} else if len(err.Error()) > 2000 {
			t.Errorf("error of %d bytes", len(err.Error()))
		}
		if loans, _, err := decodeLoans(body); err == nil {
			ids := map[string]bool{}
			for _, l := range loans {
				sound(t, &l.ID, &l.Status, l.Product)
				if ids[l.ID] {
					t.Errorf("loan twice")
				}
				ids[l.ID] = true
				if l.AmountDue != nil && len(l.AmountDue.String()) > 24 {
					t.Errorf("amount of %d characters", len(l.AmountDue.String()))
				}
			}
		}
		if file, err := decodeLoanFile(body); err == nil {
			sound(t, &file.owner, file.borrower.LastName)
		}
	})
}
