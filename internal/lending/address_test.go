package lending

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestValidateBaseURL(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://lms.example.com":           "https://lms.example.com",
		"https://lms.example.com/":          "https://lms.example.com",
		"https://lms.example.com:8443/a/b/": "https://lms.example.com:8443/a/b",
		"https://8.8.8.8/x":                 "https://8.8.8.8/x",
		"https://[2606:4700::1111]:444":     "https://[2606:4700::1111]:444",
		"https://xn--bcher-kva.example":     "https://xn--bcher-kva.example",
	} {
		got, err := parseBaseURL(raw, false)
		require.NoError(t, err, raw)
		require.Equal(t, want, got)
		require.NoError(t, ValidateBaseURL(raw, true), raw)
	}

	never := []string{
		"", "lms.example.com", "//lms.example.com", "ftp://lms.example.com", "file:///etc/passwd", "https:", "https://", "https:///path",
		"https:lms.example.com", "https://user@lms.example.com", "https://user:secret-word@lms.example.com", "https://lms.example.com?",
		"https://lms.example.com?a=b", "https://lms.example.com#", "https://lms.example.com#part", "https://lms.example.com/a//b",
		"https://lms.example.com/../b", "https://lms.example.com/%2e%2e/b", "https://lms.example.com/a b", "https://lms.example.com\\@evil.example",
		"https://lms.example.com:0", "https://lms.example.com:", "https://lms.example.com:99999", "https://lms.example.com:http",
		"https://127.1", "https://2130706433", "https://0x7f000001", "https://0177.0.0.1", "https://127.0.0.1.", "https://a..b", "https://.example.com",
		"https://bücher.example", "https://lms.example.com/\x00", "https://lms.example.com/\n", "https://[::1", "https://[fe80::1%25eth0]",
		"https://lms_ä.example", "https://a*b.example", "https://" + strings.Repeat("a", 64) + ".example", "https://lms.example.com/" + strings.Repeat("a", 2048),
	}
	for _, raw := range never {
		require.Error(t, ValidateBaseURL(raw, true), "%q", raw)
		err := ValidateBaseURL(raw, false)
		require.Error(t, err, "%q", raw)
		for _, echo := range []string{"evil", "secret-word", "passwd", "99999"} {
			require.NotContains(t, err.Error(), echo)
		}
	}

	for _, raw := range []string{
		"http://lms.example.com", "https://localhost", "https://localhost.", "https://LOCALHOST:8443", "https://a.localhost", "https://metadata.google.internal",
		"https://printer.local", "https://127.0.0.1", "https://10.0.0.1", "https://[::1]", "https://[::ffff:10.0.0.1]", "https://169.254.169.254",
		"https://[fd00:ec2::254]", "https://100.64.0.1", "https://224.0.0.1",
	} {
		require.Error(t, ValidateBaseURL(raw, false), raw)
		require.NoError(t, ValidateBaseURL(raw, true), raw)
	}
}

func TestValidateKey(t *testing.T) {
	t.Parallel()
	require.NoError(t, ValidateKey("k_12345-ABC/def=~"))
	for _, raw := range []string{"", "short", "with space here", "new\nline-here", "tab\there-now", "ключключ", strings.Repeat("k", 513), "nul\x00nul-nul"} {
		require.Error(t, ValidateKey(raw), "%q", raw)
	}
}
