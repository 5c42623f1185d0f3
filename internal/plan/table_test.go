package plan

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The driver writes to its buffer again as soon as a cancelled request's rows are closed, which another goroutine does.
func TestCellsAreCopiedWithinScan(t *testing.T) {
	t.Parallel()
	tab := &table{n: 1, width: 6}
	tab.row.t = tab
	buffer := []byte("driver's")
	for _, value := range []any{buffer, nil, []byte{}, "text", int64(-7), true} {
		require.NoError(t, tab.row.Scan(value))
	}
	copy(buffer, "another!")
	var cells []string
	for i := range tab.width {
		cells = append(cells, string(tab.cell(0, i)))
	}
	require.Equal(t, []string{"driver's", "", "", "text", "-7", "true"}, cells)
	require.Nil(t, tab.cell(0, 1))
	require.NotNil(t, tab.cell(0, 2), "an empty text is not NULL")
	require.ErrorContains(t, tab.row.Scan(1.5), "float64")

	var p place
	require.NoError(t, p.Scan([]byte("12")))
	require.NoError(t, p.Scan(int64(3)))
	require.Equal(t, "3", string(p.bytes))
	require.Error(t, p.Scan(nil))
}
