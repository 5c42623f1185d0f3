package config

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"caseload/internal/httpapi"
	"caseload/internal/pii"
)

func keysText(t *testing.T) string {
	t.Helper()
	keys, err := pii.GenerateKeys()
	require.NoError(t, err)
	text, err := keys.Text()
	require.NoError(t, err)
	return text
}

func TestNothingIsNeededForDevelopment(t *testing.T) {
	t.Parallel()
	for _, environ := range [][]string{nil, {"PATH=/bin", "HOME="}, {"CASELOAD_LISTEN=", "DATABASE_URL=", "CASELOAD_PLAYGROUND="}} {
		c, err := Load(environ)
		require.NoError(t, err)
		require.False(t, c.Production())
		require.EqualValues(t, "127.0.0.1:8080", c.HTTP.Listen)
		require.True(t, c.HTTP.Playground)
		require.Equal(t, httpapi.IntrospectionOpen, c.HTTP.Introspection)
		require.True(t, c.Lending.AllowPrivate)
		require.Equal(t, 16, c.Database.MaxConnections)
		require.Equal(t, ".caseload", c.Database.DataDir)
		require.Equal(t, slog.LevelInfo, c.LogLevel)
		require.True(t, c.CompiledReads)
		require.Zero(t, c.MemoryLimit)
		require.Empty(t, cmp.Diff(httpapi.DefaultLimits(), c.Limits))
	}
}

func TestProductionOpensNothingByItself(t *testing.T) {
	t.Parallel()
	environ := []string{"CASELOAD_ENVIRONMENT=production", "DATABASE_URL=postgres://u:p@db/caseload", "CASELOAD_PII_KEYS=" + keysText(t), "CASELOAD_BLOB_URL=file:///srv/files"}
	c, err := Load(environ)
	require.NoError(t, err)
	require.True(t, c.Production())
	require.False(t, c.HTTP.Playground)
	require.Equal(t, httpapi.IntrospectionScoped, c.HTTP.Introspection)
	require.False(t, c.Lending.AllowPrivate)

	c, err = Load(append(environ, "CASELOAD_PLAYGROUND=true", "CASELOAD_INTROSPECTION=closed", "CASELOAD_LENDING_ALLOW_PRIVATE=1"))
	require.NoError(t, err)
	require.True(t, c.HTTP.Playground)
	require.Equal(t, httpapi.IntrospectionClosed, c.HTTP.Introspection)
	require.True(t, c.Lending.AllowPrivate)

	c, err = Load([]string{"CASELOAD_PLAYGROUND=false", "CASELOAD_LENDING_ALLOW_PRIVATE=false"})
	require.NoError(t, err)
	require.False(t, c.HTTP.Playground)
	require.False(t, c.Lending.AllowPrivate)

	_, err = Load([]string{"CASELOAD_ENVIRONMENT=production"})
	require.ErrorContains(t, err, "DATABASE_URL is required")
	require.ErrorContains(t, err, "CASELOAD_PII_KEYS or CASELOAD_PII_KEYS_FILE is required")
	require.ErrorContains(t, err, "CASELOAD_BLOB_URL is required in production, the same for every process")
}

func TestValuesArrive(t *testing.T) {
	t.Parallel()
	c, err := Load([]string{
		"CASELOAD_LISTEN=[::]:9000", "CASELOAD_LOG_LEVEL=debug", "CASELOAD_CORS_ORIGINS=https://a.example, http://localhost:3000",
		"CASELOAD_TRUSTED_PROXIES=10.1.2.3/8,192.168.0.1, fd00::/8", "CASELOAD_DRAIN_TIMEOUT=1m30s", "DATABASE_URL=postgresql://u:p%40@db:5433/x?sslmode=require",
		"CASELOAD_DB_MAX_CONNECTIONS=32", "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318", "CASELOAD_LIMIT_DEPTH=7", "CASELOAD_LENDING_TRIES=2",
		"CASELOAD_CURSOR_SECRET=0123456789abcdef", "CASELOAD_DEMO_CUSTOMERS=0", "CASELOAD_PII_KEYS_FILE=/run/keys", "OTEL_SERVICE_NAME=ignored",
		"CASELOAD_COMPILED_READS=false", "CASELOAD_MEMORY_LIMIT=2GiB",
	})
	require.NoError(t, err)
	require.EqualValues(t, "[::]:9000", c.HTTP.Listen)
	require.Equal(t, slog.LevelDebug, c.LogLevel)
	require.Equal(t, Origins{"https://a.example", "http://localhost:3000"}, c.HTTP.CORSOrigins)
	require.Equal(t, 90*time.Second, c.HTTP.DrainTimeout)
	require.Equal(t, "postgresql://u:p%40@db:5433/x?sslmode=require", c.Database.URL.Reveal())
	require.Equal(t, 32, c.Database.MaxConnections)
	require.EqualValues(t, "http://collector:4318", c.Telemetry.Endpoint)
	require.Equal(t, 7, c.Limits.MaxDepth)
	require.EqualValues(t, 2, c.Lending.Tries)
	require.Zero(t, c.Jobs.DemoCustomers)
	require.False(t, c.CompiledReads)
	require.EqualValues(t, 2<<30, c.MemoryLimit)
	for a, want := range map[string]bool{"10.255.0.1": true, "::ffff:10.0.0.1": true, "11.0.0.1": false, "192.168.0.1": true, "192.168.0.2": false, "fd12::1": true} {
		require.Equal(t, want, c.HTTP.TrustedProxies.Contains(netip.MustParseAddr(a)), a)
	}
}

// TestWrongValues gives each variable values that are wrong, one at a time, and expects the one problem that
// names the variable and what would be right, without the value.
func TestWrongValues(t *testing.T) {
	t.Parallel()
	wrong := map[string][]string{
		"CASELOAD_ENVIRONMENT":          {"prod", "Production", "canary-x"},
		"CASELOAD_LOG_LEVEL":            {"loud", "canary-x"},
		"CASELOAD_BLOB_URL":             {"/files", "file://files", "file:///", "file:///a?b=c", "s3://", "s3://bucket/folder", "s3://canary-x:y@bucket", "https://bucket", "mem://", "canary-x"},
		"CASELOAD_MEMORY_LIMIT":         {"512", "512MB", "512 MiB", "15MiB", "0GiB", "-1GiB", "1.5GiB", "2097152GiB", "MiB", "off", "canary-x"},
		"CASELOAD_OPS_LISTEN":           {"9090", "localhost", "http://localhost:80", ":99999", "canary-x:http", "a b:80"},
		"CASELOAD_LISTEN":               {"8080", "localhost", "http://localhost:80", ":99999", "canary-x:http", "a b:80"},
		"CASELOAD_INTROSPECTION":        {"on", "canary-x"},
		"CASELOAD_CORS_ORIGINS":         {"*", "https://*.canary-x", "https://canary-x/path", "https://canary-x/", "canary-x", "https://a,", "https://u@a", "HTTPS://A", "ftp://a"},
		"CASELOAD_TRUSTED_PROXIES":      {"canary-x", "10.0.0.0/33", "10.0.0.1,", "fe80::1%eth0"},
		"CASELOAD_PII_KEYS":             {"canary-x", "Y2FuYXJ5LXg="},
		"CASELOAD_CURSOR_SECRET":        {"canary-x"},
		"DATABASE_URL":                  {"canary-x", "mysql://canary-x@a/b", "host=a password=canary-x", "postgres://u:canary-x\x7f@a/b", "postgres://u:%zcanary-x@a/b"},
		"CASELOAD_LENDING_TIMEOUT":      {"4s", "20s", "canary-x"},
		"CASELOAD_LENDING_TRIES":        {"-1", "0", "11"},
		"CASELOAD_LIMIT_UPLOAD_STALL":   {"16m"},
		"CASELOAD_LIMIT_UPLOAD_TIMEOUT": {"14s"},
		"CASELOAD_LIMIT_UPLOAD_BYTES":   {"1125899906842625"},
		"CASELOAD_LINK_LIFETIME":        {"59s", "25h"},
		"CASELOAD_LIMIT_BODY_BYTES":     {"0", "-1", "4194305", "canary-x"},
		"CASELOAD_DB_STATEMENT_TIMEOUT": {"60", "0s", "-1s", "2h", "canary-x"},
	}
	for _, v := range variables() {
		switch {
		case v.isNumber() && v.kind != durationType && v.name != "CASELOAD_LOG_LEVEL":
			wrong[v.name] = append(wrong[v.name], "canary-x", "1.5", "99999999999999999999", "-1")
		case v.kind == durationType:
			wrong[v.name] = append(wrong[v.name], "canary-x", "15", "-1s", "0s")
		case v.kind.Kind().String() == "bool":
			wrong[v.name] = append(wrong[v.name], "canary-x", "yes", "2")
		case v.kind.Name() == "HTTPURL":
			wrong[v.name] = append(wrong[v.name], "canary-x", "ftp://canary-x", "http://", "https://u:canary-x@host")
		}
	}
	free := map[string]bool{"CASELOAD_DATA_DIR": true, "CASELOAD_PII_KEYS_FILE": true}
	for _, v := range variables() {
		if free[v.name] {
			continue
		}
		require.NotEmpty(t, wrong[v.name], "%s has no wrong value to be tested with", v.name)
		for _, value := range wrong[v.name] {
			c, err := Load([]string{v.name + "=" + value})
			var problems Problems
			require.ErrorAs(t, err, &problems, "%s=%s", v.name, value)
			require.Len(t, problems, 1, "%s=%s: %v", v.name, value, err)
			named := problems[0].Variable == v.name || strings.Contains(problems[0].Message, v.name)
			require.True(t, named, "%s=%s: %v", v.name, value, err)
			require.Contains(t, problems[0].Message, "must")
			require.NotContains(t, err.Error(), "canary-x")
			require.Equal(t, Config{}, c)
		}
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Load([]string{
		"CASELOAD_LISTEN=canary-x", "CASELOAD_DB_MAX_CONNECTIONS=1", "CASELOAD_LIMIT_DEPTH=0", "CASELOAD_LIMIT_DEPHT=9", "DATABASE_URL=canary-x",
		"CASELOAD_PII_KEYS=canary-x", "CASELOAD_PII_KEYS_FILE=b", "CASELOAD_LENDING_TRY_TIMEOUT=30s", "caseload_listen=:80", "CASELOAD_=1",
	})
	var problems Problems
	require.ErrorAs(t, err, &problems)
	var got []string
	for _, p := range problems {
		got = append(got, p.Variable)
	}
	require.Equal(t, []string{"CASELOAD_", "CASELOAD_DB_MAX_CONNECTIONS", "CASELOAD_LENDING_TRY_TIMEOUT", "CASELOAD_LIMIT_DEPHT", "CASELOAD_LIMIT_DEPTH",
		"CASELOAD_LISTEN", "CASELOAD_PII_KEYS", "DATABASE_URL", "caseload_listen"}, got)
	require.ErrorContains(t, err, "CASELOAD_LIMIT_DEPHT is not known; the closest known variable is CASELOAD_LIMIT_DEPTH")
	require.ErrorContains(t, err, "caseload_listen is not known; the closest known variable is CASELOAD_LISTEN")
	require.ErrorContains(t, err, "CASELOAD_DB_MAX_CONNECTIONS must be a whole number, from 4 to 1000")
	require.NotContains(t, err.Error(), "canary-x")
}

func TestKubernetesServiceLinks(t *testing.T) {
	t.Parallel()
	_, err := Load([]string{
		"CASELOAD_SERVICE_HOST=10.0.0.1", "CASELOAD_SERVICE_PORT=80", "CASELOAD_SERVICE_PORT_HTTP=80", "CASELOAD_PORT=tcp://10.0.0.1:80",
		"CASELOAD_PORT_80_TCP=tcp://10.0.0.1:80", "CASELOAD_PORT_80_TCP_PROTO=tcp", "CASELOAD_PORT_80_TCP_PORT=80", "CASELOAD_PORT_80_TCP_ADDR=10.0.0.1",
		"CASELOAD_WORKER_SERVICE_HOST=10.0.0.2", "CASELOAD_WORKER_PORT_80_TCP=tcp://10.0.0.2:80",
	})
	require.NoError(t, err)
	_, err = Load([]string{"CASELOAD_DEV_DATABSE_PORT=5432"})
	require.ErrorContains(t, err, "CASELOAD_DEV_DATABASE_PORT", "a mistyped name that looks like a link")
	for _, v := range variables() {
		require.False(t, serviceLink.MatchString(v.name), v.name)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	keys := keysText(t)
	c, err := Load([]string{"DATABASE_URL=postgres://u:canary-x@db/x", "CASELOAD_PII_KEYS=" + keys, "CASELOAD_CURSOR_SECRET=canary-x-canary-x"})
	require.NoError(t, err)
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb+verb, c, &c, struct{ C Config }{c})
		fmt.Fprintf(&out, verb+verb, c.Secrets, c.Database)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "config", c, "pointer", &c, "database", c.Database)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "config", c, "secrets", c.Secrets)
	for _, text := range []string{out.String(), log.String()} {
		require.NotContains(t, text, "canary-x")
		require.NotContains(t, text, fmt.Sprintf("%x", "canary-x"))
		require.NotContains(t, text, keys[:16])
	}
	require.Contains(t, c.String(), "DATABASE_URL=[redacted]\n")
	require.Contains(t, c.String(), "CASELOAD_LISTEN=127.0.0.1:8080\n")
	empty, err := Load(nil)
	require.NoError(t, err)
	require.Contains(t, empty.String(), "DATABASE_URL=\n", "whether a secret is set is no secret")
}

func TestKeys(t *testing.T) {
	t.Parallel()
	text := keysText(t)
	fromText, err := Load([]string{"CASELOAD_PII_KEYS=" + text})
	require.NoError(t, err)
	keys, err := fromText.Keys()
	require.NoError(t, err)
	again, err := keys.Text()
	require.NoError(t, err)

	dir := t.TempDir()
	made, err := Load([]string{"CASELOAD_DATA_DIR=" + dir})
	require.NoError(t, err)
	first, err := made.Keys()
	require.NoError(t, err)
	second, err := made.Keys()
	require.NoError(t, err)
	one, err := first.Text()
	require.NoError(t, err)
	two, err := second.Text()
	require.NoError(t, err)
	require.Equal(t, one, two, "the file that was made is found again")
	require.NotEqual(t, again, one)

	production := []string{"CASELOAD_ENVIRONMENT=production", "DATABASE_URL=postgres://u:p@db/x", "CASELOAD_BLOB_URL=s3://files"}
	missing, err := Load(append(production, "CASELOAD_PII_KEYS_FILE="+dir+"/forgotten/keys"))
	require.NoError(t, err)
	_, err = missing.Keys()
	require.ErrorContains(t, err, "CASELOAD_PII_KEYS_FILE")
	require.NoDirExists(t, dir+"/forgotten", "production makes no keys")
	present, err := Load(append(production, "CASELOAD_PII_KEYS_FILE="+dir+"/pii.keys"))
	require.NoError(t, err)
	_, err = present.Keys()
	require.NoError(t, err)
}

func TestCursorKey(t *testing.T) {
	t.Parallel()
	sealer := func() *pii.Sealer {
		keys, err := pii.GenerateKeys()
		require.NoError(t, err)
		s, err := pii.NewSealer(keys)
		require.NoError(t, err)
		return s
	}
	a, b := sealer(), sealer()
	var c Config
	require.Len(t, c.CursorKey(a), 32)
	require.Equal(t, c.CursorKey(a), c.CursorKey(a))
	require.NotEqual(t, c.CursorKey(a), c.CursorKey(b))
	require.NotEqual(t, c.CursorKey(a)[:8], c.CursorKey(a)[8:16])
	c.Secrets.CursorSecret = "0123456789abcdef"
	require.Equal(t, "0123456789abcdef", string(c.CursorKey(a)))
}

func TestObjectStore(t *testing.T) {
	t.Parallel()
	c, err := Load([]string{"CASELOAD_DATA_DIR=/var/lib/case load"})
	require.NoError(t, err)
	got, err := c.BlobURL()
	require.NoError(t, err)
	require.Equal(t, "file:///var/lib/case%20load/files", got)
	c, err = Load(nil)
	require.NoError(t, err)
	got, err = c.BlobURL()
	require.NoError(t, err)
	require.Regexp(t, `^file:///.*/\.caseload/files$`, got, "absolute, wherever the program is")
	const bucket = "s3://bucket?region=eu-central-1&endpoint=https://store.example.com&use_path_style=true"
	c, err = Load([]string{"CASELOAD_BLOB_URL=" + bucket})
	require.NoError(t, err)
	got, err = c.BlobURL()
	require.NoError(t, err)
	require.Equal(t, bucket, got)
	require.Equal(t, 2, c.Files.Operations)
	require.Equal(t, 168*time.Hour, c.Files.Keep)
}
