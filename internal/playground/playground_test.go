package playground_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/playground"
)

func get(t *testing.T, path string, header ...string) *http.Response {
	t.Helper()
	return ask(t, http.MethodGet, path, header...)
}

func ask(t *testing.T, method, path string, header ...string) *http.Response {
	t.Helper()
	request := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		request.Header.Add(header[i], header[i+1])
	}
	recorder := httptest.NewRecorder()
	playground.Handler(playground.Options{Examples: examples}).ServeHTTP(recorder, request)
	return recorder.Result()
}

func body(t *testing.T, response *http.Response) []byte {
	t.Helper()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return content
}

func TestPage(t *testing.T) {
	t.Parallel()
	response := get(t, "/")
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "text/html; charset=utf-8", response.Header.Get("Content-Type"))
	require.Equal(t, "no-cache", response.Header.Get("Cache-Control"))
	page := string(body(t, response))
	require.Contains(t, page, "<title>Caseload")
	require.NotContains(t, page, "//", "no other host is named")

	for _, match := range regexp.MustCompile(`(?:href|src|data-\w+)="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		require.Equal(t, http.StatusOK, get(t, match[1]).StatusCode, match[1])
	}
	require.Equal(t, http.StatusNotModified, get(t, "/", "If-None-Match", response.Header.Get("ETag")).StatusCode)
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/", "/playground/examples.json", "/playground/assets/" + assetNames(t)[0], "/nothing"} {
		header := get(t, path).Header
		policy := header.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'", path)
		require.Contains(t, policy, "frame-ancestors 'none'", path)
		require.NotContains(t, policy, "unsafe-eval", path)
		require.NotContains(t, policy, "http", path)
		require.NotRegexp(t, `script-src[^;]*unsafe`, policy, path)
		require.Equal(t, "DENY", header.Get("X-Frame-Options"), path)
		require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"), path)
		require.Equal(t, "no-referrer", header.Get("Referrer-Policy"), path)
	}
}

func TestOtherRequests(t *testing.T) {
	t.Parallel()
	require.Equal(t, http.StatusNotFound, get(t, "/other").StatusCode)
	require.Equal(t, http.StatusNotFound, get(t, "/playground/").StatusCode)
	require.Equal(t, http.StatusNotFound, get(t, "/playground/assets/manifest.json").StatusCode)
	require.Equal(t, http.StatusNotFound, get(t, "/playground/assets/..%2fmanifest.json").StatusCode)
	require.Equal(t, http.StatusMethodNotAllowed, ask(t, http.MethodPost, "/").StatusCode)
	require.Equal(t, http.StatusOK, ask(t, http.MethodHead, "/").StatusCode)
}

func TestExamples(t *testing.T) {
	t.Parallel()
	response := get(t, "/playground/examples.json")
	require.Equal(t, "application/json", response.Header.Get("Content-Type"))
	var got struct {
		Endpoint string
		Tabs     []playground.Tab
	}
	require.NoError(t, json.Unmarshal(body(t, response), &got))
	require.Equal(t, "/graphql", got.Endpoint)
	require.Equal(t, examples, got.Tabs)
	require.Equal(t, http.StatusNotModified, get(t, "/playground/examples.json", "If-None-Match", response.Header.Get("ETag")).StatusCode)
}

func TestNoExamples(t *testing.T) {
	t.Parallel()
	recorder := httptest.NewRecorder()
	playground.Handler(playground.Options{}).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/playground/examples.json", nil))
	require.JSONEq(t, `{"endpoint":"/graphql","tabs":[]}`, recorder.Body.String())
}

func TestAssetsWithAndWithoutGzip(t *testing.T) {
	t.Parallel()
	for _, name := range assetNames(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			zipped := get(t, "/playground/assets/"+name, "Accept-Encoding", "br, gzip;q=0.8")
			require.Equal(t, http.StatusOK, zipped.StatusCode)
			require.Equal(t, "gzip", zipped.Header.Get("Content-Encoding"))
			require.Equal(t, "Accept-Encoding", zipped.Header.Get("Vary"))
			require.Contains(t, zipped.Header.Get("Cache-Control"), "immutable")
			require.NotEmpty(t, zipped.Header.Get("Content-Type"))
			reader, err := gzip.NewReader(zipped.Body)
			require.NoError(t, err)
			want, err := io.ReadAll(reader)
			require.NoError(t, err)

			plain := get(t, "/playground/assets/"+name)
			require.Empty(t, plain.Header.Get("Content-Encoding"))
			require.True(t, bytes.Equal(want, body(t, plain)), "both ways give one file")
			if ext := filepath.Ext(name); ext == ".js" || ext == ".css" {
				require.False(t, bytes.Contains(want, []byte("sourceMappingURL")), "browsers would ask for the map")
			}
		})
	}
}

func TestAcceptEncoding(t *testing.T) {
	t.Parallel()
	path := "/playground/assets/" + assetNames(t)[0]
	for accept, want := range map[string]string{
		"gzip": "gzip", "GZIP": "gzip", "x-gzip": "gzip", "deflate, gzip": "gzip", "*": "gzip", "gzip ; q=0.1": "gzip",
		"identity;q=1, *;q=0": "", "gzip;q=0": "", "gzip;q=0, *": "", "*, gzip;q=0": "", "br": "", "": "", "gzip;q=nonsense": "",
		"gzipped": "", "*;q=0, gzip": "gzip",
	} {
		require.Equal(t, want, get(t, path, "Accept-Encoding", accept).Header.Get("Content-Encoding"), accept)
	}
}

// assetNames lists the embedded files as they are served.
func assetNames(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("assets/*.gz")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for i, file := range files {
		files[i] = strings.TrimSuffix(filepath.Base(file), ".gz")
	}
	return files
}

func TestBundleIsSmallAndReproducible(t *testing.T) {
	t.Parallel()
	total := 0
	for _, name := range assetNames(t) {
		require.Regexp(t, `^[a-z.]+-[0-9A-Z]{8}\.[a-z]+$`, name, "names change with the content")
		content, err := os.ReadFile("assets/" + name + ".gz")
		require.NoError(t, err)
		require.Equal(t, []byte{0, 0, 0, 0}, content[4:8], "no time in %s", name)
		require.Equal(t, byte(255), content[9], "no operating system in %s", name)
		total += len(content)
	}
	require.Less(t, total, 3<<20)
}

// The bundle is rebuilt by hand, with Node, so only this notices that somebody forgot to.
func TestBundleIsBuiltFromTheSources(t *testing.T) {
	t.Parallel()
	hash := sha256.New()
	for _, name := range []string{"build.mjs", "icon.svg", "main.jsx", "package-lock.json", "package.json", "style.css"} {
		content, err := os.ReadFile("web/" + name)
		require.NoError(t, err)
		hash.Write(content)
	}
	text, err := os.ReadFile("assets/manifest.json")
	require.NoError(t, err)
	var manifest struct{ Sources string }
	require.NoError(t, json.Unmarshal(text, &manifest))
	require.Equal(t, hex.EncodeToString(hash.Sum(nil)), manifest.Sources, "run make playground")
}

// A worker that does not load leaves the editor without completion, and says so to nobody.
func TestScriptNamesItsWorkers(t *testing.T) {
	t.Parallel()
	names := assetNames(t)
	var script []byte
	for _, name := range names {
		if strings.HasPrefix(name, "playground-") && strings.HasSuffix(name, ".js") {
			script = body(t, get(t, "/playground/assets/"+name))
		}
	}
	workers := 0
	for _, name := range names {
		if strings.Contains(name, ".worker-") {
			workers++
			require.True(t, bytes.Contains(script, []byte("/playground/assets/"+name)), name)
		}
	}
	require.Equal(t, 3, workers)
}
