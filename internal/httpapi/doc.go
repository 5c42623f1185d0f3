// Package httpapi is the GraphQL endpoint: a strict GraphQL-over-HTTP transport, the limits that every
// request passes before it may run, one shape for all errors, and the middleware around it.
//
// A request goes through these stages, each cheaper than what it protects:
//
//	request id, address, credential            accesslog.go, base.go, endpoint.go
//	method, media types, size, JSON            body.go, request.go
//	operations a second                        budget.go
//	document, variables, inputs, cost          operation.go, package document
//	points a second                            budget.go
//	scopes of the root fields, files           multipart.go, upload.go (requests with files only)
//	operations at the same time, deadline      operation.go, places.go
//	execution
//	errors, size, compression                  presenter.go, response.go
//
// All transports share them by way of [Endpoint]: plain HTTP, and WebSocket and server-sent events in package live. Handlers
// beside the endpoint, as that of package download, share [Base].
package httpapi
