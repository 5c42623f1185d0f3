package idempotency_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/fault"
	"caseload/internal/idempotency"
)

func TestCheckKey(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"k", "0", `"8e03978e-40d5-43dd-bc93-6894a57f9324"`, "~!", strings.Repeat("x", 255)} {
		require.NoError(t, idempotency.CheckKey(key), key)
	}
	for _, key := range []string{"", " ", "a b", "a\tb", "a\x00", "a\x7f", "é", "k\n", strings.Repeat("x", 256)} {
		err := idempotency.CheckKey(key)
		require.Equal(t, fault.BadRequest, fault.CodeOf(err), key)
		if strings.TrimSpace(key) != "" {
			require.NotContains(t, err.Error(), key)
		}
	}
}

// A key that passes is one that a header can carry and that names one thing.
func FuzzCheckKey(f *testing.F) {
	for _, seed := range []string{"", "k", "a b", "\x00", "\x80", "é", strings.Repeat("x", 256)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		plain := len(key) >= 1 && len(key) <= idempotency.MaxKey && !strings.ContainsFunc(key, func(r rune) bool { return r < '!' || r > '~' })
		require.Equal(t, plain, idempotency.CheckKey(key) == nil, "%q", key)
	})
}
