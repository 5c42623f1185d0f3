package viewer_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/viewer"
	"caseload/schema"
)

func enum(t *testing.T, name string) *ast.Definition {
	t.Helper()
	s, err := schema.Load()
	require.NoError(t, err)
	def := s.Types[name]
	require.NotNil(t, def, name)
	return def
}

func names(values ast.EnumValueList) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = v.Name
	}
	return out
}

// The contract and the program list the same scopes, in one order and in the same words.
func TestScopesAreThoseOfTheSchema(t *testing.T) {
	t.Parallel()
	def := enum(t, "Scope")
	require.Len(t, def.EnumValues, len(viewer.Scopes))
	for i, s := range viewer.Scopes {
		require.Equal(t, def.EnumValues[i].Name, string(s.Scope))
		require.Equal(t, def.EnumValues[i].Description, s.Meaning)
	}
}

func TestKindsAreThoseOfTheSchema(t *testing.T) {
	t.Parallel()
	kinds := []string{string(viewer.Anonymous), string(viewer.APIKey), string(viewer.Staff), string(viewer.Portal), string(viewer.System)}
	require.Equal(t, names(enum(t, "ViewerKind").EnumValues), kinds)
}

func TestUserErrorCodesAreThoseOfTheSchema(t *testing.T) {
	t.Parallel()
	var codes []string
	for _, c := range fault.UserCodes {
		codes = append(codes, string(c.Code))
	}
	require.Equal(t, names(enum(t, "UserErrorCode").EnumValues), codes)
}

func TestAllScopesIsSortedAndTheCallersOwn(t *testing.T) {
	t.Parallel()
	all := viewer.AllScopes()
	require.True(t, slices.IsSorted(all))
	require.Len(t, slices.Compact(slices.Clone(all)), len(viewer.Scopes))
	all[0] = "CHANGED"
	require.NotEqual(t, all, viewer.AllScopes())
}

func TestParseScopes(t *testing.T) {
	t.Parallel()
	got, err := viewer.ParseScopes([]string{"TASKS_DIAL", "CUSTOMERS_READ", "TASKS_DIAL"})
	require.NoError(t, err)
	require.Equal(t, []viewer.Scope{viewer.CustomersRead, viewer.TasksDial}, got)
	_, err = viewer.ParseScopes([]string{"CUSTOMERS_READ", "customers_read"})
	require.ErrorContains(t, err, `"customers_read"`)
	require.ErrorContains(t, err, "SCHEDULES_WRITE", "it says what would be right")
	got, err = viewer.ParseScopes(nil)
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestRequire(t *testing.T) {
	t.Parallel()
	v := &viewer.Viewer{Kind: viewer.APIKey, Scopes: []viewer.Scope{viewer.CustomersRead, viewer.TasksDial}}
	require.NoError(t, v.Require())
	require.NoError(t, v.Require(viewer.TasksDial, viewer.CustomersRead))
	err := v.Require(viewer.TasksDial, viewer.PIIReveal, viewer.AuditRead)
	require.Equal(t, fault.Forbidden, fault.CodeOf(err))
	require.ErrorContains(t, err, "PII_REVEAL and AUDIT_READ")
	require.NotContains(t, err.Error(), "TASKS_DIAL")
	require.Equal(t, fault.Unauthenticated, fault.CodeOf(viewer.Nobody.Require()))
	require.Equal(t, fault.Unauthenticated, fault.CodeOf(viewer.Nobody.Require(viewer.TasksDial)))
}

func TestContext(t *testing.T) {
	t.Parallel()
	require.Same(t, viewer.Nobody, viewer.From(t.Context()))
	v := &viewer.Viewer{Kind: viewer.System}
	require.Same(t, v, viewer.From(viewer.With(t.Context(), v)))
}

func TestActorAndScope(t *testing.T) {
	t.Parallel()
	id, organization := db.NewID(), db.NewID()
	for kind, prefix := range map[viewer.Kind]string{viewer.APIKey: "key_", viewer.Staff: "user_", viewer.Portal: "user_", viewer.System: "system", viewer.Anonymous: "system"} {
		v := &viewer.Viewer{Kind: kind, OrganizationID: organization, ActorID: id}
		require.True(t, strings.HasPrefix(v.ActorText(), prefix), kind)
		require.Equal(t, db.Scope{OrganizationID: organization}, v.Scope())
	}
	require.Zero(t, viewer.Nobody.Scope())
}

// What is cached for a class is answered to all of it, so a class must tell kinds and scopes apart.
func TestClass(t *testing.T) {
	t.Parallel()
	base := viewer.Viewer{Kind: viewer.APIKey, Scopes: []viewer.Scope{viewer.CustomersRead}}
	same, kind, more := base, base, base
	same.OrganizationID, same.ActorID, same.ActorName = db.NewID(), db.NewID(), "x"
	kind.Kind = viewer.Staff
	more.Scopes = []viewer.Scope{viewer.CustomersRead, viewer.PIIRead}
	require.Equal(t, base.Class(), same.Class())
	require.NotEqual(t, base.Class(), kind.Class())
	require.NotEqual(t, base.Class(), more.Class())
	require.NotEqual(t, viewer.Nobody.Class(), base.Class())
}
