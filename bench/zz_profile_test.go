package main

import (
	"bytes"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"testing"

	"caseload/graph"
	"caseload/internal/db"
	"caseload/internal/httpapi"
	"caseload/internal/notify"
	"caseload/internal/observe"
	"caseload/internal/schedule"
	"github.com/stretchr/testify/require"
	"syscall"
	"time"
)

func setup(b *testing.B) (*bench, *graph.API, string) {
	dir, err := os.MkdirTemp("", "prof")
	require.NoError(b, err)
	require.NoError(b, os.Chmod(dir, 0o755))
	d, err := openDatabase(b.Context(), dir, "", io.Discard)
	require.NoError(b, err)
	b.Cleanup(func() { d.close(); os.RemoveAll(dir) })
	key, err := d.organize(b.Context())
	require.NoError(b, err)
	require.NoError(b, d.fill(b.Context(), 2000))
	pool, err := db.Open(d.url, db.Settings{MaxOpen: 16})
	require.NoError(b, err)
	require.NoError(b, schedule.LoadLaw(b.Context(), pool, time.Now()))
	l := httpapi.DefaultLimits()
	l.MaxCost, l.MaxNodes, l.PointsPerSecond, l.PointsBurst, l.OperationsPerSecond, l.OperationsBurst, l.PrincipalInFlight = 1e6, 1e6, 1e9, 1e9, 1e9, 1e9, 1000
	log := slog.New(slog.DiscardHandler)
	api, err := graph.New(graph.Options{Pool: pool, Bus: notify.New(pool, d.url, log), Sealer: d.sealer, CursorKey: []byte("0123456789abcdef0123"), Limits: &l, Metrics: observe.NewMetrics(), Log: log})
	require.NoError(b, err)
	return &bench{db: d, customers: 2000}, api, key
}

func serve(b *testing.B, api *graph.API, key string, body []byte) []byte {
	r := httptest.NewRequest("POST", "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-API-Key", key)
	w := httptest.NewRecorder()
	api.Handler.ServeHTTP(w, r)
	if w.Code != 200 || !bytes.HasPrefix(w.Body.Bytes(), []byte(`{"data"`)) {
		b.Fatalf("%d %.500s", w.Code, w.Body)
	}
	return w.Body.Bytes()
}

func BenchmarkQ1(b *testing.B) {
	_, api, key := setup(b)
	page := post(`query Page { customers(first: 50) { nodes { ...Page } pageInfo { hasNextPage endCursor } } } `+pageFragment, nil)
	n := len(serve(b, api, key, page))
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime()
	for range b.N {
		serve(b, api, key, page)
	}
	b.ReportMetric(float64(cpuTime()-before)/float64(b.N)/1e6, "cpu-ms/op")
	b.ReportMetric(float64(n), "bytes")
}

func cpuTime() int64 {
	var u syscall.Rusage
	syscall.Getrusage(0, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

func BenchmarkW2(b *testing.B) {
	bb, api, key := setup(b)
	r := rand.New(rand.NewPCG(1, 2))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		serve(b, api, key, bb.sync(r))
	}
}
