// Package httpapi is the GraphQL endpoint: a strict GraphQL-over-HTTP transport, the limits that every
// request passes before it may run, one shape for all errors, and the middleware around it.
//
// A request goes through these stages, each cheaper than what it protects:
//
//	address, request id, credential            middleware.go
//	method, media types, size, JSON            transport.go, request.go
//	operations a second                        budget.go
//	size and shape of the document             documents.go, structure.go
//	validation                                 gqlgen
//	variables: introspection, lists, @oneOf    admission.go, inputs.go
//	cost, nodes, points a second               price.go, budget.go
//	scopes of the root fields, files           multipart.go, upload.go (requests with files only)
//	operations at the same time, deadline      operation.go
//	execution
//	errors, size, compression                  presenter.go, response.go
//
// Transports of live results go through the same stages from the third on, as they use the same executor.
package httpapi
