package identity_test

import (
	"context"
	"encoding/hex"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.jetify.com/typeid/v2/base32"

	"caseload/internal/audit"
	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/fault"
	"caseload/internal/identity"
	"caseload/internal/notify"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// patience bounds what must happen: a test that waits longer has found a fault.
const patience = 20 * time.Second

var noon = time.Date(2026, 3, 2, 12, 0, 30, 0, time.UTC)

// process is one server process with its own connections and its own memory of keys.
type process struct {
	*identity.Keys
	pool *db.Pool
	// changed gets every change of a key that the process has heard of and acted on.
	changed chan notify.Message
	clock   *atomic.Int64
}

func start(t testing.TB, address string, clock *atomic.Int64) *process {
	t.Helper()
	pool, err := db.Open(address, db.Settings{MaxOpen: 4})
	require.NoError(t, err)
	t.Cleanup(func() { _ = pool.Close() })
	bus := notify.New(pool, address, slog.New(slog.DiscardHandler))
	p := &process{pool: pool, changed: make(chan notify.Message, 100), clock: clock}
	p.Keys = identity.NewKeys(pool, bus, p.now)
	bus.OnMessage("api_key", func(m notify.Message) { p.changed <- m })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- bus.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	require.Eventually(t, bus.Connected, patience, time.Millisecond)
	return p
}

func (p *process) now() time.Time { return noon.Add(time.Duration(p.clock.Load())) }

func next[V any](t testing.TB, c <-chan V) (V, bool) {
	t.Helper()
	select {
	case v, ok := <-c:
		return v, ok
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func owner(organizationID uuid.UUID) *viewer.Viewer {
	return &viewer.Viewer{Kind: viewer.APIKey, OrganizationID: organizationID, ActorID: db.NewID(), ActorName: "owner",
		Scopes: []viewer.Scope{viewer.APIKeysWrite, viewer.CustomersRead}, RequestID: "req-1", IP: "192.0.2.1"}
}

func input(scopes ...viewer.Scope) identity.CreateAPIKeyInput {
	return identity.CreateAPIKeyInput{Name: " dialer ", Scopes: scopes}
}

func (p *process) refuses(t testing.TB, text string) {
	t.Helper()
	v, err := p.Authenticate(t.Context(), text)
	require.Nil(t, v)
	require.Equal(t, fault.Unauthenticated, fault.CodeOf(err), err)
}

func (p *process) accepts(t testing.TB, text string) *viewer.Viewer {
	t.Helper()
	v, err := p.Authenticate(t.Context(), text)
	require.NoError(t, err)
	return v
}

func TestKeyOpensAndIsRevokedEverywhereAtOnce(t *testing.T) {
	t.Parallel()
	address, clock := dbtest.New(t), new(atomic.Int64)
	a, b := start(t, address, clock), start(t, address, clock)
	me := owner(db.NewID())
	key, text, err := a.Create(t.Context(), me, input(viewer.CustomersRead, viewer.APIKeysWrite, viewer.CustomersRead))
	require.NoError(t, err)
	require.Equal(t, "dialer", key.Name)
	require.Equal(t, []viewer.Scope{viewer.APIKeysWrite, viewer.CustomersRead}, key.Scopes())
	require.Regexp(t, `^cl_[0-9a-z]{84}$`, text)

	for _, p := range []*process{a, b} {
		ctx := db.WithCounter(t.Context())
		for range 3 {
			v, err := p.Authenticate(ctx, text)
			require.NoError(t, err)
			require.Equal(t, &viewer.Viewer{Kind: viewer.APIKey, OrganizationID: me.OrganizationID, ActorID: key.UUID, ActorName: "dialer",
				Scopes: []viewer.Scope{viewer.APIKeysWrite, viewer.CustomersRead}}, v)
		}
		require.Equal(t, 1, db.Statements(ctx), "a known key costs no statement")
	}
	onA, onB := a.Revoked(t.Context(), a.accepts(t, text)), b.Revoked(t.Context(), b.accepts(t, text))

	revoked, err := a.Revoke(t.Context(), me, identity.RevokeAPIKeyInput{ID: key.ID()})
	require.NoError(t, err)
	require.NotNil(t, revoked.RevokedAt)
	require.Equal(t, int32(2), revoked.Version)
	a.refuses(t, text)
	m, _ := next(t, b.changed)
	require.Equal(t, key.UUID, m.Subject)
	b.refuses(t, text)
	_, open := next(t, onA)
	require.False(t, open)
	_, open = next(t, onB)
	require.False(t, open)

	again, err := a.Revoke(t.Context(), me, identity.RevokeAPIKeyInput{ID: key.ID()})
	require.NoError(t, err)
	require.Equal(t, int32(2), again.Version)
	require.True(t, again.RevokedAt.Equal(*revoked.RevokedAt))
}

func TestRevokedTellsOfWhatWasRevokedBefore(t *testing.T) {
	t.Parallel()
	p := start(t, dbtest.New(t), new(atomic.Int64))
	me := owner(db.NewID())
	key, text, err := p.Create(t.Context(), me, input(viewer.CustomersRead))
	require.NoError(t, err)
	v := p.accepts(t, text)
	require.NoError(t, p.Recheck(t.Context(), v))
	_, err = p.Revoke(t.Context(), me, identity.RevokeAPIKeyInput{ID: key.ID()})
	require.NoError(t, err)
	next(t, p.changed) // nothing more will be said of it
	require.Equal(t, fault.Unauthenticated, fault.CodeOf(p.Recheck(t.Context(), v)))
	_, open := next(t, p.Revoked(t.Context(), v))
	require.False(t, open)

	_, text, err = p.Create(t.Context(), me, input(viewer.CustomersRead))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := p.Revoked(ctx, p.accepts(t, text))
	select {
	case <-ended:
		t.Fatal("the key works")
	default:
	}
	cancel()
	_, open = next(t, ended)
	require.False(t, open, "it ends with its context")
}

func TestAPanicDoesNotEndAWatch(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	// Without a pool and a bus, each look panics.
	ended := identity.NewKeys(nil, notify.New(nil, "", slog.New(slog.DiscardHandler)), time.Now).Revoked(ctx, owner(db.NewID()))
	select {
	case <-ended:
		t.Fatal("nobody revoked the key")
	case <-time.After(10 * time.Millisecond):
	}
	cancel()
	_, open := next(t, ended)
	require.False(t, open)
}

func TestWrongKeysAreRefusedAlike(t *testing.T) {
	t.Parallel()
	p := start(t, dbtest.New(t), new(atomic.Int64))
	me := owner(db.NewID())
	key, text, err := p.Create(t.Context(), me, input(viewer.CustomersRead))
	require.NoError(t, err)
	_, foreign, err := p.Create(t.Context(), owner(db.NewID()), input(viewer.CustomersRead))
	require.NoError(t, err)
	organization, id, secret := text[3:29], text[29:55], text[55:]
	last := "a"
	if strings.HasSuffix(text, "a") {
		last = "b"
	}
	wrong := map[string]string{
		"empty":                   "",
		"mark only":               "cl_",
		"too short":               text[:len(text)-1],
		"too long":                text + "a",
		"another mark":            "xx_" + text[3:],
		"no base32":               "cl_" + strings.Repeat("!", 84),
		"ids beyond 128 bits":     "cl_" + strings.Repeat("z", 52) + secret,
		"upper case":              "cl_" + strings.ToUpper(text[3:]),
		"one digit of the secret": text[:len(text)-1] + last,
		"secret of another key":   "cl_" + organization + id + foreign[55:],
		"another organization":    "cl_" + foreign[3:29] + id + secret,
		"organization of nobody":  "cl_" + base32.EncodeToString(db.NewID()) + id + secret,
		"key of nobody":           "cl_" + organization + base32.EncodeToString(db.NewID()) + secret,
		"typed id":                key.ID().String(),
		"hash":                    hex.EncodeToString(key.Hash),
		"white space":             " " + text,
		"zero character":          text[:len(text)-1] + "\x00",
		"multibyte":               "cl_" + strings.Repeat("é", 42),
	}
	var message string
	for range 2 { // not known yet, and known
		for name, w := range wrong {
			t.Run(name, func(t *testing.T) {
				_, err := p.Authenticate(t.Context(), w)
				require.Equal(t, fault.Unauthenticated, fault.CodeOf(err))
				if message == "" {
					message = err.Error()
				}
				require.Equal(t, message, err.Error(), "the answer does not tell what is wrong")
			})
		}
		require.Equal(t, key.UUID, p.accepts(t, text).ActorID)
	}
}

func TestKeyExpires(t *testing.T) {
	t.Parallel()
	clock := new(atomic.Int64)
	p := start(t, dbtest.New(t), clock)
	in := input(viewer.CustomersRead)
	in.ExpireAfter(noon, time.Minute)
	_, text, err := p.Create(t.Context(), owner(db.NewID()), in)
	require.NoError(t, err)
	v := p.accepts(t, text)
	clock.Store(int64(time.Minute - time.Nanosecond))
	p.accepts(t, text)
	clock.Store(int64(time.Minute))
	p.refuses(t, text)
	require.Equal(t, fault.Unauthenticated, fault.CodeOf(p.Recheck(t.Context(), v)))
}

// A revocation that the process was never told of takes effect when the memory of the key is too old.
func TestKeysAreNotTrustedForLong(t *testing.T) {
	t.Parallel()
	clock := new(atomic.Int64)
	p := start(t, dbtest.New(t), clock)
	_, text, err := p.Create(t.Context(), owner(db.NewID()), input(viewer.CustomersRead))
	require.NoError(t, err)
	p.accepts(t, text)
	_, err = p.pool.Exec(t.Context(), "UPDATE api_keys SET revoked_at = created_at")
	require.NoError(t, err)
	p.accepts(t, text)
	clock.Store(int64(30 * time.Second))
	p.refuses(t, text)
}

func TestOutageIsNoRefusal(t *testing.T) {
	t.Parallel()
	p := start(t, dbtest.New(t), new(atomic.Int64))
	_, text, err := p.Create(t.Context(), owner(db.NewID()), input(viewer.CustomersRead))
	require.NoError(t, err)
	require.NoError(t, p.pool.Close())
	_, err = p.Authenticate(t.Context(), text)
	require.Error(t, err)
	require.NotEqual(t, fault.Unauthenticated, fault.CodeOf(err))
}

func TestCreateRefusesWrongInput(t *testing.T) {
	t.Parallel()
	p := start(t, dbtest.New(t), new(atomic.Int64))
	me := owner(db.NewID())
	for name, c := range map[string]struct {
		in   identity.CreateAPIKeyInput
		code fault.UserCode
		path string
	}{
		"no name":         {identity.CreateAPIKeyInput{Name: " \t", Scopes: me.Scopes}, fault.Blank, "input.name"},
		"long name":       {identity.CreateAPIKeyInput{Name: strings.Repeat("é", 256), Scopes: me.Scopes}, fault.TooLong, "input.name"},
		"no scope":        {identity.CreateAPIKeyInput{Name: "x"}, fault.Required, "input.scopes"},
		"scope one lacks": {input(viewer.CustomersRead, viewer.PIIReveal), fault.NotAllowed, "input.scopes.1"},
		"scope of nobody": {input("EVERYTHING"), fault.NotAllowed, "input.scopes.0"},
		"past":            {identity.CreateAPIKeyInput{Name: "x", Scopes: me.Scopes, ExpiresAt: graphql.OmittableOf(&noon)}, fault.OutOfRange, "input.expiresAt"},
	} {
		t.Run(name, func(t *testing.T) {
			key, text, err := p.Create(t.Context(), me, c.in)
			require.Nil(t, key)
			require.Empty(t, text)
			users, ok := fault.AsUserErrors(err)
			require.True(t, ok, err)
			require.Len(t, users, 1)
			require.Equal(t, c.code, users[0].Code)
			require.Equal(t, c.path, strings.Join(users[0].Path, "."))
		})
	}
	long := input(viewer.CustomersRead)
	long.Name = strings.Repeat("é", 255)
	_, _, err := p.Create(t.Context(), me, long)
	require.NoError(t, err)
	n, err := identity.APIKeys.Count(t.Context(), p.pool, me.Scope(), db.Where{})
	require.NoError(t, err)
	require.Equal(t, 1, n)

	system := &viewer.Viewer{Kind: viewer.System, OrganizationID: me.OrganizationID}
	key, _, err := p.Create(t.Context(), system, input(viewer.PIIReveal))
	require.NoError(t, err, "the command line makes the first key")
	require.Equal(t, "system", key.CreatedBy)
	_, _, err = p.Create(t.Context(), system, input("EVERYTHING"))
	_, ok := fault.AsUserErrors(err)
	require.True(t, ok, "but not with a scope that does not exist")
}

func TestRevokeReachesItsOwnOrganizationOnly(t *testing.T) {
	t.Parallel()
	p := start(t, dbtest.New(t), new(atomic.Int64))
	key, text, err := p.Create(t.Context(), owner(db.NewID()), input(viewer.CustomersRead))
	require.NoError(t, err)
	for _, id := range []uuid.UUID{key.UUID, db.NewID()} {
		_, err = p.Revoke(t.Context(), owner(db.NewID()), identity.RevokeAPIKeyInput{ID: relay.ID{Prefix: "key", UUID: id}})
		users, ok := fault.AsUserErrors(err)
		require.True(t, ok)
		require.Equal(t, fault.UserErrors{{Code: fault.Missing, Message: "There is no such API key in this organization.", Path: []string{"input", "id"}}}, users)
	}
	_, err = p.Revoke(t.Context(), owner(key.OrganizationID), identity.RevokeAPIKeyInput{ID: relay.ID{Prefix: "cust", UUID: key.UUID}})
	require.Equal(t, fault.BadUserInput, fault.CodeOf(err))
	p.accepts(t, text)
}

func TestLastUseIsWrittenToTheMinute(t *testing.T) {
	t.Parallel()
	clock := new(atomic.Int64)
	p := start(t, dbtest.New(t), clock)
	me := owner(db.NewID())
	key, text, err := p.Create(t.Context(), me, input(viewer.CustomersRead))
	require.NoError(t, err)
	_, unused, err := p.Create(t.Context(), me, input(viewer.CustomersRead))
	require.NoError(t, err)
	used := func() *time.Time {
		row, err := identity.APIKeys.ByID(t.Context(), p.pool, me.Scope(), key.UUID)
		require.NoError(t, err)
		require.Equal(t, int32(1), row.Version, "a use is no change")
		return row.LastUsedAt
	}
	p.refuses(t, unused[:len(unused)-1]+"!")
	require.NoError(t, p.Flush(t.Context()))
	require.Nil(t, used())
	p.accepts(t, text)
	require.Nil(t, used(), "not by the request itself")
	require.NoError(t, p.Flush(t.Context()))
	require.True(t, used().Equal(noon.Truncate(time.Minute)), used())

	clock.Store(int64(2 * time.Minute))
	p.accepts(t, text)
	clock.Store(0)
	p.accepts(t, text)
	require.NoError(t, p.Flush(t.Context()))
	clock.Store(int64(-time.Hour))
	p.accepts(t, text)
	require.NoError(t, p.Flush(t.Context()))
	require.False(t, used().Before(noon.Truncate(time.Minute)), "it never goes back")

	ctx := db.WithCounter(t.Context())
	require.NoError(t, p.Flush(ctx))
	require.Zero(t, db.Statements(ctx))

	keys, err := p.List(t.Context(), me.OrganizationID)
	require.NoError(t, err)
	require.Len(t, keys, 2)
	require.Nil(t, keys[1].LastUsedAt)
}

func TestEverythingIsAuditedAndNoKeyIsStored(t *testing.T) {
	t.Parallel()
	p := start(t, dbtest.New(t), new(atomic.Int64))
	me := owner(db.NewID())
	key, text, err := p.Create(t.Context(), me, input(viewer.CustomersRead))
	require.NoError(t, err)
	p.accepts(t, text)
	require.NoError(t, p.Flush(t.Context()))
	for range 2 {
		_, err = p.Revoke(t.Context(), me, identity.RevokeAPIKeyInput{ID: key.ID()})
		require.NoError(t, err)
	}
	entries, err := audit.Entries.List(t.Context(), p.pool, me.Scope(), db.Where{}, db.Page{Order: db.By("occurred_at")})
	require.NoError(t, err)
	require.Len(t, entries, 2, "revoking again did nothing")
	for i, action := range []string{"api_key.created", "api_key.revoked"} {
		e := entries[i]
		require.Equal(t, action, e.Action)
		require.Equal(t, key.ID().String(), e.TargetID)
		require.Equal(t, me.ActorText(), e.ActorID)
		require.Equal(t, []string{"owner", "req-1", "192.0.2.1"}, []string{e.ActorName, e.RequestID, e.IP})
	}
	require.JSONEq(t, `{"name": "dialer", "scopes": ["CUSTOMERS_READ"], "expiresAt": null}`, string(entries[0].Changes))

	// Every column of every row, as text.
	var tables []string
	require.NoError(t, p.pool.Select(t.Context(), &tables, `SELECT CAST(oid::regclass AS text) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`))
	secret := text[55:]
	rows := 0
	for _, table := range tables {
		var lines []string
		require.NoError(t, p.pool.Select(t.Context(), &lines, "SELECT CAST(x AS text) FROM "+table+" x"))
		for _, line := range lines {
			rows++
			require.NotContains(t, line, secret, table)
			require.NotContains(t, line, hex.EncodeToString([]byte(secret)), table)
		}
	}
	require.Greater(t, rows, 2)
}

func TestOrganizations(t *testing.T) {
	t.Parallel()
	p := start(t, dbtest.New(t), new(atomic.Int64))
	first, second := db.NewID(), db.NewID()
	_, err := identity.CreateOrganization(t.Context(), p.pool, second, "Second", "America/Chicago", noon.Add(time.Second))
	require.NoError(t, err)
	o, err := identity.CreateOrganization(t.Context(), p.pool, first, "First", "America/New_York", noon)
	require.NoError(t, err)
	require.Equal(t, relay.ID{Prefix: "org", UUID: first}, o.ID())
	all, err := identity.ListOrganizations(t.Context(), p.pool)
	require.NoError(t, err)
	require.Equal(t, []string{"First", "Second"}, []string{all[0].Name, all[1].Name})
	_, err = identity.CreateOrganization(t.Context(), p.pool, db.NewID(), "", "America/New_York", noon)
	require.Equal(t, "organizations_name_length", db.Violated(err))
}

func TestKeysAreUsedAtOnce(t *testing.T) {
	t.Parallel()
	p := start(t, dbtest.New(t), new(atomic.Int64))
	me := owner(db.NewID())
	key, text, err := p.Create(t.Context(), me, input(viewer.CustomersRead))
	require.NoError(t, err)
	begin, done := make(chan struct{}), make(chan error, 16)
	for i := range 16 {
		go func() {
			<-begin
			if i == 8 {
				_, err := p.Revoke(context.Background(), me, identity.RevokeAPIKeyInput{ID: key.ID()})
				done <- err
				return
			}
			_, err := p.Authenticate(context.Background(), text)
			if fault.CodeOf(err) == fault.Unauthenticated {
				err = nil
			}
			done <- err
		}()
	}
	close(begin)
	for range 16 {
		require.NoError(t, <-done)
	}
	p.refuses(t, text)
}
