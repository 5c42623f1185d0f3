package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/fault"
)

const uploadSchema = `
	directive @auth(requires: [Scope!]!) on FIELD_DEFINITION
	directive @constraint(maxItems: Int) on ARGUMENT_DEFINITION | INPUT_FIELD_DEFINITION
	enum Scope { CUSTOMERS_READ CUSTOMERS_WRITE }
	enum BulkKind { UPSERT_CUSTOMERS }
	enum BulkFormat { JSONL CSV }
	scalar Upload
	scalar JSON
	type Query { readFile(file: Upload): String @auth(requires: [CUSTOMERS_READ]) }
	type Subscription { tick(file: Upload): Int }
	type Mutation {
		"Takes every file."
		keep(file: Upload, files: [Upload!], input: Input, extra: JSON, name: String, date: JSON): [String!] @auth(requires: [CUSTOMERS_READ])
		"Takes every file, fails, and gives it back."
		fail(file: Upload!): [String!] @auth(requires: [CUSTOMERS_READ])
		"Looks at its files."
		look(file: Upload!): [String!] @auth(requires: [CUSTOMERS_READ])
		"Panics after taking."
		panic(file: Upload!): [String!] @auth(requires: [CUSTOMERS_READ])
		write(file: Upload!): [String!] @auth(requires: [CUSTOMERS_WRITE])
		createBulkOperation(input: CreateBulkOperationInput!): CreateBulkOperationPayload! @auth(requires: [CUSTOMERS_WRITE])
	}
	input Input { file: Upload files: [Upload!] inputs: [Input!] name: String }
	input CreateBulkOperationInput { kind: BulkKind! format: BulkFormat! file: Upload! }
	type CreateBulkOperationPayload { bulkOperation: BulkOperation }
	type BulkOperation { id: ID! }
`

// shelf is a spool that keeps what it is given as size and digest.
type shelf struct {
	mu      sync.Mutex
	held    map[string]Stored
	puts    int
	deletes int
	// fail is what the next Put answers after it has read half.
	fail error
	// broken makes Put lie about what it has stored.
	broken bool
}

func (s *shelf) Put(ctx context.Context, organizationID uuid.UUID, r io.Reader, _ int64) (Stored, error) {
	s.mu.Lock()
	s.puts++
	fail, broken := s.fail, s.broken
	s.mu.Unlock()
	hash := sha256.New()
	n, err := io.Copy(hash, r)
	if err != nil {
		return Stored{}, fmt.Errorf("put: %v", err) // text only, as a driver might
	}
	if err := ctx.Err(); err != nil {
		return Stored{}, err
	}
	if fail != nil {
		return Stored{}, fail
	}
	if broken {
		n--
	}
	stored := Stored{Key: organizationID.String() + "/" + uuid.NewString(), Size: n, SHA256: hash.Sum(nil)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[stored.Key] = stored
	return stored, nil
}

func (s *shelf) Delete(ctx context.Context, organizationID uuid.UUID, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.HasPrefix(key, organizationID.String()) {
		return errors.New("the key is another organization's")
	}
	s.deletes++
	delete(s.held, key)
	return nil
}

func (s *shelf) count() (puts, held int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.puts, len(s.held)
}

// uploadBench is a handler that takes files.
type uploadBench struct {
	*bench
	shelf *shelf
	seen  chan *Upload
}

func newUploadBench(t testing.TB, change func(*Options)) *uploadBench {
	t.Helper()
	u := &uploadBench{shelf: &shelf{held: map[string]Stored{}}, seen: make(chan *Upload, 100)}
	schema := gqlparser.MustLoadSchema(&ast.Source{Name: "upload.graphqls", Input: uploadSchema})
	u.bench = newBench(t, func(o *Options) {
		roomy(o)
		o.Spool = u.shelf
		o.Schema = &graphql.ExecutableSchemaMock{
			SchemaFunc:     func() *ast.Schema { return schema },
			ComplexityFunc: func(context.Context, string, string, int, map[string]any) (int, bool) { return 0, false },
			ExecFunc:       u.exec,
		}
		if change != nil {
			change(o)
		}
	})
	return u
}

// exec does with the files of each root field what the field's name says.
func (u *uploadBench) exec(context.Context) graphql.ResponseHandler {
	return func(ctx context.Context) *graphql.Response {
		u.executed.Add(1)
		op := graphql.GetOperationContext(ctx)
		data := map[string]any{}
		for _, f := range graphql.CollectFields(op, op.Operation.SelectionSet, []string{"Mutation"}) {
			ctx := graphql.WithFieldContext(ctx, &graphql.FieldContext{Object: "Mutation", Field: f, Args: map[string]any{}})
			names, err := u.resolve(ctx, f)
			if err != nil {
				graphql.AddError(ctx, graphql.AddFieldLocationToError(ctx, err))
				data[f.Alias] = nil
				continue
			}
			data[f.Alias] = names
			if f.Name == "createBulkOperation" {
				data[f.Alias] = map[string]any{"bulkOperation": map[string]any{"id": "bulk_1"}}
			}
		}
		text, _ := json.Marshal(data)
		return &graphql.Response{Data: text}
	}
}

func (u *uploadBench) resolve(ctx context.Context, f graphql.CollectedField) (names []string, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = graphql.GetOperationContext(ctx).Recover(ctx, cause)
		}
	}()
	var files []*Upload
	if err := uploadsIn(f.ArgumentMap(graphql.GetOperationContext(ctx).Variables), f.Definition.Arguments, &files); err != nil {
		return nil, err
	}
	for _, file := range files {
		u.seen <- file
		names = append(names, file.Name)
		if f.Name == "look" {
			continue
		}
		if err := file.Take(); err != nil {
			return nil, err
		}
		switch f.Name {
		case "fail":
			file.Release()
			return nil, fault.New(fault.NotFound, "There is no such customer.")
		case "panic":
			defer file.Release()
			panic("at " + canary)
		}
	}
	return names, nil
}

// uploadsIn reads the arguments as generated code does: each value by the type that its place has.
func uploadsIn(args map[string]any, defs ast.ArgumentDefinitionList, to *[]*Upload) error {
	for _, def := range defs {
		if err := uploadsAt(def.Type, args[def.Name], to); err != nil {
			return err
		}
	}
	return nil
}

func uploadsAt(t *ast.Type, v any, to *[]*Upload) error {
	if v == nil {
		return nil
	}
	if t.Elem != nil {
		for _, e := range graphql.CoerceList(v) {
			if err := uploadsAt(t.Elem, e, to); err != nil {
				return err
			}
		}
		return nil
	}
	if t.NamedType == scalarUpload {
		u, err := UnmarshalUpload(v)
		if err == nil {
			*to = append(*to, u)
		}
		return err
	}
	if fields, ok := v.(map[string]any); ok && strings.HasSuffix(t.NamedType, "Input") {
		for _, name := range []string{"file", "files", "inputs"} {
			inner := &ast.Type{NamedType: scalarUpload}
			if name == "files" {
				inner = &ast.Type{Elem: inner}
			} else if name == "inputs" {
				inner = &ast.Type{Elem: &ast.Type{NamedType: "Input"}}
			}
			if err := uploadsAt(inner, fields[name], to); err != nil {
				return err
			}
		}
	}
	return nil
}

// part is one part of a multipart body.
type part struct{ name, filename, body, header string }

func (p part) String() string {
	head := `Content-Disposition: form-data; name="` + p.name + `"`
	if p.filename != "" {
		head += `; filename="` + p.filename + `"`
	}
	if p.header != "" {
		head += "\r\n" + p.header
	}
	return "--XX\r\n" + head + "\r\n\r\n" + p.body + "\r\n"
}

func body(parts ...part) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.String())
	}
	return b.String() + "--XX--\r\n"
}

func operations(text string, variables any) part {
	raw, err := json.Marshal(map[string]any{"query": text, "variables": variables})
	if err != nil {
		panic(err)
	}
	return part{name: "operations", body: string(raw)}
}

func mapped(text string) part { return part{name: "map", body: text} }

func file(name, content string) part {
	return part{name: name, filename: name + ".csv", body: content, header: "Content-Type: text/csv; charset=utf-8"}
}

const keepOne = "mutation M($file: Upload!) { keep(file: $file) }"

// oneFile is the usual request, with other parts in the place of some.
func oneFile(content string) []part {
	return []part{operations(keepOne, map[string]any{"file": nil}), mapped(`{"0":["variables.file"]}`), file("0", content)}
}

// multi makes a request of a raw multipart body.
func multi(body string, header ...string) *http.Request {
	header = append([]string{"Content-Type", "multipart/form-data; boundary=XX", "GraphQL-Require-Preflight", "1"}, header...)
	return post(body, header...)
}

// source is a body that counts what is read of it.
type source struct {
	io.Reader
	read int64
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	s.read += int64(n)
	return n, err
}

func (s *source) Close() error { return nil }

// endless yields the same bytes for ever.
type endless byte

func (e endless) Read(p []byte) (int, error) {
	copy(p, bytes.Repeat([]byte{byte(e)}, len(p)))
	return len(p), nil
}

func (u *uploadBench) serve(t testing.TB, r *http.Request) *reply {
	t.Helper()
	got := u.do(t, r)
	require.Less(t, len(got.body), 4<<10)
	return got
}

// The variable check of the library follows pointers and hands on a copy of what is behind; see uploadValue.
func TestVariableCheckKeepsUploads(t *testing.T) {
	t.Parallel()
	require.NotEqual(t, reflect.Pointer, reflect.TypeFor[uploadValue]().Kind())
	rec := httptest.NewRecorder()
	u := newUploadBench(t, nil)
	u.ServeHTTP(rec, multi(body(oneFile("a")...)))
	seen := <-u.seen
	require.ErrorContains(t, seen.Take(), "another field", "the resolver had the very upload, not a copy of it")
}
