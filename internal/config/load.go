package config

import (
	"cmp"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/caarlos0/env/v11"

	"caseload/internal/pii"
)

// Problem is one thing that is wrong with the environment. It never holds the value.
type Problem struct {
	Variable string
	// Message completes the sentence that begins with the variable: "must be …".
	Message string
}

// Problems are all that is wrong with the environment.
type Problems []Problem

// Error lists the problems, one a line.
func (p Problems) Error() string {
	var b strings.Builder
	b.WriteString("the environment is not usable:")
	for _, problem := range p {
		b.WriteString("\n  " + problem.Variable + " " + problem.Message)
	}
	return b.String()
}

func (p *Problems) add(variable, message string) { *p = append(*p, Problem{variable, message}) }

// addFor adds what is wrong between two variables, unless one of them is wrong by itself: its value is
// then not the one that was meant.
func (p *Problems) addFor(variable, message, other string) {
	if !slices.ContainsFunc(*p, func(q Problem) bool { return q.Variable == variable || q.Variable == other }) {
		p.add(variable, message+" "+other)
	}
}

const (
	prefix    = "CASELOAD_"
	maxUpload = 1 << 50
)

var (
	serviceLink = regexp.MustCompile(`^CASELOAD_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	// servicePort is told from a mistyped variable of ours by its value.
	servicePort      = regexp.MustCompile(`^CASELOAD_([A-Z0-9_]+_)?PORT$`)
	servicePortValue = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

// isServiceLink recognises what Kubernetes puts into the environment of every container beside a service
// named caseload, or caseload-something. It is not ours, and must not keep the server from starting.
func isServiceLink(name, value string) bool {
	return serviceLink.MatchString(name) || servicePort.MatchString(name) && servicePortValue.MatchString(value)
}

// Load reads an environment in the form of os.Environ. The error is [Problems], with everything that is
// wrong at once. A variable that is set to nothing counts as not set. Unknown variables with our prefix
// are problems, since a mistyped name otherwise does nothing until it matters.
func Load(environ []string) (Config, error) {
	var problems Problems
	all := variables()
	given := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		known := slices.ContainsFunc(all, func(v variable) bool { return v.name == name })
		switch {
		case known:
			given[name] = value
		case strings.HasPrefix(strings.ToUpper(name), prefix) && !isServiceLink(name, value):
			problems.add(name, "is not known; the closest known variable is "+closest(name, all))
		}
	}

	var c Config
	c.byEnvironment(Environment(given["CASELOAD_ENVIRONMENT"]))
	// What cannot be read is found variable by variable: the library names fields, and quotes values.
	for _, v := range all {
		if value, ok := given[v.name]; ok {
			var scratch Config
			if env.ParseWithOptions(&scratch, env.Options{Environment: map[string]string{v.name: value}}) != nil {
				problems.add(v.name, "must be "+v.form())
				delete(given, v.name)
			}
		}
	}
	if err := env.ParseWithOptions(&c, env.Options{Environment: given}); err != nil {
		return Config{}, err
	}
	for _, v := range all {
		if !v.inRange(reflect.ValueOf(c).FieldByIndex(v.index)) {
			problems.add(v.name, "must be "+v.form())
		}
	}
	c.check(&problems)
	if len(problems) > 0 {
		slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Variable, b.Variable) })
		return Config{}, problems
	}
	return c, nil
}

// closest returns the known name with the fewest edits between.
func closest(name string, all []variable) string {
	return slices.MinFunc(all, func(a, b variable) int {
		return cmp.Compare(levenshtein.ComputeDistance(strings.ToUpper(name), a.name), levenshtein.ComputeDistance(strings.ToUpper(name), b.name))
	}).name
}

// check looks at what one field alone does not show.
func (c Config) check(problems *Problems) {
	if raw := c.Database.URL.Reveal(); raw != "" {
		u, err := url.Parse(raw)
		if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
			problems.add("DATABASE_URL", "must be postgres://user:password@host:5432/name, with special characters of the password percent-encoded")
		}
	} else if c.Production() {
		problems.add("DATABASE_URL", "is required in production: postgres://user:password@host:5432/name")
	}

	switch text, file := c.Secrets.PIIKeys.Reveal(), c.Secrets.PIIKeysFile; {
	case text != "" && file != "":
		problems.add("CASELOAD_PII_KEYS", "and CASELOAD_PII_KEYS_FILE are both set: set one of them, as they may hold different keys")
	case text != "":
		if _, err := pii.ParseKeys(text); err != nil {
			problems.add("CASELOAD_PII_KEYS", "must be the base64 text of a key document, whole and unchanged")
		}
	case file == "" && c.Production():
		problems.add("CASELOAD_PII_KEYS", "or CASELOAD_PII_KEYS_FILE is required in production")
	}
	// A folder of each process by itself would lose uploads between roles, and leave them lying.
	if c.Production() && c.Files.Store == "" {
		problems.add("CASELOAD_BLOB_URL", "is required in production, the same for every process: s3://bucket?region=us-east-1, or file:///folder where all run on one machine")
	}
	if s := c.Secrets.CursorSecret.Reveal(); s != "" && len(s) < 16 {
		problems.add("CASELOAD_CURSOR_SECRET", "must be at least 16 characters, or empty")
	}

	if c.Lending.TryTimeout > c.Lending.Timeout {
		problems.addFor("CASELOAD_LENDING_TRY_TIMEOUT", "must not be longer than", "CASELOAD_LENDING_TIMEOUT")
	}
	// Otherwise the mutation's own time runs out first, and a lending system that is down looks like a slow server.
	if c.Lending.Timeout >= c.Limits.MutationTimeout {
		problems.addFor("CASELOAD_LENDING_TIMEOUT", "must be shorter than", "CASELOAD_LIMIT_MUTATION_TIMEOUT")
	}
	if c.Limits.MaxBulkBody < c.Limits.MaxBody {
		problems.addFor("CASELOAD_LIMIT_BULK_BODY_BYTES", "must not be smaller than", "CASELOAD_LIMIT_BODY_BYTES")
	}
	if c.Limits.UploadStall > c.Limits.UploadTimeout {
		problems.addFor("CASELOAD_LIMIT_UPLOAD_STALL", "must not be longer than", "CASELOAD_LIMIT_UPLOAD_TIMEOUT")
	}
	// Above it sums of sizes would overflow.
	if c.Limits.MaxUpload > maxUpload {
		problems.add("CASELOAD_LIMIT_UPLOAD_BYTES", "must be at most 1125899906842624, a pebibyte")
	}
}
