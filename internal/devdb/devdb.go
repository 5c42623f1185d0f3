// Package devdb runs a PostgreSQL of Caseload's own, so that a newcomer needs no database to begin with.
//
// The programs are those found on the machine, else embedded-postgres downloads them. The data is kept
// between runs in the folder `postgres` of Options.Dir. PostgreSQL refuses to run as root: a root process
// hands it to an unprivileged account, and where that account cannot reach Options.Dir (a checkout under
// /root), the data lives elsewhere and the file `postgres.location` in Options.Dir says where.
//
// The server listens on 127.0.0.1 only, on a port it keeps, and lets in whoever has the generated password,
// which is stored beside the data and readable by its owner alone. There is no passwordless way in.
//
// It lives as long as its [Server]: Stop ends it, and where the operating system can (Linux) it also ends
// with a process that was killed. Elsewhere, and in between, Start finds what a killed process left behind,
// stops it cleanly and begins anew. Production uses DATABASE_URL and never this package.
package devdb

import (
	"context"
	"errors"
	"log/slog"
)

// ErrInUse says that another process runs the PostgreSQL of this folder.
var ErrInUse = errors.New("data folder is in use")

// Options says where and how to run. The zero value is right for `caseload serve`.
type Options struct {
	// Dir is the folder that holds (or points at) the data; `.caseload` when empty.
	Dir string
	// Port to listen on; 0 takes the port of the last run, or a free one.
	Port int
	// Fast trades safety in a power failure for speed: for tests, whose data is worth nothing.
	Fast bool
	// Repository is the Maven repository that offers PostgreSQL's programs; empty for embedded-postgres' own default.
	Repository string
	// Log hears of starts, downloads and repairs; slog's default when nil.
	Log *slog.Logger

	// programDirs replaces the places that are searched for PostgreSQL; for tests.
	programDirs func(context.Context) []string
}

func (o Options) withDefaults() Options {
	if o.Dir == "" {
		o.Dir = ".caseload"
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.programDirs == nil {
		o.programDirs = programDirs
	}
	return o
}

// Server is a running PostgreSQL. Its methods are safe for concurrent use.
type Server struct {
	url  string
	home string
	done chan struct{}
	stop func(context.Context) error
}

// URL is the connection string of the database `caseload`, password included, in the form that lib/pq reads.
func (s *Server) URL() string { return s.url }

// Done is closed when PostgreSQL has ended, by Stop or by itself; the log in its folder says why.
func (s *Server) Done() <-chan struct{} { return s.done }

// Stop shuts PostgreSQL down: open transactions are rolled back, the data is safe. When ctx ends first,
// PostgreSQL is cut off as in a crash, from which the next start recovers. Safe to call twice.
func (s *Server) Stop(ctx context.Context) error { return s.stop(ctx) }
