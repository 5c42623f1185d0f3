package graphtest

import (
	"bytes"
	"encoding/json"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// File is a file that a client sends.
type File struct {
	Name    string
	Content string
}

// Upload runs one operation with a file as the value of the variable $file, by multipart/form-data. Headers are names
// and values in turn.
func (s *Server) Upload(t testing.TB, key, document string, variables Vars, file File, headers ...string) *Reply {
	t.Helper()
	all := maps.Clone(variables)
	if all == nil {
		all = Vars{}
	}
	all["file"] = nil
	operations, err := json.Marshal(map[string]any{"query": document, "variables": all})
	require.NoError(t, err)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	require.NoError(t, form.WriteField("operations", string(operations)))
	require.NoError(t, form.WriteField("map", `{"0": ["variables.file"]}`))
	part, err := form.CreateFormFile("0", file.Name)
	require.NoError(t, err)
	_, err = part.Write([]byte(file.Content))
	require.NoError(t, err)
	require.NoError(t, form.Close())
	headers = append([]string{"Content-Type", form.FormDataContentType(), "GraphQL-Require-Preflight", "1"}, headers...)
	return s.send(key, body.Bytes(), headers...).decode(t)
}

// Download follows a link that an answer held; it needs no credential.
func (s *Server) Download(t testing.TB, link string) *Reply {
	t.Helper()
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, link, nil))
	return &Reply{Status: rec.Code, Header: rec.Header(), Body: rec.Body.String(), Statements: -1}
}
