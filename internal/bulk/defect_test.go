package bulk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"caseload/internal/db"
	"caseload/internal/viewer"
)

func TestGuard(t *testing.T) {
	t.Parallel()
	require.NoError(t, guard(func() error { return nil }))
	require.ErrorIs(t, guard(func() error { return errBroken }), errBroken)
	err := guard(func() error { panic("123-45-6789") })
	require.EqualError(t, err, "panic with a string")
	var none map[string]int
	require.ErrorContains(t, guard(func() error { none["x"] = 1; return nil }), "assignment to entry in nil map")
	require.Equal(t, "broken on purpose", describe(errBroken))
	require.NotContains(t, describe(fmt.Errorf("x: %w", &pq.Error{Code: "22P02", Message: `invalid input syntax: "123456789"`})), "123456789")
}

// decodes panics on its lines.
type decodes struct{ *things }

func (decodes) Decoder(*Operation) func([]byte) Row { return func([]byte) Row { panic("123-45-6789") } }

// What a line holds is in no log, whatever goes wrong with it.
func TestLogHoldsNoValues(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var log bytes.Buffer
	w.log = slog.New(slog.NewTextHandler(&log, nil))
	w.kinds[thingsKind] = decodes{w.things}
	o := w.run(t, w.create(t, JSONL, `{"name":"canary"}`))
	require.Equal(t, int32(1), o.FailureCount, "a panic is a failure, and the lease is given back")
	require.Nil(t, o.LeaseToken)

	w.kinds[thingsKind] = selects{w.things, w.pool}
	o = w.run(t, w.create(t, JSONL, `{"name":"canary"}`))
	require.Equal(t, int32(1), o.FailureCount)
	require.Contains(t, log.String(), "22P02")
	require.Contains(t, log.String(), "panic with a string")
	require.NotContains(t, log.String(), "canary")
	require.NotContains(t, log.String(), "6789")
}

// selects has PostgreSQL choke on a value.
type selects struct {
	*things
	pool *db.Pool
}

func (s selects) Prepare(ctx context.Context, _ *viewer.Viewer, _ *Operation, rows []*Row) (any, error) {
	var id string
	err := s.pool.Get(ctx, &id, `SELECT CAST($1 AS text)::uuid`, rows[0].Key)
	if err == nil {
		return nil, errors.New("it is no uuid")
	}
	return nil, err
}
