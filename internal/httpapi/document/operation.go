package document

import (
	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/fault"
)

// Examine brings the variables of a validated operation into the form in which resolvers read them, and returns what the
// operation may cost. The error says what is wrong with its inputs, or that it costs too much; the price is known then, too,
// unless a variable is not of its type.
func Examine(schema *ast.Schema, limits *Limits, op *graphql.OperationContext) (Price, *fault.Error) {
	if f := coerceVariables(schema, op.Operation, op.Variables); f != nil {
		return Price{}, f
	}
	omitAbsent(op)
	p := priceOf(schema, limits, op.Operation, op.Variables)
	if f := checkInputs(schema, limits, op.Operation, op.Variables); f != nil {
		return p, f
	}
	return p, limits.checkCost(p)
}
