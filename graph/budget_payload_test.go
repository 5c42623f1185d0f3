package graph_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"caseload/internal/graphtest"
)

// What the payloads of mutations of many customers select costs one statement per edge, however many rows there are.
func TestPayloadsOfManyCustomersCostOneStatementPerEdge(t *testing.T) {
	t.Parallel()
	h := newHall(t, 12)
	for _, n := range []int{1, len(h.people)} {
		t.Run(fmt.Sprintf("%d rows", n), func(t *testing.T) {
			rows := func(field string, value func(p *graphtest.Person) any) []any {
				out := make([]any, n)
				for i, p := range h.people[:n] {
					out[i] = map[string]any{field: value(p), "middleName": "Lee"}
				}
				return out
			}
			costs := func(mutation string, input vars) func(payload string) int {
				document := "mutation ($in: " + strings.ToUpper(mutation[:1]) + mutation[1:] + "Input!) { " + mutation + "(input: $in) { userErrors { message } "
				return func(payload string) int {
					r := h.OK(t, h.Harbor.Key, document+payload+" } }", vars{"in": input})
					require.Zero(t, r.Len(mutation+".userErrors"), r.Body)
					require.Equal(t, n, r.Len(mutation+".results"), r.Body)
					require.Equal(t, true, r.At(fmt.Sprintf("%s.results.%d.success", mutation, n-1)), r.Body)
					return r.Statements
				}
			}

			upsert := costs("bulkUpsertCustomers", vars{"source": "LMS", "customers": rows("sourceId", func(p *graphtest.Person) any { return p.Identifier.SourceID })})
			upsert("results { success }") // the first one writes
			base := upsert("results { success }")
			assert.Equal(t, base, upsert("results { success key userErrors { code } customer { id middleName } }"), "the customer is at hand")
			assert.Equal(t, base+1, upsert("results { success customer { phones { nodes { id } } } }"))
			assert.Equal(t, base+4, upsert("results { success customer { profile { createdAt } accountHolders { nodes { account { cards { nodes { id } } } } } } }"))

			create := costs("createCustomers", vars{"customers": rows("referenceId", func(p *graphtest.Person) any { return p.ReferenceID })})
			create("results { success }")
			base = create("results { success }")
			assert.Equal(t, base, create("requestId results { success customer { id } }"))
			assert.Equal(t, base+1, create("results { success customer { identifiers { nodes { sourceId } } } }"))
			assert.Equal(t, base+2, create("results { success } importRequest { rows { nodes { customer { id } } } }"))
		})
	}
}

// Of all the customers that were merged at once, too.
func TestPayloadOfMergeCostsOneStatementPerEdge(t *testing.T) {
	t.Parallel()
	h := newHall(t, 9)
	// The people of a world are each other's parents in a circle: a merge would change the parents of others, too.
	_, err := h.Pool.Exec(t.Context(), "UPDATE customers SET parent_id = NULL")
	require.NoError(t, err)
	next := 0
	take := func() string {
		next++
		return graphtest.ID(h.people[next-1].Customer)
	}
	merge := func(selected string) int {
		r := h.OK(t, h.Harbor.Key, `mutation ($in: MergeCustomersInput!) { mergeCustomers(input: $in) { customer { id } merged { id } `+selected+` userErrors { message } } }`,
			vars{"in": map[string]any{"survivorId": take(), "duplicateIds": []string{take(), take()}}})
		require.Equal(t, 2, r.Len("mergeCustomers.merged"), r.Body)
		return r.Statements
	}
	base := merge("")
	assert.Equal(t, base+1, merge("merged { mergedInto { id } }"))
	assert.Equal(t, base+2, merge("customer { phones { nodes { id } } addresses { nodes { id } } }"))
}
