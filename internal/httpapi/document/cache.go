package document

import (
	"context"
	"errors"
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
)

const (
	// A syntax tree takes about twenty times the memory of its text, so the trees are bounded by text.
	cachedTrees     = 1000
	cachedTreeBytes = 2 << 20
	cachedTreeText  = 16 << 10
)

// Cache reads documents for the executor, and is its query cache, so that it parses and validates nothing itself. Valid
// trees are kept; nothing in them depends on the caller or on variables. Safe for use by several goroutines.
type Cache struct {
	limits *Limits
	schema *ast.Schema
	// rules returns the rules of validation, afresh for each document, as the library wants them.
	rules func() *rules.Rules

	mu    sync.Mutex
	trees *simplelru.LRU[string, *ast.QueryDocument]
	bytes int
}

var _ graphql.Cache[*ast.QueryDocument] = (*Cache)(nil)

// NewCache returns an empty cache of the documents of a schema.
func NewCache(limits *Limits, schema *ast.Schema, rules func() *rules.Rules) *Cache {
	c := &Cache{limits: limits, schema: schema, rules: rules}
	c.trees, _ = simplelru.NewLRU(cachedTrees, func(text string, _ *ast.QueryDocument) { c.bytes -= len(text) })
	return c
}

// Reading is the document of one request, as it goes from [Cache.Read] to [Cache.Get] by their context.
type Reading struct {
	doc *ast.QueryDocument
	// Errors are all that validation found, where the executor's extensions return only the first.
	Errors gqlerror.List
}

type readingKey struct{}

// WithReading returns the context of a request, in which its document is read once.
func WithReading(ctx context.Context) (context.Context, *Reading) {
	r := &Reading{}
	return context.WithValue(ctx, readingKey{}, r), r
}

func readingOf(ctx context.Context) *Reading {
	r, _ := ctx.Value(readingKey{}).(*Reading)
	return r
}

// Read refuses documents that are too large or too complex to be validated, and validates those that are not in the cache.
// It replaces the document by one whose literals the parser reads as GraphQL says. ctx is from [WithReading].
func (c *Cache) Read(ctx context.Context, params *graphql.RawParams) *gqlerror.Error {
	if n := len(params.Query); n > c.limits.MaxDocumentBytes {
		return gqlerror.Wrap(queryTooLarge("The document has %d bytes; the limit is %d. Move values into variables, or split the document.", n, c.limits.MaxDocumentBytes))
	}
	text, err := rewriteLiterals(params.Query)
	if err != nil {
		return err
	}
	params.Query = text
	r := readingOf(ctx)
	c.mu.Lock()
	r.doc, _ = c.trees.Get(text)
	c.mu.Unlock()
	if r.doc != nil {
		return nil
	}
	doc, err := c.parse(text)
	if err != nil {
		return err
	}
	all := c.rules()
	all.AddRule("SourceIdLiterals", sourceIDLiterals)
	if r.Errors = validator.ValidateWithRules(c.schema, doc, all); len(r.Errors) > 0 {
		for _, err := range r.Errors {
			errcode.Set(err, errcode.ValidationFailed)
		}
		return r.Errors[0]
	}
	r.doc = doc
	c.Add(ctx, text, doc)
	return nil
}

// parse returns the tree of a document that has an operation and is within the limits of structure.
func (c *Cache) parse(text string) (*ast.QueryDocument, *gqlerror.Error) {
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, c.limits.MaxTokens)
	var failed *gqlerror.Error
	switch {
	case errors.As(err, &failed) && strings.HasPrefix(failed.Message, "exceeded token limit"):
		// The parser gives this error no type and no position of its own.
		return nil, gqlerror.Wrap(queryTooLarge("The document has more than %d tokens. Move values into variables, or split the document.", c.limits.MaxTokens))
	case err != nil:
		failed = gqlerror.WrapIfUnwrapped(err)
		errcode.Set(failed, errcode.ParseFailed)
		return nil, failed
	}
	if f := checkStructure(doc, c.limits); f != nil {
		return nil, gqlerror.Wrap(f)
	}
	if len(doc.Operations) == 0 {
		failed = &gqlerror.Error{Message: "no operation provided"}
		errcode.Set(failed, errcode.ValidationFailed)
		return nil, failed
	}
	return doc, nil
}

// Get returns the tree that [Cache.Read] found or made for the request.
func (c *Cache) Get(ctx context.Context, _ string) (*ast.QueryDocument, bool) {
	r := readingOf(ctx)
	return r.doc, r.doc != nil
}

// Add keeps the valid tree of a text. Long texts are parsed again each time, as a few thousand of them would fill the
// memory.
func (c *Cache) Add(_ context.Context, text string, doc *ast.QueryDocument) {
	if len(text) > cachedTreeText {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trees.Contains(text) {
		return
	}
	c.bytes += len(text)
	c.trees.Add(strings.Clone(text), doc)
	for c.bytes > cachedTreeBytes {
		c.trees.RemoveOldest()
	}
}
