package policy_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/fault"
	"caseload/internal/policy"
	"caseload/internal/viewer"
)

func TestScopes(t *testing.T) {
	t.Parallel()
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: `
		directive @auth(requires: [Scope!]!) on FIELD_DEFINITION
		enum Scope { AUDIT_READ BULK_READ }
		type Query { open: Int known: Int @auth(requires: []) closed: Int @auth(requires: [BULK_READ, AUDIT_READ]) }`})
	reader := &viewer.Viewer{Kind: viewer.APIKey, Scopes: []viewer.Scope{viewer.AuditRead}}
	both := &viewer.Viewer{Kind: viewer.APIKey, Scopes: []viewer.Scope{viewer.AuditRead, viewer.BulkRead}}
	for name, want := range map[string]struct {
		scopes               []viewer.Scope
		declared             bool
		nobody, reader, both fault.Code
	}{
		"open":   {},
		"known":  {declared: true, nobody: fault.Unauthenticated},
		"closed": {scopes: []viewer.Scope{viewer.BulkRead, viewer.AuditRead}, declared: true, nobody: fault.Unauthenticated, reader: fault.Forbidden},
	} {
		f := schema.Query.Fields.ForName(name)
		scopes, declared := policy.Scopes(f)
		require.Equal(t, want.scopes, scopes, name)
		require.Equal(t, want.declared, declared, name)
		for v, code := range map[*viewer.Viewer]fault.Code{viewer.Nobody: want.nobody, reader: want.reader, both: want.both} {
			if err := policy.Check(v, f); code == "" {
				require.NoError(t, err, name)
			} else {
				require.Equal(t, code, fault.CodeOf(err), name)
			}
		}
	}
}
