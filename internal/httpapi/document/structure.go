package document

import (
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/fault"
)

// saturated is where counts stop: fragments that spread each other double per level and would overflow.
const saturated = 1 << 30

// shape is the measure of a selection set with its fragments expanded. Counts saturate.
type shape struct {
	fields, aliases, directives int
	depth, introspection        int
}

func plus(a, b int) int { return min(a+b, saturated) }

// times multiplies counts that are at most saturated; the product of two such fits an int64.
func times(a, b int) int { return int(min(int64(a)*int64(b), saturated)) }

func (s *shape) add(c shape) {
	s.fields = plus(s.fields, c.fields)
	s.aliases = plus(s.aliases, c.aliases)
	s.directives = plus(s.directives, c.directives)
	s.depth = max(s.depth, c.depth)
	s.introspection = max(s.introspection, c.introspection)
}

// structure measures one parsed, not yet validated document. Validation itself is quadratic in fields
// that share a response key, and executors expand fragments, so everything here has to be refused first.
type structure struct {
	limits    *Limits
	fragments map[string]*ast.FragmentDefinition
	memo      map[string]*shape
	open      map[string]bool
	fault     *fault.Error
}

// checkStructure returns the first limit that the document exceeds, or nil. Its time is linear in the
// document and in MaxFields, whatever the fragments look like.
func checkStructure(doc *ast.QueryDocument, limits *Limits) *fault.Error {
	if n := len(doc.Operations); n > limits.MaxOperations {
		return queryTooLarge("The document has %d operations; the limit is %d. Send fewer operations in one document.", n, limits.MaxOperations)
	}
	if n := len(doc.Fragments); n > limits.MaxFragments {
		return queryTooLarge("The document has %d fragments; the limit is %d. Send only the fragments that the operation uses.", n, limits.MaxFragments)
	}
	s := &structure{
		limits:    limits,
		fragments: make(map[string]*ast.FragmentDefinition, len(doc.Fragments)),
		memo:      make(map[string]*shape, len(doc.Fragments)),
		open:      make(map[string]bool, len(doc.Fragments)),
	}
	for _, f := range doc.Fragments {
		if s.fragments[f.Name] != nil {
			return fault.New(fault.ValidationFailed, "Two fragments have the same name; rename one of them.")
		}
		s.fragments[f.Name] = f
	}
	var total shape
	roots := make([]ast.SelectionSet, 0, len(doc.Operations)+len(doc.Fragments))
	for _, op := range doc.Operations {
		total.directives = plus(total.directives, s.directives(op.Directives))
		for _, v := range op.VariableDefinitions {
			total.directives = plus(total.directives, s.directives(v.Directives))
		}
		total.add(s.measure(op.SelectionSet))
		roots = append(roots, op.SelectionSet)
	}
	// Unused fragments are an error of validation, but validation walks them, so they are measured too.
	for _, f := range doc.Fragments {
		if s.memo[f.Name] == nil {
			total.add(*s.fragment(f.Name))
			roots = append(roots, f.SelectionSet)
		}
	}
	if s.fault == nil {
		s.fault = limits.exceeded(total)
	}
	for i, set := range roots {
		if s.fault != nil {
			break
		}
		keys := s.merge([]ast.SelectionSet{set})
		if i < len(doc.Operations) && s.fault == nil {
			s.fault = limits.rootExceeded(doc.Operations[i].Operation, keys)
		}
	}
	return s.fault
}

func queryTooLarge(format string, args ...any) *fault.Error {
	return fault.New(fault.QueryTooLarge, format, args...)
}

func (l *Limits) exceeded(s shape) *fault.Error {
	switch {
	case s.fields > l.MaxFields:
		return queryTooLarge("The document selects %s fields once its fragments are expanded; the limit is %d. Select less, or split the document.", figure(s.fields), l.MaxFields)
	case s.depth > l.MaxDepth:
		return fault.New(fault.DepthLimit, "The selection is %s levels deep; the limit is %d (edges, node, nodes and pageInfo are not counted). Fetch the lower levels with node(id:) or nodes(ids:).", figure(s.depth), l.MaxDepth)
	case s.introspection > l.MaxIntrospectionDepth:
		return fault.New(fault.DepthLimit, "The introspection is %s levels deep; the limit is %d.", figure(s.introspection), l.MaxIntrospectionDepth)
	case s.aliases > l.MaxAliases:
		return fault.New(fault.AliasLimit, "The document has %s aliases; the limit is %d. Use nodes(ids:), filters or several requests.", figure(s.aliases), l.MaxAliases)
	case s.directives > l.MaxDirectives:
		return queryTooLarge("The document has %s directives; the limit is %d.", figure(s.directives), l.MaxDirectives)
	}
	return nil
}

func (l *Limits) rootExceeded(kind ast.Operation, keys int) *fault.Error {
	limit, advice := l.MaxRootFields, "Split the query."
	if kind == ast.Mutation {
		limit, advice = l.MaxMutationFields, "Use a bulk mutation, or several requests."
	}
	if keys <= limit {
		return nil
	}
	return fault.New(fault.AliasLimit, "The %s has %d root fields; the limit is %d. %s", kind, keys, limit, advice)
}

func figure(n int) string {
	if n >= saturated {
		return "more than a billion"
	}
	return strconv.Itoa(n)
}

func (s *structure) refuse(f *fault.Error) {
	if s.fault == nil {
		s.fault = f
	}
}

func (s *structure) directives(list ast.DirectiveList) int {
	for _, d := range list {
		// gqlparser's prelude always declares them, and over plain HTTP the deferred part would be lost.
		if d.Name == "defer" || d.Name == "stream" {
			s.refuse(fault.New(fault.DeferUnsupported, "@defer and @stream are not supported. Remove the directive, or fetch the slow part in a second request."))
		}
	}
	return len(list)
}

func (s *structure) measure(set ast.SelectionSet) (r shape) {
	for _, sel := range set {
		var c shape
		var directives ast.DirectiveList
		switch sel := sel.(type) {
		case *ast.Field:
			c, directives = s.measure(sel.SelectionSet), sel.Directives
			switch sel.Name {
			case "__schema", "__type":
				c.introspection, c.depth = plus(c.depth, 1), 1
			case "edges", "node", "nodes", "pageInfo":
			default:
				c.depth = plus(c.depth, 1)
			}
			if sel.Alias != sel.Name {
				c.aliases = plus(c.aliases, 1)
			}
		case *ast.InlineFragment:
			c, directives = s.measure(sel.SelectionSet), sel.Directives
		case *ast.FragmentSpread:
			c, directives = *s.fragment(sel.Name), sel.Directives
		}
		// Fragments count like fields: a tree of empty ones costs as much to walk.
		c.fields = plus(c.fields, 1)
		c.directives = plus(c.directives, s.directives(directives))
		r.add(c)
	}
	return r
}

func (s *structure) fragment(name string) *shape {
	if m := s.memo[name]; m != nil {
		return m
	}
	f := s.fragments[name]
	if f == nil {
		return &shape{} // unknown: validation names it
	}
	if s.open[name] {
		s.refuse(fault.New(fault.ValidationFailed, "A fragment spreads itself, directly or through other fragments."))
		return &shape{}
	}
	s.open[name] = true
	m := s.measure(f.SelectionSet)
	m.directives = plus(m.directives, s.directives(f.Directives))
	delete(s.open, name)
	s.memo[name] = &m
	return &m
}

// merge walks selection sets that share one response path the way an executor merges them, counts how
// often a response key occurs, and returns the number of keys. Counting per written selection set would
// not do: ten fragments with ten repeats each are a hundred repeats to validation. It runs after the
// expanded fields were found to be within MaxFields, and there are no cycles, so it ends.
func (s *structure) merge(sets []ast.SelectionSet) int {
	groups := make(map[string][]*ast.Field)
	spread := make(map[string]bool)
	for _, set := range sets {
		s.collect(set, groups, spread)
	}
	var below []ast.SelectionSet
	for _, fields := range groups {
		if s.fault != nil {
			return 0
		}
		if n := len(fields); n > s.limits.MaxRepeats {
			s.refuse(queryTooLarge("One response key is selected %d times in the same place; the limit is %d. Select it once.", n, s.limits.MaxRepeats))
			return 0
		}
		below = below[:0]
		for _, f := range fields {
			if len(f.SelectionSet) > 0 {
				below = append(below, f.SelectionSet)
			}
		}
		if len(below) > 0 {
			s.merge(below)
		}
	}
	return len(groups)
}

func (s *structure) collect(set ast.SelectionSet, groups map[string][]*ast.Field, spread map[string]bool) {
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			groups[sel.Alias] = append(groups[sel.Alias], sel)
		case *ast.InlineFragment:
			s.collect(sel.SelectionSet, groups, spread)
		case *ast.FragmentSpread:
			if f := s.fragments[sel.Name]; f != nil && !spread[sel.Name] {
				spread[sel.Name] = true
				s.collect(f.SelectionSet, groups, spread)
			}
		}
	}
}
