package playground

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed assets
var assets embed.FS

// manifest is assets/manifest.json, which the build writes.
type manifest struct {
	// Sources is the SHA-256 of what the bundle was built from.
	Sources  string `json:"sources"`
	Script   string `json:"script"`
	Style    string `json:"style"`
	Icon     string `json:"icon"`
	Licenses string `json:"licenses"`
}

// bundle serves the gzipped files by name. The names hold a hash of the content, so what a browser has
// once loaded is good for ever.
type bundle struct {
	manifest manifest
	gzipped  map[string][]byte
}

// The media types are spelled out, for package mime reads them from tables of the machine it runs on.
var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
	".ttf": "font/ttf",
	".txt": "text/plain; charset=utf-8",
}

func newBundle() *bundle {
	b := &bundle{gzipped: map[string][]byte{}}
	text, err := assets.ReadFile("assets/manifest.json")
	if err == nil {
		err = json.Unmarshal(text, &b.manifest)
	}
	if err != nil {
		panic(fmt.Errorf("read playground manifest: %w", err))
	}
	names, err := fs.Glob(assets, "assets/*.gz")
	if err != nil {
		panic(fmt.Errorf("list playground assets: %w", err))
	}
	for _, name := range names {
		content, err := assets.ReadFile(name)
		if err != nil {
			panic(fmt.Errorf("read playground asset: %w", err))
		}
		b.gzipped[strings.TrimSuffix(path.Base(name), ".gz")] = content
	}
	return b
}

// ServeHTTP sends the file as it is embedded to clients that take gzip, which all browsers do, and
// decompresses it for the others.
func (b *bundle) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	content, ok := b.gzipped[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	header := w.Header()
	header.Set("Content-Type", contentTypes[path.Ext(name)])
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("Vary", "Accept-Encoding")
	if acceptsGzip(r.Header.Values("Accept-Encoding")) {
		header.Set("Content-Encoding", "gzip")
		header.Set("Content-Length", strconv.Itoa(len(content)))
		_, _ = w.Write(content)
		return
	}
	plain, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		http.Error(w, "the file is damaged", http.StatusInternalServerError)
		return
	}
	_, _ = io.Copy(w, plain)
}

// acceptsGzip reads Accept-Encoding as RFC 9110 (12.5.3) has it: gzip by its name, or else by *, with a
// weight that is not zero.
func acceptsGzip(fields []string) bool {
	accepted, named := false, false
	for _, entry := range strings.Split(strings.Join(fields, ","), ",") {
		coding, parameters, _ := strings.Cut(entry, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		isGzip := coding == "gzip" || coding == "x-gzip"
		if !isGzip && (coding != "*" || named) {
			continue
		}
		accepted, named = weight(parameters) > 0, named || isGzip
	}
	return accepted
}

// weight returns the q parameter, which is 1 if it is absent and 0 if it is nonsense.
func weight(parameters string) float64 {
	name, value, found := strings.Cut(strings.TrimSpace(parameters), "=")
	if !found || !strings.EqualFold(strings.TrimSpace(name), "q") {
		return 1
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil {
		return 0
	}
	return q
}
