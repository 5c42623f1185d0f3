package graphtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/dbtest"
)

// Vars are the variables of an operation.
type Vars = map[string]any

// Reply is the answer to one operation.
type Reply struct {
	Status int
	Header http.Header
	Body   string
	// Statements is how many SQL statements the operation has run; -1 when it did not run.
	Statements int

	Data   any
	Errors []Error
}

// Error is one top-level error.
type Error struct {
	Message    string
	Path       []any
	Extensions struct {
		Code      string
		RequestID string
		Retryable bool
		Details   map[string]any
	}
}

// Do runs one operation by POST; key may be "".
func (s *Server) Do(t testing.TB, key, document string, variables Vars) *Reply {
	t.Helper()
	return s.Send(t, key, document, variables)
}

// Send runs one operation like [Server.Do], with headers: names and values in turn.
func (s *Server) Send(t testing.TB, key, document string, variables Vars, headers ...string) *Reply {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	require.NoError(t, err)
	return s.send(key, body, headers...).decode(t)
}

// Post sends a body as it is.
func (s *Server) Post(t testing.TB, key string, body []byte) *Reply {
	t.Helper()
	return s.send(key, body).decode(t)
}

// Repeatable runs one operation like [Server.Do], with an idempotency key.
func (s *Server) Repeatable(t testing.TB, key, idempotencyKey, document string, variables Vars) *Reply {
	t.Helper()
	return s.RepeatableCrowd(t, 1, key, idempotencyKey, document, variables)[0]
}

// RepeatableCrowd runs one operation so many times at once, all with one idempotency key.
func (s *Server) RepeatableCrowd(t testing.TB, n int, key, idempotencyKey, document string, variables Vars) []*Reply {
	t.Helper()
	replies := s.crowd(t, n, key, document, variables, "Idempotency-Key", idempotencyKey)
	for _, r := range replies {
		r.decode(t)
	}
	return replies
}

func (r *Reply) decode(t testing.TB) *Reply {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(r.Body), r), r.Body)
	return r
}

// Crowd runs one operation so many times at once. The replies are not decoded.
func (s *Server) Crowd(t testing.TB, n int, key, document string, variables Vars) []*Reply {
	t.Helper()
	return s.crowd(t, n, key, document, variables)
}

func (s *Server) crowd(t testing.TB, n int, key, document string, variables Vars, headers ...string) []*Reply {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	require.NoError(t, err)
	replies := make([]*Reply, n)
	var wg sync.WaitGroup
	for i := range replies {
		wg.Go(func() { replies[i] = s.send(key, body, headers...) })
	}
	wg.Wait()
	return replies
}

// send sends JSON unless the headers say otherwise.
func (s *Server) send(key string, body []byte, headers ...string) *Reply {
	r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/graphql-response+json")
	if key != "" {
		r.Header.Set("X-API-Key", key)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	// Called, not sent: the access log is then written when the call returns, and so is the number of statements.
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, r)
	return &Reply{Status: rec.Code, Header: rec.Header(), Body: rec.Body.String(), Statements: s.Log.statementsOf(rec.Header().Get("X-Request-Id"))}
}

// OK runs one operation that must have no errors, and returns its data.
func (s *Server) OK(t testing.TB, key, document string, variables Vars) *Reply {
	t.Helper()
	r := s.Do(t, key, document, variables)
	require.Empty(t, r.Errors, "%s\n%s", document, r.Body)
	require.NotNil(t, r.Data, r.Body)
	return r
}

// Code returns the code of the first error, or "".
func (r *Reply) Code() string {
	if len(r.Errors) == 0 {
		return ""
	}
	return r.Errors[0].Extensions.Code
}

// At returns what stands at a path of the data such as "customers.nodes.0.id"; nil when there is nothing.
func (r *Reply) At(path string) any { return At(r.Data, path) }

// Text is [Reply.At] for strings.
func (r *Reply) Text(path string) string {
	s, _ := r.At(path).(string)
	return s
}

// Len is how many elements the list at a path has; -1 when there is no list.
func (r *Reply) Len(path string) int {
	list, ok := r.At(path).([]any)
	if !ok {
		return -1
	}
	return len(list)
}

// At follows a path through decoded JSON.
func At(v any, path string) any {
	for _, step := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// Stream is an open subscription by server-sent events.
type Stream struct {
	t      testing.TB
	events chan *Reply
}

// Subscribe opens a subscription. It ends with the test.
func (s *Server) Subscribe(t testing.TB, key, document string, variables Vars) *Stream {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Address(), bytes.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/event-stream")
	if key != "" {
		r.Header.Set("X-API-Key", key)
	}
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { cancel(); _ = response.Body.Close() })
	stream := &Stream{t: t, events: make(chan *Reply, 100)}
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		reply := &Reply{Status: response.StatusCode, Body: string(text)}
		require.NoError(t, json.Unmarshal(text, reply), reply.Body)
		stream.events <- reply
		close(stream.events)
		return stream
	}
	go func() {
		defer close(stream.events)
		lines := bufio.NewScanner(response.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			text, ok := strings.CutPrefix(lines.Text(), "data:")
			if !ok || strings.TrimSpace(text) == "" {
				continue
			}
			reply := &Reply{Status: response.StatusCode, Body: text}
			if json.Unmarshal([]byte(text), reply) == nil {
				stream.events <- reply
			}
		}
	}()
	return stream
}

// Next returns the next event; the test fails when none comes.
func (s *Stream) Next() *Reply {
	s.t.Helper()
	select {
	case r, open := <-s.events:
		require.True(s.t, open, "the subscription has ended")
		return r
	case <-time.After(dbtest.Patience):
		require.FailNow(s.t, "no event came")
		return nil
	}
}

// Within returns the next event, or nil when none comes in time; 0 takes only one that is there.
func (s *Stream) Within(d time.Duration) *Reply {
	s.t.Helper()
	select {
	case r, open := <-s.events:
		require.True(s.t, open, "the subscription has ended")
		return r
	default:
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case r, open := <-s.events:
		require.True(s.t, open, "the subscription has ended")
		return r
	case <-timer.C:
		return nil
	}
}

// Until returns the first event that fits; those before it are dropped.
func (s *Stream) Until(fits func(*Reply) bool) *Reply {
	s.t.Helper()
	all := s.Collect(fits)
	return all[len(all)-1]
}

// Collect returns the events up to the first one that fits.
func (s *Stream) Collect(fits func(*Reply) bool) []*Reply {
	s.t.Helper()
	var out []*Reply
	for {
		r := s.Next()
		out = append(out, r)
		if fits(r) {
			return out
		}
	}
}

// Ended waits for the end of the subscription and returns the events that came before it.
func (s *Stream) Ended() []*Reply {
	s.t.Helper()
	var out []*Reply
	for {
		select {
		case r, open := <-s.events:
			if !open {
				return out
			}
			out = append(out, r)
		case <-time.After(dbtest.Patience):
			require.FailNow(s.t, "the subscription does not end")
		}
	}
}

// String tells of an error as tests print it.
func (e Error) String() string { return fmt.Sprintf("%s: %s", e.Extensions.Code, e.Message) }
