package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"

	"caseload/internal/graphtest"
	"caseload/internal/toolcheck"
)

// clients is where the packages of foreign clients are installed.
const clients = "../internal/httpapi/testdata/clients"

// node runs a script in the folder of the clients and returns what it wrote; it must succeed.
func node(t *testing.T, dir string, environ []string, args ...string) string {
	t.Helper()
	program := toolcheck.Node(t)
	if _, err := os.Stat(filepath.Join(clients, "node_modules", "relay-compiler")); err != nil {
		toolcheck.Missing(t, "the packages of the JavaScript clients", "run `npm ci` in internal/httpapi/testdata/clients")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, program, args...)
	command.Dir, command.Env = dir, append(os.Environ(), environ...)
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// The audits of graphql-http against the real schema. A key with DIAGNOSTICS is needed: some audits introspect.
func TestGraphQLHTTPAudits(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	out := node(t, clients, []string{"CASELOAD_URL=" + w.Address(), "CASELOAD_API_KEY=" + w.Harbor.KeyWith(t, "DIAGNOSTICS")}, "audit.mjs")
	require.Contains(t, out, "# 61 of 61 ok")
}

// The reference clients of both protocols hear of a real change.
func TestReferenceClients(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.Person(t)
	for _, script := range []string{"ws.mjs", "sse.mjs"} {
		out := node(t, clients, []string{
			"CASELOAD_URL=" + w.Address(), "CASELOAD_API_KEY=" + w.Harbor.Key,
			"CASELOAD_SUBSCRIPTION=subscription { scheduleChanged { kind customer { firstName } schedule { tasks { nodes { dueAt } } } } }",
			`CASELOAD_TRIGGER=mutation ($ref: String!) { syncCustomerSchedule(input: {referenceId: $ref, taskType: "collections"}) { userErrors { code } } }`,
			fmt.Sprintf(`CASELOAD_TRIGGER_VARIABLES={"ref":%q}`, p.ReferenceID),
		}, script)
		require.Regexp(t, `(?m)\A(ok - .*\n){4}\z`, out, script)
	}
}

// The Relay compiler accepts the schema: each node type can be refetched by itself, and each connection
// can be paged with @connection.
func TestRelayCompiler(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string, text []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o644))
	}
	var printed bytes.Buffer
	formatter.NewFormatter(&printed).FormatSchema(schema)
	write("schema.graphql", printed.Bytes())
	config, err := json.Marshal(map[string]any{"src": ".", "schema": "schema.graphql", "language": "javascript", "artifactDirectory": "artifacts", "eagerEsModules": true,
		"schemaConfig": map[string]any{"nodeInterfaceIdField": "id"}, "noFutureProofEnums": true})
	require.NoError(t, err)
	write("relay.config.json", config)
	write("package.json", []byte(`{"name": "fragments", "private": true, "type": "module"}`))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "artifacts"), 0o755))
	script, documents := relayDocuments()
	write("fragments.js", []byte(script))
	require.Greater(t, documents, 30)

	compiler, err := filepath.Abs(filepath.Join(clients, "node_modules", "relay-compiler", "cli.js"))
	require.NoError(t, err)
	out := node(t, dir, nil, compiler, "relay.config.json")
	artifacts, err := os.ReadDir(filepath.Join(dir, "artifacts"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(artifacts), documents, "every document has its artifact: %s", out)
}

// relayDocuments writes one module with a fragment for each type that implements Node and one for each
// connection below such a type or at the root, and returns how many documents it holds.
func relayDocuments() (script string, documents int) {
	var b strings.Builder
	b.WriteString("import { graphql } from 'react-relay';\n")
	add := func(document string) {
		documents++
		fmt.Fprintf(&b, "graphql`%s`;\n", document)
	}
	page := func(f *ast.FieldDefinition, key string) string {
		return f.Name + `(first: $count, after: $cursor) @connection(key: "` + key + `_` + f.Name + `") { edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }`
	}
	const arguments = `@argumentDefinitions(count: {type: "Int", defaultValue: 10}, cursor: {type: "String"})`
	isConnection := func(f *ast.FieldDefinition) bool { return strings.HasSuffix(f.Type.Name(), "Connection") }
	for _, def := range types(ast.Object) {
		if !slices.Contains(def.Interfaces, "Node") {
			continue
		}
		var leaves []string
		for _, f := range def.Fields {
			if schema.Types[f.Type.Name()].IsLeafType() {
				leaves = append(leaves, f.Name)
			}
		}
		add(`fragment fragments_` + def.Name + ` on ` + def.Name + ` @refetchable(queryName: "fragments` + def.Name + `RefetchQuery") { ` + strings.Join(leaves, " ") + ` }`)
		for _, f := range def.Fields {
			if isConnection(f) {
				name := def.Name + "_" + f.Name
				add(`fragment fragments_` + name + ` on ` + def.Name + ` ` + arguments + ` @refetchable(queryName: "fragments` + strings.ReplaceAll(name, "_", "") + `PageQuery") { ` + page(f, "fragments_"+name) + ` }`)
			}
		}
	}
	for _, f := range schema.Query.Fields {
		if isConnection(f) {
			add(`fragment fragments_Query_` + f.Name + ` on Query ` + arguments + ` @refetchable(queryName: "fragmentsQuery` + f.Name + `PageQuery") { ` + page(f, "fragments_Query_"+f.Name) + ` }`)
		}
	}
	for _, f := range schema.Mutation.Fields {
		if strings.HasPrefix(f.Name, "__") {
			continue
		}
		var declared, given []string
		for _, a := range f.Arguments {
			declared, given = append(declared, "$"+a.Name+": "+a.Type.String()), append(given, a.Name+": $"+a.Name)
		}
		add(`mutation fragments` + f.Name + `Mutation(` + strings.Join(declared, ", ") + `) { ` + f.Name + `(` + strings.Join(given, ", ") + `) { userErrors { code message path } } }`)
	}
	add(`subscription fragmentsScheduleChangedSubscription($id: ID) { scheduleChanged(customerId: $id) { kind customer { id } schedule { id } } }`)
	return b.String(), documents
}
