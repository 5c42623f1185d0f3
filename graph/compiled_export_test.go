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
	for prefix, n := range edges().nodes {
		out[prefix] = n.Name()
	}
	return out
}

// NewPlans makes a cache of plans of the whole graph.
func NewPlans() *plan.Cache {
	return plan.NewCache(newCompiler(Schema(), edges(), nil, 0))
}
