package loader

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/graph-gophers/dataloader/v7"

	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/relay"
)

// Entity declares a type of node: its GraphQL name, its table, and the root fields that lead to its rows. From it come node
// and nodes, those root fields, and their compiled reads.
type Entity[T any] struct {
	nodeType
	table *db.Table[T]
}

type nodeType struct {
	typeName string
	source   *db.Relation
	list     *list
	single   *Single
}

// Root is a root field of an entity: [ListOf], [FindBy], [ByID] or [Only].
type Root interface{ rootField() string }

// NewEntity declares a type of node. It panics when *T is no node or a root field is of another type, as that is a mistake
// in the program.
func NewEntity[T any](typeName string, table *db.Table[T], roots ...Root) *Entity[T] {
	if _, ok := any(new(T)).(relay.Node); !ok {
		panic(fmt.Sprintf("entity %s: %s is not a node", typeName, table.Type()))
	}
	e := &Entity[T]{nodeType{typeName: typeName, source: &table.Relation}, table}
	for _, root := range roots {
		switch root := root.(type) {
		case *List[T]:
			e.list = &root.list
		case *finder:
			e.single = &Single{Coordinate: "Query." + root.field, Source: e.source, Where: root.where(table.Prefix())}
		default:
			panic(fmt.Sprintf("entity %s: %s is a list of something else", typeName, root.rootField()))
		}
	}
	return e
}

// ListOf declares the root field that lists an entity's rows, such as "taskTypes".
func ListOf[T any](field string, spec *relay.Spec[T]) Root { return NewList("Query."+field, spec) }

func (e *list) rootField() string { return e.d.Coordinate }

// Connection returns the page of the list that the current field's arguments ask for.
func (e *Entity[T]) Connection(ctx context.Context) (*relay.Connection[*T], error) {
	return connection[T](e.list.page(ctx))
}

// Find returns the row that the current field's arguments ask for, or nil when there is none in the scope.
func (e *Entity[T]) Find(ctx context.Context) (*T, error) {
	w, err := e.single.Where(ctx, rawArguments(ctx))
	if err != nil {
		return nil, err
	}
	l := From(ctx)
	row, err := e.table.One(ctx, l.pool, l.scope, w)
	if err != nil && fault.CodeOf(err) == fault.NotFound {
		return nil, nil
	}
	return row, err
}

// Load returns the row with an id, or nil when there is none in the scope.
func (e *Entity[T]) Load(ctx context.Context, id uuid.UUID) (*T, error) {
	row, err := e.loader(From(ctx)).Load(ctx, id)()
	typed, _ := row.(*T)
	return typed, err
}

func (e *nodeType) loader(l *Loaders) *dataloader.Loader[uuid.UUID, any] {
	return l.loaderFor(instance{e, "node", ""}, func(ctx context.Context, keys []uuid.UUID) ([]any, error) { return e.fetch(ctx, l, keys) })
}

func (e *nodeType) fetch(ctx context.Context, l *Loaders, keys []uuid.UUID) ([]any, error) {
	rows, err := e.source.RowsAmong(ctx, l.pool, l.scope, "id", unique(keys), db.Where{})
	if err != nil {
		return nil, err
	}
	return align(keys, rows, func(row any) (uuid.UUID, bool) { return keyOf(e.source, row, "id") }), nil
}

// Rows returns one row per id, in the order of the ids, a nil interface where there is none in the scope. It runs one
// statement, under any load: ids that are loaded one by one may miss each other's batch.
func (e *nodeType) Rows(ctx context.Context, ids []uuid.UUID) ([]relay.Node, error) {
	rows, err := e.fetch(ctx, From(ctx), ids)
	if err != nil {
		return nil, err
	}
	out := make([]relay.Node, len(rows))
	for i, row := range rows {
		out[i], _ = row.(relay.Node)
	}
	return out, nil
}

// Lists returns the declaration of the root list, if there is one.
func (e *nodeType) Lists() []Declaration {
	if e.list == nil {
		return nil
	}
	return []Declaration{e.list.d}
}

// Single returns the root field that finds one row, or nil.
func (e *nodeType) Single() *Single { return e.single }

// Source returns the table of the node type, and Name its GraphQL name.
func (e *nodeType) Source() *db.Relation { return e.source }

// Name returns the GraphQL name of the node type.
func (e *nodeType) Name() string { return e.typeName }

// Single is a root field that finds one row by its arguments.
type Single struct {
	Coordinate string
	Source     *db.Relation
	// Where reads the raw arguments, after GraphQL's own coercion. The error is BAD_USER_INPUT.
	Where func(ctx context.Context, raw map[string]any) (db.Where, error)
}

// finder is a [Single] that does not know its table yet.
type finder struct {
	field string
	keys  []Key
}

func (f *finder) rootField() string { return f.field }

// FindBy declares the root field that finds one row by exactly one of several keys.
func FindBy(field string, keys ...Key) Root { return &finder{field, keys} }

// ByID declares the root field that finds one row by its argument id.
func ByID(field string) Root { return FindBy(field, ID("id")) }

// Only declares the root field without arguments that finds the only row of an organization.
func Only(field string) Root { return FindBy(field) }

func (f *finder) where(prefix string) func(ctx context.Context, raw map[string]any) (db.Where, error) {
	names := make([]string, len(f.keys))
	for i, k := range f.keys {
		names[i] = k.argument
	}
	return func(ctx context.Context, raw map[string]any) (db.Where, error) {
		var w db.Where
		given := 0
		for _, k := range f.keys {
			v := raw[k.argument]
			if v == nil {
				continue
			}
			given++
			cond, err := k.where(ctx, v, prefix)
			if err != nil {
				return db.Where{}, err
			}
			w = w.All(cond)
		}
		switch {
		case given == min(1, len(f.keys)):
			return w, nil
		case len(f.keys) == 1:
			// Without the id no condition would be left, which every row fits.
			return db.Where{}, fault.New(fault.BadUserInput, "%s must not be null.", names[0])
		}
		last := len(names) - 1
		return db.Where{}, fault.New(fault.BadUserInput, "Give exactly one of %s and %s.", strings.Join(names[:last], ", "), names[last])
	}
}

// Key is an argument that finds one row.
type Key struct {
	argument string
	where    func(ctx context.Context, raw any, prefix string) (db.Where, error)
}

// ID is an argument that is the row's typed id.
func ID(argument string) Key {
	return Key{argument, func(_ context.Context, raw any, prefix string) (db.Where, error) {
		var id relay.ID
		if err := id.UnmarshalGQL(raw); err != nil {
			return db.Where{}, err
		}
		key, err := id.As(prefix)
		return db.Where{}.And("c.id = ?", key), err
	}}
}

// By is an argument of the Go type A, a string or an input object, with the condition that its value makes. The error of
// where is BAD_USER_INPUT.
func By[A any](argument string, where func(value A) (db.Where, error)) Key {
	return Key{argument, func(ctx context.Context, raw any, _ string) (db.Where, error) {
		var value A
		var err error
		if text, ok := any(&value).(*string); ok {
			*text, err = graphql.UnmarshalString(raw)
		} else {
			err = graphql.UnmarshalInputFromContext(ctx, raw, &value)
		}
		if err != nil {
			return db.Where{}, err
		}
		return where(value)
	}}
}

// AnyEntity is an [Entity] without its Go type.
type AnyEntity interface {
	// Name is the GraphQL name of the type.
	Name() string
	Source() *db.Relation
	Rows(ctx context.Context, ids []uuid.UUID) ([]relay.Node, error)
	Lists() []Declaration
	Single() *Single
}

// Members returns the fields of a struct of declarations that are of one kind, also those of structs within it: what is
// declared need not be listed again.
func Members[D any](declarations any) []D {
	var out []D
	members(reflect.ValueOf(declarations).Elem(), &out)
	return out
}

func members[D any](v reflect.Value, out *[]D) {
	for i := range v.NumField() {
		f := v.Field(i)
		if !f.CanInterface() {
			continue // It is not exported, and no declaration.
		}
		if f.Kind() == reflect.Struct {
			members(f, out)
		} else if d, ok := f.Interface().(D); ok {
			*out = append(*out, d)
		}
	}
}
