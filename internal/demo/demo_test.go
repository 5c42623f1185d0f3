package demo_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/demo"
	"caseload/internal/graphtest"
	"caseload/internal/identity"
	"caseload/internal/viewer"
)

// loading is a loader beside a running API, and what it has said.
type loading struct {
	*demo.Loader
	said strings.Builder
}

func newLoading(t *testing.T, w *graphtest.World, customers int) *loading {
	t.Helper()
	l := &loading{}
	l.Loader = &demo.Loader{
		Pool: w.Pool, Keys: w.Keys, Schedules: w.Schedules, Customers: customers, KeysDir: filepath.Join(t.TempDir(), "keys"), Now: w.Clock.Now,
		Progress: func(format string, args ...any) { fmt.Fprintf(&l.said, format+"\n", args...) },
	}
	return l
}

func count(t *testing.T, w *graphtest.World, statement string) (n int) {
	t.Helper()
	require.NoError(t, w.Pool.SQL().QueryRowContext(t.Context(), statement).Scan(&n))
	return n
}

func TestLoadMakesTwoOrganizationsThatWork(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	tenants, err := newLoading(t, w, 60).Load(t.Context())
	require.NoError(t, err)
	require.Len(t, tenants, 2)
	for _, tenant := range tenants {
		r := w.OK(t, tenant.Key, `{
			viewer { organization { name } scopes }
			taskTypes { nodes { name } }
			customers(first: 60) { totalCount nodes { referenceId firstName email timeZone primaryPhone { number } primaryAddress { state } activeSchedule { status tasks(first: 1) { nodes { state dueAt } } } } }
		}`, nil)
		require.Equal(t, tenant.Name, r.Text("viewer.organization.name"))
		require.Equal(t, len(viewer.AllScopes()), r.Len("viewer.scopes"))
		require.Equal(t, 3, r.Len("taskTypes.nodes"))
		require.EqualValues(t, 60, r.At("customers.totalCount"))
		scheduled := 0
		for i := range 60 {
			at := fmt.Sprintf("customers.nodes.%d.", i)
			require.Equal(t, fmt.Sprintf("CUST-%06d", i+1), r.Text(at+"referenceId"))
			require.NotEmpty(t, r.Text(at+"firstName"))
			require.NotEmpty(t, r.Text(at+"timeZone"))
			require.Len(t, r.Text(at+"primaryAddress.state"), 2)
			require.True(t, strings.HasSuffix(r.Text(at+"email"), "@example.com"), "nobody's address")
			require.Regexp(t, `^\+1\d{3}55501\d\d$`, r.Text(at+"primaryPhone.number"), "nobody's number")
			if r.Text(at+"activeSchedule.status") == "ACTIVE" {
				scheduled++
				due, err := time.Parse(time.RFC3339, r.Text(at+"activeSchedule.tasks.nodes.0.dueAt"))
				require.NoError(t, err)
				require.True(t, due.After(graphtest.Morning.Add(-time.Minute)), "the calls are ahead")
			}
		}
		require.Equal(t, 60, scheduled, "every demonstration customer has calls to look at")
	}
	a, b := tenants[0].Key, tenants[1].Key
	first := w.OK(t, a, `{ customers(first: 60) { nodes { id firstName lastName } } }`, nil)
	second := w.OK(t, b, `{ customers(first: 60) { nodes { id firstName lastName } } }`, nil)
	require.NotEqual(t, first.Data, second.Data, "the organizations have customers of their own")
}

func TestLoadAgainChangesNothing(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	l := newLoading(t, w, 20)
	first, err := l.Load(t.Context())
	require.NoError(t, err)
	require.Contains(t, l.said.String(), "Making 20 customers")
	newest := `SELECT count(*) FROM audit_entries`
	before := count(t, w, newest)
	l.said.Reset()

	second, err := l.Load(t.Context())
	require.NoError(t, err)
	require.Equal(t, first, second)
	require.Empty(t, l.said.String())
	require.Equal(t, before, count(t, w, newest))
}

// A first start that was interrupted must not leave a half-filled database for ever.
func TestLoadGoesOnWhereItWasInterrupted(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	l := newLoading(t, w, 600)
	ctx, cancel := context.WithCancel(t.Context())
	progress := l.Progress
	l.Progress = func(format string, args ...any) {
		progress(format, args...)
		if strings.Contains(l.said.String(), "Summit") {
			cancel()
		}
	}
	_, err := l.Load(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 600, count(t, w, `SELECT count(*) FROM customers`))
	l.Progress = progress

	tenants, err := l.Load(t.Context())
	require.NoError(t, err)
	require.Len(t, tenants, 2)
	require.Equal(t, 1200, count(t, w, `SELECT count(*) FROM customers`))
	require.Equal(t, 1200, count(t, w, `SELECT count(DISTINCT (organization_id, reference_id)) FROM customers`))
}

func TestKeysAreForTheirOwnerAlone(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	l := newLoading(t, w, 1)
	_, err := l.Load(t.Context())
	require.NoError(t, err)
	folder, err := os.Stat(l.KeysDir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), folder.Mode().Perm())
	files, err := os.ReadDir(l.KeysDir)
	require.NoError(t, err)
	require.Len(t, files, 2)
	for _, f := range files {
		info, err := f.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
}

// A key that somebody has revoked in the playground, or lost, is replaced by one that works.
func TestLoadReplacesAKeyThatDoesNotWork(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	l := newLoading(t, w, 1)
	first, err := l.Load(t.Context())
	require.NoError(t, err)
	v, err := w.Keys.Authenticate(t.Context(), first[0].Key)
	require.NoError(t, err)
	keys, err := w.Keys.List(t.Context(), v.OrganizationID)
	require.NoError(t, err)
	require.Len(t, keys, 1)
	_, err = w.Keys.Revoke(t.Context(), v, identity.RevokeAPIKeyInput{ID: keys[0].ID()})
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(filepath.Join(l.KeysDir, "demo-key-01920000-0000-7000-8000-000000000002")))

	second, err := l.Load(t.Context())
	require.NoError(t, err)
	for i := range second {
		require.NotEqual(t, first[i].Key, second[i].Key)
		require.Equal(t, second[i].Name, w.OK(t, second[i].Key, `{ viewer { organization { name } } }`, nil).Text("viewer.organization.name"))
	}
	third, err := l.Load(t.Context())
	require.NoError(t, err)
	require.Equal(t, second, third)
}
