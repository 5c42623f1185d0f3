// Package playground serves GraphiQL 5 with everything it needs: a person with a browser and an API key
// can explore the graph in a network without internet.
//
// The bundle in assets is built from web by `make playground` and committed, so neither building nor
// running the server needs Node.
package playground

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
)

// contentSecurityPolicy admits the server itself and nothing else. Inline styles are how the editor lays
// out its lines, and data URLs hold its icon font and cursors; WebSockets to the same host count as 'self'.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; " +
	"style-src 'self' 'unsafe-inline'; font-src 'self' data:; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

//go:embed index.html
var index string

// Tab is an example that a person can run as it is.
type Tab struct {
	// Audience groups the examples: "Portals", "Integrators", "Dialers", "Administrators". The first
	// example of each audience is open when the playground is visited for the first time.
	Audience string `json:"audience"`
	// Title is unique within the audience.
	Title string `json:"title"`
	// Note is one sentence on what the example shows.
	Note string `json:"note"`
	// Document is one GraphQL document with one named operation; the name is the title of the tab.
	Document string `json:"query"`
	// Variables are the JSON text of the variables, as it stands in the editor; empty for none.
	Variables string `json:"variables"`
}

// Options say what the playground talks to and what it offers.
type Options struct {
	// Endpoint is the path of the GraphQL endpoint on this server; "/graphql" if empty. Subscriptions go
	// to the same path by WebSocket.
	Endpoint string
	// Examples are shown in this order.
	Examples []Tab
}

// Handler serves the page at / and what it loads below /playground/; every other path is 404. It keeps
// the page out of frames and off every other host. The API key never reaches the server except as the
// X-API-Key header, and the connection_init payload of WebSockets, of the requests that a person sends.
//
// It panics if the embedded bundle is damaged, which only a wrong build can bring about.
func Handler(options Options) http.Handler {
	if options.Endpoint == "" {
		options.Endpoint = "/graphql"
	}
	if options.Examples == nil {
		options.Examples = []Tab{}
	}
	bundle := newBundle()
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", document("text/html; charset=utf-8", page(bundle.manifest)))
	mux.Handle("GET /playground/examples.json", document("application/json", examples(options)))
	mux.Handle("GET /playground/assets/{name}", bundle)
	return guard(mux)
}

func page(m manifest) []byte {
	var out bytes.Buffer
	if err := template.Must(template.New("index").Parse(index)).Execute(&out, m); err != nil {
		panic(fmt.Errorf("render playground page: %w", err))
	}
	return out.Bytes()
}

func examples(options Options) []byte {
	text, err := json.Marshal(struct {
		Endpoint string `json:"endpoint"`
		Tabs     []Tab  `json:"tabs"`
	}{options.Endpoint, options.Examples})
	if err != nil {
		panic(fmt.Errorf("marshal playground examples: %w", err))
	}
	return text
}

// guard sets what holds for every answer, 404 included.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", contentSecurityPolicy)
		header.Set("X-Frame-Options", "DENY")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// document serves text that may differ after the next deployment: browsers keep it and ask each time.
func document(contentType string, text []byte) http.Handler {
	sum := sha256.Sum256(text)
	etag := strconv.Quote(hex.EncodeToString(sum[:8]))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "no-cache")
		header.Set("ETag", etag)
		if r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		header.Set("Content-Type", contentType)
		header.Set("Content-Length", strconv.Itoa(len(text)))
		// A failed write means that the client has gone; there is nobody to tell. net/http drops the body of HEAD.
		_, _ = w.Write(text)
	})
}
