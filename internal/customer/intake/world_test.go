package intake_test

import (
	"flag"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/customer"
	"caseload/internal/customer/intake"
	"caseload/internal/customer/merging"
	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/pii"
	"caseload/internal/toolcheck"
	"caseload/internal/viewer"
)

// The properties wait for the database in one goroutine, where the race detector sees little.
func init() {
	if toolcheck.RaceEnabled {
		_ = flag.Set("rapid.checks", "30")
	}
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// world is what the services of customers need, with its clock at noon.
type world struct {
	*intake.Service
	customers *customer.Service
	merging   *merging.Service
	pool      *db.Pool
	sealer    *pii.Sealer
	v         *viewer.Viewer
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return serve(dbtest.NewWorld(t, dbtest.WorldOptions{Start: noon}))
}

// serve makes the services of a world.
func serve(w *dbtest.World) *world {
	customers := customer.New(w.Pool, w.Sealer, nil, true, w.Clock.Now)
	return &world{Service: intake.New(w.Pool, customers, w.Clock.Now), customers: customers, merging: merging.New(w.Pool, customers, w.Clock.Now), pool: w.Pool, sealer: w.Sealer, v: w.Viewer}
}

func val[T any](v T) graphql.Omittable[*T] { return graphql.OmittableOf(&v) }
