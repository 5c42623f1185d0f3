package httpapi

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"
)

func TestDocumentsAreBounded(t *testing.T) {
	t.Parallel()
	l := DefaultLimits()
	d := newDocuments(&l, nil, nil)
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

// Not parallel: it counts allocations.
func TestCachedDocumentsAreNotCheckedAgain(t *testing.T) {
	l := DefaultLimits()
	d := newDocuments(&l, nil, nil)
	text, ctx := "{ me { id } }", t.Context()
	require.Nil(t, d.check(ctx, text))
	require.Equal(t, 1, d.passed.Len())
	d.Add(t.Context(), text, &ast.QueryDocument{})
	require.Zero(t, testing.AllocsPerRun(20, func() { _ = d.check(ctx, text) }))
	long := "{ me { id } } #" + strings.Repeat("x", 20<<10)
	require.Nil(t, d.check(ctx, long))
	require.LessOrEqual(t, testing.AllocsPerRun(20, func() { _ = d.check(ctx, long) }), 1.0, "by its hash")
}
