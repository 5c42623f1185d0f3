package lending

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/sony/gobreaker/v2"
	"golang.org/x/sync/semaphore"

	"caseload/internal/outbound"
	"caseload/internal/viewer"
)

// Options tunes a [Client]; a zero field takes the default named beside it.
type Options struct {
	// TryTimeout bounds one HTTP exchange, its body included (5 s).
	TryTimeout time.Duration
	// Timeout bounds a whole fetch with its retries and pages (12 s).
	Timeout time.Duration
	// Tries is the number of tries per exchange (3).
	Tries uint
	// MaxRetryAfter is the longest Retry-After that is waited for (3 s); a longer one fails the fetch at
	// once and is passed on in [Error.RetryAfter].
	MaxRetryAfter time.Duration
	// MaxConcurrent bounds the exchanges in flight per organization and base URL (8).
	MaxConcurrent int64
	// FailuresToOpen failures in a row open the circuit (5).
	FailuresToOpen uint32
	// OpenFor is how long an open circuit lets nothing through (30 s); after it, one exchange probes.
	OpenFor time.Duration
	// Backoff makes the waits between tries (100 ms doubling to 2 s, half of it random).
	Backoff func() backoff.BackOff
	// Resolver looks names up (the system's).
	Resolver *net.Resolver
	// RootCAs are the authorities trusted for https (the system's).
	RootCAs *x509.CertPool
	// Observe, when set, is told the outcome and duration of each fetch. Outcomes are ok, not_found,
	// refused, unavailable, circuit_open and canceled. It is called from the fetching goroutine.
	Observe func(outcome string, d time.Duration)

	// dial replaces the network in tests.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// maxTargets bounds the memory of circuit breakers: the least recently used target is forgotten, which
// closes its circuit.
const maxTargets = 1024

// Client fetches borrowers and loans. It is safe for concurrent use; one per process is right, as the
// circuit breakers and connections are shared through it.
type Client struct {
	opts Options
	// Two transports, because a pooled connection to a private address must never serve a target that
	// may not reach one.
	public, private *http.Client
	gates           *lru.Cache[gateKey, *gate]
}

type gateKey struct {
	organization uuid.UUID
	baseURL      string
}

// gate guards one target: how many exchanges at once, and whether any at all.
type gate struct {
	slots   *semaphore.Weighted
	breaker *gobreaker.CircuitBreaker[[]byte]
}

// New returns a client; it opens no connection.
func New(opts Options) *Client {
	opts.TryTimeout = cmp.Or(opts.TryTimeout, 5*time.Second)
	opts.Timeout = cmp.Or(opts.Timeout, 12*time.Second)
	opts.Tries = cmp.Or(opts.Tries, 3)
	opts.MaxRetryAfter = cmp.Or(opts.MaxRetryAfter, 3*time.Second)
	opts.MaxConcurrent = cmp.Or(opts.MaxConcurrent, 8)
	opts.FailuresToOpen = cmp.Or(opts.FailuresToOpen, 5)
	opts.OpenFor = cmp.Or(opts.OpenFor, 30*time.Second)
	if opts.Backoff == nil {
		opts.Backoff = func() backoff.BackOff {
			return &backoff.ExponentialBackOff{
				InitialInterval: 100 * time.Millisecond, Multiplier: 2,
				RandomizationFactor: 0.5, MaxInterval: 2 * time.Second,
			}
		}
	}
	gates, err := lru.New[gateKey, *gate](maxTargets)
	if err != nil {
		panic(fmt.Sprintf("make lending client: %v", err)) // only for a size below one
	}
	return &Client{opts: opts, gates: gates, public: newHTTPClient(opts, false), private: newHTTPClient(opts, true)}
}

func newHTTPClient(opts Options, allowPrivate bool) *http.Client {
	return outbound.NewClient(outbound.Options{
		AllowPrivate: allowPrivate, DialTimeout: opts.TryTimeout, Resolver: opts.Resolver, RootCAs: opts.RootCAs, Dial: opts.dial,
	})
}

// Close closes idle connections; the client may still be used afterwards.
func (c *Client) Close() {
	c.public.CloseIdleConnections()
	c.private.CloseIdleConnections()
}

// Fetch asks for a borrower, the loans that the request selects, and the details of one loan when it names
// one. It writes nothing anywhere. Failures are an [*Error] of one of the kinds of this package, except
// that the end of the caller's context is answered with that context's error.
func (c *Client) Fetch(ctx context.Context, t Target, r Request) (*Borrower, []Loan, error) {
	start := time.Now()
	b, loans, err := c.fetch(ctx, t, r)
	// The cause is that the caller has cancelled.
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("fetch borrower from lending system: %w", ctx.Err())
	}
	if c.opts.Observe != nil {
		c.opts.Observe(outcome(err), time.Since(start))
	}
	if err != nil {
		return nil, nil, err
	}
	return b, loans, nil
}

func outcome(err error) string {
	var e *Error
	switch {
	case err == nil:
		return "ok"
	case !errors.As(err, &e):
		return "canceled"
	case e.open:
		return "circuit_open"
	case e.Kind == ErrUnavailable:
		return "unavailable"
	case e.Kind == ErrRefused:
		return "refused"
	default:
		return "not_found"
	}
}

func (c *Client) fetch(ctx context.Context, t Target, r Request) (*Borrower, []Loan, error) {
	s, err := c.session(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	if r.LoanIDs != nil && len(*r.LoanIDs) > MaxLoans {
		return nil, nil, refused(nil, fmt.Sprintf("At most %d loans can be asked for.", MaxLoans))
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()

	b, err := s.borrower(ctx, r.ReferenceID)
	if err != nil {
		return nil, nil, err
	}
	loans, err := s.loans(ctx, r.ReferenceID, r.LoanIDs)
	if err != nil {
		return nil, nil, err
	}
	if r.LoanID != "" {
		if err := s.enrich(ctx, r, &b, loans); err != nil {
			return nil, nil, err
		}
	}
	return &b, loans, nil
}

// session is one fetch from one target.
type session struct {
	*Client
	gate      *gate
	http      *http.Client
	base      string
	key       string
	timeout   time.Duration
	requestID string
}

func (c *Client) session(ctx context.Context, t Target) (*session, error) {
	base, err := parseBaseURL(t.BaseURL, t.AllowPrivate)
	if err != nil {
		return nil, refused(err, "The lending system's configured URL is not allowed; configure it again.")
	}
	if err := ValidateKey(t.Key.Reveal()); err != nil {
		return nil, refused(err, "The lending system's configured key is not usable; configure it again.")
	}
	s := &session{Client: c, gate: c.gate(gateKey{t.OrganizationID, base}), http: c.public, base: base, key: t.Key.Reveal(),
		timeout: t.Timeout, requestID: requestID(ctx)}
	if t.AllowPrivate {
		s.http = c.private
	}
	if s.timeout <= 0 {
		s.timeout = c.opts.TryTimeout
	}
	return s, nil
}

// requestID returns the id of the request to Caseload, so that the logs of both sides can be correlated.
func requestID(ctx context.Context) string {
	id := viewer.From(ctx).RequestID
	plain := func(r rune) bool {
		return r == '-' || r == '_' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	if id == "" || len(id) > 128 || strings.ContainsFunc(id, func(r rune) bool { return !plain(r) }) {
		return uuid.Must(uuid.NewV7()).String()
	}
	return id
}

func (c *Client) gate(key gateKey) *gate {
	if g, ok := c.gates.Get(key); ok {
		return g
	}
	g := &gate{
		slots: semaphore.NewWeighted(c.opts.MaxConcurrent),
		breaker: gobreaker.NewCircuitBreaker[[]byte](gobreaker.Settings{
			Timeout:     c.opts.OpenFor,
			ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= c.opts.FailuresToOpen },
			// An answer that refuses comes from a system that is up.
			IsSuccessful: func(err error) bool { return !errors.Is(err, ErrUnavailable) },
			IsExcluded: func(err error) bool {
				e, ok := errors.AsType[*Error](err)
				return ok && e.neutral
			},
		}),
	}
	// Another goroutine may have added one, whose breaker counts already.
	if first, ok, _ := c.gates.PeekOrAdd(key, g); ok {
		return first
	}
	return g
}

func (s *session) borrower(ctx context.Context, referenceID string) (Borrower, error) {
	segment, ok := pathSegment(referenceID)
	if !ok {
		return Borrower{}, &Error{Kind: ErrNotFound, Message: borrowerMissing}
	}
	body, err := s.get(ctx, "/v1/borrowers/"+segment, ErrNotFound, borrowerMissing)
	if err != nil {
		return Borrower{}, err
	}
	b, err := decodeBorrower(body)
	if err != nil {
		return Borrower{}, breach(err)
	}
	// A cache or router in between that mixes up two answers must not give one person's data to another.
	if b.ReferenceID != strings.TrimSpace(referenceID) {
		return Borrower{}, breach(violation("referenceId must be the one that was asked for"))
	}
	return b, nil
}

func (s *session) loans(ctx context.Context, referenceID string, ids *[]int64) ([]Loan, error) {
	if ids == nil {
		return s.loanPages(ctx, referenceID, nil)
	}
	wanted := make([]string, len(*ids))
	for i, id := range *ids {
		wanted[i] = strconv.FormatInt(id, 10)
	}
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	all := []Loan{}
	for chunk := range slices.Chunk(wanted, idsPerRequest) {
		loans, err := s.loanPages(ctx, referenceID, chunk)
		if err != nil {
			return nil, err
		}
		// The selection is the integrator's: a lending system that ignores the filter cannot widen it.
		all = append(all, slices.DeleteFunc(loans, func(l Loan) bool {
			_, found := slices.BinarySearch(chunk, l.ID)
			return !found
		})...)
	}
	return all, nil
}

func (s *session) loanPages(ctx context.Context, referenceID string, ids []string) ([]Loan, error) {
	segment, _ := pathSegment(referenceID)
	query := url.Values{}
	if ids != nil {
		query.Set("ids", strings.Join(ids, ","))
	}
	all := []Loan{}
	at := map[string]int{}
	tokens := map[string]bool{}
	for range MaxPages {
		path := "/v1/borrowers/" + segment + "/loans"
		if len(query) > 0 {
			path += "?" + query.Encode()
		}
		body, err := s.get(ctx, path, ErrNotFound, borrowerMissing)
		if err != nil {
			return nil, err
		}
		loans, next, err := decodeLoans(body)
		if err != nil {
			return nil, breach(err)
		}
		for _, l := range loans {
			// Pages shift while they are read, so a loan may come again; the later statement is the newer.
			if i, ok := at[l.ID]; ok {
				all[i] = l
				continue
			}
			at[l.ID] = len(all)
			all = append(all, l)
		}
		switch {
		case len(all) > MaxLoans:
			return nil, breach(violation(fmt.Sprintf("a borrower must have at most %d loans", MaxLoans)))
		case next == "":
			return all, nil
		case tokens[next]:
			return nil, breach(violation("nextPage must not lead back to a page that was read"))
		}
		tokens[next] = true
		query.Set("page", next)
	}
	return nil, breach(violation(fmt.Sprintf("the loans must fit on %d pages", MaxPages)))
}

func (s *session) enrich(ctx context.Context, r Request, b *Borrower, loans []Loan) error {
	segment, ok := pathSegment(r.LoanID)
	if !ok {
		return &Error{Kind: ErrLoanNotFound, Message: loanMissing}
	}
	body, err := s.get(ctx, "/v1/loans/"+segment, ErrLoanNotFound, loanMissing)
	if err != nil {
		return err
	}
	file, err := decodeLoanFile(body)
	if err != nil {
		return breach(err)
	}
	if file.loan.ID != strings.TrimSpace(r.LoanID) {
		return breach(violation("id must be the one that was asked for"))
	}
	// Somebody else's loan is answered like a missing one, as its borrower must not flow into this one.
	if file.owner != b.ReferenceID {
		return &Error{Kind: ErrLoanNotFound, Message: loanMissing}
	}
	if err := b.fillFrom(file.borrower); err != nil {
		return breach(err)
	}
	for i := range loans {
		if loans[i].ID == file.loan.ID {
			loans[i].fillFrom(file.loan)
		}
	}
	return nil
}

// pathSegment escapes an identifier for a path. Dots alone would be resolved away on the road to another
// resource, and an empty one would ask for the list.
func pathSegment(id string) (string, bool) {
	id = strings.TrimSpace(id)
	if strings.Trim(id, ".") == "" || len(id) > 4*MaxTextLength {
		return "", false
	}
	return url.PathEscape(id), true
}

const (
	borrowerMissing = "The lending system does not know this borrower."
	loanMissing     = "The lending system does not know this loan of the borrower."
)

func breach(err error) *Error {
	var v violation
	if !errors.As(err, &v) {
		return refused(err, "The lending system's answer is not its contract.")
	}
	return refused(nil, "The lending system's answer is not its contract: "+string(v)+".")
}
