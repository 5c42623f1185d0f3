package dbtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"caseload/migrations"
)

// Advisory locks let one process at a time make templates, and one the shared database. They are two,
// since making the shared database may need the template made.
const (
	templateLock int64 = 0x64627465_7374_01
	sharedLock   int64 = 0x64627465_7374_02
)

// keepFor is how long databases of failed tests and of killed test programs stay.
const keepFor = 24 * time.Hour

// clone makes a database from the template, which is made first when it is missing: at the first use, and
// when a test run of another schema version, on the same server, has just cleared it away.
func (s *server) clone(ctx context.Context, name string) error {
	const attempts = 5
	template := templatePrefix + migrations.Hash()
	for attempt := 1; ; attempt++ {
		err := s.exec(ctx, `CREATE DATABASE `+quote(name)+` TEMPLATE `+quote(template)+s.strategy)
		if !isCode(err, "3D000") || attempt == attempts {
			return err
		}
		if err := s.makeTemplate(ctx, template); err != nil {
			return err
		}
	}
}

// share makes the database that transactions share, unless it is there.
func (s *server) share(ctx context.Context, name string) error {
	return s.locked(ctx, sharedLock, func(conn *sqlx.Conn) error {
		there, err := has(ctx, conn, name)
		if err != nil || there {
			return err
		}
		return s.clone(ctx, name)
	})
}

// makeTemplate migrates under another name and renames when all is done, so that a template is whole or absent.
func (s *server) makeTemplate(ctx context.Context, template string) error {
	return s.locked(ctx, templateLock, func(conn *sqlx.Conn) error {
		there, err := has(ctx, conn, template)
		if err != nil || there {
			return err
		}
		if err := clear(ctx, conn); err != nil {
			return err
		}
		building := buildPrefix + migrations.Hash()
		for _, statement := range []string{
			`DROP DATABASE IF EXISTS ` + quote(building) + ` WITH (FORCE)`,
			`CREATE DATABASE ` + quote(building) + ` TEMPLATE template0`,
		} {
			if _, err := conn.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("make template: %w", err)
			}
		}
		if err := migrate(ctx, s.url(building)); err != nil {
			return err
		}
		for _, statement := range []string{
			// A database with a connection cannot be cloned: nobody may connect to a template.
			`ALTER DATABASE ` + quote(building) + ` ALLOW_CONNECTIONS false`,
			`ALTER DATABASE ` + quote(building) + ` RENAME TO ` + quote(template),
		} {
			if _, err := conn.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("finish template: %w", err)
			}
		}
		return nil
	})
}

// locked runs f with a connection that holds the lock; the lock ends with the connection.
func (s *server) locked(ctx context.Context, id int64, f func(*sqlx.Conn) error) error {
	db, err := sqlx.Open("postgres", s.base.String())
	if err != nil {
		return fmt.Errorf("open test server: %w", err)
	}
	defer db.Close() //nolint:errcheck // every statement's error was looked at
	conn, err := db.Connx(ctx)
	if err != nil {
		return fmt.Errorf("connect to test server: %w", err)
	}
	defer conn.Close() //nolint:errcheck // as above
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, id); err != nil {
		return fmt.Errorf("wait for another test program: %w", err)
	}
	return f(conn)
}

func migrate(ctx context.Context, address string) error {
	db, err := sqlx.Open("postgres", address)
	if err != nil {
		return fmt.Errorf("open template: %w", err)
	}
	defer db.Close() //nolint:errcheck // migrating has told of every error
	if err := migrations.Up(ctx, db.DB); err != nil {
		return fmt.Errorf("migrate template: %w", err)
	}
	return nil
}

// clear drops what other schema versions and tests of yesterday have left. It leaves alone what somebody
// is connected to; a run that loses its template this way makes it again (see clone).
func clear(ctx context.Context, conn *sqlx.Conn) error {
	var names []string
	err := conn.SelectContext(ctx, &names, `
		SELECT datname FROM pg_database d
		WHERE datname LIKE 'caseload\_%' AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = d.datname)
		ORDER BY datname`)
	if err != nil {
		return fmt.Errorf("list old databases: %w", err)
	}
	for _, name := range names {
		if !isOld(name, time.Now()) {
			continue
		}
		_, err := conn.ExecContext(ctx, `DROP DATABASE IF EXISTS `+quote(name))
		// In use: somebody connected or is cloning just now.
		if err != nil && !isCode(err, "55006") {
			return fmt.Errorf("drop old database: %w", err)
		}
	}
	return nil
}

// isOld reports whether a database of this package may go.
func isOld(name string, now time.Time) bool {
	hash := migrations.Hash()
	for _, prefix := range []string{templatePrefix, buildPrefix, sharedPrefix} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			return rest != hash
		}
	}
	rest, ok := strings.CutPrefix(name, clonePrefix)
	if !ok {
		return false
	}
	made, _, _ := strings.Cut(rest, "_")
	seconds, err := strconv.ParseInt(made, 10, 64)
	return err == nil && now.Sub(time.Unix(seconds, 0)) > keepFor
}

func has(ctx context.Context, conn *sqlx.Conn, name string) (bool, error) {
	var there bool
	if err := conn.GetContext(ctx, &there, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, name); err != nil {
		return false, fmt.Errorf("look for database: %w", err)
	}
	return there, nil
}

func isCode(err error, code pqerror.Code) bool {
	var e *pq.Error
	return errors.As(err, &e) && e.Code == code
}
