package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/db"
	"caseload/internal/dbtest"
)

// Lists, pages and single objects of one path are counted alike, since servers differ in them.
func TestCountObjects(t *testing.T) {
	t.Parallel()
	count := func(text string) map[string]int {
		var v any
		require.NoError(t, json.Unmarshal([]byte(text), &v))
		counts := map[string]int{}
		countObjects(v, "", counts)
		return counts
	}
	page := count(`{"customers": {"nodes": [{"id": 1, "phone": {"id": 2}, "loans": {"nodes": [{"id": 3}, {"id": 4}]}}, {"id": 5, "phone": null, "loans": {"nodes": []}}], "pageInfo": {"endCursor": "x"}}}`)
	require.Equal(t, map[string]int{"customers": 2, "customers.phone": 1, "customers.loans": 2}, page)
	require.True(t, maps.Equal(page, count(`{"customers": [{"id": 1, "phone": [{"id": 2}], "loans": [{"id": 3}, {"id": 4}]}, {"id": 5, "phone": [], "loans": []}]}`)))
	require.False(t, maps.Equal(page, count(`{"customers": [{"id": 1, "phone": [{"id": 2}], "loans": [{"id": 3}]}, {"id": 5}]}`)))
	require.Equal(t, "2 customers, 2 customers.loans, 1 customers.phone", describe(page))
}

func TestProxyCountsStatements(t *testing.T) {
	t.Parallel()
	p, err := newProxy(t.Context(), dbtest.Empty(t))
	require.NoError(t, err)
	t.Cleanup(p.close)
	pool, err := db.Open(p.url, db.Settings{MaxOpen: 2})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	ask := func() {
		var n int
		require.NoError(t, pool.Get(t.Context(), &n, "SELECT $1::int + 1", 41))
		require.Equal(t, 42, n)
	}
	ask()
	before := p.statements.Load()
	for range 10 {
		ask()
	}
	// Prepared once and executed ten times: preparing is no statement.
	require.EqualValues(t, 10, p.statements.Load()-before)
}

func TestPeersAreFound(t *testing.T) {
	t.Parallel()
	_, err := (&bench{}).findPeers(t.TempDir(), "")
	require.ErrorContains(t, err, "make bench/peers")
	all, err := newPeers("peers")
	require.NoError(t, err)
	require.Len(t, all, len(peerNames))
	for i, p := range all {
		require.Equal(t, peerNames[i], p.name)
		require.FileExists(t, filepath.Join("peers", p.script))
		require.Contains(t, string(p.page), "fragment Page on Customer")
	}
	_, err = newPeers(t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestBestOfThePeersCounts(t *testing.T) {
	t.Parallel()
	m := tally([]*cell{
		{name: "Q1 Caseload", clients: 1, samples: []*sample{{perSecond: 300}}},
		{name: peerCell("Q1", "a", 1), clients: 1, samples: []*sample{{perSecond: 50}}},
		{name: peerCell("Q1", "a", 2), clients: 1, samples: []*sample{{perSecond: 100}}},
	})
	require.Equal(t, "3.00", m.against("Q1", []string{"Q1 a, 1 process", "Q1 a, 2 processes"}, 1))
	require.Equal(t, "–", m.against("Q1", []string{"Q1 a, 1 process"}, 16))
	require.Equal(t, "–", m.against("Q2", []string{"Q2 a, 1 process"}, 1))
}
