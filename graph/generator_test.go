package graph_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"caseload/graph"
	"caseload/internal/graphtest"
)

// material is what a generator fills queries with: ids that exist, words that occur, cursors of real pages.
type material struct {
	schema  *ast.Schema
	ids     []string
	words   []string
	cursors map[string][]cursor
}

// cursor is a place in a list, with the other arguments that the list was asked with.
type cursor struct{ arguments, text string }

// generator makes one random query, from the schema alone.
type generator struct {
	*material
	r *rand.Rand

	variables    graphtest.Vars
	declarations []string
	fragments    []string
	arguments    map[string]string
	names        int
	deepest      int
}

func newGenerator(m *material, r *rand.Rand) *generator {
	return &generator{material: m, r: r, variables: graphtest.Vars{}, arguments: map[string]string{}, deepest: 1 + r.IntN(5)}
}

func (g *generator) chance(percent int) bool { return g.r.IntN(100) < percent }

func pick[T any](g *generator, from []T) T { return from[g.r.IntN(len(from))] }

func (g *generator) name(prefix string) string {
	g.names++
	return fmt.Sprintf("%s%d", prefix, g.names)
}

// query makes a document and its variables.
func (g *generator) query() (string, graphtest.Vars) {
	var roots []string
	for _, f := range g.schema.Query.Fields {
		if !strings.HasPrefix(f.Name, "__") {
			roots = append(roots, f.Name)
		}
	}
	sort.Strings(roots)
	var b strings.Builder
	for range 1 + g.r.IntN(2) {
		root := g.schema.Query.Fields.ForName(pick(g, roots))
		if !g.schema.Types[root.Type.Name()].IsCompositeType() || len(root.Arguments) == 0 || root.Arguments[0].Type.NamedType != "Int" {
			// Lists are where most can go wrong.
			root = g.schema.Query.Fields.ForName(pick(g, roots))
		}
		b.WriteString(g.field("Query", root, g.deepest))
	}
	if g.chance(10) {
		b.WriteString(" __typename")
	}
	head := "query Q"
	if len(g.declarations) > 0 {
		head += "(" + strings.Join(g.declarations, ", ") + ")"
	}
	return head + " {" + b.String() + " }\n" + strings.Join(g.fragments, "\n"), g.variables
}

// selection makes the members of a type, with fragments around some of them.
func (g *generator) selection(typeName string, depth int) string {
	def := g.schema.Types[typeName]
	var b strings.Builder
	if g.chance(15) {
		b.WriteString(" __typename")
	}
	if def.Kind == ast.Interface {
		b.WriteString(" id")
		for range g.r.IntN(4) {
			t := pick(g, g.schema.GetPossibleTypes(def))
			b.WriteString(g.fragment(t.Name, g.selection(t.Name, depth)))
		}
		return b.String()
	}
	if strings.HasSuffix(typeName, "Connection") && g.chance(85) {
		// Otherwise most queries would end in totals.
		b.WriteString(g.field(typeName, def.Fields.ForName(pick(g, []string{"nodes", "edges"})), depth))
	}
	for range 1 + g.r.IntN(5) {
		f := pick(g, def.Fields)
		if strings.HasPrefix(f.Name, "__") {
			continue
		}
		text := g.field(typeName, f, depth)
		switch {
		case g.chance(8):
			text = g.fragment(typeName, text)
		case g.chance(4) && slices.Contains(def.Interfaces, "Node"):
			text += " ... on Node { id }"
		}
		b.WriteString(text)
	}
	if strings.TrimSpace(b.String()) == "" {
		return " __typename"
	}
	return b.String()
}

// fragment puts members into a fragment: inline, inline without a type, or named.
func (g *generator) fragment(typeName, members string) string {
	if strings.TrimSpace(members) == "" {
		return ""
	}
	switch g.r.IntN(3) {
	case 0:
		return " ... on " + typeName + g.directive() + " {" + members + " }"
	case 1:
		return " ... on " + typeName + " {" + members + " ..." + g.directive() + " {" + members + " } }"
	}
	name := g.name("F")
	g.fragments = append(g.fragments, "fragment "+name+" on "+typeName+" {"+members+" }")
	return " ..." + name + g.directive()
}

// directive sometimes makes @skip or @include.
func (g *generator) directive() string {
	if !g.chance(12) {
		return ""
	}
	value := pick(g, []string{"true", "false"})
	if g.chance(70) {
		name := g.name("b")
		declared := pick(g, []string{": Boolean!", ": Boolean! = " + value, ": Boolean = " + value})
		g.declarations = append(g.declarations, "$"+name+declared)
		switch {
		case declared == ": Boolean!" || g.chance(50):
			g.variables[name] = g.chance(50)
		case g.chance(10):
			g.variables[name] = nil
		}
		value = "$" + name
	}
	return " @" + pick(g, []string{"skip", "include"}) + "(if: " + value + ")"
}

// field makes one selected field; composite ones end at the depth.
func (g *generator) field(typeName string, f *ast.FieldDefinition, depth int) string {
	child := g.schema.Types[f.Type.Name()]
	composite := child.IsCompositeType()
	inner := depth
	if composite && !strings.HasSuffix(typeName, "Connection") && !strings.HasSuffix(typeName, "Edge") {
		if inner--; inner < 0 {
			return ""
		}
	}
	coordinate := typeName + "." + f.Name
	name := f.Name
	if len(f.Arguments) > 0 {
		// Fields of one name can only be merged with equal arguments.
		text, known := g.arguments[coordinate]
		switch {
		case g.chance(15):
			name = g.name("a") + ": " + name
			text = g.argumentList(coordinate, f)
		case !known:
			text = g.argumentList(coordinate, f)
			g.arguments[coordinate] = text
		}
		name += strings.TrimSpace(text)
	} else if g.chance(10) {
		name = g.name("a") + ": " + name
	}
	if !composite {
		return " " + name + g.directive()
	}
	out := " " + name + g.directive() + " {" + g.selection(child.Name, inner) + " }"
	if g.chance(6) {
		out += " " + name + " {" + g.selection(child.Name, inner) + " }"
	}
	return out
}

// argumentList makes arguments that are mostly right, " " for none.
func (g *generator) argumentList(coordinate string, f *ast.FieldDefinition) string {
	var parts []string
	add := func(a *ast.ArgumentDefinition, value any) {
		parts = append(parts, a.Name+": "+g.write(a.Type, value, 40))
	}
	if f.Arguments.ForName("after") != nil {
		if size := pick(g, []string{"", "first", "first", "last"}); size != "" {
			n := 1 + g.r.IntN(4)
			if g.chance(3) {
				n = pick(g, []int{0, -1, 101, 100})
			}
			add(f.Arguments.ForName(size), n)
		}
		if known := g.cursors[coordinate]; g.chance(25) && len(known) > 0 {
			c := pick(g, known)
			if g.chance(8) {
				c.text = pick(g, g.words)
			}
			add(f.Arguments.ForName(pick(g, []string{"after", "before"})), c.text)
			if c.arguments != "" {
				return "(" + strings.Join(append(parts, c.arguments), ", ") + ")"
			}
			if g.chance(90) {
				return "(" + strings.Join(parts, ", ") + ")"
			}
		}
	}
	_, oneOf := idOf[strings.TrimPrefix(coordinate, "Query.")]
	only := g.r.IntN(max(len(f.Arguments), 1))
	for i, a := range f.Arguments {
		switch a.Name {
		case "first", "last", "after", "before":
			continue
		}
		if !a.Type.NonNull && (oneOf && i != only && !g.chance(3) || !oneOf && !g.chance(25)) {
			continue
		}
		add(a, g.value(f.Name+" "+a.Name, a.Type, 2))
	}
	if len(parts) == 0 {
		return " "
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// write writes a value into a document, as a variable with this chance.
func (g *generator) write(t *ast.Type, value any, percent int) string {
	if g.chance(percent) {
		return g.variable(t, value)
	}
	const below = 8
	switch v := value.(type) {
	case []any:
		parts := make([]string, len(v))
		for i, el := range v {
			parts[i] = g.write(t.Elem, el, below)
		}
		if len(parts) == 1 && g.chance(15) {
			// A variable of an element's type may not stand for the list.
			if single := literal(v[0]); single == parts[0] {
				return single
			}
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, name+": "+g.write(g.schema.Types[t.Name()].Fields.ForName(name).Type, v[name], below))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return literal(value)
}

// variable declares a variable for a value, in one of the ways that its place allows, and sends it, mostly, as GraphQL
// wants it.
func (g *generator) variable(t *ast.Type, value any) string {
	name, declared := g.name("v"), t.String()
	sent, isSent := plain(value), true
	switch {
	case g.chance(65):
	case t.NonNull:
		// With a default, a variable that may be null may stand where null must not.
		declared = strings.TrimSuffix(declared, "!") + " = " + literal(value)
		if isSent = g.chance(50); isSent && g.chance(30) {
			sent = nil
		}
	case value != nil && g.chance(30):
		declared += "!"
	case g.chance(50):
		declared += " = " + literal(value)
		if isSent = g.chance(50); isSent && g.chance(30) {
			sent = nil
		}
	case g.chance(50):
		sent = nil
	default:
		isSent = false
	}
	if g.chance(10) {
		sent = g.single(sent)
	}
	if g.chance(3) {
		sent = g.misfit(sent)
	}
	g.declarations = append(g.declarations, "$"+name+": "+declared)
	if isSent {
		g.variables[name] = sent
	}
	return "$" + name
}

// single puts the only element of a list in the place of the list, wherever there is one.
func (g *generator) single(v any) any {
	switch v := v.(type) {
	case []any:
		if len(v) == 1 {
			return g.single(v[0])
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, el := range v {
			out[name] = g.single(el)
		}
		return out
	}
	return v
}

// misfit makes one of the scalars in a value of another kind: what GraphQL does not coerce, and an id that is a number,
// which it does.
func (g *generator) misfit(v any) any {
	switch v := v.(type) {
	case []any:
		out := slices.Clone(v)
		if len(out) > 0 {
			i := g.r.IntN(len(out))
			out[i] = g.misfit(out[i])
		}
		return out
	case map[string]any:
		out := maps.Clone(v)
		if len(out) > 0 {
			name := pick(g, slices.Sorted(maps.Keys(out)))
			out[name] = g.misfit(out[name])
		}
		return out
	case int:
		return pick(g, []any{strconv.Itoa(v), float64(v) + 0.5, v == 0, 1 << 40})
	case string:
		return pick(g, []any{json.Number("4155550123"), json.Number("0.5"), true, strings.ToLower(v), map[string]any{}})
	case bool:
		return pick(g, []any{strconv.FormatBool(v), 1})
	}
	return v
}

// enum is an enum value, which a literal writes without quotes.
type enum string

// value makes a value of an input type.
func (g *generator) value(where string, t *ast.Type, depth int) any {
	if !t.NonNull && g.chance(3) {
		return nil
	}
	if t.Elem != nil {
		list := []any{}
		for range g.r.IntN(3) {
			list = append(list, g.value(where, t.Elem, depth))
		}
		return list
	}
	def := g.schema.Types[t.NamedType]
	switch def.Kind {
	case ast.Enum:
		return enum(pick(g, def.EnumValues).Name)
	case ast.InputObject:
		out := map[string]any{}
		for _, f := range def.Fields {
			if f.Type.NonNull && f.DefaultValue == nil || g.chance(25) && (depth > 0 || g.schema.Types[f.Type.Name()].Kind != ast.InputObject) {
				out[f.Name] = g.value(where+" "+f.Name, f.Type, depth-1)
			}
		}
		return out
	}
	switch t.NamedType {
	case "ID":
		id := pick(g, g.ids)
		for range 40 {
			// Where an id of one type is wanted, mostly such a one.
			if prefix := wanted(where); prefix == "" || strings.HasPrefix(id, prefix) {
				break
			}
			id = pick(g, g.ids)
		}
		return id
	case "Int":
		return g.r.IntN(5)
	case "Boolean":
		return g.chance(50)
	case "DateTime":
		return fmt.Sprintf("2026-03-%02dT%02d:00:00Z", 8+g.r.IntN(5), g.r.IntN(24))
	case "Date":
		return pick(g, []string{"1985-06-15", "2026-03-09", "2026-02-30"})
	case "LocalTime":
		return "08:30"
	case "Decimal", "Int64":
		return "12"
	}
	return pick(g, g.words)
}

// wanted is the prefix of the ids that a place in the input takes; "" for any.
func wanted(where string) string {
	root, argument, _ := strings.Cut(where, " ")
	if prefix, ok := idOf[root]; ok && !strings.Contains(argument, " ") {
		return prefix + "_"
	}
	for _, step := range []struct{ contains, prefix string }{{"taskType", "tt_"}, {"endpoint", "hook_"}, {"ustomer", "cust_"}} {
		if strings.Contains(where, step.contains) {
			return step.prefix
		}
	}
	return ""
}

// literal writes a value into a document.
func literal(v any) string {
	switch v := v.(type) {
	case enum:
		return string(v)
	case []any:
		parts := make([]string, len(v))
		for i, el := range v {
			parts[i] = literal(el)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		parts := make([]string, 0, len(v))
		for name, el := range v {
			parts = append(parts, name+": "+literal(el))
		}
		sort.Strings(parts)
		return "{" + strings.Join(parts, ", ") + "}"
	}
	text, _ := json.Marshal(v)
	return string(text)
}

// plain writes a value as a variable has it.
func plain(v any) any {
	switch v := v.(type) {
	case enum:
		return string(v)
	case []any:
		out := make([]any, len(v))
		for i, el := range v {
			out[i] = plain(el)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, el := range v {
			out[name] = plain(el)
		}
		return out
	}
	return v
}

func newMaterial() *material {
	return &material{schema: graph.Schema(), cursors: map[string][]cursor{}}
}
