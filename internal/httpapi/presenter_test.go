package httpapi

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"caseload/internal/fault"
)

func TestErrorsOfResolvers(t *testing.T) {
	t.Parallel()
	for how, want := range map[string]struct{ code, message string }{
		"fault":   {"NOT_FOUND", "The customer does not exist."},
		"user":    {"BAD_USER_INPUT", "The input was refused; details say what is wrong where."},
		"raw":     {"INTERNAL", wentWrong},
		"panic":   {"INTERNAL", wentWrong},
		"timeout": {"TIMEOUT", "The operation took longer than its limit. Select less, use smaller pages, or send fewer items."},
		"cancel":  {"UNAVAILABLE", "The operation was cancelled before it was finished."},
	} {
		b := newBench(t, nil)
		got := b.do(t, query(`{ fail(how: "`+how+`") }`, nil))
		require.Equal(t, 200, got.Code)
		require.Len(t, got.Errors, 1)
		require.Equal(t, want.code, got.code(), how)
		require.Equal(t, want.message, got.Errors[0].Message)
		require.Equal(t, []any{"fail"}, got.Errors[0].Path)
		require.Equal(t, got.Header().Get("X-Request-Id"), got.Errors[0].Extensions.RequestID)
		if want.code == "INTERNAL" {
			log := b.log.String()
			require.Equal(t, 1, strings.Count(log, `"level":"ERROR"`), "logged once: %s", log)
			require.Equal(t, 2, strings.Count(log, got.Header().Get("X-Request-Id")), "in the error and in the access log")
		}
		if how == "user" {
			require.Equal(t, []any{map[string]any{"code": "TAKEN", "message": "The address is taken.", "path": []any{"input", "email"}}},
				got.Errors[0].Extensions.Details["userErrors"])
		}
	}
}

func TestErrorsAreBounded(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	got := b.do(t, query("{ manyErrors }", nil))
	require.Len(t, got.Errors, 50)
	require.Equal(t, "… and 71 more errors, which are not shown.", got.Errors[49].Message)
	require.Equal(t, loggedInternals, strings.Count(b.log.String(), `"operation failed"`))

	long := b.do(t, query(`{ fail(how: "long") }`, nil)).Errors[0].Message
	require.LessOrEqual(t, len(long), 1<<10)
	require.True(t, utf8.ValidString(long))
	require.True(t, strings.HasSuffix(long, masked))
}

func TestClassifyIsAskedForUnknownErrors(t *testing.T) {
	t.Parallel()
	taken := errors.New("pq: duplicate key")
	p := NewBase(Options{Classify: func(err error) *fault.Error {
		if errors.Is(err, taken) {
			return fault.New(fault.Conflict, "Somebody else was faster.")
		}
		return nil
	}}).Presenter
	require.Equal(t, fault.Conflict, codeOf(p.Present(t.Context(), gqlerror.WrapPath(ast.Path{ast.PathName("a")}, taken))))
	require.Equal(t, fault.NotFound, codeOf(p.Present(t.Context(), fault.Wrap(fault.NotFound, taken, "gone"))), "fault errors pass before")
}

// A driver whose context ended may answer with any error.
func TestEndOfContextExplainsUnknownErrors(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	log := &bytes.Buffer{}
	p := NewBase(Options{Log: slog.New(slog.NewTextHandler(log, nil))}).Presenter
	require.Equal(t, fault.Timeout, codeOf(p.Present(ctx, errors.New("driver: bad connection"))))
	require.Equal(t, fault.Internal, codeOf(p.Present(t.Context(), errors.New("driver: bad connection"))))
}

// gqlgen reports what it cannot read of an argument before it sets the arguments of the field.
func TestArgumentsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: testSchema})
	def := schema.Mutation.Fields.ForName("bulkUpsertCustomers")
	fc := &graphql.FieldContext{Field: graphql.CollectedField{Field: &ast.Field{Name: def.Name, Alias: "go", Definition: def}}}
	ctx := graphql.WithFieldContext(t.Context(), fc)
	path := ast.Path{ast.PathName("go"), ast.PathName("input"), ast.PathName("items"), ast.PathIndex(17), ast.PathName("birthDate")}
	err := gqlerror.WrapPath(path, errors.New(`parsing time "`+canary+`"`))

	log := &bytes.Buffer{}
	p := NewBase(Options{Log: slog.New(slog.NewTextHandler(log, nil))}).Presenter
	require.Equal(t, "The value at input.items.17.birthDate has the wrong form.", p.Present(ctx, err).Message)
	p.Schema = schema
	got := p.Present(ctx, err)
	require.Equal(t, fault.BadUserInput, codeOf(got))
	require.Equal(t, "The value at input.items.17.birthDate must be a Date.", got.Message)

	fc.Args = map[string]any{}
	require.Equal(t, fault.Internal, codeOf(p.Present(ctx, err)), "the resolver ran")
	require.NotContains(t, log.String(), canary)
}

func TestVariablesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	b := newBench(t, roomy)
	update := "mutation M($input: CustomerInput!) { updateCustomer(input: $input) { customer { id } } }"
	for want, input := range map[string]any{
		"The variable at input is required.":                                   nil,
		"The variable at input.language must be a Language.":                   map[string]any{"language": "FR"},
		"The variable at input.size must be an Int.":                           map[string]any{"size": true},
		"The variable at input.nmae is not a field of its input type.":         map[string]any{"nmae": true},
		"The variable at input has a field that its input type does not have.": map[string]any{"no name": true},
		"The variable at input must be a CustomerInput, not a string.":         "x",
	} {
		got := b.do(t, query(update, map[string]any{"input": input}))
		require.Equal(t, "BAD_USER_INPUT", got.code())
		require.Equal(t, want, got.Errors[0].Message)
	}
	require.Zero(t, b.executed.Load())
}

func TestSuggestionsOnlyWhereIntrospectionIsOpen(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"{ custmers { totalCount } }", "{ customers(frist: 1) { totalCount } }", "{ customers(filter: {language: EM}) { totalCount } }",
		"query Q($a: Selectr) { me { id } }", "{ customers(filter: {languag: EN}) { totalCount } }", "{ me }"} {
		closed := newBench(t, nil).do(t, query(text, nil))
		require.Equal(t, "GRAPHQL_VALIDATION_FAILED", closed.code())
		require.NotContains(t, closed.body, "Did you mean", text)
	}
	open := newBench(t, func(o *Options) { o.Introspection = IntrospectionOpen }).do(t, query("{ custmers { totalCount } }", nil))
	require.Contains(t, open.body, "Did you mean")
}
