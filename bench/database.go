package main

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"caseload/internal/calling"
	"caseload/internal/civil"
	"caseload/internal/db"
	"caseload/internal/devdb"
	"caseload/internal/identity"
	"caseload/internal/notify"
	"caseload/internal/pii"
	"caseload/internal/schedule"
	"caseload/internal/viewer"
	"caseload/migrations"
)

//go:embed sql/data.sql
var dataSQL string

// The organizations. The big one is measured; the small one is there so that every index holds more than one.
var (
	big   = uuid.MustParse("01970000-0000-7000-8000-000000000001")
	small = uuid.MustParse("01970000-0000-7000-8000-000000000002")
)

// taskType is the name of the task type of all schedules.
const taskType = "collections"

// database is the PostgreSQL that is measured on.
type database struct {
	url    string
	pool   *db.Pool
	sealer *pii.Sealer
	own    *devdb.Server
}

// openDatabase starts a PostgreSQL in dir with its ordinary settings, so that every commit waits for the
// disk, or takes the empty one at address. The schema is brought up to date.
func openDatabase(ctx context.Context, dir, address string, log io.Writer) (_ *database, err error) {
	d := &database{url: address}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if d.url == "" {
		if d.own, err = devdb.Start(ctx, devdb.Options{Dir: dir, Log: slog.New(slog.NewTextHandler(log, nil))}); err != nil {
			return nil, err
		}
		d.url = d.own.URL()
	}
	if d.pool, err = db.Open(d.url, db.Settings{MaxOpen: 4, ApplicationName: "caseload bench"}); err != nil {
		return nil, err
	}
	if err = migrations.Up(ctx, d.pool.SQL()); err != nil {
		return nil, fmt.Errorf("bring the schema up to date: %w", err)
	}
	var rows int
	if err = d.pool.Get(ctx, &rows, "SELECT count(*) FROM organizations"); err != nil {
		return nil, fmt.Errorf("look for data: %w", err)
	}
	if rows > 0 {
		return nil, errors.New("the database holds data already: measurements begin with an empty one")
	}
	keys, err := pii.LoadOrCreate(filepath.Join(dir, "pii.keys"))
	if err != nil {
		return nil, err
	}
	d.sealer, err = pii.NewSealer(keys)
	return d, err
}

func (d *database) close() error {
	var errs []error
	if d.pool != nil {
		errs = append(errs, d.pool.Close())
	}
	if d.own != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		errs = append(errs, d.own.Stop(ctx))
	}
	return errors.Join(errs...)
}

// cpu is the processor time that PostgreSQL has used so far, with that of connections that have ended; zero where it
// is on another machine.
func (d *database) cpu(ctx context.Context) (time.Duration, error) {
	var backend int
	if err := d.pool.Get(ctx, &backend, "SELECT pg_backend_pid()"); err != nil {
		return 0, fmt.Errorf("find process of PostgreSQL: %w", err)
	}
	// The parent of a connection is the postmaster, to whom the time of its ended children is added.
	postmaster := sum(stat(backend), 1)
	if postmaster == 0 || !strings.Contains(value(fmt.Sprintf("/proc/%d/status", backend), "Name"), "postgres") {
		return 0, nil
	}
	ticks := sum(stat(postmaster), 13, 14)
	for _, pid := range family(postmaster) {
		ticks += sum(stat(pid), 11, 12)
	}
	return time.Duration(ticks) * tick, nil
}

// organize makes the organizations, the big one's task type, and a key that opens it.
func (d *database) organize(ctx context.Context) (key string, err error) {
	for id, name := range map[uuid.UUID]string{big: "Big Lending", small: "Small Lending"} {
		if _, err := identity.CreateOrganization(ctx, d.pool, id, name, "America/New_York", time.Now()); err != nil {
			return "", err
		}
		v := system(id)
		bus := notify.New(d.pool, d.url, slog.New(slog.DiscardHandler))
		if _, err := schedule.New(d.pool, nil, bus, time.Now).CreateTaskType(ctx, v, schedule.CreateTaskTypeInput{Name: taskType, Purpose: calling.Collection}); err != nil {
			return "", fmt.Errorf("create task type: %w", err)
		}
		if id == big {
			if _, key, err = identity.NewKeys(d.pool, bus, time.Now).Create(ctx, v, identity.CreateAPIKeyInput{Name: "Measurements", Scopes: viewer.AllScopes()}); err != nil {
				return "", err
			}
		}
	}
	return key, nil
}

func system(organization uuid.UUID) *viewer.Viewer {
	return &viewer.Viewer{Kind: viewer.System, OrganizationID: organization, ActorName: "measurements", Scopes: viewer.AllScopes()}
}

// fill loads customers of the big organization, and a tenth of their number of the small one.
func (d *database) fill(ctx context.Context, customers int) error {
	if err := d.fillOne(ctx, big, 1, customers); err != nil {
		return err
	}
	if err := d.fillOne(ctx, small, customers+1, customers+customers/10); err != nil {
		return err
	}
	for _, text := range []string{"VACUUM ANALYZE", "CHECKPOINT"} {
		// Not through the pool: VACUUM refuses to be prepared.
		if _, err := d.pool.SQL().ExecContext(ctx, text); err != nil {
			return fmt.Errorf("settle data: %w", err)
		}
	}
	return nil
}

func (d *database) fillOne(ctx context.Context, organization uuid.UUID, from, to int) error {
	var typeID uuid.UUID
	if err := d.pool.Get(ctx, &typeID, "SELECT id FROM task_types WHERE organization_id = $1 AND name = $2", organization, taskType); err != nil {
		return fmt.Errorf("find task type: %w", err)
	}
	tx, err := d.pool.SQL().BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("load data: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	statements := strings.NewReplacer(
		":org", "CAST('"+organization.String()+"' AS uuid)", ":type", "CAST('"+typeID.String()+"' AS uuid)",
		":from", fmt.Sprint(from), ":to", fmt.Sprint(to)).Replace(dataSQL)
	if err := d.seal(ctx, tx, organization, from, to); err != nil {
		return err
	}
	for text := range strings.SplitSeq(statements, ";\n\n") {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("load data: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("load data: %w", err)
	}
	return nil
}

// id is the function bench_id of data.sql.
func id(kind byte, n int) uuid.UUID {
	u := uuid.UUID{0: 0x01, 1: 0x98, 5: kind, 6: 0x70, 8: 0x80}
	for i := 15; n > 0; i-- {
		u[i] = byte(n)
		n >>= 8
	}
	return u
}

// The kinds of ids that scripts name.
const (
	customerKind = 1
	scheduleKind = 5
)

// seal makes the temporary table with birthdays and sealed last four digits, as the server would store them.
func (d *database) seal(ctx context.Context, tx *sql.Tx, organization uuid.UUID, from, to int) error {
	if _, err := tx.ExecContext(ctx, "CREATE TEMPORARY TABLE sealed (n bigint PRIMARY KEY, birthday date, sealed bytea, index bytea)"); err != nil {
		return fmt.Errorf("seal data: %w", err)
	}
	copying, err := tx.PrepareContext(ctx, "COPY sealed (n, birthday, sealed, index) FROM STDIN")
	if err != nil {
		return fmt.Errorf("seal data: %w", err)
	}
	defer func() { _ = copying.Close() }()
	for n := from; n <= to; n++ {
		digits := fmt.Sprintf("%04d", n%10000)
		birthday := civil.MustDate(1950, time.January, 1).AddDays(n % 18000)
		sealed, err := d.sealer.Seal(pii.Location{OrganizationID: organization, Table: "customers", Column: "ssn_last_four_sealed", Row: id(customerKind, n)}, digits)
		if err != nil {
			return err
		}
		index := d.sealer.Index(organization, "customers.ssn_last_four+birthday", digits+"|"+birthday.String())
		if _, err := copying.ExecContext(ctx, n, birthday.String(), sealed, index); err != nil {
			return fmt.Errorf("seal data: %w", err)
		}
	}
	if _, err := copying.ExecContext(ctx); err != nil {
		return fmt.Errorf("seal data: %w", err)
	}
	return nil
}
