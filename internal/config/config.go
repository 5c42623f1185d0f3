// Package config reads the environment into one checked struct.
//
// A [Config] is declared as data: the tags of a field name its variable (env), its default (envDefault, or
// default where that depends on the environment), its bounds (min, max), its form (want) and its meaning (doc).
// Reading, checking, printing and docs/configuration.md all come from these declarations.
package config

import (
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"caseload/internal/httpapi"
	"caseload/internal/pii"
)

// Config is everything that can be set from outside. It is made by [Load] and never changed.
type Config struct {
	Environment Environment `env:"CASELOAD_ENVIRONMENT" envDefault:"development" want:"development or production" doc:"What the defaults below are made for. Production needs DATABASE_URL and the keys for personal data, and opens nothing by itself."`
	LogLevel    slog.Level  `env:"CASELOAD_LOG_LEVEL" envDefault:"info" want:"debug, info, warn or error" doc:"The least severe level that is logged."`

	CompiledReads bool       `env:"CASELOAD_COMPILED_READS" envDefault:"true" doc:"Whether queries of plain data are answered by compiled reads. False leaves all to the generated executor, with the same answers more slowly: to measure, and to find out where a fault is."`
	MemoryLimit   MemorySize `env:"CASELOAD_MEMORY_LIMIT" want:"a size such as 512MiB or 2GiB" doc:"Soft limit of the memory that Go manages. Empty: four fifths of the limit of the container, else half of the machine's memory. GOMEMLIMIT and GOGC, where they are set, win."`

	HTTP      HTTP           `section:"HTTP"`
	Database  Database       `section:"Database"`
	Secrets   Secrets        `section:"Secrets"`
	Lending   Lending        `section:"Lending system"`
	Jobs      Jobs           `section:"Jobs and demonstration"`
	Files     Files          `section:"Files and bulk operations"`
	Telemetry Telemetry      `section:"Telemetry"`
	Limits    httpapi.Limits `section:"Limits"`
}

// HTTP is how the server meets the network.
type HTTP struct {
	Listen         Address               `env:"CASELOAD_LISTEN" envDefault:"127.0.0.1:8080" want:"host:port, such as 127.0.0.1:8080 or :8080" doc:"Address to listen on. The default is reachable from this machine only; an empty host means every interface."`
	OpsListen      Address               `env:"CASELOAD_OPS_LISTEN" want:"host:port, such as 127.0.0.1:9090" doc:"Second address, for /metrics, /healthz and /readyz. Empty: /metrics is beside the API in development, and nowhere in production, as it names operations."`
	Playground     bool                  `env:"CASELOAD_PLAYGROUND" default:"true in development, false in production" doc:"Whether the playground is served at /."`
	Introspection  httpapi.Introspection `env:"CASELOAD_INTROSPECTION" default:"open in development, scoped in production" want:"open, scoped or closed" doc:"Who may introspect the schema: everybody, credentials with the scope DIAGNOSTICS, or nobody."`
	CORSOrigins    Origins               `env:"CASELOAD_CORS_ORIGINS" want:"a comma-separated list of origins such as https://portal.example.com, without path or wildcard" doc:"Origins whose web pages may call the API and open subscriptions, besides the server's own."`
	TrustedProxies Networks              `env:"CASELOAD_TRUSTED_PROXIES" want:"a comma-separated list of networks such as 10.0.0.0/8 or single addresses" doc:"Proxies whose X-Forwarded-For is believed. From anybody else it is ignored."`
	PublicURL      HTTPURL               `env:"CASELOAD_PUBLIC_URL" want:"an http or https URL" doc:"Address under which clients reach the server, for links to files. Empty: links begin with /files/."`
	LinkLifetime   time.Duration         `env:"CASELOAD_LINK_LIFETIME" envDefault:"15m" min:"1m" max:"24h" doc:"How long a link to a file works. Who holds it needs no credential."`
	HeaderTimeout  time.Duration         `env:"CASELOAD_HTTP_HEADER_TIMEOUT" envDefault:"5s" min:"100ms" max:"1m" doc:"Longest wait for the headers of a request."`
	IdleTimeout    time.Duration         `env:"CASELOAD_HTTP_IDLE_TIMEOUT" envDefault:"60s" min:"1s" max:"1h" doc:"How long an idle connection is kept open."`
	DrainTimeout   time.Duration         `env:"CASELOAD_DRAIN_TIMEOUT" envDefault:"25s" min:"1s" max:"10m" doc:"How long requests and jobs in progress may take to finish after SIGTERM."`
}

// Database is where the rows are.
type Database struct {
	URL              pii.Secret    `env:"DATABASE_URL" want:"postgres://user:password@host:5432/name" doc:"PostgreSQL to use. Empty: in development the server starts one of its own."`
	DataDir          string        `env:"CASELOAD_DATA_DIR" envDefault:".caseload" doc:"Folder of what development keeps for itself: the server's own PostgreSQL, the keys for personal data, and the files."`
	DevPort          int           `env:"CASELOAD_DEV_DATABASE_PORT" envDefault:"0" min:"0" max:"65535" doc:"Port of the server's own PostgreSQL; 0 takes the last one used, or a free one."`
	DevRepository    HTTPURL       `env:"CASELOAD_POSTGRES_REPOSITORY" want:"an http or https URL" doc:"Maven repository from which PostgreSQL is downloaded when this machine has none. Empty: the public one."`
	MaxConnections   int           `env:"CASELOAD_DB_MAX_CONNECTIONS" envDefault:"16" min:"4" max:"1000" doc:"Connections of this process to PostgreSQL. As many may stay idle, since reopening costs more than holding."`
	StatementTimeout time.Duration `env:"CASELOAD_DB_STATEMENT_TIMEOUT" envDefault:"60s" min:"1s" max:"1h" doc:"Longest run of one statement; operations set shorter ones for themselves."`
	LockTimeout      time.Duration `env:"CASELOAD_DB_LOCK_TIMEOUT" envDefault:"3s" min:"10ms" max:"5m" doc:"Longest wait for a lock."`
	IdleTimeout      time.Duration `env:"CASELOAD_DB_IDLE_IN_TRANSACTION_TIMEOUT" envDefault:"10s" min:"1s" max:"5m" doc:"After how long PostgreSQL ends a transaction in which nothing happens."`
}

// Secrets are the keys. Every process of one installation needs the same ones.
type Secrets struct {
	PIIKeys      pii.Secret `env:"CASELOAD_PII_KEYS" want:"the base64 text of a key document" doc:"Keys that seal and index personal data. If they are lost, what they sealed is lost."`
	PIIKeysFile  string     `env:"CASELOAD_PII_KEYS_FILE" default:"pii.keys in the data folder, in development" doc:"File that holds the keys instead, readable by its owner alone. Development makes it when it is missing; production does not, as a forgotten volume would then look like a new installation."`
	CursorSecret pii.Secret `env:"CASELOAD_CURSOR_SECRET" want:"at least 16 characters" doc:"What cursors, and links to files, are signed with. Empty: derived from the keys for personal data."`
}

// Lending is how organizations' lending systems are asked.
type Lending struct {
	AllowPrivate bool          `env:"CASELOAD_LENDING_ALLOW_PRIVATE" default:"true in development, false in production" doc:"Whether a lending system, or a webhook's endpoint, may be at http:// and at a private address. True lets whoever configures an organization reach this network."`
	TryTimeout   time.Duration `env:"CASELOAD_LENDING_TRY_TIMEOUT" envDefault:"5s" min:"100ms" max:"1m" doc:"Longest single exchange with a lending system."`
	Timeout      time.Duration `env:"CASELOAD_LENDING_TIMEOUT" envDefault:"12s" min:"100ms" max:"5m" doc:"Longest time for everything that is asked about one customer, with all tries. Shorter than CASELOAD_LIMIT_MUTATION_TIMEOUT."`
	Tries        uint          `env:"CASELOAD_LENDING_TRIES" envDefault:"3" min:"1" max:"10" doc:"Tries per exchange."`
}

// Jobs is work outside of requests.
type Jobs struct {
	Workers       int `env:"CASELOAD_JOB_WORKERS" envDefault:"8" min:"1" max:"1000" doc:"Jobs that run at the same time in this process, beside those of bulk operations and webhooks."`
	Webhooks      int `env:"CASELOAD_WEBHOOK_WORKERS" envDefault:"32" min:"1" max:"1000" doc:"Webhook endpoints that this process delivers to at the same time, and half as many more that fail. A quarter of the number is for one organization at most. While nobody answers, none needs a connection to PostgreSQL."`
	DemoCustomers int `env:"CASELOAD_DEMO_CUSTOMERS" envDefault:"2000" min:"0" max:"1000000" doc:"Customers per organization in the demonstration data."`
}

// Files is where files are kept, and how they are worked on.
type Files struct {
	Store           BlobURL       `env:"CASELOAD_BLOB_URL" default:"the folder files in the data folder, in development" want:"file:///folder or s3://bucket?region=us-east-1" doc:"Object store of uploads, results and exports, the same one for every process. An S3-compatible server takes endpoint=, use_path_style=true and, where it knows no checksums, response_checksum_validation=when_required beside the region; credentials come from AWS's own variables. Files are encrypted before they go there, with the keys for personal data."`
	Operations      int           `env:"CASELOAD_BULK_OPERATIONS" envDefault:"2" min:"1" max:"100" doc:"Bulk operations that this process works on at the same time, beside its other jobs."`
	Connections     int           `env:"CASELOAD_BULK_CONNECTIONS" envDefault:"2" min:"1" max:"16" doc:"Chunks of one bulk operation that are written at the same time, each on a connection to PostgreSQL."`
	PerOrganization int           `env:"CASELOAD_BULK_PER_ORGANIZATION" envDefault:"5" min:"1" max:"100" doc:"Bulk operations of one organization that are worked on at the same time, whatever the number of processes. The others wait."`
	Open            int           `env:"CASELOAD_BULK_OPEN" envDefault:"100" min:"1" max:"10000" doc:"Bulk operations of one organization that may be under way or waiting."`
	Bytes           int64         `env:"CASELOAD_BULK_BYTES" envDefault:"53687091200" min:"1048576" max:"1125899906842624" doc:"Bytes that the files of an organization's bulk operations may take in the object store: those of operations under way or waiting, and the results that are kept."`
	Keep            time.Duration `env:"CASELOAD_BULK_KEEP" envDefault:"168h" min:"1h" max:"8760h" doc:"How long results and exports are kept after the end of their operation. Uploaded files are removed at the end itself."`
}

// Telemetry is where traces go. The variable is OpenTelemetry's own.
type Telemetry struct {
	Endpoint HTTPURL `env:"OTEL_EXPORTER_OTLP_ENDPOINT" want:"an http or https URL" doc:"OTLP/HTTP endpoint for traces. Empty: no traces."`
}

// Production reports whether the environment is production.
func (c Config) Production() bool { return c.Environment == Production }

// byEnvironment sets the defaults that differ between environments; the variables override them.
func (c *Config) byEnvironment(e Environment) {
	development := e != Production
	c.HTTP.Playground = development
	c.Lending.AllowPrivate = development
	c.HTTP.Introspection = httpapi.IntrospectionOpen
	if !development {
		c.HTTP.Introspection = httpapi.IntrospectionScoped
	}
}

// BlobURL returns the address of the object store: the configured one, else that of a folder in the data folder.
func (c Config) BlobURL() (string, error) {
	if c.Files.Store != "" {
		return string(c.Files.Store), nil
	}
	path, err := filepath.Abs(filepath.Join(c.Database.DataDir, "files"))
	if err != nil {
		return "", fmt.Errorf("name the folder of files: %w", err)
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String(), nil
}

// Keys reads the keys for personal data from the variable or the file. In development a missing file is
// made; it is safe to call at once from several processes.
func (c Config) Keys() (pii.Keys, error) {
	if c.Secrets.PIIKeys != "" {
		return pii.ParseKeys(c.Secrets.PIIKeys.Reveal())
	}
	path := c.Secrets.PIIKeysFile
	if path == "" {
		path = filepath.Join(c.Database.DataDir, "pii.keys")
	}
	if c.Production() {
		if _, err := os.Stat(path); err != nil {
			return pii.Keys{}, fmt.Errorf("read keys named by CASELOAD_PII_KEYS_FILE: %w", err)
		}
	}
	return pii.LoadOrCreate(path)
}

// CursorKey returns the key of cursors: the configured secret, else 32 bytes derived from the index key
// for personal data, so that all processes that share the keys read each other's cursors.
func (c Config) CursorKey(sealer *pii.Sealer) []byte {
	if c.Secrets.CursorSecret != "" {
		return []byte(c.Secrets.CursorSecret.Reveal())
	}
	var key []byte
	for part := range 32 / pii.IndexSize {
		key = append(key, sealer.Index(uuid.Nil, fmt.Sprintf("cursor secret %d", part), "")...)
	}
	return key
}
