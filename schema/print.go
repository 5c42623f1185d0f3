package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
)

// serverDirectives are for the server alone: a client's tools do not know them.
var serverDirectives = []string{"auth", "constraint", "goField", "goModel"}

// Print writes the whole schema for clients and their tools, without the directives of the server. What two of them mean to a client
// is said at the end of the description instead: the scopes that a field needs, and how many items a list may have.
func Print() (string, error) {
	s, err := Load()
	if err != nil {
		return "", err
	}
	for _, name := range serverDirectives {
		delete(s.Directives, name)
	}
	for _, def := range s.Types {
		def.Directives = withoutServers(def.Directives)
		for _, f := range def.Fields {
			f.Description, f.Directives = told(f.Description, f.Directives), withoutServers(f.Directives)
			for _, a := range f.Arguments {
				a.Description, a.Directives = told(a.Description, a.Directives), withoutServers(a.Directives)
			}
		}
	}
	var b strings.Builder
	formatter.NewFormatter(&b, formatter.WithIndent("  ")).FormatSchema(s)
	return b.String(), nil
}

// told adds to a description what directives of the server mean to a client.
func told(description string, directives ast.DirectiveList) string {
	if d := directives.ForName("auth"); d != nil {
		var scopes []string
		for _, scope := range d.Arguments.ForName("requires").Value.Children {
			scopes = append(scopes, scope.Value.Raw)
		}
		if len(scopes) > 0 {
			description += " Needs " + strings.Join(scopes, " and ") + "."
		}
	}
	if d := directives.ForName("constraint"); d != nil {
		description += fmt.Sprintf(" At most %s items.", d.Arguments.ForName("maxItems").Value.Raw)
	}
	return description
}

func withoutServers(directives ast.DirectiveList) ast.DirectiveList {
	return slices.DeleteFunc(slices.Clone(directives), func(d *ast.Directive) bool { return slices.Contains(serverDirectives, d.Name) })
}
