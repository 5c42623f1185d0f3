package plan

import (
	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/loader"
)

// root is the beginning of a plan: one of its kinds is set.
type root struct {
	// field has the arguments of single and nodes.
	field  *ast.Field
	list   *listRoot
	single *singleRoot
	nodes  *nodesRoot
}

// listRoot is a page of a table: an edge without a parent.
type listRoot struct {
	edge *edge
	conn []member
}

// singleRoot is one row.
type singleRoot struct {
	*loader.Single
	rows   *rowset
	writer *writer
}

// nodesRoot is what node and nodes find, by the prefix of the ids.
type nodesRoot struct {
	many  bool
	types map[string]*nodeRoot
}

// nodeRoot is how one type is answered.
type nodeRoot struct {
	// reason is why rows of this type are not; a plan may answer the other types.
	reason string
	// hidden tells that the viewer may not read the type: it is answered like what does not exist.
	hidden bool
	rows   *rowset
	writer *writer
	// id is the column by which the rows are put into the order of the ids.
	id *column
}

func (k *compilation) root(f graphql.CollectedField) (root, error) {
	r := root{field: k.arguments(f)}
	if err := k.admit(f.Definition); err != nil {
		return r, err
	}
	coordinate := "Query." + f.Name
	if reason, ok := k.Generated[coordinate]; ok {
		return r, notPlanned(coordinate + ": " + reason)
	}
	typeName := f.Definition.Type.Name()
	var err error
	if decl, ok := k.edges[coordinate]; ok {
		e := k.edgeOf(decl, f)
		r.list = &listRoot{edge: e}
		r.list.conn, err = k.members(e, f.Selections, typeName)
		// The page is read even when only its total is selected, as the resolver does.
		e.rows = true
		e.child.settle()
		return r, err
	}
	if s, ok := k.Singles[coordinate]; ok {
		r.single = &singleRoot{Single: s, rows: &rowset{source: s.Source}}
		r.single.writer, err = k.entity(r.single.rows, f.Selections, typeName)
		r.single.rows.settle()
		return r, err
	}
	if coordinate == "Query.node" || coordinate == "Query.nodes" {
		r.nodes = k.nodeTypes(f)
		return r, nil
	}
	return r, notPlanned(coordinate + ": " + ReasonUndefined)
}

func (k *compilation) nodeTypes(f graphql.CollectedField) *nodesRoot {
	r := &nodesRoot{many: f.Name == "nodes", types: make(map[string]*nodeRoot, len(k.Nodes))}
	for _, t := range k.Nodes {
		n := &nodeRoot{}
		r.types[t.Source.Prefix()] = n
		if k.viewer.Require(t.Requires...) != nil {
			n.hidden = true
			continue
		}
		n.rows = &rowset{source: t.Source}
		w, err := k.entity(n.rows, f.Selections, t.Name)
		if err != nil {
			n.reason = err.Error()
			continue
		}
		n.writer, n.id = w, n.rows.column("id")
		n.rows.settle()
	}
	return r
}
