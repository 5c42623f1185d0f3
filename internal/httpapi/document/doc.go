// Package document reads GraphQL documents, bounds what they may ask for, and prepares their operations, before anything of
// them runs. It knows the schema, a document and its variables; it knows nothing of HTTP and of who sends them.
//
//	size, literals, tokens                     cache.go, literals.go
//	shape, with fragments expanded             structure.go
//	validation                                 gqlparser
//	variables in the form of their types       variables.go, absent.go
//	cost                                       price.go
//	lists, numbers, @oneOf, nulls              inputs.go
package document
