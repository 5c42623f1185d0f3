package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"caseload/internal/fault"
	"caseload/internal/httpapi/document"
)

const wentWrong = "Something went wrong on our side. Quote the request id."

// Presenter turns every error into the one shape that clients get: a sentence for people, the path, and `extensions` with
// code, requestId and retryable. Only messages of fault errors pass as they are; messages of libraries are rewritten or masked,
// because they quote values; anything else is INTERNAL, and is logged once with the request id. Safe for use by several
// goroutines.
type Presenter struct {
	// Classify may map an error of another layer, such as the database's; nil leaves it to the presenter. It is called
	// after the fault errors and before contexts and libraries.
	Classify func(error) *fault.Error
	// Log receives defects.
	Log *slog.Logger
	// Schema lets messages about input values name the type that was expected; nil leaves it out.
	Schema *ast.Schema
	// Suggestions lets validation say "Did you mean"; only where introspection is open, as each
	// suggestion reveals a name.
	Suggestions bool
	// MaxMessage is the longest message in bytes.
	MaxMessage int
}

// loggedInternals is how many defects of one operation are logged in full: a list of a thousand items
// that all fail in the same way is one defect.
const loggedInternals = 5

// Present is a gqlgen error presenter. It never returns nil for an error.
func (p *Presenter) Present(ctx context.Context, err error) *gqlerror.Error {
	var located *gqlerror.Error
	if !errors.As(err, &located) || located == nil {
		located = &gqlerror.Error{}
	}
	f, path := p.explain(ctx, err, located)
	info := f.Code.Info()
	if info.Status >= 500 {
		p.record(ctx, f, err, located.Path)
	}
	return &gqlerror.Error{
		Err:        f,
		Message:    shorten(f.Message, p.MaxMessage),
		Path:       path,
		Locations:  located.Locations,
		Extensions: extensionsOf(ctx, f, info),
	}
}

func extensionsOf(ctx context.Context, f *fault.Error, info fault.CodeInfo) map[string]any {
	ext := map[string]any{"code": string(f.Code), "retryable": info.Retryable}
	if id := RequestID(ctx); id != "" {
		ext["requestId"] = id
	}
	if f.RetryAfter > 0 {
		ext["retryAfterMs"] = f.RetryAfter.Milliseconds()
	}
	if len(f.Details) > 0 {
		ext["details"] = f.Details
	}
	return ext
}

// explain returns the error for clients, and the path that may be shown.
func (p *Presenter) explain(ctx context.Context, err error, located *gqlerror.Error) (*fault.Error, ast.Path) {
	var f *fault.Error
	if errors.As(err, &f) {
		return f, located.Path
	}
	if list, ok := fault.AsUserErrors(err); ok {
		return badInput(list), located.Path
	}
	if p.Classify != nil {
		if f := p.Classify(err); f != nil {
			return f, located.Path
		}
	}
	if code, _ := located.Extensions["code"].(string); located.Rule != "" || code == errcode.ParseFailed || code == errcode.ValidationFailed {
		return p.explainDocument(code, located)
	}
	if f := explainContext(ctx, err); f != nil {
		return f, located.Path
	}
	if fc := graphql.GetFieldContext(ctx); fc != nil && argumentsRefused(fc) {
		return p.explainArgument(fc, located.Path), located.Path
	}
	return fault.Wrap(fault.Internal, err, wentWrong), located.Path
}

func explainContext(ctx context.Context, err error) *fault.Error {
	switch {
	// A driver whose context ended may answer with any error of its own.
	case errors.Is(err, context.DeadlineExceeded), errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fault.New(fault.Timeout, "The operation took longer than its limit. Select less, use smaller pages, or send fewer items.")
	case errors.Is(err, context.Canceled), errors.Is(ctx.Err(), context.Canceled):
		return fault.New(fault.Unavailable, "The operation was cancelled before it was finished.")
	}
	return nil
}

func badInput(list fault.UserErrors) *fault.Error {
	f := fault.New(fault.BadUserInput, "The input was refused; details say what is wrong where.")
	f.Details = map[string]any{"userErrors": list[:min(len(list), 50)]}
	return f
}

// explainDocument explains errors of parsing, validation, operation choice and variables.
func (p *Presenter) explainDocument(code string, e *gqlerror.Error) (*fault.Error, ast.Path) {
	switch {
	case code == errcode.ParseFailed:
		return fault.New(fault.ParseFailed, "The document is not GraphQL: %s.", strings.TrimSuffix(maskSyntax(e.Message), ".")), nil
	case e.Rule != "":
		message := e.Message
		if !p.Suggestions {
			if i := strings.Index(message, " Did you mean"); i >= 0 {
				message = message[:i]
			}
		}
		return fault.New(fault.ValidationFailed, "%s", maskValue(message)), nil
	case len(e.Path) > 0 && e.Path[0] == ast.PathName("variable"):
		return p.explainVariable(e)
	case strings.HasPrefix(e.Message, "operation "):
		return fault.New(fault.OperationResolution, "The document has no operation of that name, or has several and no operationName says which one to run."), nil
	default:
		return fault.New(fault.ValidationFailed, "%s", mask(e.Message)), nil
	}
}

// explainVariable rewrites messages of the variable check, some of which repeat the value.
func (p *Presenter) explainVariable(e *gqlerror.Error) (*fault.Error, ast.Path) {
	path := e.Path[1:]
	reason := "has the wrong form"
	switch {
	case e.Message == "must be defined", e.Message == "cannot be null":
		reason = "is required"
	case e.Message == "unknown field":
		reason = "is not a field of its input type"
		// The last element is a key of the client's JSON, which may be anything.
		if last, ok := path[len(path)-1].(ast.PathName); ok && !plainName(string(last)) {
			path = path[:len(path)-1]
			reason = "has a field that its input type does not have"
		}
	case strings.Contains(e.Message, " is not a valid "):
		reason = "must be a " + mask(e.Message[strings.LastIndex(e.Message, " is not a valid ")+len(" is not a valid "):])
	case strings.HasPrefix(e.Message, "cannot use ") && strings.Contains(e.Message, " as "):
		reason = "must be " + document.Article(e.Message[strings.LastIndex(e.Message, " as ")+len(" as "):])
	case strings.HasPrefix(e.Message, "must be a "):
		reason = mask(e.Message)
	}
	return fault.New(fault.BadUserInput, "The variable at %s %s.", document.Dotted(path), reason), nil
}

// argumentsRefused reports whether the arguments of the field could not be read: gqlgen reports that
// before it sets them, and everything a resolver returns after.
func argumentsRefused(fc *graphql.FieldContext) bool {
	return fc.Args == nil && fc.Field.Field != nil && fc.Field.Definition != nil && len(fc.Field.Definition.Arguments) > 0
}

// explainArgument names the value that could not be read and its type; the path is the field's, then
// the argument's, then that of the input.
func (p *Presenter) explainArgument(fc *graphql.FieldContext, path ast.Path) *fault.Error {
	below := path
	if n := len(fc.Path()); n <= len(path) {
		below = path[n:]
	}
	if len(below) == 0 {
		return fault.New(fault.BadUserInput, "An argument of the field has the wrong form.")
	}
	if t := p.typeAt(fc.Field.Definition.Arguments, below); t != "" {
		return fault.New(fault.BadUserInput, "The value at %s must be %s.", document.Dotted(below), document.Article(t))
	}
	return fault.New(fault.BadUserInput, "The value at %s has the wrong form.", document.Dotted(below))
}

// typeAt follows an input path through the schema and returns the name of the type at its end, or "".
func (p *Presenter) typeAt(args ast.ArgumentDefinitionList, path ast.Path) string {
	var t *ast.Type
	for _, step := range path {
		switch step := step.(type) {
		case ast.PathIndex:
			if t != nil && t.Elem != nil {
				t = t.Elem
			}
		case ast.PathName:
			if t == nil {
				if a := args.ForName(string(step)); a != nil {
					t = a.Type
					continue
				}
				return ""
			}
			if p.Schema == nil || p.Schema.Types[t.Name()] == nil {
				return ""
			}
			f := p.Schema.Types[t.Name()].Fields.ForName(string(step))
			if f == nil {
				return ""
			}
			t = f.Type
		}
	}
	if t == nil {
		return ""
	}
	return t.Name()
}

// record logs an error that is ours. The text is masked: drivers quote the value they choke on.
func (p *Presenter) record(ctx context.Context, f *fault.Error, err error, path ast.Path) {
	var known *panicked
	if errors.As(err, &known) || !stateOf(ctx).mayLog() {
		return
	}
	level := slog.LevelWarn
	if f.Code == fault.Internal {
		level = slog.LevelError
	}
	cause := ""
	if c := f.Unwrap(); c != nil {
		cause = mask(c.Error())
	}
	p.Log.LogAttrs(ctx, level, "operation failed",
		slog.String("code", string(f.Code)), slog.String("request_id", RequestID(ctx)),
		slog.String("path", mask(path.String())), slog.String("cause", cause))
}

// panicked is a panic that was logged where it was recovered.
type panicked struct{}

func (*panicked) Error() string { return "panic" }

// Recover is a gqlgen recover function: it logs the panic with its stack and returns an error that
// says nothing of it.
func (p *Presenter) Recover(ctx context.Context, cause any) error {
	if stateOf(ctx).mayLog() {
		p.Log.LogAttrs(ctx, slog.LevelError, "panic",
			slog.String("request_id", RequestID(ctx)),
			slog.String("cause", panicText(cause)), slog.String("stack", string(debug.Stack())))
	}
	return fault.Wrap(fault.Internal, &panicked{}, wentWrong)
}

// panicText describes a panic without the value itself, unless it is one of the runtime's own.
func panicText(cause any) string {
	if e, ok := cause.(runtime.Error); ok {
		return mask(e.Error())
	}
	return fmt.Sprintf("%T", cause)
}

// errorOverhead is about what an error has in a response beside its message.
const errorOverhead = 190

// capErrors keeps the first errors of a list, at most MaxErrors and about so many bytes of them, and at least one. An error
// in the place of the others says how many there are.
func (l *Limits) capErrors(list gqlerror.List, bytes int) gqlerror.List {
	size := 0
	for i, e := range list {
		size += min(len(e.Message), l.MaxErrorMessage) + errorOverhead
		if left := len(list) - i; left > 1 && i > 0 && (i == l.MaxErrors-1 || size > bytes) {
			code := fault.ValidationFailed
			if e.Extensions["code"] != nil {
				code = codeOf(e)
			}
			f := fault.New(code, "… and %d more errors, which are not shown.", left)
			return append(list[:i:i], &gqlerror.Error{Err: f, Message: f.Message, Extensions: e.Extensions})
		}
	}
	return list
}

// retryAfter returns the longest wait that the errors ask for.
func retryAfter(list gqlerror.List) time.Duration {
	var wait time.Duration
	for _, e := range list {
		var f *fault.Error
		if errors.As(e, &f) {
			wait = max(wait, f.RetryAfter)
		}
	}
	return wait
}

// codeOf returns the code of a presented error.
func codeOf(e *gqlerror.Error) fault.Code {
	if code, ok := e.Extensions["code"].(string); ok {
		return fault.Code(code)
	}
	return fault.Internal
}
