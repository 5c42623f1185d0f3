// Package migrations holds the schema as numbered SQL and brings a database to a version of it.
//
// The files are in goose's form, one command per statement (a sharded database takes no more), no triggers.
// The job tables are River's own: its migrations run after ours on the way up and before ours on the way
// down to nothing. An advisory lock makes it safe for several server processes to start at once.
package migrations

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
)

//go:embed *.sql
var files embed.FS

// Up brings the database to the newest version. What is there already stays as it is, and a database that
// a newer program has brought further is left alone. Safe to call at once from several processes: one
// migrates, the others wait. The pool must allow three connections.
func Up(ctx context.Context, db *sql.DB) error { return ours().up(ctx, db) }

// Down takes back every migration after toVersion, newest first, with the data in what they made; 0 takes
// everything back, the job tables too.
func Down(ctx context.Context, db *sql.DB, toVersion int64) error {
	return ours().down(ctx, db, toVersion)
}

// Status lists every migration, River's last, in the order in which they apply. It changes nothing.
func Status(ctx context.Context, db *sql.DB) ([]Step, error) { return ours().status(ctx, db) }

// Check reports whether the program can work on the database: nil when it is at the newest version or
// beyond, else an [OutdatedError]. Cheap enough for a readiness probe.
func Check(ctx context.Context, db *sql.DB) error { return ours().check(ctx, db) }

// Hash identifies the newest schema: it changes with every migration, River's included.
func Hash() string { return ours().hash() }

// Step is one migration.
type Step struct {
	// Source is "caseload" or "river".
	Source  string
	Version int64
	Name    string
	// AppliedAt is in UTC, zero when the migration is pending.
	AppliedAt time.Time
}

// Applied reports whether the database has the migration.
func (s Step) Applied() bool { return !s.AppliedAt.IsZero() }

// OutdatedError is a database that lacks migrations.
type OutdatedError struct {
	Source          string
	Current, Newest int64
}

func (e *OutdatedError) Error() string {
	return fmt.Sprintf("database is at %s migration %d of %d: run `caseload migrate up`", e.Source, e.Current, e.Newest)
}

// runner works on any set of files, so that tests can bring their own, and on migrations that are Go.
type runner struct {
	files fs.FS
	code  []func() *goose.Migration
}

func ours() runner { return runner{files, []func() *goose.Migration{normalizeKeys}} }

func (r runner) hash() string {
	sum := sha256.New()
	names, err := fs.Glob(r.files, "*.sql")
	if err != nil {
		panic(fmt.Sprintf("migrations: list files: %v", err))
	}
	for _, name := range names {
		text, err := fs.ReadFile(r.files, name)
		if err != nil {
			panic(fmt.Sprintf("migrations: read %s: %v", name, err))
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(text), text)
	}
	for _, code := range r.code {
		fmt.Fprintf(sum, "code %d\n", code().Version)
	}
	fmt.Fprintf(sum, "river %d", newestRiver())
	return hex.EncodeToString(sum.Sum(nil)[:10])
}
