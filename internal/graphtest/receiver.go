package graphtest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/dbtest"
	"caseload/internal/webhook"
)

// Receiver is a server of an integrator's that takes webhooks.
type Receiver struct {
	*httptest.Server
	got chan *Delivery

	mu  sync.Mutex
	all []*Delivery
}

// Delivery is one webhook as it arrived.
type Delivery struct {
	Header http.Header
	Body   []byte
	// Event is the body, decoded.
	Event map[string]any
}

// NewReceiver starts a receiver that answers with 204. It ends with the test.
func NewReceiver(t testing.TB) *Receiver {
	t.Helper()
	r := &Receiver{got: make(chan *Delivery, 10_000)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		d := &Delivery{Header: req.Header.Clone(), Body: body}
		if err == nil {
			err = json.Unmarshal(body, &d.Event)
		}
		if err != nil {
			t.Errorf("receive a webhook: %v", err)
		}
		r.mu.Lock()
		r.all = append(r.all, d)
		r.mu.Unlock()
		rw.WriteHeader(http.StatusNoContent)
		r.got <- d
	}))
	t.Cleanup(r.Close)
	return r
}

// Next returns the next delivery; the test fails when none comes.
func (r *Receiver) Next(t testing.TB) *Delivery {
	t.Helper()
	select {
	case d := <-r.got:
		return d
	case <-time.After(dbtest.Patience):
		require.FailNow(t, "no webhook came")
		return nil
	}
}

// All returns every delivery so far.
func (r *Receiver) All() []*Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*Delivery(nil), r.all...)
}

// Check fails the test unless the delivery is signed with the secret, now.
func (d *Delivery) Check(t testing.TB, secret string, now time.Time) {
	t.Helper()
	require.NoError(t, webhook.Verify(secret, d.Header.Get(webhook.HeaderSignature), d.Body, now, 5*time.Minute))
}

// At returns what stands at a path of the body.
func (d *Delivery) At(path string) any { return At(d.Event, path) }
