package relay

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/input"
)

// The page sizes of every list (design: Schema style). Over the maximum is an error, not a clamp.
const (
	DefaultPage = 15
	MaxPage     = 100
)

// OrderBy is one element of a list's orderBy argument; it is bound to every XOrder input type.
type OrderBy struct {
	Field     string
	Direction Direction
	Nulls     *Nulls
}

// Direction is the direction of an order.
type Direction string

// Nulls says where NULLs stand in an order.
type Nulls string

// Spec declares a list: what it may be ordered, filtered and searched by. It is made once, at start.
type Spec[T any] struct {
	Table *db.Table[T]
	// Default is the order when the client gives none; its columns have an index.
	Default db.Order
	// Orders are the wire names of orderBy fields.
	Orders map[string]db.Term
	// Filter reads the filter argument.
	Filter func(ctx context.Context, raw any) (db.Where, error)
	// Search reads the search argument.
	Search func(text string) (db.Where, error)
	// Personal are the members of the filter that compare personal numbers: where a filter is kept, they are refused.
	Personal []string
	// BaseFilter is a condition that every query of the list has, made of the field's raw arguments.
	BaseFilter func(raw map[string]any) db.Where
}

// Args are the checked arguments of one list field.
type Args struct {
	Page    db.Page
	Where   db.Where
	cursors *Cursors
	list    List
}

// Key is equal for equal arguments; it is the key of loaders.
func (a *Args) Key() string { return ArgumentKey(a.list.raw) }

// Parse checks the raw arguments of a list field, after GraphQL's own coercion. Errors are
// BAD_USER_INPUT, TOO_MANY_ITEMS or INVALID_CURSOR.
func (s *Spec[T]) Parse(ctx context.Context, cursors *Cursors, scope db.Scope, coordinate string, raw map[string]any) (*Args, error) {
	r := rules{s.Default, s.Orders, s.Filter, s.Search, s.BaseFilter}
	return r.parse(ctx, &Args{cursors: cursors, list: List{scope: scope, coordinate: coordinate, raw: raw}})
}

// rules are the part of a [Spec] that has nothing to do with the type of its rows.
type rules struct {
	first      db.Order
	orders     map[string]db.Term
	filter     func(ctx context.Context, raw any) (db.Where, error)
	search     func(text string) (db.Where, error)
	baseFilter func(raw map[string]any) db.Where
}

func (r *rules) parse(ctx context.Context, a *Args) (*Args, error) {
	raw := a.list.raw
	var err error
	if a.Page.Order, err = r.order(raw["orderBy"]); err != nil {
		return nil, err
	}
	if err := a.size(raw); err != nil {
		return nil, err
	}
	if v := raw["filter"]; v != nil {
		w, err := r.filter(ctx, v)
		if err != nil {
			return nil, err
		}
		a.Where = a.Where.All(w)
	}
	if v := raw["search"]; v != nil {
		search, err := text(v, "search")
		if err != nil {
			return nil, err
		}
		w, err := r.search(search)
		if err != nil {
			return nil, err
		}
		a.Where = a.Where.All(w)
	}
	if r.baseFilter != nil {
		a.Where = a.Where.All(r.baseFilter(raw))
	}
	a.list.order = a.Page.Order
	if a.Page.After, err = a.cursor(raw, "after"); err != nil {
		return nil, err
	}
	a.Page.Before, err = a.cursor(raw, "before")
	return a, err
}

// cursor returns the values of the cursor in an argument; nil without one.
func (a *Args) cursor(raw map[string]any, name string) ([]*string, error) {
	if raw[name] == nil {
		return nil, nil
	}
	cursor, err := text(raw[name], name)
	if err != nil {
		return nil, err
	}
	return a.cursors.Decode(&a.list, cursor, len(a.Page.Order))
}

// Cursor returns the cursor of a row from the values of the page's order at it, as SQL text; nil is NULL.
func (a *Args) Cursor(values []*string) string { return a.cursors.Encode(&a.list, values) }

// bound is the part of the arguments that a cursor is bound to: all but the page itself.
func bound(raw map[string]any) string {
	rest := maps.Clone(raw)
	maps.DeleteFunc(rest, func(name string, v any) bool {
		return v == nil || slices.Contains([]string{"first", "last", "after", "before"}, name)
	})
	return ArgumentKey(rest)
}

func (a *Args) size(raw map[string]any) error {
	first, isFirst, err := count(raw, "first")
	if err != nil {
		return err
	}
	last, isLast, err := count(raw, "last")
	if err != nil {
		return err
	}
	switch {
	case isFirst && isLast:
		return fault.New(fault.BadUserInput, "Give first or last, not both.")
	case isLast:
		a.Page.Limit, a.Page.Backward = last, true
	case isFirst:
		a.Page.Limit = first
	default:
		a.Page.Limit = DefaultPage
		// Before alone asks for what stands right before the cursor.
		a.Page.Backward = raw["before"] != nil && raw["after"] == nil
	}
	return nil
}

func count(raw map[string]any, name string) (int, bool, error) {
	v := raw[name]
	if v == nil {
		return 0, false, nil
	}
	n, err := graphql.UnmarshalInt32(v)
	if err != nil {
		return 0, false, fault.New(fault.BadUserInput, "%s must be a whole number from 1 to %d.", name, MaxPage)
	}
	if n < 1 {
		return 0, false, fault.New(fault.BadUserInput, "%s must be at least 1.", name)
	}
	if n > MaxPage {
		return 0, false, fault.New(fault.TooManyItems, "%s must be at most %d; page through the list with after.", name, MaxPage)
	}
	return int(n), true, nil
}

// text returns an argument that must be a string. Another value is an error, never absent: a list without its search would show
// everything.
func text(v any, name string) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", fault.New(fault.BadUserInput, "%s must be a string.", name)
	}
	return s, nil
}

// maxOrderTerms bounds orderBy: each term more makes the keyset condition longer.
const maxOrderTerms = 3

func (r *rules) order(raw any) (db.Order, error) {
	var list []any
	switch v := raw.(type) {
	case []any:
		list = v
	// GraphQL's list coercion lets a single object stand for a list of one; in a variable it is done by now.
	case map[string]any:
		list = []any{v}
	case []map[string]any:
		for _, m := range v {
			list = append(list, m)
		}
	}
	if len(list) == 0 {
		return r.first, nil
	}
	if len(list) > maxOrderTerms {
		return nil, fault.New(fault.TooManyItems, "orderBy may have at most %d fields.", maxOrderTerms)
	}
	var order db.Order
	for _, el := range list {
		m, _ := el.(map[string]any)
		field, _ := m["field"].(string)
		term, ok := r.orders[field]
		if !ok {
			return nil, fault.New(fault.BadUserInput, "orderBy has an unknown field.")
		}
		if slices.ContainsFunc(order, func(t db.Term) bool { return t.Column == term.Column }) {
			return nil, fault.New(fault.BadUserInput, "orderBy names a field twice.")
		}
		// The enums of variables are compared without case before they come here, so they are compared again.
		switch m["direction"] {
		case nil, "ASC":
			term.Desc = false
		case "DESC":
			term.Desc = true
		default:
			return nil, fault.New(fault.BadUserInput, "direction must be ASC or DESC.")
		}
		switch m["nulls"] {
		case nil:
			term.NullsFirst = term.Desc
		case "FIRST":
			term.NullsFirst = true
		case "LAST":
			term.NullsFirst = false
		default:
			return nil, fault.New(fault.BadUserInput, "nulls must be FIRST or LAST.")
		}
		order = append(order, term)
	}
	// The id goes the way of the last term, so that one index can be walked either way.
	return append(order, db.Term{Column: "id", Desc: order[len(order)-1].Desc}), nil
}

// Contains makes a search over a trigram-indexed column, or an expression such as lower(c.name): every word of the text must
// occur in it, or be similar to a word in it. Words are compared in lower case, and a text that is a phone number in any
// notation finds that number.
func Contains(column string) func(text string) (db.Where, error) {
	return func(text string) (db.Where, error) {
		words := input.Words(text)
		if input.Length(strings.Join(words, "")) < 3 {
			return db.Where{}, fault.New(fault.BadUserInput, "search needs at least 3 characters.")
		}
		if len(words) > 8 {
			return db.Where{}, fault.New(fault.TooManyItems, "search may have at most 8 words.")
		}
		var w db.Where
		for _, word := range words {
			w = w.All(holds(column, word))
		}
		if number, _, ok := input.ParsePhone(text); ok && (len(words) > 1 || strings.Trim(compact(words[0]), "0123456789") != "") {
			// Whatever the punctuation, it is stored without.
			w = db.Or([]db.Where{w, holds(column, strings.TrimPrefix(number, "+"))})
		}
		return w, nil
	}
}

// holds is the condition that a column contains a word, or, for a word of letters, one like it. Others are compared exactly, as a
// number with another digit is another number, both as they are and without punctuation: (415) 555-0123 finds +14155550123, and
// 12-345 an identifier that is written so.
func holds(column, word string) db.Where {
	if !strings.Contains(column, "c.") {
		column = "c." + column
	}
	like := column + " LIKE ?"
	whole := "%" + escapeLike(word) + "%"
	if !strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsLetter(r) && !strings.ContainsRune("'’-.", r) }) {
		return db.Where{}.And("("+like+" OR ? <% "+column+")", whole, word)
	}
	digits := compact(word)
	if digits == word {
		return db.Where{}.And(like, whole)
	}
	return db.Where{}.And("("+like+" OR "+like+")", whole, "%"+escapeLike(digits)+"%")
}

// compact removes the punctuation of a phone number; another word is returned as it is.
func compact(word string) string {
	digits := strings.Map(func(r rune) rune {
		if strings.ContainsRune("+()-.", r) {
			return -1
		}
		return r
	}, word)
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return word
	}
	return digits
}

var likeEscapes = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

func escapeLike(s string) string { return likeEscapes.Replace(s) }

// ArgumentKey is equal for equal raw arguments.
func ArgumentKey(raw map[string]any) string {
	// Raw arguments come from JSON or from literals; they always marshal, with sorted keys.
	text, _ := json.Marshal(raw)
	return string(text)
}
