//go:build unix && !solaris && !aix

package devdb

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	_ "github.com/lib/pq" // the driver "postgres"

	"caseload/internal/devdb/filelock"
)

const (
	// role is PostgreSQL's superuser and the owner of the database of the same name.
	role = "caseload"
	// readyTimeout is long: after a crash PostgreSQL replays its log before it answers.
	readyTimeout = 2 * time.Minute
	poll         = 25 * time.Millisecond
	lockFile     = "lock"
)

// extensions are what the schema needs; PostgreSQL's contrib package brings them.
var extensions = []string{"pg_trgm", "btree_gin"}

// Start starts PostgreSQL and returns when it answers and the database `caseload` exists. The first start
// in a folder creates everything; later ones find it again. Errors are written for a newcomer: what
// failed, the last lines of PostgreSQL's log, what to do. [ErrInUse] when the folder is taken. ctx bounds
// the start alone; Server.Stop ends the server.
func Start(ctx context.Context, o Options) (*Server, error) {
	o = o.withDefaults()
	s, err := start(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("start own PostgreSQL: %w", err)
	}
	return s, nil
}

func start(ctx context.Context, o Options) (_ *Server, err error) {
	h, err := settle(ctx, o.Dir)
	if err != nil {
		return nil, err
	}
	lock, err := hold(h)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			lock.Release()
		}
	}()
	if err := endLeftover(ctx, h, o.Log); err != nil {
		return nil, err
	}
	p, err := choosePrograms(ctx, h, o)
	if err != nil {
		return nil, err
	}
	if !h.initialised() {
		if err := initialise(ctx, h, p, o); err != nil {
			return nil, err
		}
	}
	password, err := h.read("password")
	if err != nil || password == "" {
		return nil, fmt.Errorf("the password of the data in %s is lost: begin anew with `make db/reset`", h.path)
	}
	s, err := run(ctx, h, p, o, password)
	if err != nil {
		return nil, err
	}
	if err := prepare(ctx, s.url, extensions); err != nil {
		return nil, errors.Join(err, s.Stop(ctx))
	}
	// The folder is free again when PostgreSQL has ended, not before, and by the time that Stop returns.
	release := sync.OnceFunc(lock.Release)
	go func() {
		<-s.done
		release()
	}()
	stop := s.stop
	s.stop = func(ctx context.Context) error {
		err := stop(ctx)
		select {
		case <-s.done:
			release()
		default:
		}
		return err
	}
	return s, nil
}

// hold takes the folder for this process.
func hold(h home) (*filelock.Lock, error) {
	path := h.file(lockFile)
	lock, err := filelock.TryExclusive(path)
	if errors.Is(err, filelock.ErrHeld) {
		return nil, fmt.Errorf("%w: process %s runs the PostgreSQL in %s; stop it first, "+
			"or give this one a database of its own by DATABASE_URL", ErrInUse, filelock.ReadNote(path), h.path)
	}
	if err != nil {
		return nil, err
	}
	if err := errors.Join(h.as.own(path), lock.Note(strconv.Itoa(os.Getpid()))); err != nil {
		lock.Release()
		return nil, err
	}
	return lock, nil
}

func choosePrograms(ctx context.Context, h home, o Options) (programs, error) {
	major := 0
	if h.initialised() {
		text, err := h.read("data/PG_VERSION")
		if err != nil {
			return programs{}, fmt.Errorf("read version of data: %w", err)
		}
		if major, err = strconv.Atoi(text); err != nil {
			return programs{}, fmt.Errorf("read version of data: %w", err)
		}
	}
	if p, ok := findPrograms(ctx, h.as, o.programDirs(ctx), major); ok {
		return p, nil
	}
	p, err := download(ctx, h, o, major)
	switch {
	case err == nil:
		return p, nil
	case major != 0:
		return programs{}, fmt.Errorf("the data in %s was made by PostgreSQL %d, which is not on this machine: %w; "+
			"install that version, or begin anew with `make db/reset`", h.path, major, err)
	default:
		return programs{}, fmt.Errorf("this machine has no PostgreSQL %d or newer: %w; install it "+
			"(Debian and Ubuntu: `apt-get install postgresql`; macOS: `brew install postgresql@17`), "+
			"or set DATABASE_URL to a PostgreSQL server of yours", oldest, err)
	}
}

// locales are tried in order. Lower case and trigrams need a character table that knows Unicode; the
// sort order by code points is that of every machine, so no upgrade of the system can damage an index.
var locales = [][]string{
	{"--locale=C.UTF-8"},
	{"--locale=C", "--lc-ctype=en_US.UTF-8"},
	{"--locale=C", "--lc-ctype=UTF-8"}, // macOS
}

// initialise creates the data beside its final place and moves it there whole, so that a killed first
// start leaves nothing half made.
func initialise(ctx context.Context, h home, p programs, o Options) error {
	o.Log.InfoContext(ctx, "creating a database in "+h.path, "postgres", p.major)
	// Letters and digits only: it stands in URLs and files.
	password := rand.Text()
	if err := h.write("password", password); err != nil {
		return err
	}
	fresh := h.file("data.new")
	var failures []error
	for _, locale := range locales {
		if err := os.RemoveAll(fresh); err != nil {
			return fmt.Errorf("clear unfinished data: %w", err)
		}
		args := append([]string{
			"--pgdata=" + fresh,
			"--username=" + role,
			"--pwfile=" + h.file("password"),
			"--encoding=UTF8",
			"--lc-messages=C",
			"--auth-host=scram-sha-256",
			"--auth-local=scram-sha-256",
		}, locale...)
		if o.Fast {
			args = append(args, "--no-sync")
		}
		output, err := h.as.command(ctx, h.path, p.initdb(), args...).CombinedOutput()
		if err == nil {
			if err := os.Rename(fresh, h.data()); err != nil {
				return fmt.Errorf("keep new data: %w", err)
			}
			return nil
		}
		failures = append(failures, fmt.Errorf("initdb %s: %w\n%s", strings.Join(locale, " "), err, lastLines(string(output))))
	}
	return fmt.Errorf("create data in %s: %w", h.path, errors.Join(failures...))
}

// run starts the server, on another port when the remembered one has been taken in the meantime.
func run(ctx context.Context, h home, p programs, o Options, password string) (*Server, error) {
	const attempts = 5
	for attempt := 1; ; attempt++ {
		port, err := choosePort(h, o.Port)
		if err != nil {
			return nil, err
		}
		s, err := runOn(ctx, h, p, o, password, port)
		if err == nil {
			if err := h.write("port", strconv.Itoa(port)); err != nil {
				return nil, errors.Join(err, s.Stop(ctx))
			}
			o.Log.InfoContext(ctx, "PostgreSQL is ready", "version", p.major, "port", port, "data", h.path)
			return s, nil
		}
		var failed *startFailure
		if !errors.As(err, &failed) || attempt == attempts || !failed.passing(o.Port != 0) {
			return nil, err
		}
		o.Log.WarnContext(ctx, "PostgreSQL could not start yet; trying again", "reason", failed.reason())
		if err := pause(ctx, time.Second); err != nil {
			return nil, err
		}
	}
}

func choosePort(h home, wanted int) (int, error) {
	if wanted != 0 {
		return wanted, nil
	}
	if text, err := h.read("port"); err == nil {
		if port, err := strconv.Atoi(text); err == nil && portIsFree(port) {
			return port, nil
		}
	}
	return freePort()
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close() //nolint:errcheck // nothing was sent
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func portIsFree(port int) bool {
	listener, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

func connectionURL(password string, port int, database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(role, password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// runOn starts the server on a port and waits until it answers.
func runOn(ctx context.Context, h home, p programs, o Options, password string, port int) (*Server, error) {
	log, begin, err := openLog(h)
	if err != nil {
		return nil, err
	}
	proc, err := launch(h, p, arguments(h, o, port), log)
	_ = log.Close()
	if err != nil {
		return nil, err
	}
	s := &Server{url: connectionURL(password, port, role), home: h.path, done: proc.done, stop: proc.stop}
	if err := awaitReady(ctx, connectionURL(password, port, "postgres"), proc); err != nil {
		// Not with ctx, which may be what ended.
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return nil, errors.Join(&startFailure{cause: err, log: logSince(h, begin), path: h.log()}, s.Stop(stopCtx))
	}
	go func() {
		<-proc.done
		if !proc.stopping.Load() {
			o.Log.Error("PostgreSQL ended by itself", "log", h.log(), "last", lastLines(logSince(h, begin)))
		}
	}()
	return s, nil
}

// arguments stand on the command line and not in the configuration file, so that every start has the
// current ones whatever was started before.
func arguments(h home, o Options, port int) []string {
	settings := []string{
		"listen_addresses=127.0.0.1",
		"port=" + strconv.Itoa(port),
		// A socket's path may have about 100 characters, fewer than a checkout's path often has.
		"unix_socket_directories=",
		"timezone=UTC",
		"log_timezone=UTC",
		"shared_preload_libraries=",
		"max_connections=300",
		"log_destination=stderr",
		"logging_collector=off",
	}
	if o.Fast {
		settings = append(settings,
			"fsync=off",
			"synchronous_commit=off",
			"full_page_writes=off",
			"wal_level=minimal",
			"max_wal_senders=0",
			"max_wal_size=256MB",
		)
	}
	args := []string{"-D", h.data()}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	return args
}

// awaitReady returns when a connection with our password succeeds. Nobody else's server on the port can
// pass for ours: in SCRAM the server proves that it knows the password, too.
func awaitReady(ctx context.Context, address string, proc *process) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	// A stranger on the port may accept and never answer, and lib/pq does not heed ctx while it connects.
	db, err := sql.Open("postgres", address+"&connect_timeout=2")
	if err != nil {
		return fmt.Errorf("read own address: %w", err)
	}
	defer db.Close() //nolint:errcheck // only pings went through it
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-proc.done:
			return fmt.Errorf("PostgreSQL ended at once: %w", proc.result())
		case <-ctx.Done():
			return fmt.Errorf("wait for PostgreSQL: %w (it last said: %w)", context.Cause(ctx), err)
		case <-time.After(poll):
		}
	}
}

// prepare makes the database and checks what the schema needs, before a migration fails less clearly.
func prepare(ctx context.Context, address string, extensions []string) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("read own address: %w", err)
	}
	u.Path = "/postgres"
	db, err := sql.Open("postgres", u.String())
	if err != nil {
		return fmt.Errorf("read own address: %w", err)
	}
	defer db.Close() //nolint:errcheck // every statement's error was looked at
	var there bool
	if err := db.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, role).Scan(&there); err != nil {
		return fmt.Errorf("look for database: %w", err)
	}
	if !there {
		if _, err := db.ExecContext(ctx, `CREATE DATABASE `+role); err != nil {
			return fmt.Errorf("create database: %w", err)
		}
	}
	for _, name := range extensions {
		var major int
		err := db.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::int / 10000,
			EXISTS (SELECT FROM pg_available_extensions WHERE name = $1)`, name).Scan(&major, &there)
		if err != nil {
			return fmt.Errorf("look for extension %s: %w", name, err)
		}
		if !there {
			return fmt.Errorf("PostgreSQL %d on this machine lacks the extension %s, which is in its contrib package: "+
				"install it (Debian and Ubuntu: `apt-get install postgresql-%d`, or `postgresql-contrib`; "+
				"Fedora and Alpine: `postgresql-contrib`) and start again", major, name, major)
		}
	}
	return nil
}

// Remove deletes the data and everything else that [Start] made for the folder, wherever it is; [ErrInUse]
// while a process runs it. Nothing there is no error.
func Remove(ctx context.Context, o Options) error {
	o = o.withDefaults()
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return fmt.Errorf("find data folder: %w", err)
	}
	path := filepath.Join(dir, "postgres")
	noted, elsewhere := readLocation(dir)
	if elsewhere {
		path = noted
	}
	if !exists(path) {
		return removeAll(filepath.Join(dir, locationFile))
	}
	// The note is a plain file that anybody may have edited: delete only what Start has made.
	if elsewhere && exists(path) && !exists(filepath.Join(path, lockFile)) {
		return fmt.Errorf("remove data: %s, named in %s, does not look like data of Caseload", path, locationFile)
	}
	h := home{path: path}
	lock, err := hold(h)
	if err != nil {
		return fmt.Errorf("remove data: %w", err)
	}
	defer lock.Release()
	if err := endLeftover(ctx, h, o.Log); err != nil {
		return fmt.Errorf("remove data: %w", err)
	}
	return removeAll(path, filepath.Join(dir, locationFile))
}

func removeAll(paths ...string) error {
	for _, path := range paths {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove data: %w", err)
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
