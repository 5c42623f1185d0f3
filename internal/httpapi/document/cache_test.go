package document

import (
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

func TestDocumentsAreBounded(t *testing.T) {
	t.Parallel()
	d := NewCache(defaultLimits(t), nil, nil)
	d.Add(t.Context(), strings.Repeat("x", cachedTreeText+1), &ast.QueryDocument{})
	require.Zero(t, d.trees.Len(), "long texts are not kept")
	for i := range 3 * cachedTrees {
		text := strings.Repeat("x", i+1)
		d.Add(t.Context(), text, &ast.QueryDocument{})
		d.Add(t.Context(), text, &ast.QueryDocument{})
		require.LessOrEqual(t, d.bytes, cachedTreeBytes)
		require.LessOrEqual(t, d.trees.Len(), cachedTrees)
	}
	total := 0
	for _, k := range d.trees.Keys() {
		total += len(k)
	}
	require.Equal(t, total, d.bytes)
}

func TestCachedDocumentsAreNotReadAgain(t *testing.T) {
	t.Parallel()
	validated := 0
	c := NewCache(defaultLimits(t), gqlparser.MustLoadSchema(&ast.Source{Input: testSchema}), func() *rules.Rules { validated++; return rules.NewDefaultRules() })
	read := func(text string) *ast.QueryDocument {
		ctx, reading := WithReading(t.Context())
		_, ok := c.Get(ctx, text)
		require.False(t, ok, "of the same request alone")
		err := c.Read(ctx, &graphql.RawParams{Query: text})
		if err != nil {
			require.NotEmpty(t, reading.Errors)
			return nil
		}
		doc, ok := c.Get(ctx, text)
		require.True(t, ok)
		return doc
	}
	text, long := "{ me { id } }", "{ me { id } } #"+strings.Repeat("x", 20<<10)
	require.Same(t, read(text), read(text))
	require.Equal(t, 1, validated)
	require.NotSame(t, read(long), read(long), "long texts are not kept")
	require.Nil(t, read("{ nobody you }"))
	require.Nil(t, read("{ nobody you }"), "nor what is wrong")
	require.Equal(t, 5, validated)
}

// A number for an id of another system is the same text whether it stands in the document or in a variable.
func TestNumbersForSourceIDs(t *testing.T) {
	t.Parallel()
	c := NewCache(defaultLimits(t), gqlparser.MustLoadSchema(&ast.Source{Input: `scalar SourceId input Row { id: SourceId! ids: [SourceId!] n: Int } type Query { f(row: Row, id: SourceId, n: Int): Int }`}), rules.NewDefaultRules)
	for literal, want := range map[string]any{
		"id: -0": "0", "id: 12345678901234567890": "12345678901234567890", "id: -7": "-7", `id: "-0"`: "-0", "n: -0": int64(0),
		"row: {id: -0, ids: [-0, 12345678901234567890], n: 5}": map[string]any{"id": "0", "ids": []any{"0", "12345678901234567890"}, "n": int64(5)},
		"row: {id: 1, ids: -0}":                                map[string]any{"id": "1", "ids": "0"},
	} {
		for range 2 {
			ctx, _ := WithReading(t.Context())
			text := "query ($v: SourceId = -0) { f(" + literal + ") g: f(id: $v) }"
			require.Nil(t, c.Read(ctx, &graphql.RawParams{Query: text}), literal)
			doc, _ := c.Get(ctx, text)
			got, err := doc.Operations[0].SelectionSet[0].(*ast.Field).Arguments[0].Value.Value(nil)
			require.NoError(t, err, literal)
			require.Equal(t, want, got, literal)
			byDefault, err := doc.Operations[0].VariableDefinitions[0].DefaultValue.Value(nil)
			require.NoError(t, err)
			require.Equal(t, "0", byDefault)
		}
	}
}
