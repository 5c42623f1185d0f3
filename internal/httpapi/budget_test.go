package httpapi

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/dbtest"
	"caseload/internal/fault"
	"caseload/internal/viewer"
)

func anonymous(text, address string) *http.Request {
	r := query(text, nil, "X-API-Key", "")
	r.RemoteAddr = address
	return r
}

func TestOperationsPerSecond(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *Options) { l := DefaultLimits(); l.OperationsPerSecond, l.OperationsBurst = 2, 3; o.Limits = &l })
	for range 3 {
		require.Equal(t, 200, b.do(t, query("{ __typename }", nil)).Code)
	}
	got := b.do(t, query("{ nope }", nil))
	require.Equal(t, 429, got.Code, "charged before it is parsed")
	require.Equal(t, "RATE_LIMITED", got.code())
	require.Equal(t, "1", got.Header().Get("Retry-After"))
	require.True(t, got.Errors[0].Extensions.Retryable)
	require.EqualValues(t, 500, got.Errors[0].Extensions.RetryAfterMs)
	require.Equal(t, 429, b.do(t, query("{ __typename }", nil, "Accept", "application/json")).Code, "under either media type")
	require.Equal(t, 200, b.do(t, query("{ __typename }", nil, "X-API-Key", "other")).Code, "the other key has a budget of its own")
	b.now.Advance(500 * time.Millisecond)
	require.Equal(t, 200, b.do(t, query("{ __typename }", nil)).Code)
	require.Equal(t, 429, b.do(t, query("{ __typename }", nil)).Code)
}

// A wrong key counts as an operation of its network without one. A key that is good never does, and is not refused for its
// neighbours once it has been used.
func TestWrongKeysAreCountedAsNone(t *testing.T) {
	t.Parallel()
	lookups := 0
	b := newBench(t, func(o *Options) {
		o.Identify = func(r *http.Request) (*viewer.Viewer, error) {
			lookups++
			return identify(r)
		}
	})
	send := func(key, address string) *reply {
		r := query("{ __typename }", nil, "X-API-Key", key)
		r.RemoteAddr = address
		return b.do(t, r)
	}
	const network, neighbour, elsewhere = "[2001:db8:1:2::3]:1000", "[2001:db8:1:2:ffff::9]:1000", "[2001:db8:1:3::3]:1000"
	burst := DefaultLimits().AnonymousBurst
	for range 2 * burst {
		require.Equal(t, 200, send("reader", network).Code)
	}
	lookups = 0
	for i := range burst {
		got := send("wrong"+string(rune('a'+i)), network)
		require.Equal(t, 401, got.Code)
		require.Equal(t, "UNAUTHENTICATED", got.code())
	}
	for range 3 {
		got := send("wrong", neighbour)
		require.Equal(t, 429, got.Code)
		require.Equal(t, "RATE_LIMITED", got.code())
		require.Equal(t, "1", got.Header().Get("Retry-After"))
	}
	require.Equal(t, 429, send("other", network).Code, "nobody knows yet that this one is good")
	require.Equal(t, burst, lookups, "the store is not asked again")
	require.Equal(t, 429, send("", neighbour).Code, "it is the budget of those without a key")
	require.Equal(t, 401, send("wrong", elsewhere).Code)
	require.Equal(t, 200, send("reader", neighbour).Code)

	b.now.Advance(time.Second)
	for range burst {
		require.Equal(t, 200, send("other", network).Code)
	}
	require.Equal(t, 401, send("wrong", network).Code, "the good key has not used up the second")
	require.Equal(t, 429, send("wrong", network).Code)
	require.Equal(t, 200, send("other", network).Code)
}

func TestAnonymousBudgetIsByAddress(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for range DefaultLimits().AnonymousBurst {
		require.Equal(t, 200, b.do(t, anonymous("{ __typename }", "203.0.113.7:1000")).Code)
	}
	require.Equal(t, 429, b.do(t, anonymous("{ __typename }", "203.0.113.7:2000")).Code)
	require.Equal(t, 200, b.do(t, anonymous("{ __typename }", "203.0.113.8:1000")).Code)
	require.Equal(t, 200, b.do(t, query("{ __typename }", nil)).Code)
	b.now.Advance(time.Second)
	require.Equal(t, 200, b.do(t, anonymous("{ __typename }", "203.0.113.7:1000")).Code)

	at := func(ip string) string { return Principal(&viewer.Viewer{Kind: viewer.Anonymous, IP: ip}) }
	require.Equal(t, at("2001:db8:1:2::3"), at("2001:db8:1:2:ffff::9"), "one network of IPv6 is one caller")
	require.NotEqual(t, at("2001:db8:1:2::3"), at("2001:db8:1:3::3"))
	require.Equal(t, at("203.0.113.7"), at("::ffff:203.0.113.7"))
}

func TestPointsAreChargedBefore(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	text := "{ customers(first: 100) { nodes { accounts(first: 30) { nodes { id } } } } }" // 3201 points
	first := b.do(t, query(text, nil))
	require.Equal(t, 200, first.Code)
	require.Equal(t, map[string]any{"requested": 3201.0, "limit": 10000.0, "remaining": 799.0}, first.Extensions["cost"])
	second := b.do(t, query(text, nil))
	require.Equal(t, 429, second.Code)
	require.Equal(t, "The operation costs 3201 points and 799 are left; 200 come back each second. Wait for the time in Retry-After.", second.Errors[0].Message)
	require.Equal(t, "13", second.Header().Get("Retry-After"), "2402 points at 200 a second, rounded up")
	require.EqualValues(t, 1, b.executed.Load())
	b.now.Advance(13 * time.Second)
	require.Equal(t, 200, b.do(t, query(text, nil)).Code)
}

// An operation within the cost limit but over the burst takes the whole account, or it could never run.
func TestCostOverBurst(t *testing.T) {
	t.Parallel()
	l := DefaultLimits()
	now := dbtest.NewClock(time.Unix(1_700_000_000, 0))
	b := newBudgets(&l, now.Now)
	remaining, f := b.spend(viewer.Nobody, 9000)
	require.Nil(t, f)
	require.Zero(t, remaining)
	_, f = b.spend(viewer.Nobody, 1)
	require.NotNil(t, f)
	require.Equal(t, 5*time.Millisecond, f.RetryAfter.Round(time.Millisecond))
}

// Whoever commands many addresses must not refill the accounts of others by pushing them out.
func TestAnonymousDoNotPushOutPrincipals(t *testing.T) {
	t.Parallel()
	l := DefaultLimits()
	l.TrackedPrincipals, l.OperationsBurst = 2, 1
	now := dbtest.NewClock(time.Unix(1_700_000_000, 0))
	b := newBudgets(&l, now.Now)
	v := &viewer.Viewer{Kind: viewer.APIKey, OrganizationID: testOrganization}
	require.Nil(t, b.start(v))
	for _, ip := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4"} {
		require.Nil(t, b.start(&viewer.Viewer{Kind: viewer.Anonymous, IP: ip}))
	}
	require.NotNil(t, b.start(v))
	require.Equal(t, 2, b.anonymous.Len())
}

func TestInFlight(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *Options) { l := DefaultLimits(); l.PrincipalInFlight, l.ProcessInFlight = 2, 3; o.Limits = &l })
	var wg sync.WaitGroup
	slow := func(key string) {
		wg.Go(func() { require.Equal(t, 200, b.do(t, query("{ slow }", nil, "X-API-Key", key)).Code) })
		<-b.running
	}
	slow("reader")
	slow("reader")
	mine := b.do(t, query("{ __typename }", nil))
	require.Equal(t, 429, mine.Code)
	require.Equal(t, "RATE_LIMITED", mine.code())
	require.Equal(t, "1", mine.Header().Get("Retry-After"))
	slow("other")
	all := b.do(t, query("{ __typename }", nil, "X-API-Key", "admin"))
	require.Equal(t, 503, all.Code)
	require.Equal(t, "UNAVAILABLE", all.code())
	require.Equal(t, "1", all.Header().Get("Retry-After"))
	require.EqualValues(t, 3, b.executed.Load())
	close(b.resume)
	wg.Wait()
	require.Equal(t, 200, b.do(t, query("{ __typename }", nil)).Code, "places are given back")
}

func TestPlacesForgetWhoIsGone(t *testing.T) {
	t.Parallel()
	p := NewPlaces("places of this caller are taken", 2, 1)
	leave, err := p.Take("a")
	require.NoError(t, err)
	_, err = p.Take("a")
	require.Equal(t, fault.RateLimited, fault.CodeOf(err))
	leaveB, err := p.Take("b")
	require.NoError(t, err)
	_, err = p.Take("c")
	require.Equal(t, fault.Unavailable, fault.CodeOf(err))
	leave()
	leave() // gives back one place, not two
	require.Equal(t, 1, p.taken)
	leaveB()
	require.Empty(t, p.by)
	require.Zero(t, p.taken)
}

// The bubble's clock jumps ahead while the operation waits for its deadline.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		start := time.Now()
		got := b.do(t, query("{ slow }", nil))
		require.Equal(t, 10*time.Second, time.Since(start))
		require.Equal(t, "TIMEOUT", got.code())
		require.Equal(t, 200, got.Code, "there is data beside the error")
		require.True(t, got.Errors[0].Extensions.Retryable)
	})
}

func TestTimeoutByKind(t *testing.T) {
	t.Parallel()
	l, schema := DefaultLimits(), gqlparser.MustLoadSchema(&ast.Source{Input: testSchema})
	for text, want := range map[string]time.Duration{
		"{ me { id } }": 10 * time.Second,
		"mutation { updateCustomer(input: {}) { customer { id } } }": 20 * time.Second,
		"mutation { x: updateCustomer(input: {}) { customer { id } } ...F } fragment F on Mutation { a: bulkUpsertCustomers(input: {items: []}) { customer { id } } }": 60 * time.Second,
		"mutation { createCustomers(input: {items: []}) { customer { id } } }":                                                                                         60 * time.Second,
		"mutation { addCustomers(rows: []) { customer { id } } }":                                                                                                      60 * time.Second,
		"mutation { bulkNothing(input: {}) { customer { id } } }":                                                                                                      20 * time.Second,
		"subscription { tick }": 0,
	} {
		require.Equal(t, want, l.timeout(schema, operationOf(t, text)), text)
	}
}
