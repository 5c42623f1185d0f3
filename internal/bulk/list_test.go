package bulk

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBacklog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	backlog := func() (map[string]int, time.Duration) {
		open, waiting, err := w.Backlog(t.Context())
		require.NoError(t, err)
		return open, waiting
	}
	open, waiting := backlog()
	require.Equal(t, map[string]int{"PENDING": 0, "CHECKING": 0, "RUNNING": 0}, open, "a state without operations is told too")
	require.Zero(t, waiting)

	o := w.create(t, JSONL, `{"name":"a"}`)
	other := w.create(t, JSONL, "")
	w.run(t, w.create(t, JSONL, ""))
	w.Clock.Advance(time.Minute)
	open, waiting = backlog()
	require.Equal(t, map[string]int{"PENDING": 2, "CHECKING": 0, "RUNNING": 0}, open)
	require.Equal(t, time.Minute, waiting)

	for _, waits := range []*Operation{o, other} {
		_, err := w.acquire(t.Context(), waits.OrganizationID, waits.UUID)
		require.NoError(t, err)
	}
	open, waiting = backlog()
	require.Equal(t, 2, open["CHECKING"])
	require.Zero(t, waiting, "they are worked on")
	w.Clock.Advance(leaseTime + 2*time.Minute)
	_, waiting = backlog()
	require.Equal(t, 2*time.Minute, waiting, "whoever did is dead")
}
