// Package playgroundtest drives the playground in a headless Chromium, as a person would: it types the API
// key, pastes a document into a new tab, presses the button and reads the answer.
package playgroundtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"caseload/internal/toolcheck"
)

// patience is how long a whole visit may take; a cold browser on a busy machine needs most of it.
const patience = 2 * time.Minute

// Run opens the playground at address, types the API key, runs the document and returns the JSON text of
// the answer pane. The test fails on any error in the browser's console and on any request to another
// host; it is skipped, or fails, without Chromium as [toolcheck.Chromium] says. Safe to call at once.
func Run(t testing.TB, address, key, document string) string {
	t.Helper()
	visit := Open(t, address)
	visit.UseKey(key)
	return visit.Execute(document)
}

// Visit is one browser with the playground open. Its methods end the test when something goes wrong, so
// they are called from the test's own goroutine.
type Visit struct {
	t       testing.TB
	browser context.Context

	mutex sync.Mutex
	// complaints are console errors and requests to other hosts, in order.
	complaints []string
	expected   []string
}

// Open starts a browser with a profile of its own and waits for the page. The browser is stopped, and its
// console judged, when the test ends.
func Open(t testing.TB, address string) *Visit {
	t.Helper()
	chromium := toolcheck.Chromium(t)
	server, err := url.Parse(address)
	if err != nil {
		t.Fatalf("parse address of playground: %v", err)
	}

	deadline, stop := context.WithTimeout(context.Background(), patience)
	t.Cleanup(stop)
	allocator, stopAllocator := chromedp.NewExecAllocator(deadline, append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(chromium),
		// Containers and root have no user namespaces to build the sandbox from; the page is our own.
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.WindowSize(1440, 900),
		// Nothing but the server has an address, so what works here works without internet.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE "+server.Hostname()),
	)...)
	t.Cleanup(stopAllocator)
	browser, stopBrowser := chromedp.NewContext(allocator)
	t.Cleanup(stopBrowser)

	v := &Visit{t: t, browser: browser}
	if err := chromedp.Listen(browser, func(event any) { v.judge(server.Host, event) }); err != nil {
		t.Fatalf("start %s: %v", chromium, err)
	}
	t.Cleanup(v.leave)
	v.Do("open playground", chromedp.Navigate(address), chromedp.WaitVisible(keyField))
	return v
}

const keyField = chromedp.CSS("#api-key")

// UseKey types the key into the field at the top and waits until the schema has been loaded with it.
func (v *Visit) UseKey(key string) {
	v.t.Helper()
	v.Do("type API key", chromedp.SendKeys(keyField, key+kb.Enter))
	kind := Eval[string](v, `["good", "bad"].find((kind) => document.querySelector(".caseload-status")?.dataset.kind === kind)`)
	if kind != "good" {
		v.t.Fatalf("load schema with API key: the server answered %s", Eval[string](v, editor+`(".graphiql-response")?.getValue()`))
	}
}

// Execute pastes a document into a new tab, runs it and returns the answer as [Visit.Press] does. Of
// several operations the first is run.
func (v *Visit) Execute(document string) string {
	v.t.Helper()
	parsed, err := parser.ParseQuery(&ast.Source{Input: document})
	if err != nil || len(parsed.Operations) == 0 || parsed.Operations[0].Name == "" {
		v.t.Fatalf("parse document: it must be GraphQL with a named operation: %v", err)
	}
	v.Do("open a tab", chromedp.Click(chromedp.CSS(".graphiql-tab-add")))
	Eval[bool](v, editor+`(".graphiql-query-editor")?.getValue() === ""`)
	Get(v, "paste document", chromedp.Evaluate[chromedp.Void](fmt.Sprintf(pasteOver, quote(document))))
	Eval[bool](v, fmt.Sprintf(editor+`(".graphiql-query-editor").getValue() === %s`, quote(document)))
	// The editor parses a moment after the last change; until then it would run the operation it knew before.
	Eval[bool](v, fmt.Sprintf(`document.querySelector(".graphiql-tab-active")?.textContent.includes(%s)`, quote(parsed.Operations[0].Name)))
	return v.Press()
}

// Press runs what is in the open tab and returns the text of the answer pane, which is JSON. Of a
// subscription it returns the first event.
func (v *Visit) Press() string {
	v.t.Helper()
	v.Do("press the button", chromedp.Click(chromedp.CSS(".graphiql-execute-button")))
	answer := Eval[string](v, editor+`(".graphiql-response")?.getValue()`)
	// The model holds the whole answer, the pane only the lines in view: some of it must be visible.
	v.Do("see the answer", chromedp.WaitVisible(chromedp.CSS(".graphiql-response .view-line")))
	return answer
}

// Do takes steps of a test's own.
func (v *Visit) Do(what string, steps ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	if err := chromedp.Do(v.browser, steps...); err != nil {
		v.t.Fatalf("%s: %v; the console says %q", what, err, v.Complaints())
	}
}

// Get takes a step that reads something.
func Get[T any](v *Visit, what string, step chromedp.Action[T]) T {
	v.t.Helper()
	value, err := chromedp.Run(v.browser, step)
	if err != nil {
		v.t.Fatalf("%s: %v; the console says %q", what, err, v.Complaints())
	}
	return value
}

// Eval waits until a JavaScript expression is truthy and returns its value.
func Eval[T any](v *Visit, expression string) T {
	v.t.Helper()
	return Get(v, "wait for "+expression, chromedp.Poll[T](expression, chromedp.WithPollingTimeout(0)))
}

// editor finds the Monaco editor inside the element that a selector names.
const editor = `((selector) => globalThis.__MONACO?.editor.getEditors().find((e) => e.getDomNode()?.closest(selector)))`

// pasteOver does what Ctrl-A and Ctrl-V do. Typed text would be completed and indented by the editor.
const pasteOver = `(() => {
  const target = ` + editor + `(".graphiql-query-editor");
  target.focus();
  target.setSelection(target.getModel().getFullModelRange());
  const clipboardData = new DataTransfer();
  clipboardData.setData("text/plain", %s);
  const area = target.getDomNode().querySelector("textarea");
  area.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
})()`

// judge notes what a person would see as a fault in the browser's developer tools.
func (v *Visit) judge(host string, event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		v.complain("exception: %s", (&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
			text, _ := json.Marshal(e.Args)
			v.complain("console error: %s", text)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			v.complain("console error: %s %s", e.Entry.Text, e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		v.checkHost(host, e.Request.URL)
	case *network.EventWebSocketCreated:
		v.checkHost(host, e.URL)
	}
}

func (v *Visit) checkHost(host, address string) {
	requested, err := url.Parse(address)
	if err != nil || (requested.Host != host && requested.Scheme != "data" && requested.Scheme != "blob") {
		v.complain("request to another host: %s", address)
	}
}

func (v *Visit) complain(format string, args ...any) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	v.complaints = append(v.complaints, fmt.Sprintf(format, args...))
}

// Complaints returns the console errors and the requests to other hosts so far.
func (v *Visit) Complaints() []string {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	return slices.Clone(v.complaints)
}

// Expect takes a complaint that contains text as a part of the test: a refused request is an error in the
// console. Without such a complaint until the end the test fails.
func (v *Visit) Expect(text string) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	v.expected = append(v.expected, text)
}

// leave judges the console and stops the browser.
func (v *Visit) leave() {
	unexpected := v.Complaints()
	for _, text := range v.expected {
		before := len(unexpected)
		unexpected = slices.DeleteFunc(unexpected, func(complaint string) bool { return strings.Contains(complaint, text) })
		if len(unexpected) == before {
			v.t.Errorf("playground: the console should have said %q", text)
		}
	}
	for _, complaint := range unexpected {
		v.t.Errorf("playground: %s", complaint)
	}
	if err := chromedp.Cancel(v.browser); err != nil {
		v.t.Errorf("stop browser: %v", err)
	}
}

// quote returns a JavaScript string literal.
func quote(text string) string {
	literal, err := json.Marshal(text)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(literal)
}
