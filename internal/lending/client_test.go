package lending

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"caseload/internal/fault"
	"caseload/internal/viewer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testKey = "hush-hush-hush"

// outcomes collects what Observe is told.
type outcomes struct {
	mu  sync.Mutex
	all []string
}

func (o *outcomes) observe(outcome string, d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if d < 0 {
		outcome += " with a negative duration"
	}
	o.all = append(o.all, outcome)
}

func (o *outcomes) last() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all[len(o.all)-1]
}

// quick is a client that does not wait between tries, and whose timeouts do not depend on how busy the
// machine is.
func quick(t *testing.T, opts Options) (*Client, *outcomes) {
	t.Helper()
	if opts.Backoff == nil {
		opts.Backoff = func() backoff.BackOff { return &backoff.ZeroBackOff{} }
	}
	opts.TryTimeout = cmp.Or(opts.TryTimeout, time.Minute)
	opts.Timeout = cmp.Or(opts.Timeout, 2*time.Minute)
	seen := &outcomes{}
	opts.Observe = seen.observe
	c := New(opts)
	t.Cleanup(c.Close)
	return c, seen
}

func serve(t *testing.T, h http.HandlerFunc) Target {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return Target{OrganizationID: uuid.New(), BaseURL: srv.URL + "/api/", Key: testKey, AllowPrivate: true}
}

func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// recorder keeps the request URIs that a server saw.
type recorder struct {
	mu  sync.Mutex
	all []string
}

func (r *recorder) add(uri string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, uri)
}

// take returns what was recorded since the last time.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.all
	r.all = nil
	return all
}

// lendingSystem is a well-behaved one: borrower C-1 with loans 1 to 5, two on a page.
func lendingSystem(t *testing.T, requests *recorder) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		requests.add(r.URL.RequestURI())
		if r.Method != http.MethodGet || r.Header.Get("Authorization") != "Bearer "+testKey || r.Header.Get("X-Request-Id") == "" {
			t.Errorf("unexpected request %s %v", r.Method, r.Header)
		}
		switch r.URL.EscapedPath() {
		case "/api/v1/borrowers/C-1":
			reply(w, 200, `{"referenceId":"C-1","firstName":"Ada","externalMetadata":{"a":1}}`)
		case "/api/v1/borrowers/C-1/loans":
			ids := r.URL.Query().Get("ids")
			if ids == "" {
				ids = "1,2,3,4,5"
			}
			var page []string
			next := "null"
			for _, id := range strings.Split(ids, ",") {
				switch {
				case id <= r.URL.Query().Get("page") || id > "5":
				case len(page) == 2:
					next = `"` + page[1][len(`{"id":`):len(`{"id":`)+1] + `"`
				default:
					page = append(page, fmt.Sprintf(`{"id":%s,"status":"OPEN","amountDue":"%s.50"}`, id, id))
				}
			}
			reply(w, 200, `{"loans":[`+strings.Join(page, ",")+`],"nextPage":`+next+`}`)
		case "/api/v1/loans/3":
			reply(w, 200, `{"id":3,"status":"LATE","amountDue":9,"daysPastDue":12,"borrowerReferenceId":"C-1",
				"borrower":{"firstName":"Eve","lastName":"Hill","externalMetadata":{"b":2}}}`)
		case "/api/v1/loans/4":
			reply(w, 200, `{"id":4,"status":"LATE","borrowerReferenceId":"C-2","borrower":{"lastName":"Stranger"}}`)
		default:
			reply(w, 404, `{"error":"not_found"}`)
		}
	}
}

func ids(loans []Loan) string {
	var all []string
	for _, l := range loans {
		all = append(all, l.ID)
	}
	return strings.Join(all, ",")
}

func TestFetch(t *testing.T) {
	t.Parallel()
	requests := &recorder{}
	target := serve(t, lendingSystem(t, requests))
	c, seen := quick(t, Options{})

	b, loans, err := c.Fetch(t.Context(), target, Request{ReferenceID: " C-1 "})
	require.NoError(t, err)
	require.Equal(t, "Ada", *b.FirstName)
	require.Equal(t, "1,2,3,4,5", ids(loans))
	require.Equal(t, "1.5", loans[0].AmountDue.String())
	require.Equal(t, []string{"/api/v1/borrowers/C-1", "/api/v1/borrowers/C-1/loans", "/api/v1/borrowers/C-1/loans?page=2", "/api/v1/borrowers/C-1/loans?page=4"}, requests.take())
	require.Equal(t, "ok", seen.last())

	b, loans, err = c.Fetch(t.Context(), target, Request{ReferenceID: "C-1", LoanIDs: &[]int64{4, 3, 4, 77}, LoanID: "3"})
	require.NoError(t, err)
	require.Equal(t, "3,4", ids(loans), "unknown ids are left out")
	require.Equal(t, "Ada", *b.FirstName, "enrichment fills, never overrides")
	require.Equal(t, "Hill", *b.LastName)
	require.JSONEq(t, `{"a":1,"b":2}`, string(b.ExternalMetadata))
	require.Equal(t, "3.5", loans[0].AmountDue.String())
	require.EqualValues(t, 12, *loans[0].DaysPastDue)
	require.Equal(t, "OPEN", loans[0].Status)
	require.Nil(t, loans[1].DaysPastDue)
	require.Contains(t, requests.take(), "/api/v1/borrowers/C-1/loans?ids=3%2C4%2C77")

	_, loans, err = c.Fetch(t.Context(), target, Request{ReferenceID: "C-1", LoanIDs: &[]int64{}, LoanID: "3"})
	require.NoError(t, err)
	require.Empty(t, loans, "an empty list of ids imports nothing, whatever loanId is")
	require.NotNil(t, loans)
	require.Equal(t, []string{"/api/v1/borrowers/C-1", "/api/v1/loans/3"}, requests.take())
}

func TestFetchMissing(t *testing.T) {
	t.Parallel()
	target := serve(t, lendingSystem(t, &recorder{}))
	c, seen := quick(t, Options{})
	for _, id := range []string{"C-9", "", " ", ".", "..", "a/../C-1", "C-1/loans", "C-1?x=y", "%43-1", strings.Repeat("x", 5000)} {
		b, loans, err := c.Fetch(t.Context(), target, Request{ReferenceID: id})
		require.ErrorIs(t, err, ErrNotFound, "%q", id)
		require.Nil(t, b)
		require.Nil(t, loans)
		require.Equal(t, "not_found", seen.last())
	}
	for _, id := range []string{"9", "..", "4"} {
		_, _, err := c.Fetch(t.Context(), target, Request{ReferenceID: "C-1", LoanID: id})
		require.ErrorIs(t, err, ErrLoanNotFound, "missing and foreign loans are answered alike")
		require.Equal(t, loanMissing, err.Error())
		var e *Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, fault.Missing, e.UserCode())
	}
}

func TestRequestIDIsPassedOn(t *testing.T) {
	t.Parallel()
	got := make(chan string, 2)
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("X-Request-Id")
		reply(w, 404, `{}`)
	})
	c, _ := quick(t, Options{})
	_, _, _ = c.Fetch(viewer.With(t.Context(), &viewer.Viewer{RequestID: "req-1.a_B"}), target, Request{ReferenceID: "1"})
	require.Equal(t, "req-1.a_B", <-got)
	_, _, _ = c.Fetch(viewer.With(t.Context(), &viewer.Viewer{RequestID: "bad\r\nX-Evil: 1"}), target, Request{ReferenceID: "1"})
	require.NoError(t, uuid.Validate(<-got))
}

func TestTransientFailuresAreRetried(t *testing.T) {
	t.Parallel()
	well := lendingSystem(t, &recorder{})
	var n atomic.Int32
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) {
		case 1:
			reply(w, 503, ``)
		case 2:
			conn, _, _ := w.(http.Hijacker).Hijack()
			_ = conn.Close()
		default:
			well(w, r)
		}
	})
	c, _ := quick(t, Options{})
	b, _, err := c.Fetch(t.Context(), target, Request{ReferenceID: "C-1", LoanIDs: &[]int64{}})
	require.NoError(t, err)
	require.Equal(t, "Ada", *b.FirstName)
	require.EqualValues(t, 3, n.Load())
}

func TestConnectionRefused(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	target := Target{BaseURL: "http://" + address, Key: testKey, AllowPrivate: true}
	c, _ := quick(t, Options{})
	_, _, err = c.Fetch(t.Context(), target, Request{ReferenceID: "C-1"})
	require.ErrorIs(t, err, ErrUnavailable)
	requireDiscreet(t, target, err)
}

func TestHangingServer(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 2 { // the second hangs in the body
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"referenceId":`))
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	})
	c, _ := quick(t, Options{Tries: 2})
	target.Timeout = 50 * time.Millisecond
	_, _, err := c.Fetch(t.Context(), target, Request{ReferenceID: "C-1"})
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.EqualValues(t, 2, n.Load())
}

func TestCallerCancels(t *testing.T) {
	t.Parallel()
	leave := make(chan context.CancelFunc, 1)
	var n atomic.Int32
	target := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		n.Add(1)
		(<-leave)()
		<-r.Context().Done()
	})
	c, seen := quick(t, Options{FailuresToOpen: 1})
	// Leaving says nothing about the lending system: the circuit, which would open at the first failure,
	// stays closed.
	for i := range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		leave <- cancel
		_, _, err := c.Fetch(ctx, target, Request{ReferenceID: "C-1"})
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, ErrUnavailable)
		require.EqualValues(t, i+1, n.Load())
		require.Equal(t, "canceled", seen.last())

		_, _, err = c.Fetch(ctx, target, Request{ReferenceID: "C-1"})
		require.ErrorIs(t, err, context.Canceled)
		require.EqualValues(t, i+1, n.Load(), "nothing is sent for a caller that has left")
	}
}

func TestPaging(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		page func(page string) string
		want string
	}{
		"the same page for ever": {func(string) string { return `{"loans":[],"nextPage":"again"}` }, "must not lead back"},
		"ever new pages":         {func(p string) string { return `{"loans":[],"nextPage":"` + p + `x"}` }, "must fit on 20 pages"},
		"too many loans": {func(p string) string {
			var loans []string
			for i := range 600 {
				loans = append(loans, fmt.Sprintf(`{"id":"%s-%d","status":"OPEN"}`, p, i))
			}
			return `{"loans":[` + strings.Join(loans, ",") + `],"nextPage":"` + p + `x"}`
		}, "at most 1000 loans"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/loans") {
					reply(w, 200, c.page(r.URL.Query().Get("page")))
					return
				}
				reply(w, 200, `{"referenceId":"C-1"}`)
			})
			client, _ := quick(t, Options{})
			_, _, err := client.Fetch(t.Context(), target, Request{ReferenceID: "C-1"})
			require.ErrorIs(t, err, ErrRefused)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestLoansThatComeAgain(t *testing.T) {
	t.Parallel()
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !strings.HasSuffix(r.URL.Path, "/loans"):
			reply(w, 200, `{"referenceId":"C-1"}`)
		case r.URL.Query().Get("page") == "":
			reply(w, 200, `{"loans":[{"id":1,"status":"OPEN"},{"id":2,"status":"OPEN"}],"nextPage":"2"}`)
		default: // the filter is ignored, too
			reply(w, 200, `{"loans":[{"id":2,"status":"CLOSED"},{"id":3,"status":"OPEN"}],"nextPage":""}`)
		}
	})
	c, _ := quick(t, Options{})
	_, loans, err := c.Fetch(t.Context(), target, Request{ReferenceID: "C-1"})
	require.NoError(t, err)
	require.Equal(t, "1,2,3", ids(loans))
	require.Equal(t, "CLOSED", loans[1].Status, "the later page is the newer")
	_, loans, err = c.Fetch(t.Context(), target, Request{ReferenceID: "C-1", LoanIDs: &[]int64{3, 1}})
	require.NoError(t, err)
	require.Equal(t, "1,3", ids(loans), "a lending system that ignores the filter cannot widen it")
}

func TestManyLoanIDs(t *testing.T) {
	t.Parallel()
	var longest, calls atomic.Int64
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/loans") {
			reply(w, 200, `{"referenceId":"C-1"}`)
			return
		}
		calls.Add(1)
		longest.Store(max(longest.Load(), int64(len(r.RequestURI))))
		var loans []string
		for id := range strings.SplitSeq(r.URL.Query().Get("ids"), ",") {
			loans = append(loans, `{"id":"`+id+`","status":"OPEN"}`)
		}
		reply(w, 200, `{"loans":[`+strings.Join(loans, ",")+`]}`)
	})
	c, _ := quick(t, Options{})
	wanted := make([]int64, MaxLoans)
	for i := range wanted {
		wanted[i] = 9_000_000_000_000_000_000 + int64(i)
	}
	_, loans, err := c.Fetch(t.Context(), target, Request{ReferenceID: "C-1", LoanIDs: &wanted})
	require.NoError(t, err)
	require.Len(t, loans, MaxLoans)
	require.EqualValues(t, 10, calls.Load())
	require.Less(t, longest.Load(), int64(4096))

	wanted = append(wanted, 1)
	_, _, err = c.Fetch(t.Context(), target, Request{ReferenceID: "C-1", LoanIDs: &wanted})
	require.ErrorIs(t, err, ErrRefused)
}

func TestConfigurationIsCheckedAgain(t *testing.T) {
	t.Parallel()
	target := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("must not be called") })
	c, _ := quick(t, Options{})
	public := target
	public.AllowPrivate = false
	_, _, err := c.Fetch(t.Context(), public, Request{ReferenceID: "C-1"})
	require.ErrorIs(t, err, ErrRefused)
	requireDiscreet(t, public, err)
	target.Key = "key\nwith-line"
	_, _, err = c.Fetch(t.Context(), target, Request{ReferenceID: "C-1"})
	require.ErrorIs(t, err, ErrRefused)
	require.NotContains(t, err.Error(), "with-line")
}

func TestErrorShowsItsCauseToTheLogOnly(t *testing.T) {
	t.Parallel()
	cause := errors.New("dial tcp: no route")
	err := unavailable(cause, "The lending system did not answer.")
	require.Equal(t, "The lending system did not answer.", err.Error())
	require.ErrorIs(t, err, cause)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Error("x", "err", err)
	var line struct{ Err map[string]string }
	require.NoError(t, json.Unmarshal(log.Bytes(), &line))
	require.Equal(t, "dial tcp: no route", line.Err["cause"])
}
