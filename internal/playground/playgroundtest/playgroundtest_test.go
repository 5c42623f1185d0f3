package playgroundtest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"

	"caseload/internal/playground/playgroundtest"
)

// A page with every fault that a visit must notice: each Expect fails the test if its fault goes unseen.
const faultyPage = `<!doctype html>
<link rel="icon" href="data:,">
<input id="api-key">
<img src="http://elsewhere.invalid/pixel.png">
<img src="/missing.png">
<script>
  console.error("said by the page");
  setTimeout(() => { throw new Error("thrown by the page") });
  new WebSocket("ws://sockets.invalid/graphql");
</script>
<script>window.addEventListener("load", () => setTimeout(() => (document.title = "done")))</script>
`

func TestFaultsAreNoticed(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(faultyPage))
	}))
	t.Cleanup(server.Close)

	visit := playgroundtest.Open(t, server.URL)
	playgroundtest.Eval[bool](visit, `document.title === "done"`)
	visit.Do("look at the page", chromedp.WaitVisible(chromedp.CSS("#api-key")))
	visit.Expect("said by the page")
	visit.Expect("thrown by the page")
	visit.Expect("/missing.png")
	visit.Expect("elsewhere.invalid")
	visit.Expect("sockets.invalid")
}
