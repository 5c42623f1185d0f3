// Package live carries GraphQL over connections that stay open: WebSocket with the subprotocol
// graphql-transport-ws ([WebSocket]), and server-sent events in the distinct connections mode of
// graphql-sse ([SSE]).
//
// Both are transports of package httpapi and share its [httpapi.Endpoint], so reading, limits, validation, cost, access
// and errors are those of a plain POST. Each result passes through the executor's response middleware with a context of
// its own; a subscription therefore gets new loaders for every event if that middleware makes them.
//
// A socket is closed with one of these codes. Reasons are fixed sentences: what a client sent is
// never repeated.
//
//	1001  the server is restarting; connect again
//	1009  a message is over 64 KiB
//	1013  the credential could not be checked just now, or the network has sent too many wrong ones;
//	      try again later
//	4400  the message is not one of the protocol
//	4401  an operation was sent before the connection was acknowledged, or the credential was
//	      revoked or has expired since
//	4403  the credential was refused
//	4406  the client does not speak graphql-transport-ws
//	4408  no connection_init arrived in time
//	4409  the id belongs to an operation that is still running
//	4429  a second connection_init
//	4500  a defect on our side
//	4503  the principal has too many connections open (ours; clients retry with backoff)
//	4510  a ping was not answered (ours; clients retry with backoff)
//
// Pings are WebSocket control frames, which every client answers by itself, rather than messages of
// the subprotocol, which simple clients ignore. Ping messages of a client are answered with pong.
//
// An event stream ends with the event "complete". When the server restarts it ends without one, which
// clients take for a lost connection, and connect again.
package live
