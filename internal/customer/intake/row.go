package intake

import (
	"regexp"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/batch"
	"caseload/internal/customer"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/pii"
)

// row is what the rows of both mutations have in common. It is read once, before the transaction; each try applies a copy.
type row struct {
	check *fault.Check
	// key and parent are the ids in source systems of the customer and of its parent, reference is the customer's own. What was
	// not sent, or is wrong, is zero.
	key, parent customer.SourceKey
	reference   string
	// usable reports whether it is certain which customer is meant. Without it the row fails under every policy.
	usable bool
	// record is the customer that the row was applied to, or nil.
	record *customer.Record
	// identity returns the field of the birthday, and what is given as birthday and social security number.
	identity func() (birthdayField string, birthday, ssn graphql.Omittable[*string])
	result   UpsertResult
}

// again makes the copy of a row that was read the row of one try.
func (r *row) again(index int) {
	r.check, r.result.Index = r.check.Copy(), int32(index)
}

// resultsOf are the results of rows that were applied in memory, and whether the policy rejects all of them.
func resultsOf(rows []*row, policy batch.ErrorPolicy) (results []*UpsertResult, rejected bool) {
	results = make([]*UpsertResult, len(rows))
	for i, r := range rows {
		r.result.UserErrors, results[i] = r.check.Errors(), &r.result
	}
	return results, batch.Reject(policy, results, func(r *UpsertResult) *batch.Action { return &r.Action })
}

// maxSource bounds the name of a source system, in code points (docs/limits.md).
const maxSource = 64

// readSourceID returns an id of a source system, or "" when it is wrong.
func readSourceID(c *fault.Check, id string) string { return input.Key(c, id, customer.MaxText) }

// readSource returns the name of a source system, or "" when it is wrong.
func readSource(c *fault.Check, source string) string { return input.Key(c, source, maxSource) }

var organizationForm = regexp.MustCompile(`^[0-9]+$`)

// readOrganization returns an organization in the source system, or "" when it is wrong.
func readOrganization(c *fault.Check, text string) string {
	source := readSource(c, text)
	if source != "" && !organizationForm.MatchString(source) {
		c.Add(fault.Invalid, "Give the organization in the source system, digits only, such as 50004.")
		return ""
	}
	return source
}

// readLanguage returns the language of a record in its source system, "" where it has none; ok reports whether nothing is wrong
// with it.
func readLanguage(c *fault.Check, language *string) (tag string, ok bool) {
	if language == nil {
		return "", true
	}
	return input.Given(input.Language(c, *language))
}

// readMoment reads an optional time: absent and wrong are not set, null is set to nothing.
func readMoment(c *fault.Check, field string, in graphql.Omittable[*string]) (out graphql.Omittable[*time.Time]) {
	var t *time.Time
	if input.Optional(in, &t, func(text string) (time.Time, bool) { return input.Moment(c.At(field), text) }) {
		out = graphql.OmittableOf(t)
	}
	return out
}

// wordForm is a value of an enumeration that the source system may extend.
var wordForm = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,49}$`)

// readWord returns a value of an enumeration that the source system may extend, or "" when it is wrong.
func readWord(c *fault.Check, text, example string) string {
	return readForm(c, text, customer.MaxShort, wordForm, "Use capital letters, digits and _, beginning with a letter, such as "+example+".")
}

// readForm returns a text of a form, or "" when it is wrong. The number of a payment card is never repeated.
func readForm(c *fault.Check, text string, limit int, form *regexp.Regexp, hint string) string {
	text = input.Text(c, text, limit)
	switch {
	case text == "":
	case pii.HoldsCardNumber(text):
		c.Add(fault.Invalid, "The value %v.", pii.ErrCardNumber)
	case !form.MatchString(text):
		c.Add(fault.Invalid, "%s", hint)
	default:
		return text
	}
	return ""
}

// or is the value that was sent, and what is stored where none was.
func or[T any](sent graphql.Omittable[*T], stored *T) *T {
	if sent.IsSet() {
		return sent.Value()
	}
	return stored
}
