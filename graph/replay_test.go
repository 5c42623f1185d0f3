package graph_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	gotypes "go/types"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	gql "github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
	gqlparser "github.com/vektah/gqlparser/v2/parser"

	"caseload/graph"
	"caseload/internal/graphtest"
	"caseload/internal/httpapi"
)

// resolversOfMutations returns, by the name of the method, the type of the outcome of each mutation resolver that runs by
// replayed; "" for the others.
func resolversOfMutations(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*resolvers*.go")
	require.NoError(t, err)
	out := map[string]string{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		for _, d := range parsed.Decls {
			method, ok := d.(*ast.FuncDecl)
			if !ok || method.Recv == nil || gotypes.ExprString(method.Recv.List[0].Type) != "*mutationResolver" {
				continue
			}
			out[method.Name.Name] = ""
			ast.Inspect(method.Body, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				switch gotypes.ExprString(call.Fun) {
				case "replayed", "change":
					out[method.Name.Name] = resultOf(t, call.Args[2])
					return false
				}
				return true
			})
		}
	}
	return out
}

// resultOf returns the type of the first result of a function literal, or of a method of one of the resolver's services, such as
// r.schedules.CreateTaskType.
func resultOf(t *testing.T, f ast.Expr) string {
	t.Helper()
	if literal, ok := f.(*ast.FuncLit); ok {
		return gotypes.ExprString(literal.Type.Results.List[0].Type)
	}
	names := strings.Split(gotypes.ExprString(f), ".")
	require.Len(t, names, 3, "%s is neither a function literal nor a method of a service", names)
	service, ok := reflect.TypeFor[graph.Resolver]().FieldByName(names[1])
	require.True(t, ok, names)
	method, ok := service.Type.MethodByName(names[2])
	require.True(t, ok, names)
	return method.Type.Out(0).String()
}

// A mutation that ignores the key would do twice what its caller was promised to happen once.
func TestEveryMutationIsReplayableOrRefusesTheKey(t *testing.T) {
	t.Parallel()
	runs := map[string]string{}
	for method, result := range resolversOfMutations(t) {
		runs[strings.ToLower(method)] = result
	}
	names := map[string]bool{}
	for _, f := range schema.Mutation.Fields {
		if strings.HasPrefix(f.Name, "__") {
			continue
		}
		names[f.Name] = true
		result, found := runs[strings.ToLower(f.Name)]
		require.True(t, found, f.Name)
		if reason, ok := graph.NotReplayable()[f.Name]; ok {
			require.Empty(t, result, "%s is listed as not replayable, but runs by replayed", f.Name)
			require.NotEmpty(t, reason, f.Name)
			continue
		}
		require.NotEmpty(t, result, "%s neither runs by replayed nor is it listed as not replayable", f.Name)
	}
	for name := range graph.NotReplayable() {
		require.True(t, names[name], "%s is no mutation", name)
	}
}

// widened returns a document whose root field selects all that stands in the answer, two levels of things deep.
func widened(t *testing.T, document string) string {
	t.Helper()
	doc, err := gqlparser.ParseQuery(&gql.Source{Input: document})
	require.NoError(t, err)
	for _, selection := range doc.Operations[0].SelectionSet {
		f := selection.(*gql.Field)
		f.SelectionSet = allBelow(schema.Mutation.Fields.ForName(f.Name).Type.Name(), 4)
	}
	var b bytes.Buffer
	formatter.NewFormatter(&b).FormatQueryDocument(doc)
	return b.String()
}

// allBelow selects the fields of a type that need no argument, down to a depth.
func allBelow(typeName string, depth int) gql.SelectionSet {
	set := gql.SelectionSet{&gql.Field{Name: "__typename", Alias: "__typename"}}
	def := schema.Types[typeName]
	if def.Kind != gql.Object {
		return set
	}
	for _, f := range def.Fields {
		needs := slices.ContainsFunc(f.Arguments, func(a *gql.ArgumentDefinition) bool { return a.Type.NonNull && a.DefaultValue == nil })
		// A link is signed anew for every answer, also for that of a repetition.
		if strings.HasPrefix(f.Name, "__") || needs || f.Name == "resultsUrl" {
			continue
		}
		field := &gql.Field{Name: f.Name, Alias: f.Name}
		if !schema.Types[f.Type.Name()].IsLeafType() {
			if depth == 1 {
				continue
			}
			field.SelectionSet = allBelow(f.Type.Name(), depth-1)
		}
		set = append(set, field)
	}
	return set
}

// unlimited lifts what the limits say about the size of a document.
func unlimited() graphtest.Option {
	l := httpapi.DefaultLimits()
	l.MaxDocumentBytes, l.MaxTokens, l.MaxFields, l.MaxDepth, l.MaxRepeats = 1<<20, 1<<20, 1<<20, 100, 1<<20
	l.OperationsBurst, l.PointsBurst, l.MaxCost, l.MaxNodes, l.PrincipalInFlight = 1_000_000, 1_000_000_000, 1_000_000_000, 1_000_000_000, 1000
	return graphtest.Limits(l)
}

// data is the part of an answer that a repetition repeats: its bytes.
func data(t *testing.T, r *graphtest.Reply) string {
	t.Helper()
	var parts struct{ Data json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(r.Body), &parts), r.Body)
	return string(parts.Data)
}

// dump is every row of the database, but River's and goose's own.
func dump(t *testing.T, w *graphtest.World) string {
	t.Helper()
	var query string
	require.NoError(t, w.Pool.Get(t.Context(), &query, `SELECT string_agg(format('SELECT %L || row_to_json(r)::text FROM %I r', tablename || ' ', tablename), ' UNION ALL ') || ' ORDER BY 1'
		FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'river\_%' AND tablename <> 'schema_migrations'`))
	var rows []string
	require.NoError(t, w.Pool.Select(t.Context(), &rows, query))
	return strings.Join(rows, "\n")
}

const (
	idempotencyKey = "Idempotency-Key"
	replayed       = "Idempotency-Replayed"
)

// The same request again: the same bytes, nothing written, at another time of another day.
func TestEveryMutationCanBeReplayed(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t, unlimited())
	for _, f := range schema.Mutation.Fields {
		if strings.HasPrefix(f.Name, "__") {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			row := principals["Mutation."+f.Name]
			s := &scene{w, w.Harbor.Person(t), t}
			v, document := row.vars(s), widened(t, row.document)
			if _, ok := graph.NotReplayable()[f.Name]; ok {
				before := dump(t, w)
				r := answer(t, w.Server, w.Harbor.Key, document, v, idempotencyKey, "key of "+f.Name)
				require.Equal(t, "BAD_REQUEST", r.Code(), "a key has no spaces")
				r = answer(t, w.Server, w.Harbor.Key, document, v, idempotencyKey, "key-of-"+f.Name)
				require.Equal(t, "IDEMPOTENCY_NOT_SUPPORTED", r.Code(), r.Body)
				require.Equal(t, 400, r.Status)
				require.Equal(t, before, dump(t, w))
				return
			}
			first := answer(t, w.Server, w.Harbor.Key, document, v, idempotencyKey, "key-of-"+f.Name)
			require.Empty(t, first.Errors, first.Body)
			require.Empty(t, first.At(f.Name+".userErrors"), first.Body)
			require.Empty(t, first.Header.Get(replayed))
			row.owner(s, answer(t, w.Server, w.Harbor.Key, row.document, v, idempotencyKey, "key-of-"+f.Name))

			before := dump(t, w)
			w.Clock.Advance(time.Second)
			second := answer(t, w.Server, w.Harbor.Key, document, v, idempotencyKey, "key-of-"+f.Name)
			require.Equal(t, "true", second.Header.Get(replayed), second.Body)
			require.Equal(t, data(t, first), data(t, second))
			require.Equal(t, before, dump(t, w))
		})
	}
}
