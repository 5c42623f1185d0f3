package graph

import (
	"context"

	"caseload/internal/relay"
)

func (r *queryResolver) Node(ctx context.Context, id relay.ID) (relay.Node, error) {
	return r.node(ctx, id)
}

func (r *queryResolver) Nodes(ctx context.Context, ids []*relay.ID) ([]relay.Node, error) {
	return r.nodes(ctx, ids)
}
