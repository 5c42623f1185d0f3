package webhook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/fault"
	"caseload/internal/pii"
	"caseload/internal/relay"
	"caseload/internal/webhook"
)

func TestCreateEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, webhook.Options{})
	e, secret, err := w.CreateEndpoint(t.Context(), w.Viewer, webhook.CreateEndpointInput{
		URL: "https://hooks.example.com/a?tenant=7", Description: val("For the warehouse"),
		Events: []webhook.EventType{webhook.ScheduleSynced, webhook.CustomerCreated, webhook.ScheduleSynced},
	})
	require.NoError(t, err)
	require.Regexp(t, `^whsec_[a-z2-7]{52}$`, secret)
	require.Equal(t, []webhook.EventType{webhook.CustomerCreated, webhook.ScheduleSynced}, e.Events(), "sorted, each once")
	require.True(t, e.IsEnabled)
	got := w.reread(t, e)
	require.Equal(t, e.ID(), got.ID())
	require.Equal(t, "For the warehouse", *got.Description)
	require.Equal(t, 1, w.Audited(t, "webhook_endpoint.created"))

	off, _, err := w.CreateEndpoint(t.Context(), w.Viewer, webhook.CreateEndpointInput{URL: "https://hooks.example.com", Events: []webhook.EventType{webhook.CustomerCreated}, IsEnabled: val(false)})
	require.NoError(t, err)
	require.Equal(t, webhook.DisabledByHand, *w.reread(t, off).DisabledReason)

	_, _, err = w.CreateEndpoint(t.Context(), w.Viewer, webhook.CreateEndpointInput{URL: "http://localhost", Description: val(strings.Repeat("ä", 1001)), Events: nil})
	require.Equal(t, []string{"INVALID input.url", "TOO_LONG input.description", "REQUIRED input.events"}, refused(t, err))
	_, _, err = w.CreateEndpoint(t.Context(), w.Viewer, webhook.CreateEndpointInput{URL: "https://x.example", Events: []webhook.EventType{webhook.CustomerCreated, webhook.Ping, "OTHER"}})
	require.Equal(t, []string{"INVALID input.events.1", "INVALID input.events.2"}, refused(t, err))
	require.Equal(t, 2, get[int](t, w, "SELECT count(*) FROM webhook_endpoints"))
}

func TestAnOrganizationHasTwentyEndpoints(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 18 {
		w.endpoint(t, "https://hooks.example.com")
	}
	var group sync.WaitGroup
	var mu sync.Mutex
	made, over := 0, 0
	for range 8 {
		group.Go(func() {
			_, _, err := w.CreateEndpoint(context.Background(), w.Viewer, webhook.CreateEndpointInput{URL: "https://hooks.example.com", Events: []webhook.EventType{webhook.CustomerCreated}})
			mu.Lock()
			defer mu.Unlock()
			if users, ok := fault.AsUserErrors(err); ok && users[0].Code == fault.LimitExceeded {
				over++
			} else if err == nil {
				made++
			} else {
				t.Errorf("create endpoint: %v", err)
			}
		})
	}
	group.Wait()
	require.Equal(t, []int{2, 6}, []int{made, over})
	other := dbtest.NewViewer(uuid.New())
	_, _, err := w.CreateEndpoint(t.Context(), other, webhook.CreateEndpointInput{URL: "https://hooks.example.com", Events: []webhook.EventType{webhook.CustomerCreated}})
	require.NoError(t, err, "the limit is each organization's own")
}

func TestUpdateEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, _ := w.endpoint(t, "https://hooks.example.com")
	update := func(in webhook.UpdateEndpointInput) (*webhook.Endpoint, error) {
		in.ID = e.ID()
		return w.UpdateEndpoint(t.Context(), w.Viewer, in)
	}
	got, err := update(webhook.UpdateEndpointInput{URL: val("https://other.example.com"), Description: val("d"), Events: graphql.OmittableOf([]webhook.EventType{webhook.CustomerDeleted}), ExpectedVersion: val[int32](1)})
	require.NoError(t, err)
	require.Equal(t, int32(2), got.Version)
	stored := w.reread(t, e)
	require.Equal(t, []string{"https://other.example.com", "d", "[CUSTOMER_DELETED]"}, []string{stored.URL, *stored.Description, fmt.Sprint(stored.Events())})
	for _, same := range []webhook.UpdateEndpointInput{{}, {URL: val("https://other.example.com"), IsEnabled: val(true)}} {
		got, err = update(same)
		require.NoError(t, err)
		require.Equal(t, int32(2), got.Version, "what changes nothing writes nothing")
	}
	got, err = update(webhook.UpdateEndpointInput{IsEnabled: val(false), Description: null[string]()})
	require.NoError(t, err)
	require.Equal(t, webhook.DisabledByHand, *got.DisabledReason)
	require.Nil(t, got.Description)
	w.Exec(t, "UPDATE webhook_endpoints SET failing_since = now(), hold_until = now()")
	got, err = update(webhook.UpdateEndpointInput{IsEnabled: val(true)})
	require.NoError(t, err)
	require.True(t, got.IsEnabled)
	stored = w.reread(t, e)
	require.Nil(t, stored.FailingSince)
	require.Nil(t, stored.HoldUntil)
	require.Nil(t, stored.DisabledAt)
	require.Equal(t, 3, w.Audited(t, "webhook_endpoint.updated"))
	require.Equal(t, `["is_enabled", "disabled_reason", "disabled_at"]`, get[string](t, w, "SELECT changes->'fields' FROM audit_entries WHERE action = 'webhook_endpoint.updated' ORDER BY id DESC LIMIT 1"))

	_, err = update(webhook.UpdateEndpointInput{URL: null[string](), Description: val(strings.Repeat("x", 1001)), Events: graphql.OmittableOf([]webhook.EventType(nil)), IsEnabled: null[bool](), ExpectedVersion: val[int32](1)})
	require.Equal(t, []string{"STALE_VERSION input.expectedVersion", "REQUIRED input.url", "TOO_LONG input.description", "REQUIRED input.events", "REQUIRED input.isEnabled"}, refused(t, err))
	_, err = update(webhook.UpdateEndpointInput{URL: val("ftp://x.example"), Events: graphql.OmittableOf([]webhook.EventType{webhook.Ping})})
	require.Equal(t, []string{"INVALID input.url", "INVALID input.events.0"}, refused(t, err))
}

// A foreign or unknown id is answered like a missing one, and one of another type names what was expected.
func TestIdsOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, _ := w.endpoint(t, "https://hooks.example.com")
	d, err := w.Ping(t.Context(), w.Viewer, webhook.PingEndpointInput{ID: e.ID()})
	require.NoError(t, err)
	before := w.reread(t, e)
	stranger := dbtest.NewViewer(uuid.New())
	verbs := map[string]func(hook, delivery relay.ID) error{
		"input.id update": func(h, _ relay.ID) error {
			_, err := w.UpdateEndpoint(t.Context(), stranger, webhook.UpdateEndpointInput{ID: h})
			return err
		},
		"input.id rotate": func(h, _ relay.ID) error {
			_, _, err := w.RotateSecret(t.Context(), stranger, webhook.RotateSecretInput{ID: h})
			return err
		},
		"input.id ping": func(h, _ relay.ID) error {
			_, err := w.Ping(t.Context(), stranger, webhook.PingEndpointInput{ID: h})
			return err
		},
		"input.id delete": func(h, _ relay.ID) error {
			_, err := w.DeleteEndpoint(t.Context(), stranger, webhook.DeleteEndpointInput{ID: h})
			return err
		},
		"input.id redeliver": func(_, d relay.ID) error {
			_, err := w.Redeliver(t.Context(), stranger, webhook.RedeliverInput{ID: d})
			return err
		},
	}
	for path, verb := range verbs {
		path, _, _ = strings.Cut(path, " ")
		require.Equal(t, []string{"NOT_FOUND " + path}, refused(t, verb(e.ID(), d.ID())))
		require.Equal(t, fault.BadUserInput, fault.CodeOf(verb(d.ID(), e.ID())))
	}
	require.Equal(t, before, w.reread(t, e))
	require.Len(t, w.deliveries(t), 1)
}

func TestRotateSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t, nil)
	e, first := w.endpoint(t, r.URL)
	signed := func(want ...string) {
		t.Helper()
		w.emit(t, events(1, webhook.CustomerUpdated)...)
		w.drain(t, e)
		all := r.all()
		got := all[len(all)-1]
		header := got.header.Get(webhook.HeaderSignature)
		require.Equal(t, len(want), strings.Count(header, "v1="))
		for _, secret := range want {
			require.NoError(t, webhook.Verify(secret, header, got.body, w.Clock.Now(), 0))
		}
	}
	rotate := func(hours graphql.Omittable[*int32]) string {
		t.Helper()
		_, secret, err := w.RotateSecret(t.Context(), w.Viewer, webhook.RotateSecretInput{ID: e.ID(), OverlapHours: hours})
		require.NoError(t, err)
		return secret
	}
	signed(first)
	second := rotate(graphql.Omittable[*int32]{})
	require.NotEqual(t, first, second)
	require.Equal(t, w.Clock.Now().Add(24*time.Hour), w.reread(t, e).PreviousSecretUntil.UTC())
	signed(second, first)
	w.Clock.Advance(24*time.Hour - time.Second)
	signed(second, first)
	w.Clock.Advance(time.Second)
	signed(second)
	require.NoError(t, w.deliverer.Purge(t.Context()))
	require.Nil(t, w.reread(t, e).PreviousSecretSealed, "a secret that no longer signs is not kept")

	third := rotate(val[int32](72))
	fourth := rotate(val[int32](1))
	signed(fourth, third)
	fifth := rotate(val[int32](0))
	signed(fifth)
	for _, hours := range []int32{-1, 73, 1 << 30} {
		_, _, err := w.RotateSecret(t.Context(), w.Viewer, webhook.RotateSecretInput{ID: e.ID(), OverlapHours: val(hours)})
		require.Equal(t, []string{"OUT_OF_RANGE input.overlapHours"}, refused(t, err))
	}
	require.Equal(t, 4, w.Audited(t, "webhook_endpoint.secret_rotated"))
}

func TestResealWebhookSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t, nil)
	e, first := w.endpoint(t, r.URL)
	_, second, err := w.RotateSecret(t.Context(), w.Viewer, webhook.RotateSecretInput{ID: e.ID()})
	require.NoError(t, err)
	keys, err := w.Secrets.Rotate()
	require.NoError(t, err)
	sealer, err := pii.NewSealer(keys)
	require.NoError(t, err)
	for _, want := range []int{2, 0} {
		n, err := webhook.Reseal(t.Context(), w.Pool, sealer, w.Viewer.Scope(), w.Clock.Now())
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	got := w.reread(t, e)
	require.False(t, sealer.Stale(got.SecretSealed))
	require.False(t, sealer.Stale(got.PreviousSecretSealed))
	w.emit(t, events(1, webhook.CustomerUpdated)...)
	deliverer := webhook.NewDeliverer(w.Pool, sealer, w.outbox, webhook.Options{AllowPrivate: true}, w.Clock.Now)
	t.Cleanup(deliverer.Close)
	require.NoError(t, deliverer.Drain(t.Context(), e.OrganizationID, e.UUID))
	require.Len(t, r.all(), 1)
	for _, secret := range []string{first, second} {
		require.NoError(t, webhook.Verify(secret, r.all()[0].header.Get(webhook.HeaderSignature), r.all()[0].body, w.Clock.Now(), 0))
	}
}

func TestPingAndRedeliver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t, status(http.StatusInternalServerError))
	e, secret := w.endpoint(t, r.URL, webhook.CustomerDeleted)
	d, err := w.Ping(t.Context(), w.Viewer, webhook.PingEndpointInput{ID: e.ID()})
	require.NoError(t, err)
	require.Equal(t, webhook.Pending, d.State)
	w.drain(t, e)
	r.set(nil)
	w.Clock.Advance(time.Second)
	again, err := w.Redeliver(t.Context(), w.Viewer, webhook.RedeliverInput{ID: d.ID()})
	require.NoError(t, err)
	require.NotEqual(t, d.ID(), again.ID())
	require.Equal(t, []string{d.EventID, d.SubjectID, "PING"}, []string{again.EventID, again.SubjectID, string(again.Event)})
	w.Clock.Advance(time.Minute)
	w.drain(t, e)
	for _, d := range w.deliveries(t) {
		require.Equal(t, webhook.Delivered, d.State)
	}
	all := r.all()
	require.Len(t, all, 3)
	for _, got := range all {
		require.Equal(t, all[0].body, got.body, "the same bytes, so the same event id")
		require.NoError(t, webhook.Verify(secret, got.header.Get(webhook.HeaderSignature), got.body, w.Clock.Now(), 2*time.Minute))
	}
	var body struct {
		ID, Type, OrganizationID string
		Data                     struct{ Endpoint string }
	}
	require.NoError(t, json.Unmarshal(all[0].body, &body))
	require.Equal(t, []string{d.EventID, "ping", e.ID().String()}, []string{body.ID, body.Type, body.Data.Endpoint})
	require.Equal(t, []int{1, 1}, []int{w.Audited(t, "webhook_endpoint.pinged"), w.Audited(t, "webhook_delivery.redelivered")})

	_, err = w.UpdateEndpoint(t.Context(), w.Viewer, webhook.UpdateEndpointInput{ID: e.ID(), IsEnabled: val(false)})
	require.NoError(t, err)
	_, err = w.Ping(t.Context(), w.Viewer, webhook.PingEndpointInput{ID: e.ID()})
	require.Equal(t, []string{"INVALID_STATE input.id"}, refused(t, err))
	_, err = w.Redeliver(t.Context(), w.Viewer, webhook.RedeliverInput{ID: d.ID()})
	require.Equal(t, []string{"INVALID_STATE input.id"}, refused(t, err))
}

func TestDeleteEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, _ := w.endpoint(t, "https://hooks.example.com")
	kept, _ := w.endpoint(t, "https://kept.example.com")
	w.emit(t, events(30, webhook.CustomerUpdated)...)
	got, err := w.DeleteEndpoint(t.Context(), w.Viewer, webhook.DeleteEndpointInput{ID: e.ID()})
	require.NoError(t, err)
	require.Equal(t, e.ID(), got.ID())
	_, err = webhook.Endpoints.ByID(t.Context(), w.Pool, w.Viewer.Scope(), e.UUID)
	require.Equal(t, fault.NotFound, fault.CodeOf(err))
	_, err = w.DeleteEndpoint(t.Context(), w.Viewer, webhook.DeleteEndpointInput{ID: e.ID()})
	require.Equal(t, []string{"NOT_FOUND input.id"}, refused(t, err))
	require.Equal(t, 1, w.jobs(t, "webhook.forget"))
	require.Equal(t, 1, w.Audited(t, "webhook_endpoint.deleted"))

	w.emit(t, events(1, webhook.CustomerUpdated)...)
	w.drain(t, e)
	done, err := w.deliverer.Forget(t.Context(), e.OrganizationID, e.UUID)
	require.NoError(t, err)
	require.True(t, done)
	rows := w.deliveries(t)
	require.Len(t, rows, 31)
	for _, d := range rows {
		require.Equal(t, kept.UUID, d.EndpointID)
	}
}

// An endpoint that is deleted while others emit never makes their transactions fail, nor leaves a delivery behind.
func TestDeleteWhileOthersEmit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, _ := w.endpoint(t, "https://hooks.example.com")
	var group sync.WaitGroup
	started := make(chan struct{}, 4)
	for range 4 {
		group.Go(func() {
			for i := range 25 {
				if i == 3 {
					started <- struct{}{}
				}
				if err := w.Pool.InTx(context.Background(), w.Clock.Now(), func(tx *db.Tx) error {
					return w.outbox.Emit(context.Background(), tx, w.Viewer, events(2, webhook.CustomerCreated)...)
				}); err != nil {
					t.Errorf("emit: %v", err)
				}
			}
		})
	}
	for range 4 {
		<-started
	}
	_, err := w.DeleteEndpoint(t.Context(), w.Viewer, webhook.DeleteEndpointInput{ID: e.ID()})
	require.NoError(t, err)
	_, err = w.deliverer.Forget(t.Context(), e.OrganizationID, e.UUID)
	require.NoError(t, err)
	group.Wait()
	require.Empty(t, w.deliveries(t))
}
