package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/toolcheck"
)

// Everything that is measured runs once: data, server, scripts and report.
func TestRun(t *testing.T) {
	t.Parallel()
	toolcheck.Need(t, "pgbench", pgbenchHint)
	// The test server does not wait for the disk, which suits a test that measures nothing.
	address := dbtest.Empty(t)
	pool, err := db.Open(address, db.Settings{MaxOpen: 1})
	require.NoError(t, err)
	for _, extension := range []string{"pg_trgm", "btree_gin"} {
		_, err := pool.Exec(t.Context(), "CREATE EXTENSION IF NOT EXISTS "+extension)
		require.NoError(t, err)
	}
	require.NoError(t, pool.Close())

	var table, progress bytes.Buffer
	err = run(t.Context(), options{customers: 500, rows: 1500, rounds: 1, time: 100 * time.Millisecond}, address, &table, &progress)
	require.NoError(t, err, "%s", &progress)

	text := table.String()
	for _, want := range []string{
		"500 customers with 3500 call tasks",
		"| Q1, statements of a query | 9.00 | 9.00 | exactly 9 |",
		"| Q2, statements of a query | 9.00 | 9.00 | exactly 9 |",
		"against the same transaction", "| bulk server", "under 80 MB", "against page 1", "compiled against generated",
	} {
		require.Contains(t, text, want)
	}
	// The script replays what the server does: whoever changes one changes the other.
	require.Contains(t, text, fmt.Sprintf("| W2, statements of a sync besides BEGIN and COMMIT | %d | ", statementsOf(syncSQL)))
	// 1,500 rows are two calls; the run itself fails where one of the ways leaves other rows than the others.
	for _, name := range []string{viaSQL, viaMutation, viaTwo, viaOperation} {
		require.Regexp(t, `\| `+regexp.QuoteMeta(name)+` \|( [1-9]\d+[^|]*\|){3}`, text)
	}
	require.Contains(t, text, "W1: 1500 customers")
	require.NotContains(t, text, "NaN")
	require.NotContains(t, text, "| – | – |  |\n")
	for _, name := range []string{pageHTTP, pageSlow, pageOne, pageMany, nestHTTP, nestSlow, nestOne, nestMany, deepHTTP, deepSlow, firstHTTP, deepOne, syncHTTP, syncOne, syncFew} {
		require.Contains(t, text, "| "+name+" | 1 | ")
		require.Contains(t, text, "| "+name+" | 16 | ")
	}
}

func TestWanted(t *testing.T) {
	t.Parallel()
	require.True(t, wanted("", pageHTTP))
	require.True(t, wanted("q2, Q1", pageHTTP))
	require.True(t, wanted("bulk", bulkHTTP))
	require.False(t, wanted("Q2,W2", pageHTTP))
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for _, o := range []options{{customers: 99, rows: 1, rounds: 1, time: time.Second}, {customers: 100, rows: 1, time: time.Second}, {customers: 100, rows: 1, rounds: 1}, {customers: 100, rounds: 1, time: time.Second}} {
		require.Error(t, run(context.Background(), o, "", nil, nil))
	}
}

func TestInsert(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "page.md")
	require.NoError(t, os.WriteFile(path, []byte("before\n"+markBegin+"\nold\n"+markEnd+"\nafter\n"), 0o600))
	for range 2 {
		require.NoError(t, insert(path, markBegin, markEnd, "new\n"))
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, "before\n"+markBegin+"\nnew\n"+markEnd+"\nafter\n", string(text))
	}
	require.NoError(t, os.WriteFile(path, []byte(markBegin+"\nno end"), 0o600))
	require.ErrorContains(t, insert(path, markBegin, markEnd, "new\n"), "lacks the marks")
}

func TestMedianIsTheMiddle(t *testing.T) {
	t.Parallel()
	c := &cell{samples: []*sample{{perSecond: 9, p50: 1}, {perSecond: 1, p50: 3}, {perSecond: 5, p50: 2}}}
	require.InDelta(t, 5, c.median().perSecond, 0)
	require.Equal(t, time.Duration(2), c.median().p50)
	require.True(t, strings.HasPrefix((&cell{name: pageHTTP, clients: 16}).String(), "Q1 server, 16"))
}
