package httpapi

import (
	"context"
	"crypto/sha256"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"caseload/internal/fault"
)

const (
	// A syntax tree takes about twenty times the memory of its text, so the trees are bounded by text.
	cachedTrees     = 1000
	cachedTreeBytes = 2 << 20
	cachedTreeText  = 16 << 10
	cachedPasses    = 4096
)

// documents remembers what is known about document texts: the parsed and validated trees, for the
// executor, and the hashes of texts that passed the structural check. It is the executor's query cache
// and an extension that parses and validates what it has not seen. Nothing in it depends on the viewer or on variables.
// Safe for use by several goroutines.
type documents struct {
	limits *Limits
	schema *ast.Schema
	// rules returns the rules of validation, afresh for each document, as the library wants them.
	rules func() *rules.Rules

	mu     sync.Mutex
	trees  *simplelru.LRU[string, *ast.QueryDocument]
	bytes  int
	passed *simplelru.LRU[[sha256.Size]byte, struct{}]
}

var (
	_ graphql.Cache[*ast.QueryDocument] = (*documents)(nil)
	_ graphql.HandlerExtension          = (*documents)(nil)
	_ graphql.OperationParameterMutator = (*documents)(nil)
)

// firstSeen holds the tree of a document that is not in the cache, or what validation found wrong with it. It is passed to
// the executor in the context, which would parse and validate the document once more.
type firstSeen struct {
	doc  *ast.QueryDocument
	errs gqlerror.List
}

type firstSeenKey struct{}

func firstSeenOf(ctx context.Context) *firstSeen {
	f, _ := ctx.Value(firstSeenKey{}).(*firstSeen)
	return f
}

func newDocuments(limits *Limits, schema *ast.Schema, rules func() *rules.Rules) *documents {
	d := &documents{limits: limits, schema: schema, rules: rules}
	d.trees, _ = simplelru.NewLRU(cachedTrees, func(text string, _ *ast.QueryDocument) { d.bytes -= len(text) })
	d.passed, _ = simplelru.NewLRU[[sha256.Size]byte, struct{}](cachedPasses, nil)
	return d
}

// Get returns the validated tree of a text.
func (d *documents) Get(ctx context.Context, text string) (*ast.QueryDocument, bool) {
	if f := firstSeenOf(ctx); f != nil && f.doc != nil {
		return f.doc, true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.trees.Get(text)
}

// Add stores the validated tree of a text. Long texts are parsed again each time, as a few thousand of
// them would fill the memory.
func (d *documents) Add(_ context.Context, text string, doc *ast.QueryDocument) {
	if len(text) > cachedTreeText {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.trees.Contains(text) {
		return
	}
	d.bytes += len(text)
	d.trees.Add(strings.Clone(text), doc)
	for d.bytes > cachedTreeBytes {
		d.trees.RemoveOldest()
	}
}

// ExtensionName names the extension.
func (d *documents) ExtensionName() string { return "DocumentLimits" }

// Validate accepts every schema.
func (d *documents) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters refuses documents that are too large or too complex to be validated, and validates those
// that are not in the cache. It replaces the document by one whose literals the parser reads as GraphQL says.
func (d *documents) MutateOperationParameters(ctx context.Context, params *graphql.RawParams) *gqlerror.Error {
	if n := len(params.Query); n > d.limits.MaxDocumentBytes {
		return asGraphQL(queryTooLarge("The document has %d bytes; the limit is %d. Move values into variables, or split the document.", n, d.limits.MaxDocumentBytes))
	}
	text, err := rewriteLiterals(params.Query)
	if err != nil {
		return err
	}
	params.Query = text
	return d.check(ctx, text)
}

func (d *documents) check(ctx context.Context, text string) *gqlerror.Error {
	d.mu.Lock()
	known := d.trees.Contains(text)
	d.mu.Unlock()
	if known {
		return nil
	}
	hash := sha256.Sum256([]byte(text))
	d.mu.Lock()
	_, known = d.passed.Get(hash)
	d.mu.Unlock()
	if known {
		return nil
	}
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, d.limits.MaxTokens)
	if err != nil {
		return d.parseFault(err)
	}
	if f := checkStructure(doc, d.limits); f != nil {
		return asGraphQL(f)
	}
	d.mu.Lock()
	d.passed.Add(hash, struct{}{})
	d.mu.Unlock()
	return d.validate(ctx, text, doc)
}

// validate stores the valid tree, or all validation errors, in the firstSeen of the request. It leaves a document without
// operations to the executor.
func (d *documents) validate(ctx context.Context, text string, doc *ast.QueryDocument) *gqlerror.Error {
	first := firstSeenOf(ctx)
	if first == nil || len(doc.Operations) == 0 {
		return nil
	}
	if first.errs = validator.ValidateWithRules(d.schema, doc, d.rules()); len(first.errs) > 0 {
		for _, err := range first.errs {
			errcode.Set(err, errcode.ValidationFailed)
		}
		return first.errs[0]
	}
	first.doc = doc
	d.Add(ctx, text, doc)
	return nil
}

func (d *documents) parseFault(err error) *gqlerror.Error {
	var found *gqlerror.Error
	if g, ok := err.(*gqlerror.Error); ok {
		found = g
	} else {
		found = gqlerror.Wrap(err)
	}
	// The parser gives this error no type and no position of its own.
	if strings.HasPrefix(found.Message, "exceeded token limit") {
		return asGraphQL(queryTooLarge("The document has more than %d tokens. Move values into variables, or split the document.", d.limits.MaxTokens))
	}
	out := asGraphQL(fault.New(fault.ParseFailed, "The document is not GraphQL: %s.", strings.TrimSuffix(maskSyntax(found.Message), ".")))
	out.Locations = found.Locations
	return out
}

// asGraphQL carries a fault through gqlgen's interfaces; the presenter finds it again by errors.As.
func asGraphQL(f *fault.Error) *gqlerror.Error {
	return &gqlerror.Error{Err: f, Message: f.Message}
}
