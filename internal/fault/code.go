// Package fault holds everything that can go wrong in words a client may read: the closed list of
// top-level error codes, the codes of user errors, and the two error types that carry them.
//
// An error that is neither an [Error] nor [UserErrors] is a defect or an outage; it is logged once
// and reaches the client as INTERNAL with a fixed sentence and the request id.
package fault

import "net/http"

// Code names a top-level GraphQL error (`errors[].extensions.code`). The list is closed: docs/errors.md
// is checked against [Codes] by a test. User errors have a list of their own, [UserCode].
type Code string

// The closed list of top-level codes.
const (
	ParseFailed         Code = "GRAPHQL_PARSE_FAILED"
	ValidationFailed    Code = "GRAPHQL_VALIDATION_FAILED"
	BadUserInput        Code = "BAD_USER_INPUT"
	OperationResolution Code = "OPERATION_RESOLUTION_FAILURE"
	BadRequest          Code = "BAD_REQUEST"
	MethodNotAllowed    Code = "METHOD_NOT_ALLOWED"
	NotAcceptable       Code = "NOT_ACCEPTABLE"
	UnsupportedMedia    Code = "UNSUPPORTED_MEDIA_TYPE"
	PayloadTooLarge     Code = "PAYLOAD_TOO_LARGE"
	CSRFRefused         Code = "CSRF_REFUSED"
	Unauthenticated     Code = "UNAUTHENTICATED"
	Forbidden           Code = "FORBIDDEN"
	NotFound            Code = "NOT_FOUND"
	Conflict            Code = "CONFLICT"
	IdempotencyRunning  Code = "IDEMPOTENCY_IN_PROGRESS"
	IdempotencyReused   Code = "IDEMPOTENCY_KEY_REUSED"
	IdempotencyRefused  Code = "IDEMPOTENCY_NOT_SUPPORTED"
	InvalidCursor       Code = "INVALID_CURSOR"
	QueryTooLarge       Code = "QUERY_TOO_LARGE"
	DepthLimit          Code = "DEPTH_LIMIT_EXCEEDED"
	AliasLimit          Code = "ALIAS_LIMIT_EXCEEDED"
	ComplexityLimit     Code = "COMPLEXITY_LIMIT_EXCEEDED"
	TooManyItems        Code = "TOO_MANY_ITEMS"
	RateLimited         Code = "RATE_LIMITED"
	ResponseTooLarge    Code = "RESPONSE_TOO_LARGE"
	DeferUnsupported    Code = "DEFER_UNSUPPORTED"
	IntrospectionOff    Code = "INTROSPECTION_DISABLED"
	Timeout             Code = "TIMEOUT"
	Unavailable         Code = "UNAVAILABLE"
	Internal            Code = "INTERNAL"
)

// CodeInfo says what a code means to a client.
type CodeInfo struct {
	Code Code
	// Status is the HTTP status when the error ends the request before or instead of execution.
	Status int
	// Retryable reports whether the identical request may succeed later.
	Retryable bool
	// Meaning is one sentence for docs/errors.md.
	Meaning string
}

// Codes is the closed list with its documentation, in the order of docs/errors.md.
var Codes = []CodeInfo{
	{ParseFailed, http.StatusBadRequest, false, "The document is not GraphQL."},
	{ValidationFailed, http.StatusBadRequest, false, "The document does not fit the schema."},
	{BadUserInput, http.StatusBadRequest, false, "A variable or argument has the wrong form; nothing was changed."},
	{OperationResolution, http.StatusBadRequest, false, "The operation name fits no operation, or is missing where the document has several."},
	{BadRequest, http.StatusBadRequest, false, "The HTTP request is not a well-formed GraphQL request."},
	{MethodNotAllowed, http.StatusMethodNotAllowed, false, "GET runs queries only; everything else is POST, and subscriptions need WebSocket or SSE."},
	{NotAcceptable, http.StatusNotAcceptable, false, "The Accept header admits none of the response media types."},
	{UnsupportedMedia, http.StatusUnsupportedMediaType, false, "The request body must be application/json in UTF-8, or multipart/form-data for files; not compressed."},
	{PayloadTooLarge, http.StatusRequestEntityTooLarge, false, "The request body is over the size limit."},
	{CSRFRefused, http.StatusForbidden, false, "A request that a web page can send without preflight needs the GraphQL-Require-Preflight header."},
	{Unauthenticated, http.StatusUnauthorized, false, "No credential was sent, or it is unknown, expired or revoked."},
	{Forbidden, http.StatusForbidden, false, "The credential lacks a scope that the field requires."},
	{NotFound, http.StatusNotFound, false, "The thing does not exist, or belongs to somebody else: the answer is the same."},
	{Conflict, http.StatusConflict, true, "Other writers kept winning; nothing was changed, send it again."},
	{IdempotencyRunning, http.StatusConflict, true, "A request with the same Idempotency-Key is still running; nothing was done for this one."},
	{IdempotencyReused, http.StatusUnprocessableEntity, false, "The Idempotency-Key was used for another request before; nothing was done."},
	{IdempotencyRefused, http.StatusBadRequest, false, "The mutation answers with a secret, which is not stored for a repetition: send it without an Idempotency-Key."},
	{InvalidCursor, http.StatusBadRequest, false, "The cursor was not made by this server for this list, order and filter."},
	{QueryTooLarge, http.StatusBadRequest, false, "The document has too many bytes, tokens, operations, fragments, fields, repeats or directives."},
	{DepthLimit, http.StatusBadRequest, false, "The selection is nested too deeply."},
	{AliasLimit, http.StatusBadRequest, false, "The document has too many aliases or root fields."},
	{ComplexityLimit, http.StatusBadRequest, false, "The operation may touch too much: its cost or node count is over the limit."},
	{TooManyItems, http.StatusBadRequest, false, "A list in the input, or a page size, is over its limit."},
	{RateLimited, http.StatusTooManyRequests, true, "The caller has used up its budget; wait for Retry-After."},
	{ResponseTooLarge, http.StatusOK, false, "The answer would be over the size limit; select less or page."},
	{DeferUnsupported, http.StatusBadRequest, false, "@defer and @stream are not supported."},
	{IntrospectionOff, http.StatusBadRequest, false, "Introspection is not open to this caller."},
	{Timeout, http.StatusGatewayTimeout, true, "The operation took longer than its limit; a mutation that timed out changed nothing."},
	{Unavailable, http.StatusServiceUnavailable, true, "The server or something it depends on is busy or down; retry with backoff."},
	{Internal, http.StatusInternalServerError, false, "A defect on our side; quote the request id."},
}

// Info returns the documentation of a code; an unknown code is answered as INTERNAL.
func (c Code) Info() CodeInfo {
	for _, info := range Codes {
		if info.Code == c {
			return info
		}
	}
	return Internal.Info()
}

// UserCode names what is wrong with one input value (`userErrors[].code`).
type UserCode string

// The codes of user errors; the GraphQL enum UserErrorCode has the same values.
const (
	Required           UserCode = "REQUIRED"
	Invalid            UserCode = "INVALID"
	Blank              UserCode = "BLANK"
	TooLong            UserCode = "TOO_LONG"
	TooShort           UserCode = "TOO_SHORT"
	OutOfRange         UserCode = "OUT_OF_RANGE"
	Taken              UserCode = "TAKEN"
	Missing            UserCode = "NOT_FOUND"
	NotAllowed         UserCode = "NOT_ALLOWED"
	StaleVersion       UserCode = "STALE_VERSION"
	InvalidState       UserCode = "INVALID_STATE"
	DuplicateInputItem UserCode = "DUPLICATE_INPUT_ITEM"
	LimitExceeded      UserCode = "LIMIT_EXCEEDED"
	DoNotCall          UserCode = "DO_NOT_CALL"
	LendingUnavailable UserCode = "LENDING_SYSTEM_UNAVAILABLE"
	LendingRefused     UserCode = "LENDING_SYSTEM_REFUSED"
	CallNotAllowed     UserCode = "CALL_NOT_ALLOWED"
)

// UserCodes is the closed list of user error codes, in the order of docs/errors.md.
var UserCodes = []struct {
	Code    UserCode
	Meaning string
}{
	{Required, "The value is required and was not sent, nor stored before."},
	{Invalid, "The value has the wrong form; the message says what would be right."},
	{Blank, "The value is empty, or nothing of it can be seen: white space, invisible characters."},
	{TooLong, "The value has too many characters (Unicode code points)."},
	{TooShort, "The value has too few characters."},
	{OutOfRange, "The number, date or time is outside its range."},
	{Taken, "Another row already has this value, which must be unique."},
	{Missing, "The input names something that does not exist in this organization."},
	{NotAllowed, "The caller may not set this value, or the change would loosen a rule that may only be tightened."},
	{StaleVersion, "The row was changed since it was read; read it again."},
	{InvalidState, "The row is in a state in which this cannot be done."},
	{DuplicateInputItem, "The input holds the same thing twice, with different values."},
	{LimitExceeded, "The input holds too many items, or the organization is at its limit."},
	{DoNotCall, "The customer must not be called; nothing was written."},
	{LendingUnavailable, "The lending system did not answer; nothing was written, retry later."},
	{LendingRefused, "The lending system answered with a refusal or with something that is not its contract; nothing was written."},
	{CallNotAllowed, "A calling rule forbids this call at this moment."},
}
