package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/dbtest"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	// Without a usable environment: who looks for the version must get it.
	require.Equal(t, version+"\n", must(t, []string{"CASELOAD_LISTEN=nonsense"}, "version"))
}

func TestSchema(t *testing.T) {
	t.Parallel()
	documented, err := os.ReadFile("docs/schema.graphql")
	require.NoError(t, err)
	require.Equal(t, string(documented), must(t, []string{"CASELOAD_LISTEN=nonsense"}, "schema"))
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for arguments, mentioned := range map[string][]string{
		"--help":                {"serve", "migrate up", "migrate down", "migrate status", "seed", "apikey create", "apikey list", "apikey revoke", "organization create", "organization list", "keys generate", "keys rotate", "keys reseal", "schema", "version", "docs/configuration.md"},
		"serve --help":          {"--role", "api", "worker", "DATABASE_URL"},
		"migrate --help":        {"up", "down", "status"},
		"migrate down --help":   {"<to>", "0 removes everything"},
		"seed --help":           {"demonstration data"},
		"apikey create --help":  {"--organization", "--name", "--scope", "--expires"},
		"apikey revoke --help":  {"<id>", "--organization"},
		"apikey list --help":    {"--organization"},
		"version --help":        {"Print the version"},
		"apikey --help":         {"create", "list", "revoke"},
		"migrate status --help": {"List the migrations"},
	} {
		t.Run(arguments, func(t *testing.T) {
			t.Parallel()
			p := spawn(t, nil, nil, strings.Fields(arguments)...)
			require.NoError(t, p.end(), p.log)
			for _, text := range mentioned {
				require.Contains(t, p.out.String(), text)
			}
			require.Empty(t, p.log.String(), "help that was asked for goes to standard output")
		})
	}
}

func TestMistypedCommandLine(t *testing.T) {
	t.Parallel()
	for arguments, said := range map[string]string{
		"serve --port 8080":               "unknown flag --port",
		"serv":                            "serv",
		"":                                "expected one of",
		"migrate down":                    "<to>",
		"migrate down all":                "<to>",
		"apikey create --name x":          "missing flags",
		"apikey create --expires=forever": "expires",
		"apikey revoke":                   "--organization",
	} {
		t.Run(arguments, func(t *testing.T) {
			t.Parallel()
			p := spawn(t, nil, nil, strings.Fields(arguments)...)
			require.Error(t, p.end())
			require.Contains(t, p.log.String(), said)
			require.Contains(t, p.log.String()+p.out.String(), "Usage: caseload")
		})
	}
}

func TestAllProblemsOfTheEnvironmentAtOnce(t *testing.T) {
	t.Parallel()
	p := spawn(t, []string{"CASELOAD_LISTEN=nowhere", "CASELOAD_LOG_LEVEL=loud", "DATABASE_URL=mysql://root:very-secret@db/x", "CASELOAD_LIMT_COST=7"}, nil, "serve")
	require.Error(t, p.end())
	for _, text := range []string{"CASELOAD_LISTEN must be host:port", "CASELOAD_LOG_LEVEL must be", "DATABASE_URL must be postgres://",
		"CASELOAD_LIMT_COST is not known; the closest known variable is CASELOAD_LIMIT_COST"} {
		require.Contains(t, p.log.String(), text)
	}
	require.NotContains(t, p.log.String(), "very-secret")
}

func TestMigrateUpDownStatus(t *testing.T) {
	t.Parallel()
	environ := environment(t, dbtest.Empty(t))
	before := must(t, environ, "migrate", "status")
	require.Contains(t, before, "caseload")
	require.Contains(t, before, "river")
	require.Equal(t, strings.Count(before, "\n"), strings.Count(before, "pending\n"), before)

	must(t, environ, "migrate", "up")
	must(t, environ, "migrate", "up")
	after := must(t, environ, "migrate", "status")
	require.NotContains(t, after, "pending\n")
	require.Equal(t, strings.Count(before, "\n"), strings.Count(after, "\n"))

	must(t, environ, "migrate", "down", "1")
	require.Regexp(t, `caseload +2 .*pending`, must(t, environ, "migrate", "status"))
	require.Regexp(t, `caseload +1 .*Z\n`, must(t, environ, "migrate", "status"))
	must(t, environ, "migrate", "down", "0")
	require.Equal(t, before, must(t, environ, "migrate", "status"))
}

// A migration may write whole tables anew: neither the longest statement of a server nor its longest wait for a lock ends it.
func TestMigrationsTakeTheirTime(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.New(t)
	environ := environment(t, databaseURL, "CASELOAD_DB_STATEMENT_TIMEOUT=1s", "CASELOAD_DB_LOCK_TIMEOUT=10ms")
	db := open(t, databaseURL)
	_, err := db.Exec(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET statement_timeout = 1000', current_database()); END $$`)
	require.NoError(t, err)
	tx, err := db.Beginx()
	require.NoError(t, err)
	_, err = tx.Exec("LOCK TABLE schema_migrations")
	require.NoError(t, err)
	p := start(t, environ, "migrate", "up")
	require.Eventually(t, func() bool {
		select {
		case <-p.done:
			return true
		default:
		}
		var waits bool
		err := db.Get(&waits, `SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock' AND clock_timestamp() - query_start > interval '1100 milliseconds')`)
		return err == nil && waits
	}, time.Minute, 10*time.Millisecond)
	require.NoError(t, tx.Rollback())
	require.NoError(t, p.end(), p.log)
}

func TestSeedTwice(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.New(t)
	environ := environment(t, databaseURL)
	db := open(t, databaseURL)
	rows := func() map[string]int {
		out := map[string]int{}
		for _, table := range []string{"organizations", "customers", "task_types", "schedules", "call_tasks", "api_keys"} {
			var n int
			require.NoError(t, db.Get(&n, `SELECT count(*) FROM `+table))
			out[table] = n
		}
		return out
	}
	keys := regexp.MustCompile(`API key of .*`)

	first := must(t, environ, "seed")
	made := rows()
	require.Equal(t, 2, made["organizations"])
	require.Equal(t, 10, made["customers"])
	require.Positive(t, made["call_tasks"])
	require.Len(t, keys.FindAllString(first, -1), 2)

	second := must(t, environ, "seed")
	require.Equal(t, made, rows())
	require.Equal(t, keys.FindAllString(first, -1), keys.FindAllString(second, -1), "the keys stay, too")
	require.NotContains(t, second, "Making")
}

func TestNoSeedInProduction(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.New(t)
	_, err := command(t, production(t, databaseURL), "seed")
	require.ErrorContains(t, err, "no place in production")
	var n int
	require.NoError(t, open(t, databaseURL).Get(&n, `SELECT count(*) FROM organizations`))
	require.Zero(t, n)
}

func TestAPIKeysByCommand(t *testing.T) {
	t.Parallel()
	_, environ, _ := seeded(t)
	s := startServer(t, environ)
	create := func(arguments ...string) (id, key string) {
		out := must(t, environ, append([]string{"apikey", "create", "--organization", harbor}, arguments...)...)
		lines := strings.Split(out, "\n")
		require.Equal(t, "The key is shown this once.", lines[2], out)
		return lines[0], lines[1]
	}
	code := func(key, document string) string {
		a, err := ask(s.address, key, document, nil)
		require.NoError(t, err)
		return a.Code()
	}
	const who, list = `{ viewer { name } }`, `{ customers(first: 1) { totalCount } }`

	id, key := create("--name", "a dialer", "--scope", "ALL", "--expires", "1h")
	require.Empty(t, code(key, list))
	narrowID, narrow := create("--name", "narrow", "--scope", "SCHEDULES_READ", "--scope", "TASKS_DIAL")
	require.Empty(t, code(narrow, who))
	require.Equal(t, "FORBIDDEN", code(narrow, list), "it may do what was said, no more")

	out := must(t, environ, "apikey", "list", "--organization", harbor)
	require.Regexp(t, id+` +active +a dialer`, out)
	require.Regexp(t, narrowID+` +active +narrow +\[SCHEDULES_READ TASKS_DIAL\]`, out)
	require.NotContains(t, out, "cl_", "keys are shown once")

	require.Contains(t, must(t, environ, "apikey", "revoke", "--organization", harbor, id), id+" is revoked.")
	begin := time.Now()
	// Sooner than the server forgets a key that works, after 30 s: it was told.
	require.Eventually(t, func() bool { return code(key, who) == "UNAUTHENTICATED" }, 20*time.Second, time.Millisecond)
	t.Logf("a running server refused the key %v after the command", time.Since(begin))
	require.Regexp(t, id+` +revoked`, must(t, environ, "apikey", "list", "--organization", harbor))
	require.Empty(t, code(narrow, who), "the other key works on")
	must(t, environ, "apikey", "revoke", "--organization", harbor, id)

	for _, wrong := range []struct {
		arguments []string
		said      string
	}{
		{[]string{"create", "--organization", harbor, "--name", "x", "--scope", "EVERYTHING"}, "EVERYTHING"},
		{[]string{"create", "--organization", "org_00000000000000000000000009", "--name", "x", "--scope", "ALL"}, "find organization"},
		{[]string{"create", "--organization", "harbor", "--name", "x", "--scope", "ALL"}, "not an id"},
		{[]string{"list", "--organization", id}, "org"},
		{[]string{"revoke", "--organization", harbor, "key_00000000000000000000000009"}, ""},
		{[]string{"revoke", "--organization", harbor, "x"}, "not an id"},
	} {
		_, err := command(t, environ, append([]string{"apikey"}, wrong.arguments...)...)
		require.ErrorContains(t, err, wrong.said, "%v", wrong.arguments)
	}
}

// A new company in production: keys, schema, organization, API key, and the first answer.
func TestFirstStartInProduction(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.Empty(t)
	keys := must(t, nil, "keys", "generate")
	environ := environment(t, databaseURL, "CASELOAD_ENVIRONMENT=production", "CASELOAD_PII_KEYS="+strings.TrimSpace(keys), "CASELOAD_BLOB_URL=file://"+t.TempDir())
	must(t, environ, "migrate", "up")
	id := strings.TrimSpace(must(t, environ, "organization", "create", "--name", "Harbor Lending", "--time-zone", "America/Chicago"))
	require.Regexp(t, `^org_[0-9a-z]{26}$`, id)
	require.Equal(t, id+"  Harbor Lending  America/Chicago\n", must(t, environ, "organization", "list"))
	_, err := command(t, environ, "organization", "create", "--name", "Nowhere Lending", "--time-zone", "Mars/Olympus")
	require.Error(t, err)
	key := strings.Split(must(t, environ, "apikey", "create", "--organization", id, "--name", "Integration", "--scope", "ALL"), "\n")[1]

	s := startServer(t, environ)
	a, err := ask(s.address, key, `mutation { createTaskType(input: { name: "collections", purpose: COLLECTION }) { taskType { name } userErrors { code } } }`, nil)
	require.NoError(t, err)
	require.Equal(t, "collections", a.Text("createTaskType.taskType.name"), a.Body)
	a, err = ask(s.address, key, syncDocument, syncOf("NEW-1", "collections", "Ann"))
	require.NoError(t, err)
	require.Positive(t, a.At("syncCustomerSchedule.tasksCreated"), a.Body)
}

// Rotation with a server that goes on reading: new keys, reseal, and the old key is no longer needed.
func TestKeysAreRotated(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.New(t)
	old := strings.TrimSpace(must(t, nil, "keys", "generate"))
	with := func(keys string) []string {
		return environment(t, databaseURL, "CASELOAD_PII_KEYS="+keys)
	}
	printed := harborKey.FindStringSubmatch(must(t, with(old), "seed"))
	require.NotNil(t, printed)
	const read = `{ customers(first: 5) { nodes { referenceId ssnLastFour } } }`
	show := func(environ []string) any {
		s := startServer(t, environ)
		a, err := ask(s.address, printed[1], read, nil)
		require.NoError(t, err)
		require.Empty(t, a.Errors, a.Body)
		require.Regexp(t, `^\d{4}$`, a.Text("customers.nodes.0.ssnLastFour"))
		return a.Data
	}
	before := show(with(old))

	rotated := strings.TrimSpace(must(t, with(old), "keys", "rotate"))
	require.NotEqual(t, old, rotated)
	require.Equal(t, before, show(with(rotated)), "the new keys open what the old one sealed")
	require.Regexp(t, `(?m)^`+harbor+`: [1-9]\d* values sealed again$`, must(t, with(rotated), "keys", "reseal"))
	require.Regexp(t, `(?m)^`+harbor+`: 0 values sealed again$`, must(t, with(rotated), "keys", "reseal"))
	require.Equal(t, before, show(with(rotated)))

	s := startServer(t, with(old))
	a, err := ask(s.address, printed[1], read, nil)
	require.NoError(t, err)
	require.NotEmpty(t, a.Errors, "the old key alone opens nothing any more")
}
