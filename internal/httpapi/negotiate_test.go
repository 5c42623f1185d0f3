package httpapi

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNegotiate(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]string{
		"":                                       typeJSON,
		"*/*":                                    typeJSON,
		"application/*":                          typeJSON,
		"application/json":                       typeJSON,
		"application/json; charset=utf-8":        typeJSON,
		"application/json; charset=latin1":       "",
		typeGraphQL:                              typeGraphQL,
		typeGraphQL + "; charset=utf-8":          typeGraphQL,
		typeGraphQL + ", application/json":       typeJSON,
		"application/json;q=0.9, " + typeGraphQL: typeGraphQL,
		"application/json, " + typeGraphQL + ";q=0.9":       typeJSON,
		typeGraphQL + ", application/json;q=0.9, */*;q=0.1": typeGraphQL,
		typeGraphQL + ", */*":                               typeGraphQL,
		"application/json;q=0, */*":                         typeGraphQL,
		"application/json;q=0":                              "",
		"application/json;q=2":                              "",
		"application/json;q=x":                              "",
		"text/html":                                         "",
		"text/html, */*;q=0.1":                              typeJSON,
		"image/avif,image/webp,*/*;q=0.8":                   typeJSON,
		"text/event-stream":                                 "",
		"APPLICATION/JSON":                                  typeJSON,
		",,":                                                "",
		"nonsense":                                          "",
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Accept", accept)
		got, ok := negotiate(r)
		require.Equal(t, cmp.Or(want, typeJSON), got, "Accept: %s", accept)
		require.Equal(t, want != "", ok, "Accept: %s", accept)
	}
}

func TestAcceptsGzip(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]bool{
		"": false, "gzip": true, "br, gzip": true, "gzip;q=0": false, "gzip; q=0.5": true, "GZIP": true, "deflate": false, "xgzip": false, "gzip;q=x": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept-Encoding", header)
		require.Equal(t, want, acceptsGzip(r), header)
	}
}
