package live

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/fault"
)

// ParseParams reads the JSON of one GraphQL request: an object with query, operationName, variables
// and extensions. Numbers stay as they were written. Errors are BAD_REQUEST and never repeat the input.
func ParseParams(body []byte) (*graphql.RawParams, error) {
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	if len(trimmed) == 0 || trimmed[0] != '{' {
		return nil, fault.New(fault.BadRequest, "The request must be one JSON object.")
	}
	var request struct {
		Query         *string        `json:"query"`
		OperationName *string        `json:"operationName"`
		Variables     map[string]any `json:"variables"`
		Extensions    map[string]any `json:"extensions"`
	}
	decoder := json.NewDecoder(bytes.NewReader(trimmed))
	decoder.UseNumber()
	if err := decoder.Decode(&request); err != nil {
		return nil, fault.New(fault.BadRequest, "The request must be JSON with query and operationName as strings, variables and extensions as objects.")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.BadRequest, "Something follows the JSON object of the request.")
	}
	params := &graphql.RawParams{Variables: request.Variables, Extensions: request.Extensions}
	if request.Query != nil {
		params.Query = *request.Query
	}
	if request.OperationName != nil {
		params.OperationName = *request.OperationName
	}
	// A persisted document is named in the extensions; its text comes from the executor's mutators.
	if params.Query == "" && len(params.Extensions) == 0 {
		return nil, fault.New(fault.BadRequest, "The request has no query.")
	}
	return params, nil
}

// readPost returns the body of a POST, after the checks that keep other sites' forms out.
func readPost(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, *fault.Error) {
	media, attributes, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset, given := attributes["charset"]
	if err != nil || media != "application/json" || (given && !strings.EqualFold(charset, "utf-8")) {
		return nil, fault.New(fault.UnsupportedMedia, "Send the request as application/json in UTF-8.")
	}
	// A compressed body could unfold to any size.
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, fault.New(fault.UnsupportedMedia, "Send the request without compression.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, fault.New(fault.PayloadTooLarge, "The request body is over %d bytes.", limit)
	case err != nil:
		return nil, fault.Wrap(fault.BadRequest, err, "The request body could not be read.")
	}
	return body, nil
}

// preflightHeaders are headers that a web page cannot send to another site without the browser asking
// that site first; EventSource of a browser cannot send them at all, which keeps other sites out.
var preflightHeaders = []string{"GraphQL-Require-Preflight", "Apollo-Require-Preflight", keyHeader}

// readGet turns the parameters of a GET into the JSON that a POST would have sent, so that both are
// judged by one parser.
func readGet(r *http.Request) ([]byte, *fault.Error) {
	allowed := false
	for _, name := range preflightHeaders {
		allowed = allowed || r.Header.Get(name) != ""
	}
	if !allowed {
		return nil, fault.New(fault.CSRFRefused, "Send the header GraphQL-Require-Preflight: 1 with GET requests.")
	}
	request := map[string]any{}
	for name, values := range r.URL.Query() {
		if len(values) != 1 {
			return nil, fault.New(fault.BadRequest, "A parameter of the address is repeated.")
		}
		switch name {
		case "variables", "extensions":
			if values[0] == "" {
				continue
			}
			if !json.Valid([]byte(values[0])) {
				return nil, fault.New(fault.BadRequest, "The parameters variables and extensions must be JSON objects.")
			}
			request[name] = json.RawMessage(values[0])
		case "query", "operationName", "documentId":
			request[name] = values[0]
		}
	}
	body, err := json.Marshal(request)
	if err != nil {
		return nil, fault.Wrap(fault.BadRequest, err, "The parameters of the address are not a GraphQL request.")
	}
	return body, nil
}
