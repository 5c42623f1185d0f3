package graph

import "caseload/internal/plan"

// NotCompiled are the fields that compiled reads leave to the generated executor.
func NotCompiled() map[string]string { return notCompiled }

// ReasonFailed is the reason of a plan that met an error.
const ReasonFailed = reasonFailed

// ReasonRefused is the reason of a plan whose arguments were refused.
const ReasonRefused = reasonRefused

// PlanNodes are the types that plans answer node with: GraphQL names by the prefix of ids.
func PlanNodes() map[string]string {
	out := map[string]string{}
	for _, n := range planNodes(NewEdges(Schema(), nil)) {
		out[n.Source.Prefix()] = n.Name
	}
	return out
}

// NewPlans makes a cache of plans of the whole graph.
func NewPlans() *plan.Cache {
	schema := Schema()
	return plan.NewCache(newCompiler(schema, NewEdges(schema, nil), nil, 0))
}
