// Package policy reads from the schema who may select what: the directive @auth is the one place that says it.
package policy

import (
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/viewer"
)

// Scopes returns the scopes that the field's @auth requires, in the order in which the schema lists them, and whether
// the field has that directive. Without it any viewer may select the field where its parent may be selected; with an
// empty list, any viewer with a credential.
func Scopes(f *ast.FieldDefinition) (scopes []viewer.Scope, declared bool) {
	d := f.Directives.ForName("auth")
	if d == nil {
		return nil, false
	}
	if requires := d.Arguments.ForName("requires"); requires != nil {
		for _, child := range requires.Value.Children {
			scopes = append(scopes, viewer.Scope(child.Value.Raw))
		}
	}
	return scopes, true
}

// Check returns nil when the viewer may select the field, and what [viewer.Viewer.Require] returns otherwise.
func Check(v *viewer.Viewer, f *ast.FieldDefinition) error {
	scopes, declared := Scopes(f)
	if !declared {
		return nil
	}
	return v.Require(scopes...)
}
