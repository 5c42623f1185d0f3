package relay

import (
	"context"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/lib/pq"

	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/input"
)

// The limits of a filter (docs/limits.md).
const (
	maxFilterDepth      = 5
	maxFilterPredicates = 50
	maxFilterIn         = 500
)

// StringFilter compares text.
type StringFilter struct {
	Eq         graphql.Omittable[*string]  `json:"eq,omitzero"`
	Neq        graphql.Omittable[*string]  `json:"neq,omitzero"`
	In         graphql.Omittable[[]string] `json:"in,omitzero"`
	StartsWith graphql.Omittable[*string]  `json:"startsWith,omitzero"`
	Null       graphql.Omittable[*bool]    `json:"null,omitzero"`
}

// BooleanFilter compares a truth value.
type BooleanFilter struct {
	Eq graphql.Omittable[*bool] `json:"eq,omitzero"`
}

// DateTimeFilter compares instants.
type DateTimeFilter struct {
	Eq   graphql.Omittable[*time.Time] `json:"eq,omitzero"`
	Gt   graphql.Omittable[*time.Time] `json:"gt,omitzero"`
	Gte  graphql.Omittable[*time.Time] `json:"gte,omitzero"`
	Lt   graphql.Omittable[*time.Time] `json:"lt,omitzero"`
	Lte  graphql.Omittable[*time.Time] `json:"lte,omitzero"`
	Null graphql.Omittable[*bool]      `json:"null,omitzero"`
}

// IDFilter compares references to another entity.
type IDFilter struct {
	Eq graphql.Omittable[*ID]  `json:"eq,omitzero"`
	In graphql.Omittable[[]ID] `json:"in,omitzero"`
}

// EnumFilter compares the values of an enum E.
type EnumFilter[E ~string] struct {
	Eq  graphql.Omittable[*E]  `json:"eq,omitzero"`
	Neq graphql.Omittable[*E]  `json:"neq,omitzero"`
	In  graphql.Omittable[[]E] `json:"in,omitzero"`
}

// comparator is one of the filters above.
type comparator interface {
	where(column, param string) (db.Where, error)
}

// op is one operator of a comparator: its SQL around the column, and its value if it was sent.
type op[V any] struct {
	sql   string
	value graphql.Omittable[V]
}

func null() error {
	return fault.New(fault.BadUserInput, "A filter operator must not be null; leave it out, or use null: true to ask for missing values.")
}

func compare[V any](w db.Where, column string, ops ...op[*V]) (db.Where, error) {
	for _, o := range ops {
		if !o.value.IsSet() {
			continue
		}
		v := o.value.Value()
		if v == nil {
			return w, null()
		}
		w = w.And(strings.ReplaceAll(o.sql, "@", column), *v)
	}
	return w, nil
}

func among[V any](w db.Where, column string, values graphql.Omittable[[]V]) (db.Where, error) {
	if !values.IsSet() {
		return w, nil
	}
	if values.Value() == nil {
		return w, null()
	}
	if len(values.Value()) > maxFilterIn {
		return w, fault.New(fault.TooManyItems, "in may have at most %d values.", maxFilterIn)
	}
	return w.And(column+" = ANY(?)", pq.Array(values.Value())), nil
}

func missing(w db.Where, column string, v graphql.Omittable[*bool]) (db.Where, error) {
	switch {
	case !v.IsSet():
		return w, nil
	case v.Value() == nil:
		return w, null()
	case *v.Value():
		return w.And(column + " IS NULL"), nil
	}
	return w.And(column + " IS NOT NULL"), nil
}

// where of a StringFilter compares in the form in which texts are stored, or in that of keys when param is "key".
func (f *StringFilter) where(c, param string) (db.Where, error) {
	form := input.Form
	if param == "key" {
		form = input.KeyForm
	}
	w, err := compare(db.Where{}, c, op[*string]{"@ = ?", inForm(f.Eq, form)}, op[*string]{"@ IS DISTINCT FROM ?", inForm(f.Neq, form)})
	if err != nil {
		return w, err
	}
	if f.StartsWith.IsSet() {
		if f.StartsWith.Value() == nil {
			return w, null()
		}
		w = w.And(c+" LIKE ?", escapeLike(input.Prefix(*f.StartsWith.Value(), form))+"%")
	}
	in := f.In
	if in.Value() != nil {
		values := make([]string, len(in.Value()))
		for i, text := range in.Value() {
			values[i] = form(text)
		}
		in = graphql.OmittableOf(values)
	}
	if w, err = among(w, c, in); err != nil {
		return w, err
	}
	return missing(w, c, f.Null)
}

// inForm is a value of a filter in its form.
func inForm(in graphql.Omittable[*string], form func(string) string) graphql.Omittable[*string] {
	if in.Value() == nil {
		return in
	}
	text := form(*in.Value())
	return graphql.OmittableOf(&text)
}

func (f *BooleanFilter) where(c, _ string) (db.Where, error) {
	return compare(db.Where{}, c, op[*bool]{"@ = ?", f.Eq})
}

func (f *DateTimeFilter) where(c, _ string) (db.Where, error) {
	w, err := compare(db.Where{}, c, op[*time.Time]{"@ = ?", f.Eq}, op[*time.Time]{"@ > ?", f.Gt}, op[*time.Time]{"@ >= ?", f.Gte},
		op[*time.Time]{"@ < ?", f.Lt}, op[*time.Time]{"@ <= ?", f.Lte})
	if err != nil {
		return w, err
	}
	return missing(w, c, f.Null)
}

// where of an IDFilter checks the type of the ids: param is the wanted prefix.
func (f *IDFilter) where(c, prefix string) (db.Where, error) {
	var w db.Where
	if f.Eq.IsSet() {
		if f.Eq.Value() == nil {
			return w, null()
		}
		id, err := f.Eq.Value().As(prefix)
		if err != nil {
			return w, err
		}
		w = w.And(c+" = ?", id)
	}
	if f.In.IsSet() {
		if f.In.Value() == nil {
			return w, null()
		}
		ids := make([]string, 0, len(f.In.Value()))
		for _, id := range f.In.Value() {
			u, err := id.As(prefix)
			if err != nil {
				return w, err
			}
			ids = append(ids, u.String())
		}
		if len(ids) > maxFilterIn {
			return w, fault.New(fault.TooManyItems, "in may have at most %d values.", maxFilterIn)
		}
		w = w.And(c+" = ANY(CAST(? AS uuid[]))", pq.Array(ids))
	}
	return w, nil
}

func (f *EnumFilter[E]) where(c, _ string) (db.Where, error) {
	w, err := compare(db.Where{}, c, op[*E]{"@ = ?", f.Eq}, op[*E]{"@ IS DISTINCT FROM ?", f.Neq})
	if err != nil {
		return w, err
	}
	return among(w, c, f.In)
}

// FilterBy makes the Filter of a [Spec] from a struct F whose fields are comparators tagged
// `filter:"column"` (for ids `filter:"column,prefix"`, for keys of other systems `filter:"column,key"`), the groups And, Or and Not of the same struct,
// and, for what is not a column, fields of other types that the function special answers by name. The error is BAD_USER_INPUT,
// TOO_MANY_ITEMS or QUERY_TOO_LARGE.
func FilterBy[F any](special func(ctx context.Context, f *F) (db.Where, error)) func(ctx context.Context, raw any) (db.Where, error) {
	return func(ctx context.Context, raw any) (db.Where, error) {
		if err := RefuseNull(raw); err != nil {
			return db.Where{}, err
		}
		f := new(F)
		if err := graphql.UnmarshalInputFromContext(ctx, raw, f); err != nil {
			return db.Where{}, err
		}
		c := &compiler[F]{}
		if special != nil {
			c.special = func(f *F) (db.Where, error) { return special(ctx, f) }
		}
		return c.compile(f, 1)
	}
}

// RefuseNull returns BAD_USER_INPUT for a raw filter that holds a null at any depth.
func RefuseNull(raw any) error {
	if hasNull(raw) {
		return null()
	}
	return nil
}

// hasNull reports whether a filter holds a null at any depth. Leaving the condition out, as for an absent
// one, would show rows that the client meant to leave out.
func hasNull(raw any) bool {
	switch v := raw.(type) {
	case nil:
		return true
	case map[string]any:
		for _, el := range v {
			if hasNull(el) {
				return true
			}
		}
	default:
		// A list may be of any type: the executor's library wraps a single value in a slice of the value's own.
		list := reflect.ValueOf(raw)
		for i := 0; list.Kind() == reflect.Slice && i < list.Len(); i++ {
			if hasNull(list.Index(i).Interface()) {
				return true
			}
		}
	}
	return false
}

// Uses returns the paths of the members of a raw filter that have one of the names, at any depth of its groups.
func Uses(raw any, members ...string) (paths [][]string) {
	var visit func(raw any, path []string)
	visit = func(raw any, path []string) {
		switch v := reflect.ValueOf(raw); v.Kind() {
		case reflect.Slice:
			for i := range v.Len() {
				visit(v.Index(i).Interface(), append(slices.Clip(path), strconv.Itoa(i)))
			}
		case reflect.Map:
			filter, _ := raw.(map[string]any)
			for _, name := range members {
				if _, ok := filter[name]; ok {
					paths = append(paths, append(slices.Clip(path), name))
				}
			}
			for _, group := range []string{"and", "or", "not"} {
				visit(filter[group], append(slices.Clip(path), group))
			}
		}
	}
	visit(raw, nil)
	return paths
}

// compiler makes the condition of one filter, and counts what it is made of.
type compiler[F any] struct {
	special            func(f *F) (db.Where, error)
	predicates, groups int
}

func (c *compiler[F]) compile(f *F, depth int) (db.Where, error) {
	var w db.Where
	if depth > maxFilterDepth {
		return w, fault.New(fault.QueryTooLarge, "A filter may be nested at most %d deep.", maxFilterDepth)
	}
	// Groups are counted beside predicates: empty ones cost too.
	if c.groups++; c.groups > maxFilterPredicates+1 {
		return w, fault.New(fault.QueryTooLarge, "A filter may have at most %d groups.", maxFilterPredicates)
	}
	v := reflect.ValueOf(f).Elem()
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		tag := field.Tag.Get("filter")
		if !isGiven(value) || tag == "" && slices.Contains([]string{"And", "Or", "Not"}, field.Name) {
			continue
		}
		if c.predicates++; c.predicates > maxFilterPredicates {
			return w, fault.New(fault.QueryTooLarge, "A filter may have at most %d predicates.", maxFilterPredicates)
		}
		if tag == "" {
			continue
		}
		column, param, _ := strings.Cut(tag, ",")
		cond, err := value.Interface().(comparator).where("c."+column, param)
		if err != nil {
			return w, err
		}
		w = w.All(cond)
	}
	if c.special != nil {
		cond, err := c.special(f)
		if err != nil {
			return w, err
		}
		w = w.All(cond)
	}
	ands, _, err := c.group(v, "And", depth)
	if err != nil {
		return w, err
	}
	for _, cond := range ands {
		w = w.All(cond)
	}
	ors, some, err := c.group(v, "Or", depth)
	if err != nil {
		return w, err
	}
	if some {
		w = w.All(db.Or(ors))
	}
	if not, ok := v.FieldByName("Not").Interface().(*F); ok && not != nil {
		cond, err := c.compile(not, depth+1)
		if err != nil {
			return w, err
		}
		w = w.All(cond.Not())
	}
	return w, nil
}

// group compiles the filters of a group, and reports whether the group was given at all.
func (c *compiler[F]) group(v reflect.Value, name string, depth int) ([]db.Where, bool, error) {
	list, ok := v.FieldByName(name).Interface().([]*F)
	if !ok || list == nil {
		return nil, false, nil
	}
	out := make([]db.Where, len(list))
	for i, f := range list {
		var err error
		if out[i], err = c.compile(f, depth+1); err != nil {
			return nil, false, err
		}
	}
	return out, true, nil
}

// isGiven reports whether a field of a filter was sent.
func isGiven(v reflect.Value) bool {
	if o, ok := v.Interface().(interface{ IsSet() bool }); ok {
		return o.IsSet()
	}
	return !v.IsZero()
}
