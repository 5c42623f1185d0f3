package playground_test

import (
	_ "embed" // the answer to introspection
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/stretchr/testify/require"

	"caseload/internal/playground"
	"caseload/internal/playground/playgroundtest"
)

const apiKey = "cl_test_0123456789"

//go:embed testdata/introspection.json
var introspection []byte

var examples = []playground.Tab{
	{
		Audience: "Portals", Title: "One customer", Note: "The customer in one request.",
		Document:  "query PortalCustomer($id: ID!) {\n  customer(id: $id) {\n    id\n    firstName\n  }\n}\n",
		Variables: "{\n  \"id\": \"customer_1\"\n}",
	},
	{
		Audience: "Portals", Title: "Watch a customer", Note: "An event for each change.",
		Document:  "subscription WatchCustomer($id: ID!) {\n  customerChanged(id: $id) {\n    firstName\n  }\n}\n",
		Variables: "{\n  \"id\": \"customer_1\"\n}",
	},
	{
		Audience: "Integrators", Title: "Find a customer", Note: "By the id of the graph.",
		Document: "query IntegratorCustomer {\n  customer(id: \"customer_2\") {\n    firstName\n  }\n}\n",
	},
}

// newServer serves the playground beside an endpoint that knows one customer, and answers 401 without the
// API key, as the real one does.
func newServer(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/", playground.Handler(playground.Options{Endpoint: "/api/graphql", Examples: examples}))
	mux.HandleFunc("POST /api/graphql", answerQuery)
	mux.HandleFunc("GET /api/graphql", answerSubscription)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func answerQuery(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/graphql-response+json")
	if r.Header.Get("X-API-Key") != apiKey {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"errors":[{"message":"no such key"}]}`))
		return
	}
	var request struct {
		Query, OperationName string
		Variables            struct{ ID string }
	}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"errors":[{"message":"not JSON"}]}`))
		return
	}
	if request.OperationName == "IntrospectionQuery" {
		_, _ = w.Write(introspection)
		return
	}
	if !strings.Contains(request.Query, "query "+request.OperationName) {
		_, _ = w.Write([]byte(`{"errors":[{"message":"no such operation"}]}`))
		return
	}
	id := request.Variables.ID
	if _, literal, ok := strings.Cut(request.Query, `customer(id: "`); ok {
		id, _, _ = strings.Cut(literal, `"`)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"customer": map[string]string{"id": id, "firstName": "Ada"}}})
}

// answerSubscription speaks as much of graphql-transport-ws as one event takes.
func answerSubscription(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	ctx := r.Context()
	var initial struct {
		Type    string
		Payload map[string]string
	}
	if wsjson.Read(ctx, conn, &initial) != nil {
		return
	}
	if initial.Type != "connection_init" || initial.Payload["X-API-Key"] != apiKey {
		_ = conn.Close(4403, "Forbidden")
		return
	}
	_ = wsjson.Write(ctx, conn, map[string]string{"type": "connection_ack"})
	var subscribe struct{ ID string }
	if wsjson.Read(ctx, conn, &subscribe) != nil {
		return
	}
	_ = wsjson.Write(ctx, conn, map[string]any{"id": subscribe.ID, "type": "next", "payload": map[string]any{
		"data": map[string]any{"customerChanged": map[string]string{"firstName": "Grace"}},
	}})
	_ = wsjson.Write(ctx, conn, map[string]string{"id": subscribe.ID, "type": "complete"})
	_, _, _ = conn.Read(ctx)
}

func TestPersonRunsAQuery(t *testing.T) {
	t.Parallel()
	answer := playgroundtest.Run(t, newServer(t).URL, apiKey, "query Typed {\n  customer(id: \"customer_9\") {\n    firstName\n    id\n  }\n}")
	require.JSONEq(t, `{"data":{"customer":{"id":"customer_9","firstName":"Ada"}}}`, answer)
}

func TestPersonRunsTheExampleThatIsOpen(t *testing.T) {
	t.Parallel()
	visit := playgroundtest.Open(t, newServer(t).URL)
	visit.UseKey(apiKey)
	require.JSONEq(t, `{"data":{"customer":{"id":"customer_1","firstName":"Ada"}}}`, visit.Press())
}

func TestPersonWatchesASubscription(t *testing.T) {
	t.Parallel()
	answer := playgroundtest.Run(t, newServer(t).URL, apiKey, "subscription Watch {\n  customerChanged(id: \"customer_1\") {\n    firstName\n  }\n}")
	require.JSONEq(t, `{"data":{"customerChanged":{"firstName":"Grace"}}}`, answer)
}

func TestPageOfferedToAPerson(t *testing.T) {
	t.Parallel()
	visit := playgroundtest.Open(t, newServer(t).URL)
	visit.Do("see the editor", chromedp.WaitVisible(chromedp.CSS(".graphiql-query-editor .view-line")))

	require.Contains(t, playgroundtest.Get(visit, "read title", chromedp.Title()), "Caseload")
	tabs := playgroundtest.Get(visit, "read tabs", chromedp.Text(chromedp.CSS(".graphiql-tabs")))
	require.Contains(t, tabs, "PortalCustomer", "the first example of each audience is open")
	require.Contains(t, tabs, "IntegratorCustomer")
	require.NotContains(t, tabs, "WatchCustomer")
	panel := playgroundtest.Get(visit, "read examples", chromedp.Text(chromedp.CSS(".caseload-examples")))
	for _, example := range examples {
		require.Contains(t, panel, example.Title)
		require.Contains(t, panel, example.Note)
	}

	visit.UseKey(apiKey)
	visit.Do("open an example",
		chromedp.Click(chromedp.Search(`//section[@aria-label="Examples"]//button[contains(., "Watch a customer")]`)))
	playgroundtest.Eval[bool](visit, `document.querySelector(".graphiql-tabs").textContent.includes("WatchCustomer")`)
	for _, title := range []string{"Documentation Explorer", "History", "GraphiQL Explorer"} {
		visit.Do("look at "+title,
			chromedp.Click(chromedp.CSS(`button[aria-label="Show `+title+`"]`)),
			chromedp.WaitVisible(chromedp.CSS(`button[aria-label="Hide `+title+`"]`)),
			chromedp.WaitVisible(chromedp.CSS(".graphiql-plugin > *")),
		)
	}
	requireKeyInSessionOnly(t, visit)
}

func requireKeyInSessionOnly(t *testing.T, visit *playgroundtest.Visit) {
	t.Helper()
	session := playgroundtest.Get(visit, "read session storage", chromedp.Evaluate[string](`JSON.stringify({ ...sessionStorage })`))
	local := playgroundtest.Get(visit, "read local storage", chromedp.Evaluate[string](`JSON.stringify({ ...localStorage })`))
	cookies := playgroundtest.Get(visit, "read cookies", chromedp.Evaluate[string](`document.cookie`))
	require.Equal(t, 1, strings.Count(session, apiKey), "the key stands in one place of sessionStorage")
	require.Contains(t, session, "PortalCustomer")
	require.NotContains(t, local, apiKey)
	require.NotContains(t, local, "customer(", "documents may hold personal data and end with the browser tab")
	require.Empty(t, cookies)
}

func TestKeySurvivesAReload(t *testing.T) {
	t.Parallel()
	visit := playgroundtest.Open(t, newServer(t).URL)
	visit.UseKey(apiKey)
	visit.Do("reload", chromedp.Reload(), chromedp.WaitVisible(chromedp.CSS(`.caseload-status[data-kind="good"]`)))
	require.Equal(t, apiKey, playgroundtest.Get(visit, "read key", chromedp.Value(chromedp.CSS("#api-key"))))
}

func TestRefusedKeyIsShown(t *testing.T) {
	t.Parallel()
	visit := playgroundtest.Open(t, newServer(t).URL)
	visit.Expect("401")
	visit.Do("type a wrong key",
		chromedp.SendKeys(chromedp.CSS("#api-key"), "cl_wrong"+kb.Enter),
		chromedp.WaitVisible(chromedp.CSS(`.caseload-status[data-kind="bad"]`)),
	)
	playgroundtest.Eval[bool](visit, `document.querySelector(".graphiql-response")?.textContent.replaceAll("\u00a0", " ").includes("no such key")`)
}
