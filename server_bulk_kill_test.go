package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/graphtest"
	"caseload/internal/toolcheck"
)

const createBulkDocument = `mutation ($file: Upload!) {
	createBulkOperation(input: {kind: UPSERT_CUSTOMERS, format: JSONL, upsertCustomers: {source: "kill"}, file: $file}) { bulkOperation { id } userErrors { code message } }
}`

const bulkDocument = `query ($id: ID!) {
	bulkOperation(id: $id) { state lineCount processedCount createdCount updatedCount unchangedCount failedCount skippedCount messages resultsUrl }
}`

// TestKilledDuringABulkOperation is a nightly import that outlives its servers: they die without a word in the
// middle of 200,000 lines, or of as many as CASELOAD_KILLED_LINES says, and whoever comes next goes on.
func TestKilledDuringABulkOperation(t *testing.T) {
	t.Parallel()
	if toolcheck.RaceEnabled {
		t.Skip("the race detector makes the servers many times slower: `make test/killed`, a part of `make test`, runs this without it")
	}
	lines, kills := 200_000, 3
	if testing.Short() {
		lines = 20_000
	}
	if text := os.Getenv("CASELOAD_KILLED_LINES"); text != "" {
		var err error
		lines, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	keys := lines / 20 * 19
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	databaseURL, environ, key := seeded(t, "CASELOAD_LIMIT_OPERATIONS_PER_SECOND=100000", "CASELOAD_LIMIT_OPERATIONS_BURST=100000",
		"CASELOAD_LIMIT_POINTS_PER_SECOND=10000000", "CASELOAD_LIMIT_POINTS_BURST=10000000")
	db := open(t, databaseURL)
	var before int
	require.NoError(t, db.Get(&before, "SELECT count(*) FROM customers"))

	// Each key comes once, and some a second time: near or far, in the same chunk or in one that is written beside it.
	var file bytes.Buffer
	order := random.Perm(keys)
	for range lines - keys {
		at := random.IntN(len(order))
		order = append(order, order[at])
	}
	for at := keys - 1; at < lines; at++ {
		other := random.IntN(lines)
		order[at], order[other] = order[other], order[at]
	}
	last := make([]int, keys)
	for line, k := range order {
		last[k] = line
		fmt.Fprintf(&file, `{"sourceId":"K%d","firstName":"N%d"}`+"\n", k, line)
	}

	s := spawn(t, environ, nil, "serve").listening()
	begun := time.Now()
	id, _ := upload(t, s.address, key, createBulkDocument, file.Bytes()).At("createBulkOperation.bulkOperation.id").(string)
	require.NotEmpty(t, id)
	for death := range kills {
		// Somewhere in the share of this death, whatever is under way then.
		from, to := 1+death*lines/kills, (death+1)*lines/kills
		at := from + random.IntN((to-from)*3/4)
		o := watch(t, s, key, id, func(o map[string]any) bool { return number(o, "processedCount") >= at })
		require.NotEqual(t, "COMPLETED", o["state"], "it was faster than its death")
		s.kill()
		require.Error(t, s.end(), "killed, not ended")
		t.Logf("killed after %d lines, %s", number(o, "processedCount"), time.Since(begun).Round(time.Millisecond))
		s = spawn(t, environ, nil, "serve").listening()
	}
	o := watch(t, s, key, id, func(o map[string]any) bool {
		return o["state"] != "PENDING" && o["state"] != "CHECKING" && o["state"] != "RUNNING"
	})
	t.Logf("finished after %s", time.Since(begun).Round(time.Millisecond))
	require.Equal(t, "COMPLETED", o["state"], "%v\n%s", o, s.log)
	// What was applied twice would be unchanged the second time.
	require.Equal(t, []int{lines, lines, keys, lines - keys, 0, 0, 0}, []int{number(o, "lineCount"), number(o, "processedCount"), number(o, "createdCount"),
		number(o, "updatedCount"), number(o, "unchangedCount"), number(o, "failedCount"), number(o, "skippedCount")})

	// One outcome for each line, in the order of the file.
	link, _ := o["resultsUrl"].(string)
	if strings.HasPrefix(link, "/") {
		link = s.address + link
	}
	response, err := client.Get(link)
	require.NoError(t, err)
	defer response.Body.Close() //nolint:errcheck // read to its end
	require.Equal(t, http.StatusOK, response.StatusCode)
	ids := make([]string, keys)
	results, line := bufio.NewScanner(response.Body), 0
	for ; results.Scan(); line++ {
		var r struct {
			Line    int
			Action  string
			Key, ID string
			Success bool
		}
		require.NoError(t, json.Unmarshal(results.Bytes(), &r))
		k := order[line]
		want := "UPDATE"
		if ids[k] == "" {
			want, ids[k] = "CREATE", r.ID
		}
		if r.Line != line || r.Action != want || r.Key != fmt.Sprintf("K%d", k) || !r.Success || r.ID != ids[k] {
			require.FailNow(t, "a wrong outcome", "line %d: %s", line, results.Text())
		}
	}
	require.NoError(t, results.Err())
	require.Equal(t, lines, line)

	var after int
	require.NoError(t, db.Get(&after, "SELECT count(*) FROM customers"))
	require.Equal(t, keys, after-before, "each customer is stored once")
	var stored []struct {
		SourceID  string `db:"source_id"`
		FirstName string `db:"first_name"`
	}
	require.NoError(t, db.Select(&stored, `SELECT i.source_id, c.first_name FROM customer_identifiers i
		JOIN customers c ON c.organization_id = i.organization_id AND c.id = i.customer_id WHERE i.source = 'kill'`))
	require.Len(t, stored, keys, "each identifier is stored once")
	names := make(map[string]string, keys)
	for _, row := range stored {
		names[row.SourceID] = row.FirstName
	}
	for k, line := range last {
		if names[fmt.Sprintf("K%d", k)] != fmt.Sprintf("N%d", line) {
			require.FailNow(t, "the last line of a key does not stand", "K%d is %s, and line %d was the last", k, names[fmt.Sprintf("K%d", k)], line)
		}
	}
	s.stop()
	require.NoError(t, s.end())
}

func number(o map[string]any, field string) int {
	n, _ := o[field].(float64)
	return int(n)
}

// watch asks for a bulk operation until it is as wanted.
func watch(t *testing.T, s *instance, key, id string, wanted func(map[string]any) bool) map[string]any {
	t.Helper()
	// After a death nobody goes on before the lease has ended.
	late, again := time.After(5*time.Minute), time.NewTicker(50*time.Millisecond)
	defer again.Stop()
	for {
		a, err := ask(s.address, key, bulkDocument, graphtest.Vars{"id": id})
		require.NoError(t, err)
		require.Empty(t, a.Errors)
		o, ok := a.At("bulkOperation").(map[string]any)
		require.True(t, ok, a.Body)
		if wanted(o) || o["state"] == "COMPLETED" || o["state"] == "FAILED" || o["state"] == "REFUSED" {
			return o
		}
		select {
		case <-again.C:
		case <-late:
			require.FailNow(t, "the bulk operation does not come further", "%v\n%s", o, s.log)
		}
	}
}

// upload sends a file as the variable $file.
func upload(t *testing.T, address, key, document string, content []byte) *answer {
	t.Helper()
	operations, err := json.Marshal(map[string]any{"query": document, "variables": map[string]any{"file": nil}})
	require.NoError(t, err)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	require.NoError(t, form.WriteField("operations", string(operations)))
	require.NoError(t, form.WriteField("map", `{"0": ["variables.file"]}`))
	part, err := form.CreateFormFile("0", "customers.jsonl")
	require.NoError(t, err)
	_, err = part.Write(content)
	require.NoError(t, err)
	require.NoError(t, form.Close())
	r, err := http.NewRequest(http.MethodPost, address+"/graphql", &body)
	require.NoError(t, err)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("GraphQL-Require-Preflight", "1")
	r.Header.Set("Accept", "application/graphql-response+json")
	r.Header.Set("X-API-Key", key)
	response, err := client.Do(r)
	require.NoError(t, err)
	defer response.Body.Close() //nolint:errcheck // read to its end
	a := &answer{}
	require.NoError(t, json.NewDecoder(response.Body).Decode(&a.Reply))
	require.Empty(t, a.Errors)
	require.Zero(t, a.Len("createBulkOperation.userErrors"))
	return a
}
