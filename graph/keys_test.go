package graph_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"caseload/internal/dbtest"
	"caseload/internal/graphtest"
	"caseload/internal/viewer"
)

const whoami = `{ viewer { name kind scopes organization { name } } }`

// newKey makes an API key by the API itself and returns its id and text.
func newKey(t testing.TB, s *graphtest.Server, by, scopes, expires string) (id, text string) {
	t.Helper()
	r := s.OK(t, by, `mutation { createApiKey(input: {name: "made by a test", scopes: [`+scopes+`]`+expires+`}) { apiKey { id } key userErrors { code path } } }`, nil)
	require.NotEmpty(t, r.Text("createApiKey.key"), r.Body)
	return r.Text("createApiKey.apiKey.id"), r.Text("createApiKey.key")
}

func revoke(t testing.TB, s *graphtest.Server, by, id string) {
	t.Helper()
	r := s.OK(t, by, `mutation ($id: ID!) { revokeApiKey(input: {id: $id}) { apiKey { revokedAt } userErrors { code } } }`, vars{"id": id})
	require.NotNil(t, r.At("revokeApiKey.apiKey.revokedAt"), r.Body)
}

// A key that is revoked at one server process is refused at once by it, and by every other as soon as the
// message has crossed; that is waited for, not slept for.
func TestRevokedKeyIsRefusedEverywhere(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	second := w.Start(t)
	id, key := newKey(t, w.Server, w.Harbor.Key, "CUSTOMERS_READ", "")
	for _, s := range []*graphtest.Server{w.Server, second} {
		assert.Equal(t, "made by a test", s.OK(t, key, whoami, nil).At("viewer.name"))
	}
	revoke(t, w.Server, w.Harbor.Key, id)
	r := w.Do(t, key, whoami, nil)
	assert.Equal(t, "UNAUTHENTICATED", r.Code(), "at once where it was revoked: %s", r.Body)
	assert.Equal(t, 401, r.Status)
	// The clock of the world stands still: the other one does not learn it by its memory running out.
	require.Eventually(t, func() bool { return second.Do(t, key, whoami, nil).Code() == "UNAUTHENTICATED" }, dbtest.Patience, 5*time.Millisecond)
	// Revoking is safe to repeat, and an unknown key is answered like a revoked one.
	revoke(t, second, w.Harbor.Key, id)
	unknown := w.Do(t, key[:len(key)-4]+"zzzz", whoami, nil)
	assert.Equal(t, r.Errors[0].Message, unknown.Errors[0].Message)
	assert.NotContains(t, w.Log.String()+second.Log.String(), key)
}

func TestExpiredKeyIsRefused(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	_, key := newKey(t, w.Server, w.Harbor.Key, "CUSTOMERS_READ", `, expiresAt: "2026-03-09T16:00:00Z"`)
	w.OK(t, key, whoami, nil)
	w.Clock.Advance(time.Hour - time.Second)
	w.OK(t, key, whoami, nil)
	w.Clock.Advance(time.Second)
	r := w.Do(t, key, whoami, nil)
	assert.Equal(t, "UNAUTHENTICATED", r.Code(), r.Body)
	past := w.OK(t, w.Harbor.Key, `mutation { createApiKey(input: {name: "late", scopes: [CUSTOMERS_READ], expiresAt: "2026-03-09T15:59:59Z"}) { key userErrors { code path } } }`, nil)
	assert.Equal(t, "OUT_OF_RANGE", past.At("createApiKey.userErrors.0.code"))
	assert.Nil(t, past.At("createApiKey.key"))
}

func TestKeysCannotGrantWhatTheirCreatorLacks(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	creator := w.Harbor.KeyWith(t, viewer.APIKeysWrite, viewer.CustomersRead)
	r := w.OK(t, creator, `mutation { createApiKey(input: {name: "too much", scopes: [CUSTOMERS_READ, PII_REVEAL, AUDIT_READ]}) { apiKey { id } key userErrors { code path } } }`, nil)
	assert.Nil(t, r.At("createApiKey.key"))
	assert.Equal(t, "NOT_ALLOWED", r.At("createApiKey.userErrors.0.code"))
	assert.Equal(t, "input.scopes.1", join(r.At("createApiKey.userErrors.0.path")))
	assert.Equal(t, "input.scopes.2", join(r.At("createApiKey.userErrors.1.path")))
	_, key := newKey(t, w.Server, creator, "CUSTOMERS_READ", "")
	assert.Equal(t, []any{"CUSTOMERS_READ"}, w.OK(t, key, whoami, nil).At("viewer.scopes"))
	assert.Equal(t, "FORBIDDEN", w.Do(t, key, `mutation { createApiKey(input: {name: "x", scopes: [CUSTOMERS_READ]}) { key } }`, nil).Code())
	// The list shows records, never keys, and the audit log tells who made them.
	list := w.OK(t, w.Harbor.Key, `{ apiKeys(first: 100) { nodes { name scopes createdBy } } auditEntries(filter: {action: {eq: "api_key.created"}}) { nodes { actorName changes } } }`, nil)
	assert.NotContains(t, list.Body, "cl_")
	assert.NotEmpty(t, list.At("auditEntries.nodes"))
}

// socket speaks graphql-transport-ws as far as these tests need it.
type socket struct {
	t    testing.TB
	conn *websocket.Conn
}

func dial(t testing.TB, s *graphtest.Server, key string) *socket {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), strings.Replace(s.Address(), "http", "ws", 1), &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.CloseNow() })
	c := &socket{t, conn}
	c.say(`{"type":"connection_init","payload":{"X-API-Key":"` + key + `"}}`)
	require.Contains(t, c.hear(), "connection_ack")
	return c
}

func (c *socket) say(message string) {
	c.t.Helper()
	require.NoError(c.t, c.conn.Write(c.t.Context(), websocket.MessageText, []byte(message)))
}

func (c *socket) read() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dbtest.Patience)
	defer cancel()
	_, body, err := c.conn.Read(ctx)
	return string(body), err
}

func (c *socket) hear() string {
	c.t.Helper()
	body, err := c.read()
	require.NoError(c.t, err)
	return body
}

// ended reads to the end of the connection and returns its code.
func (c *socket) ended() websocket.StatusCode {
	c.t.Helper()
	for {
		if _, err := c.read(); err != nil {
			require.NoError(c.t, context.Cause(c.t.Context()))
			return websocket.CloseStatus(err)
		}
	}
}

// Open subscriptions of a key end when it is revoked, at every server process; those of others go on.
func TestRevokedKeyEndsItsSubscriptions(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	second := w.Start(t)
	p := w.Harbor.Person(t)
	id, key := newKey(t, w.Server, w.Harbor.Key, "CUSTOMERS_READ, SCHEDULES_READ", "")
	subscribe := `{"id":"1","type":"subscribe","payload":{"query":"subscription { scheduleChanged { kind } }"}}`
	here, there := dial(t, w.Server, key), dial(t, second, key)
	here.say(subscribe)
	there.say(subscribe)
	stream := second.Subscribe(t, key, watch, nil)
	other := second.Subscribe(t, w.Harbor.Key, watch, nil)
	change := func() { syncAs(t, w.Server, w.Harbor.Key, p.ReferenceID, "Begun") }
	untilEvent(t, stream, change)
	untilEvent(t, other, change)
	assert.Contains(t, here.hear(), `"next"`)
	assert.Contains(t, there.hear(), `"next"`)

	revoke(t, w.Server, w.Harbor.Key, id)
	assert.EqualValues(t, 4401, here.ended(), "where it was revoked")
	assert.EqualValues(t, 4401, there.ended(), "at the other server")
	stream.Ended()
	untilEvent(t, other, change)
}
