package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivermigrate"
)

// table is where goose notes what it has done.
const table = "schema_migrations"

// lockID names the advisory lock; any number that nothing else in this database uses.
const lockID int64 = 0x63617365_6c6f6164

func (r runner) provider(db *sql.DB) (*goose.Provider, error) {
	code := make([]*goose.Migration, len(r.code))
	for i, migration := range r.code {
		code[i] = migration()
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, r.files,
		goose.WithGoMigrations(code...),
		goose.WithTableName(table),
		goose.WithDisableGlobalRegistry(true),
		goose.WithSlog(slog.New(slog.DiscardHandler)),
	)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return p, nil
}

// jobMigrator makes the migrator of the tables of jobs. Its database may be nil: then it only knows the list of versions.
func jobMigrator(db *sql.DB) (*rivermigrate.Migrator[*sql.Tx], error) {
	m, err := rivermigrate.New(riverdatabasesql.New(db), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, fmt.Errorf("read River's migrations: %w", err)
	}
	return m, nil
}

func newestRiver() int64 {
	m, err := jobMigrator(nil)
	if err != nil {
		panic(fmt.Sprintf("migrations: %v", err))
	}
	var newest int
	for _, v := range m.AllVersions() {
		newest = max(newest, v.Version)
	}
	return int64(newest)
}

// locked runs f while no other process migrates this database. The lock covers ours and River's
// together, so it is taken here and not by goose.
func locked(ctx context.Context, db *sql.DB, f func() error) (err error) {
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(lockID), lock.WithLockTimeout(1, 600))
	if err != nil {
		return fmt.Errorf("make migration lock: %w", err)
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect to migrate: %w", err)
	}
	defer conn.Close() //nolint:errcheck // the lock has been given back, or ends with the connection
	if err := locker.SessionLock(ctx, conn); err != nil {
		return fmt.Errorf("wait for another process that migrates: %w", err)
	}
	defer func() {
		// Also when ctx has ended: a connection back in the pool would keep the lock.
		if e := locker.SessionUnlock(context.WithoutCancel(ctx), conn); e != nil {
			err = errors.Join(err, fmt.Errorf("give migration lock back: %w", e))
		}
	}()
	return f()
}

func (r runner) up(ctx context.Context, db *sql.DB) error {
	p, err := r.provider(db)
	if err != nil {
		return err
	}
	jobs, err := jobMigrator(db)
	if err != nil {
		return err
	}
	return locked(ctx, db, func() error {
		if _, err := p.Up(ctx); err != nil {
			return fmt.Errorf("migrate up: %w", err)
		}
		if _, err := jobs.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return fmt.Errorf("migrate job tables up: %w", err)
		}
		return nil
	})
}

func (r runner) down(ctx context.Context, db *sql.DB, toVersion int64) error {
	p, err := r.provider(db)
	if err != nil {
		return err
	}
	jobs, err := jobMigrator(db)
	if err != nil {
		return err
	}
	return locked(ctx, db, func() error {
		if toVersion == 0 {
			_, err := jobs.Migrate(ctx, rivermigrate.DirectionDown, &rivermigrate.MigrateOpts{TargetVersion: -1})
			if err != nil {
				return fmt.Errorf("migrate job tables down: %w", err)
			}
		}
		if _, err := p.DownTo(ctx, toVersion); err != nil {
			return fmt.Errorf("migrate down to %d: %w", toVersion, err)
		}
		return nil
	})
}

// exists asks without touching: goose's own status would make its table.
func exists(ctx context.Context, db *sql.DB, name string) (bool, error) {
	var there bool
	if err := db.QueryRowContext(ctx, `SELECT to_regclass($1) IS NOT NULL`, name).Scan(&there); err != nil {
		return false, fmt.Errorf("look for table %s: %w", name, err)
	}
	return there, nil
}

func (r runner) status(ctx context.Context, db *sql.DB) ([]Step, error) {
	p, err := r.provider(db)
	if err != nil {
		return nil, err
	}
	jobs, err := jobMigrator(db)
	if err != nil {
		return nil, err
	}
	var steps []Step
	for _, s := range p.ListSources() {
		steps = append(steps, Step{Source: "caseload", Version: s.Version, Name: path.Base(s.Path)})
	}
	for _, v := range jobs.AllVersions() {
		steps = append(steps, Step{Source: "river", Version: int64(v.Version), Name: v.Name})
	}
	for _, source := range []struct{ name, table, query string }{
		{"caseload", table, `SELECT version_id, tstamp FROM schema_migrations WHERE is_applied`},
		{"river", "river_migration", `SELECT version, created_at FROM river_migration WHERE line = 'main'`},
	} {
		if err := readApplied(ctx, db, steps, source.name, source.table, source.query); err != nil {
			return nil, err
		}
	}
	return steps, nil
}

func readApplied(ctx context.Context, db *sql.DB, steps []Step, source, table, query string) error {
	there, err := exists(ctx, db, table)
	if err != nil || !there {
		return err
	}
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("read applied migrations: %w", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	for rows.Next() {
		var applied Step
		if err := rows.Scan(&applied.Version, &applied.AppliedAt); err != nil {
			return fmt.Errorf("read applied migrations: %w", err)
		}
		for i := range steps {
			if steps[i].Source == source && steps[i].Version == applied.Version {
				steps[i].AppliedAt = applied.AppliedAt.UTC()
			}
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read applied migrations: %w", err)
	}
	return nil
}

func (r runner) check(ctx context.Context, db *sql.DB) error {
	p, err := r.provider(db)
	if err != nil {
		return err
	}
	sources := p.ListSources()
	for _, s := range []struct {
		name, table, query string
		newest             int64
	}{
		{"caseload", table, `SELECT coalesce(max(version_id), 0) FROM schema_migrations WHERE is_applied`, sources[len(sources)-1].Version},
		{"river", "river_migration", `SELECT coalesce(max(version), 0) FROM river_migration WHERE line = 'main'`, newestRiver()},
	} {
		var current int64
		there, err := exists(ctx, db, s.table)
		if err == nil && there {
			err = db.QueryRowContext(ctx, s.query).Scan(&current)
		}
		if err != nil {
			return fmt.Errorf("read version of database: %w", err)
		}
		if current < s.newest {
			return &OutdatedError{Source: s.name, Current: current, Newest: s.newest}
		}
	}
	return nil
}
