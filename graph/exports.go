package graph

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"caseload/internal/bulk"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/loader"
	"caseload/internal/plan"
	"caseload/internal/policy"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// exportFiles are the exports that there are, each a query in a file that is called as its kind. The query selects one
// list, with a variable for its filter; what a row selects is what the file of an export has of it, in this order. See
// [plan.Pages] for what differs from a client's query.
//
//go:embed exports/*.graphql
var exportFiles embed.FS

// exportPage is how many rows a page has: each may have 64 KiB of metadata.
const exportPage = 500

// export is an export of [exportFiles].
type export struct {
	kind     bulk.KindName
	document *ast.QueryDocument
	// scopes are what the list asks for, and reveals what fields of its rows ask for beside.
	scopes, reveals []viewer.Scope
	// filter is the variable of the filter, and personal are the filter's members that compare personal numbers.
	filter   string
	personal []string

	pool     *db.Pool
	compiler *plan.Compiler
	schema   graphql.ExecutableSchema
}

var _ bulk.Exporter = (*export)(nil)

// newExports reads the declared exports. Only the functions of the schema that read inputs are used, no resolver.
func newExports(pool *db.Pool, schema graphql.ExecutableSchema, compiler *plan.Compiler, edges *Edges) ([]bulk.Exporter, error) {
	files, err := exportFiles.ReadDir("exports")
	if err != nil {
		return nil, fmt.Errorf("read the exports: %w", err)
	}
	var out []bulk.Exporter
	for _, file := range files {
		e := &export{kind: bulk.KindName(strings.TrimSuffix(file.Name(), ".graphql")), pool: pool, compiler: compiler, schema: schema}
		text, err := exportFiles.ReadFile(path.Join("exports", file.Name()))
		if err == nil {
			err = e.read(string(text), edges)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file.Name(), err)
		}
		out = append(out, e)
	}
	return out, nil
}

// read parses the query of an export.
func (e *export) read(text string, edges *Edges) error {
	var err error
	if e.document, err = parser.ParseQuery(&ast.Source{Input: text}); err != nil {
		return err
	}
	if errs := validator.ValidateWithRules(e.schema.Schema(), e.document, rules.NewDefaultRules()); len(errs) > 0 {
		return errs
	}
	if len(e.document.Operations) != 1 || len(e.document.Operations[0].SelectionSet) != 1 {
		return errors.New("an export is one query of one list")
	}
	operation := e.document.Operations[0]
	list, ok := operation.SelectionSet[0].(*ast.Field)
	if !ok {
		return errors.New("an export selects its list without a fragment")
	}
	for _, d := range edges.declarations() {
		if d.Coordinate == "Query."+list.Name {
			e.personal = d.Personal
		}
	}
	for _, v := range operation.VariableDefinitions {
		e.filter = v.Variable
	}
	e.scopes, _ = policy.Scopes(list.Definition)
	var fields func(set ast.SelectionSet)
	fields = func(set ast.SelectionSet) {
		for _, s := range set {
			if f, ok := s.(*ast.Field); ok {
				scopes, _ := policy.Scopes(f.Definition)
				e.reveals = append(e.reveals, scopes...)
				fields(f.SelectionSet)
			}
		}
	}
	fields(list.SelectionSet)
	slices.Sort(e.reveals)
	e.reveals = slices.Compact(e.reveals)
	return nil
}

// Name is the wire name.
func (e *export) Name() bulk.KindName { return e.kind }

// Scopes are those that the list asks for.
func (e *export) Scopes() []viewer.Scope { return slices.Clone(e.scopes) }

// Reveals are those that fields ask for which are left out without them.
func (e *export) Reveals() []viewer.Scope { return e.reveals }

// Check refuses filters that would have personal numbers kept in clear with the operation, and those that a list refuses.
func (e *export) Check(ctx context.Context, v *viewer.Viewer, filter json.RawMessage, c *fault.Check) error {
	err := e.pages(ctx, v, filter, func(ctx context.Context, p *plan.Pages, variables map[string]any) error {
		found := relay.Uses(variables[e.filter], e.personal...)
		for _, path := range found {
			c.At(path...).Add(fault.NotAllowed, "An export keeps its filter in clear, so it cannot compare this. Use the list for it.")
		}
		if len(found) > 0 {
			return nil
		}
		return p.Check(ctx, variables)
	})
	if refused, ok := errors.AsType[*fault.Error](err); ok && refused.Code != fault.Forbidden {
		c.Add(fault.Invalid, "%s", refused.Message)
		return nil
	}
	return err
}

// Count returns how many rows fit.
func (e *export) Count(ctx context.Context, v *viewer.Viewer, filter json.RawMessage) (n int, err error) {
	err = e.pages(ctx, v, filter, func(ctx context.Context, p *plan.Pages, variables map[string]any) (err error) {
		n, err = p.Count(ctx, variables)
		return err
	})
	return n, err
}

// Page writes the rows after an id. The first page of comma-separated values begins with the header.
func (e *export) Page(ctx context.Context, v *viewer.Viewer, filter json.RawMessage, format bulk.Format, after string, w io.Writer) (rows int, next string, err error) {
	err = e.pages(ctx, v, filter, func(ctx context.Context, p *plan.Pages, variables map[string]any) error {
		form, text := plan.JSONLines, []byte(nil)
		if format == bulk.CSV {
			if form = plan.CSV; after == "" {
				text = p.AppendHeader(text)
			}
		}
		var err error
		if text, rows, next, err = p.Append(ctx, text, variables, form, after, exportPage); err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	})
	return rows, next, err
}

// pages calls f for the viewer's pages with the checked variables. The executor has the functions that read inputs, such
// as filters, and lends them to whoever answers a root field.
func (e *export) pages(ctx context.Context, v *viewer.Viewer, filter json.RawMessage, f func(ctx context.Context, p *plan.Pages, variables map[string]any) error) error {
	sent := map[string]any{}
	if len(filter) > 0 {
		var value any
		if err := json.Unmarshal(filter, &value); err != nil {
			return fmt.Errorf("read the filter of an export: %w", err)
		}
		sent[e.filter] = value
	}
	operation := e.document.Operations[0]
	variables, err := validator.VariableValues(e.schema.Schema(), operation, sent)
	if err != nil {
		return fmt.Errorf("read the filter of an export: %w", err)
	}
	oc := &graphql.OperationContext{
		RawQuery: operation.Position.Src.Input, Doc: e.document, Operation: operation, Variables: variables, RecoverFunc: graphql.DefaultRecover,
		RootResolverMiddleware: func(ctx context.Context, _ graphql.RootResolver) graphql.Marshaler {
			var p *plan.Pages
			if p, err = e.compiler.Pages(graphql.GetOperationContext(ctx), v, graphql.GetRootFieldContext(ctx).Field); err == nil {
				err = f(ctx, p, variables)
			}
			return graphql.Null
		},
	}
	ctx = loader.With(viewer.With(ctx, v), loader.New(e.pool, v.Scope(), nil, nil))
	ctx = graphql.WithResponseContext(graphql.WithOperationContext(ctx, oc), graphql.DefaultErrorPresenter, graphql.DefaultRecover)
	e.schema.Exec(ctx)(ctx)
	return err
}
