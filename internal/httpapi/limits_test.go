package httpapi

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/viewer"
)

// The tags are what the configuration reads, the defaults are, and the documentation prints.
func TestEveryLimitIsOnByDefault(t *testing.T) {
	t.Parallel()
	l := reflect.ValueOf(DefaultLimits())
	for _, f := range reflect.VisibleFields(l.Type()) {
		if !f.Anonymous {
			require.NotEmpty(t, f.Tag.Get("doc"), f.Name)
			require.NotEmpty(t, f.Tag.Get("env"), f.Name)
			require.Positive(t, l.FieldByIndex(f.Index).Int(), f.Name)
		}
	}
}

func TestBodyLimitFollowsScopes(t *testing.T) {
	t.Parallel()
	l := DefaultLimits()
	require.Equal(t, l.MaxBody, l.BodyFor(viewer.Nobody))
	require.Equal(t, l.MaxBody, l.BodyFor(&viewer.Viewer{Scopes: []viewer.Scope{viewer.CustomersRead}}))
	require.Equal(t, l.MaxBulkBody, l.BodyFor(&viewer.Viewer{Scopes: []viewer.Scope{viewer.CustomersWrite}}))
	require.Equal(t, l.MaxBulkBody, l.BodyFor(&viewer.Viewer{Scopes: []viewer.Scope{viewer.SchedulesWrite}}))
}
