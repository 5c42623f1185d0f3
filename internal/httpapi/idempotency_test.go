package httpapi

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/fault"
)

func TestKeyOf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		headers    []string
		upgrade    string
		extensions map[string]any
		key        string
		code       fault.Code
	}{
		"none":                    {},
		"a header":                {headers: []string{"k"}, key: "k"},
		"an empty header":         {headers: []string{""}, code: fault.BadRequest},
		"two headers":             {headers: []string{"k", "k"}, code: fault.BadRequest},
		"an extension":            {extensions: map[string]any{"idempotencyKey": "k"}, key: "k"},
		"another extension":       {extensions: map[string]any{"idempotency": "k"}},
		"an extension of null":    {extensions: map[string]any{"idempotencyKey": nil}, code: fault.BadRequest},
		"an extension of numbers": {extensions: map[string]any{"idempotencyKey": 5}, code: fault.BadRequest},
		"both, equal":             {headers: []string{"k"}, extensions: map[string]any{"idempotencyKey": "k"}, key: "k"},
		"both, unequal":           {headers: []string{"k"}, extensions: map[string]any{"idempotencyKey": "K"}, code: fault.BadRequest},
		"of a WebSocket":          {headers: []string{"k"}, upgrade: "websocket"},
		"on a WebSocket":          {headers: []string{"k"}, upgrade: "websocket", extensions: map[string]any{"idempotencyKey": "other"}, key: "other"},
	} {
		h := http.Header{}
		for _, value := range c.headers {
			h.Add("idempotency-key", value)
		}
		if c.upgrade != "" {
			h.Set("Upgrade", c.upgrade)
		}
		key, err := keyOf(h, c.extensions)
		require.Equal(t, c.key, key, name)
		if c.code == "" {
			require.NoError(t, err, name)
		} else {
			require.Equal(t, c.code, fault.CodeOf(err), name)
		}
	}
}

// Whatever is sent, a key that comes through is well formed and was sent, and a refusal repeats nothing of it.
func FuzzIdempotencyKey(f *testing.F) {
	f.Add("k", "", "", byte(1))
	f.Add("k", "k", "k", byte(7))
	f.Add("a b", "\x00", "é", byte(3))
	f.Add("", "", "", byte(4))
	f.Fuzz(func(t *testing.T, first, second, extension string, which byte) {
		h, extensions := http.Header{}, map[string]any{}
		var sent []string
		if which&1 != 0 {
			h.Add(idempotencyHeader, first)
			sent = append(sent, first)
		}
		if which&2 != 0 {
			h.Add(idempotencyHeader, second)
			sent = append(sent, second)
		}
		if which&4 != 0 {
			extensions[keyExtension] = extension
			sent = append(sent, extension)
		}
		key, err := keyOf(h, extensions)
		switch {
		case err != nil:
			require.Equal(t, fault.BadRequest, fault.CodeOf(err))
			for _, s := range sent {
				if len(s) > 40 {
					require.NotContains(t, err.Error(), s)
				}
			}
		case key != "":
			require.True(t, slices.Contains(sent, key))
			require.Regexp(t, `^[!-~]{1,255}$`, key)
		default:
			require.Empty(t, sent)
		}
	})
}

func TestTheKeyOfARequest(t *testing.T) {
	t.Parallel()
	b := newBench(t, roomy)
	const mutation = `{"query":"mutation { updateCustomer(input: {}) { customer { id } } }"}`
	send := func(body string, keys ...string) (code string, ran bool) {
		t.Helper()
		r := post(body)
		for _, key := range keys {
			r.Header.Add(idempotencyHeader, key)
		}
		before := b.executed.Load()
		response := b.do(t, r)
		return response.code(), b.executed.Load() > before
	}
	for _, key := range []string{"k", strings.Repeat("x", 255)} {
		code, ran := send(mutation, key)
		require.Empty(t, code)
		require.True(t, ran)
	}
	for _, wrong := range [][]string{{""}, {"a b"}, {"é"}, {strings.Repeat("x", 256)}, {"k", "k"}} {
		code, ran := send(mutation, wrong...)
		require.Equal(t, "BAD_REQUEST", code, wrong)
		require.False(t, ran)
		code, ran = send(`{"query":"{ me { id } }"}`, wrong...)
		require.Empty(t, code, "a query has no use for a key")
		require.True(t, ran)
	}
}
