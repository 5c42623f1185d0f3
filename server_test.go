package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"caseload/internal/dbtest"
	"caseload/internal/graphtest"
	"caseload/internal/relay"
)

// asProgram makes this test program the server itself, so that tests can run it as a process, signal it and
// kill it, without building it a second time; under -race such a process looks for races, too.
const asProgram = "RUN_AS_CASELOAD"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// patience bounds how long a test waits for something that must happen.
const patience = time.Minute

// output collects what a program writes, and lets tests wait for it.
type output struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{}
}

func newOutput() *output { return &output{more: make(chan struct{})} }

// collect reads to the end.
func (o *output) collect(r io.Reader) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		o.mu.Lock()
		o.text.WriteString(line)
		close(o.more)
		o.more = make(chan struct{})
		o.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// find returns the first match, and what to wait on when there is none.
func (o *output) find(pattern *regexp.Regexp) ([]string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return pattern.FindStringSubmatch(o.text.String()), o.more
}

// instance is one running program: in this process, or in one of its own.
type instance struct {
	t        *testing.T
	out, log *output
	// address is http://host:port of the API.
	address string
	// stop asks it to end, as SIGTERM does. Safe to call twice.
	stop func()
	kill func()
	// done is closed when it has ended; err is then the result.
	done chan struct{}
	err  error
}

// await waits until the output matches; the test fails when the program ends first.
func (i *instance) await(o *output, pattern string) []string {
	i.t.Helper()
	re, late := regexp.MustCompile(pattern), time.After(patience)
	for {
		match, more := o.find(re)
		if match != nil {
			return match
		}
		select {
		case <-more:
		case <-i.done:
			if match, _ := o.find(re); match != nil {
				return match
			}
			require.FailNow(i.t, "the program has ended", "waiting for %s: %v\n%s\n%s", pattern, i.err, i.out, i.log)
		case <-late:
			require.FailNow(i.t, "nothing of the kind was written", "waiting for %s\n%s\n%s", pattern, i.out, i.log)
		}
	}
}

// end waits for the end and returns the result.
func (i *instance) end() error {
	i.t.Helper()
	select {
	case <-i.done:
		return i.err
	case <-time.After(patience):
		require.FailNow(i.t, "the program does not end", "%s", i.log)
		return nil
	}
}

// listening waits until the API can be reached.
func (i *instance) listening() *instance {
	i.t.Helper()
	i.address = "http://" + i.await(i.out, `API: +http://(\S+)/graphql\n`)[1]
	return i
}

// start runs the program in this process until the test ends.
func start(t *testing.T, environ []string, args ...string) *instance {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	i := &instance{t: t, out: newOutput(), log: newOutput(), stop: cancel, kill: cancel, done: make(chan struct{})}
	var reading sync.WaitGroup
	pipe := func(o *output) *os.File {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		reading.Go(func() { o.collect(r); _ = r.Close() })
		return w
	}
	out, log := pipe(i.out), pipe(i.log)
	go func() {
		defer close(i.done)
		i.err = run(ctx, args, environ, out, log)
		_, _ = out.Close(), log.Close()
		reading.Wait()
	}()
	t.Cleanup(func() { cancel(); <-i.done })
	return i
}

// startServer runs `serve` in this process and waits until it answers.
func startServer(t *testing.T, environ []string, args ...string) *instance {
	t.Helper()
	return start(t, environ, append([]string{"serve"}, args...)...).listening()
}

// command runs the program in this process to its end.
func command(t *testing.T, environ []string, args ...string) (string, error) {
	t.Helper()
	i := start(t, environ, args...)
	err := i.end()
	return i.out.String(), err
}

// must is [command] that has to work.
func must(t *testing.T, environ []string, args ...string) string {
	t.Helper()
	out, err := command(t, environ, args...)
	require.NoError(t, err, "%v\n%s", args, out)
	return out
}

// spawn runs the program in a process of its own; prepare may change how.
func spawn(t *testing.T, environ []string, prepare func(*exec.Cmd), args ...string) *instance {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(append([]string{}, environ...), asProgram+"=1")
	if prepare != nil {
		prepare(cmd)
	}
	i := &instance{t: t, out: newOutput(), log: newOutput(), done: make(chan struct{})}
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	i.stop = func() { _ = cmd.Process.Signal(syscall.SIGTERM) }
	i.kill = func() { _ = cmd.Process.Kill() }
	go func() {
		defer close(i.done)
		var reading sync.WaitGroup
		reading.Go(func() { i.out.collect(stdout) })
		reading.Go(func() { i.log.collect(stderr) })
		reading.Wait()
		i.err = cmd.Wait()
	}()
	t.Cleanup(func() { i.kill(); <-i.done })
	return i
}

// environment is what the program needs to run on a database of the test's own. Later entries win.
func environment(t *testing.T, databaseURL string, more ...string) []string {
	t.Helper()
	return append([]string{"DATABASE_URL=" + databaseURL, "CASELOAD_DATA_DIR=" + t.TempDir(), "CASELOAD_LISTEN=127.0.0.1:0",
		"CASELOAD_DEMO_CUSTOMERS=5", "PATH=" + os.Getenv("PATH")}, more...)
}

// harborKey reads the first demonstration organization's key from what the program has printed.
var harborKey = regexp.MustCompile(`API key of Harbor Lending: +(cl_\S+)`)

// seeded makes a database with demonstration data, and returns the environment and a key.
func seeded(t *testing.T, more ...string) (databaseURL string, environ []string, key string) {
	t.Helper()
	databaseURL = dbtest.New(t)
	environ = environment(t, databaseURL, more...)
	match := harborKey.FindStringSubmatch(must(t, environ, "seed"))
	require.NotNil(t, match)
	return databaseURL, environ, match[1]
}

// harbor is the id of the first demonstration organization.
var harbor = relay.ID{Prefix: "org", UUID: uuid.MustParse("01920000-0000-7000-8000-000000000001")}.String()

func open(t *testing.T, databaseURL string) *sqlx.DB {
	t.Helper()
	db, err := sqlx.Open("postgres", databaseURL)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// answer is what the API says.
type answer struct {
	graphtest.Reply
}

// client forgets connections, so that a server that is going away is noticed.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}

// ask sends one operation; err tells that there was no answer.
func ask(address, key, document string, variables graphtest.Vars) (*answer, error) {
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequest(http.MethodPost, address+"/graphql", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/graphql-response+json")
	if key != "" {
		r.Header.Set("X-API-Key", key)
	}
	response, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // read to its end, or the error tells
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	a := &answer{graphtest.Reply{Status: response.StatusCode, Header: response.Header, Body: string(text)}}
	return a, json.Unmarshal(text, &a.Reply)
}

// get reads a page.
func get(t *testing.T, address string) (status int, body string) {
	t.Helper()
	response, err := client.Get(address)
	require.NoError(t, err)
	defer response.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

// openFolder is a temporary folder that every user can reach: the testing package makes closed ones.
func openFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	return dir
}
