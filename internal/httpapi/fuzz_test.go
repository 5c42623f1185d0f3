package httpapi

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// Whatever the document, the structural check ends soon, and never lets through what is over a limit that
// can be recounted simply.
func FuzzStructure(f *testing.F) {
	for _, a := range attacks {
		if len(a.text) < 4<<10 {
			f.Add(a.text)
		}
	}
	f.Add("{ me { id ...F } } fragment F on Customer { parent { ...F } }")
	limits := DefaultLimits()
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, limits.MaxTokens)
		if err != nil {
			return
		}
		start := time.Now()
		refusal := checkStructure(doc, &limits)
		require.Less(t, time.Since(start), time.Second)
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

// What the scan lets through is JSON that the standard library reads in the same way.
func FuzzParams(f *testing.F) {
	for _, body := range []string{
		`{"query":"{ __typename }","variables":{"a":[1,{"b":null}]},"operationName":"A","extensions":{}}`,
		`{"query":"a","query":"b"}`, `[{"query":"a"}]`, `{"query":"\ud800"}`, `{}{}`, ` {"query" : "a" } `, `{"variables":{"x":1e400},"query":"q"}`, "{\"query\":\"\xff\"}",
	} {
		f.Add([]byte(body))
	}
	limits := DefaultLimits()
	f.Fuzz(func(t *testing.T, body []byte) {
		params, err := limits.ParseParams(body)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		require.True(t, utf8.Valid(body))
		var plain map[string]any
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		require.NoError(t, d.Decode(&plain))
		require.Equal(t, plain["query"], params.Query)
		if v, ok := plain["variables"].(map[string]any); ok {
			require.Len(t, params.Variables, len(v))
		} else {
			require.Nil(t, params.Variables)
		}
	})
}
