package document

import (
	_ "embed"
	"strings"
	"testing"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"caseload/internal/toolcheck"
	"caseload/schema"
)

//go:embed testdata/schema.graphqls
var testSchema string

func defaultLimits(t testing.TB) *Limits {
	t.Helper()
	l, err := env.ParseAsWithOptions[Limits](env.Options{Environment: map[string]string{}})
	require.NoError(t, err)
	return &l
}

// Whatever the document, the structural check ends soon, and never lets through what is over a limit that
// can be recounted simply.
func FuzzStructure(f *testing.F) {
	for _, text := range []string{
		"{ me { id ...F } } fragment F on Customer { parent { ...F } }", "{ me { id } } fragment A on Customer { ...A }", "{ me { ...A } } fragment A on Customer { id } fragment A on Customer { name }",
		"{ me { ...A } } fragment A on Customer { a: parent { ...B } b: parent { ...B } } fragment B on Customer { ...C ...C } fragment C on Customer { id }",
		"{ " + strings.Repeat("__typename ", 21) + "}", "{ me " + strings.Repeat("@a ", 60) + "{ id } }", "{ __schema { types { ofType { name } } } }", "{ me { id ... @defer { name } } }",
		"{ me { " + strings.Repeat("parent { ", 20) + "id" + strings.Repeat(" }", 20) + " } }", "mutation { a: x b: y ... { c: z } }", "# nothing",
	} {
		f.Add(text)
	}
	limits := defaultLimits(f)
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, limits.MaxTokens)
		if err != nil {
			return
		}
		start := time.Now()
		refusal := checkStructure(doc, limits)
		if !toolcheck.RaceEnabled {
			require.Less(t, time.Since(start), time.Second)
		}
		if refusal != nil {
			require.NotEmpty(t, refusal.Message)
			return
		}
		for _, op := range doc.Operations {
			require.LessOrEqual(t, recount(doc, op.SelectionSet, 100), limits.MaxFields)
		}
	})
}

// recount counts expanded selections the naive way; it would not end for a cycle, but for the depth.
func recount(doc *ast.QueryDocument, set ast.SelectionSet, depth int) int {
	n := 0
	if depth == 0 {
		return 1 << 20
	}
	for _, s := range set {
		n++
		switch s := s.(type) {
		case *ast.Field:
			n += recount(doc, s.SelectionSet, depth)
		case *ast.InlineFragment:
			n += recount(doc, s.SelectionSet, depth)
		case *ast.FragmentSpread:
			if f := doc.Fragments.ForName(s.Name); f != nil {
				n += recount(doc, f.SelectionSet, depth-1)
			}
		}
	}
	return n
}

// Which mutations take rows follows from the schema.
func TestBulkMutations(t *testing.T) {
	t.Parallel()
	public, err := schema.Load()
	require.NoError(t, err)
	var bulk []string
	for _, f := range public.Mutation.Fields {
		if isBulk(public, f) {
			bulk = append(bulk, f.Name)
		}
	}
	require.ElementsMatch(t, []string{"bulkUpsertCustomers", "createCustomers", "bulkSyncCustomerSchedules"}, bulk)
}
