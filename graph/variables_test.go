package graph_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/graphtest"
)

func TestVariables(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.Harbor.People(t, 2)
	t.Run("NullFindsNoRow", p.testNullFindsNoRow)
	t.Run("NumbersAreNotTexts", p.testNumbersAreNotTexts)
	t.Run("NullInASingleObjectOfAGroup", p.testNullInASingleObjectOfAGroup)
	t.Run("NullForADirectiveChangesNothing", p.testNullForADirectiveChangesNothing)
	t.Run("NumbersOutOfRange", p.testNumbersOutOfRange)
	t.Run("AbsentVariablesClearNothing", p.testAbsentVariablesClearNothing)
}

// A nullable variable with a default may stand where an id must be; with null it is no condition, which every row
// fits.
func (p *pair) testNullFindsNoRow(t *testing.T) {
	for _, field := range []string{"importRequest(requestId: $id)", "bulkOperation(id: $id)", "webhookEndpoint(id: $id)", "node(id: $id)", "customer(id: $id)", "account(id: $id)", "taskType(id: $id)"} {
		compiled, _ := p.same(t, p.Harbor.Key, `query Q($id: ID = "cust_01h455vb4pex5vsknk084sn02q") { `+field+` { id } }`, vars{"id": nil})
		require.Equal(t, "BAD_USER_INPUT", compiled.Code(), "%s %s", field, compiled.Body)
	}
}

// A number that GraphQL does not take for a text must not count as absent: the list would show everything.
func (p *pair) testNumbersAreNotTexts(t *testing.T) {
	for _, argument := range []string{"search", "after", "before"} {
		compiled, _ := p.same(t, p.Harbor.Key, `query Q($v: String) { customers(`+argument+`: $v) { nodes { id } } }`, vars{"v": 4155550123})
		require.Equal(t, "BAD_USER_INPUT", compiled.Code(), compiled.Body)
		require.Equal(t, "The variable at v must be a String.", compiled.Errors[0].Message)
	}
	// The price is that of the pages which are read.
	deep := `query Q($n: Int) { customers(first: $n) { nodes { schedules(first: $n) { nodes { tasks(first: $n) { nodes { id } } } } } } }`
	for value, code := range map[any]string{"100": "BAD_USER_INPUT", 100: "COMPLEXITY_LIMIT_EXCEEDED"} {
		compiled, _ := p.same(t, p.Harbor.Key, deep, vars{"n": value})
		require.Equal(t, code, compiled.Code(), compiled.Body)
	}
}

// A null in a filter is refused in whatever form the group around it is sent.
func (p *pair) testNullInASingleObjectOfAGroup(t *testing.T) {
	for _, field := range []string{"doNotCall", "isDeleted"} {
		for _, filter := range []vars{
			{"and": vars{field: nil}}, {"or": vars{field: nil}}, {"not": vars{"and": vars{field: nil}}}, {"and": vars{"or": vars{field: vars{"eq": nil}}}},
		} {
			compiled, _ := p.same(t, p.Harbor.Key, `query Q($f: CustomerFilter) { customers(filter: $f) { nodes { id } } }`, vars{"f": filter})
			require.Equal(t, "BAD_USER_INPUT", compiled.Code(), "%v %s", filter, compiled.Body)
			below, _ := p.same(t, p.Harbor.Key, `query Q($f: [CustomerFilter!]) { customers(filter: {and: $f}) { nodes { id } } }`, vars{"f": filter})
			require.Equal(t, "BAD_USER_INPUT", below.Code(), "%v %s", filter, below.Body)
			export := p.compiled.Do(t, p.Harbor.Key, `mutation M($f: CustomerFilter) { createExport(input: {kind: EXPORT_CUSTOMERS, exportCustomers: {filter: $f}}) { bulkOperation { id } userErrors { code } } }`, vars{"f": filter})
			require.True(t, export.Code() == "BAD_USER_INPUT" || export.At("createExport.userErrors.0.code") != nil, "%v %s", filter, export.Body)
		}
	}
}

// What the executor would stumble over after a change was committed is refused before.
func (p *pair) testNullForADirectiveChangesNothing(t *testing.T) {
	person := p.Harbor.People(t, 1)[0]
	document := `mutation M($id: ID!, $b: Boolean = true) { updateCustomer(input: {id: $id, title: "Dr."}) { customer { id @include(if: $b) } userErrors { message } } }`
	r := p.compiled.Do(t, p.Harbor.Key, document, vars{"id": graphtest.ID(person.Customer), "b": nil})
	require.Equal(t, "BAD_USER_INPUT", r.Code(), r.Body)
	after := p.OK(t, p.Harbor.Key, `query Q($id: ID!) { customer(id: $id) { title } }`, vars{"id": graphtest.ID(person.Customer)})
	require.NotEqual(t, "Dr.", after.At("customer.title"))
	p.same(t, p.Harbor.Key, `query Q($b: Boolean = true) { customers @include(if: $b) { nodes { id } } }`, vars{"b": nil})
	p.same(t, p.Harbor.Key, `query Q($b: Boolean = true) { customers { nodes { id @skip(if: $b) } } }`, vars{"b": nil})
}

// A literal that no number holds is the caller's mistake.
func (p *pair) testNumbersOutOfRange(t *testing.T) {
	for _, literal := range []string{"99999999999999999999", "1e999"} {
		r, _ := p.same(t, p.Harbor.Key, `{ callingHolidays(from: `+literal+`) { name } }`, nil)
		require.Equal(t, "BAD_USER_INPUT", r.Code(), r.Body)
	}
}

// A variable that is not sent leaves its field out of the input, as if it were not written: an update must not clear
// what nobody has named.
func (p *pair) testAbsentVariablesClearNothing(t *testing.T) {
	id := graphtest.ID(p.Harbor.People(t, 1)[0].Customer)
	p.OK(t, p.Harbor.Key, `mutation M($id: ID!) { updateCustomer(input: {id: $id, title: "Dr.", profile: {suffix: "Jr."}}) { customer { id } } }`, vars{"id": id})
	document := `mutation M($id: ID!, $title: String, $suffix: String, $middle: String) { ...Change }
		fragment Change on Mutation { updateCustomer(input: {id: $id, title: $title, middleName: $middle, profile: {suffix: $suffix}}) { customer { title middleName profile { suffix } } userErrors { message } } }`
	for _, c := range []struct {
		sent                  vars
		title, suffix, middle any
	}{
		{vars{}, "Dr.", "Jr.", nil},
		{vars{"middle": "Lee"}, "Dr.", "Jr.", "Lee"},
		{vars{"suffix": nil}, "Dr.", nil, "Lee"},
		{vars{"title": nil, "suffix": "Sr.", "middle": "Lou"}, nil, "Sr.", "Lou"},
	} {
		c.sent["id"] = id
		r := p.compiled.OK(t, p.Harbor.Key, document, c.sent)
		require.Zero(t, r.Len("updateCustomer.userErrors"), r.Body)
		for field, want := range map[string]any{"title": c.title, "profile.suffix": c.suffix, "middleName": c.middle} {
			require.Equal(t, want, r.At("updateCustomer.customer."+field), "%v %s", c.sent, r.Body)
		}
	}
}
