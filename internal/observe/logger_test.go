package observe_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/observe"
)

func TestSensitiveKeys(t *testing.T) {
	t.Parallel()
	for _, key := range []string{
		"ssn", "SSN", "ssnLastFour", "ssn_last_four", "customerSSN", "socialSecurityNumber", "birthday", "birth_date",
		"dateOfBirth", "date-of-birth", "email", "emails", "primaryEmail", "emailAddress", "phone", "phones", "phoneNumber",
		"homePhone", "phonenumber2", "firstName", "last_name", "accountNumber", "apiKey", "api_key", "API-KEY", "X-API-Key",
		"authorization", "Proxy-Authorization", "Set-Cookie", "password", "clientSecret", "accessToken", "databaseURL",
		"DATABASE_URL", "variables", "mbi", "kbaAnswer",
	} {
		require.True(t, observe.IsSensitive(key), key)
	}
	for _, key := range []string{
		"", "id", "className", "processName", "operationName", "addr", "apiKeyId", "api_key_id", "emailCount", "tokens",
		"requestId", "organizationId", "code", "duration", "statements", "address", "microphone", "queryCount", "name",
	} {
		require.False(t, observe.IsSensitive(key), key)
	}
}

type customer struct {
	ID     string            `json:"id"`
	SSN    string            `json:"ssn"`
	Emails []string          `json:"emails"`
	Note   string            `json:"note"`
	Extra  map[string]string `json:"extra"`
}

type opaque struct{ F func() }

func TestLoggerRedacts(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := observe.NewLogger(&out, slog.LevelInfo)
	secrets := []string{"078-05-1120", "078051120", "jane@example.com", "cl_abcdefghijklmnop", "4155550100", "1980-02-03", "hunter2"}
	log.With("email", "jane@example.com").WithGroup("customer").Info("call 078-05-1120 about jane@example.com",
		"ssn", 78051120,
		slog.Group("phone", "home", "4155550100"),
		slog.Group("nested", slog.Group("deep", "birthday", "1980-02-03")),
		"kept", "yes",
		"error", errors.New(`key cl_abcdefghijklmnop of jane@example.com is unknown; Authorization: Bearer cl_abcdefghijklmnop`),
		"row", &customer{
			ID: "customer_1", SSN: "078051120", Emails: []string{"jane@example.com"}, Note: "ssn 078-05-1120",
			Extra: map[string]string{"homePhone": "4155550100", "city": "Reno"},
		},
		"headers", http.Header{"Authorization": {"Basic hunter2"}, "X-Api-Key": {"hunter2"}, "Accept": {"*/*"}},
		"opaque", opaque{},
	)
	line := out.String()
	for _, secret := range secrets {
		require.NotContains(t, line, secret)
	}
	for _, kept := range []string{`"kept":"yes"`, `"id":"customer_1"`, `"city":"Reno"`, `"Accept":["*/*"]`, `is unknown`, `is not JSON`} {
		require.Contains(t, line, kept)
	}
	require.NotContains(t, line, "78051120")
}

func TestLoggerKeepsWhatIsHarmless(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	level := new(slog.LevelVar)
	log := observe.NewLogger(&out, level)
	log.Debug("hidden")
	require.Empty(t, out.String())
	level.Set(slog.LevelDebug)
	log.Debug("seen", "took", time.Second, "at", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "n", 3, "nothing", nil)
	require.True(t, strings.HasSuffix(out.String(),
		`"level":"DEBUG","msg":"seen","took":1000000000,"at":"2026-01-02T03:04:05Z","n":3,"nothing":null}`+"\n"), out.String())
}
