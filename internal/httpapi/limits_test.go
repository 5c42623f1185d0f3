package httpapi

import (
	"reflect"
	"testing"

	"github.com/caarlos0/env/v11"
	"github.com/stretchr/testify/require"

	"caseload/internal/viewer"
)

// The tags are what the configuration reads and the documentation prints.
func TestLimitsTagsEqualDefaults(t *testing.T) {
	t.Parallel()
	var l Limits
	require.NoError(t, env.ParseWithOptions(&l, env.Options{Environment: map[string]string{}}))
	require.Equal(t, DefaultLimits(), l)
	for i := range reflect.TypeFor[Limits]().NumField() {
		f := reflect.TypeFor[Limits]().Field(i)
		require.NotEmpty(t, f.Tag.Get("doc"), f.Name)
		require.NotEmpty(t, f.Tag.Get("env"), f.Name)
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
