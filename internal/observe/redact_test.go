package observe

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What the quick look lets pass must hold nothing that the expression would have found.
func TestSuspiciousMissesNoShape(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"078-05-1120", "a 078-05-1120 b", "-078-05-1120", "jane@example.com", "cl_abcdefgh", "x cl_abcdefgh", "Bearer abc", "BEARER  a.b", "x bEaReR\tabc",
	} {
		require.True(t, shapes.MatchString(text), text)
		require.True(t, suspicious(text), text)
	}
	for _, text := range []string{"", "request", "/graphql", "01a1fc77-3048-758c-a991-a69d0656790e", "customers_first", "_", "r", "-"} {
		require.False(t, suspicious(text), text)
	}
	part := rapid.SampledFrom([]string{
		"078", "05", "1120", "-", "--", "@", ".", "cl", "_", "abcdefgh", "bearer", "BeAR", "er", "Bearer", " ", "\n", "jane", "example.com", "é", "\u212a", "\u017f", "r", "R", "c", "l",
	})
	rapid.Check(t, func(t *rapid.T) {
		text := ""
		for _, p := range rapid.SliceOfN(part, 0, 12).Draw(t, "parts") {
			text += p
		}
		if redactText(text) != shapes.ReplaceAllString(text, redacted) {
			t.Fatalf("%q is redacted otherwise", text)
		}
	})
}

func TestRedactorRemembersFewKeys(t *testing.T) {
	t.Parallel()
	r := new(redactor)
	for i := range 2 * maxKnownKeys {
		key := string(rune('a'+i%26)) + string(rune(0x4e00+i))
		require.Equal(t, IsSensitive(key), r.sensitive(key))
	}
	require.Len(t, r.known, maxKnownKeys)
	for range 2 {
		require.True(t, r.sensitive("email"))
		require.False(t, r.sensitive("path"))
	}
}
