// Package demo fills a database with demonstration data: two organizations with task types and customers
// whose schedules are made by the real sync.
package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"

	"caseload/internal/batch"
	"caseload/internal/calling"
	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/identity"
	"caseload/internal/schedule"
	"caseload/internal/viewer"
)

// The demonstration organizations. Their ids are fixed, so that a second run finds them.
var organizations = []struct {
	id, name, zone string
}{
	{"01920000-0000-7000-8000-000000000001", "Harbor Lending", "America/New_York"},
	{"01920000-0000-7000-8000-000000000002", "Summit Recovery", "America/Denver"},
}

// Tenant is a demonstration organization with a key that opens it.
type Tenant struct {
	Name string
	Key  string
}

// Loader fills a database.
type Loader struct {
	Pool      *db.Pool
	Keys      *identity.Keys
	Schedules *schedule.Service
	// Customers is how many each organization gets.
	Customers int
	// KeysDir is where the keys are kept between runs, readable by the owner only; they are stored nowhere else.
	KeysDir string
	Now     func() time.Time
	// Progress is told what happens; it may be nil.
	Progress func(format string, args ...any)
}

// perSync is how many customers one bulk sync makes.
const perSync = 500

// Load makes what is missing and returns the organizations with their keys. Safe to repeat: organizations that
// exist keep their data.
func (l *Loader) Load(ctx context.Context) ([]Tenant, error) {
	existing, err := identity.ListOrganizations(ctx, l.Pool)
	if err != nil {
		return nil, fmt.Errorf("load demonstration data: %w", err)
	}
	known := map[uuid.UUID]bool{}
	for _, o := range existing {
		known[o.UUID] = true
	}
	tenants := make([]Tenant, 0, len(organizations))
	for n, o := range organizations {
		id := uuid.MustParse(o.id)
		if !known[id] {
			if _, err := identity.CreateOrganization(ctx, l.Pool, id, o.name, o.zone, l.Now()); err != nil {
				return nil, err
			}
		}
		system := &viewer.Viewer{Kind: viewer.System, OrganizationID: id, ActorName: "demonstration data", Scopes: viewer.AllScopes()}
		if err := l.fill(ctx, system, n, o.name); err != nil {
			return nil, err
		}
		key, err := l.key(ctx, system)
		if err != nil {
			return nil, err
		}
		tenants = append(tenants, Tenant{Name: o.name, Key: key})
	}
	return tenants, nil
}

func (l *Loader) fill(ctx context.Context, v *viewer.Viewer, n int, name string) error {
	have, err := customer.Customers.Count(ctx, l.Pool, v.Scope(), db.Where{})
	if err != nil {
		return fmt.Errorf("count customers: %w", err)
	}
	if have >= l.Customers {
		return nil
	}
	if err := l.taskTypes(ctx, v); err != nil {
		return err
	}
	l.say("Making %d customers with call schedules for %s …", l.Customers-have, name)
	// A fixed seed: every machine shows the same people.
	people := &people{r: rand.New(rand.NewPCG(uint64(n), 2026))}
	for from := 0; from < l.Customers; from += perSync {
		rows := make([]*schedule.SyncCustomerScheduleInput, 0, perSync)
		for i := from; i < min(from+perSync, l.Customers); i++ {
			rows = append(rows, people.next(i))
		}
		results, err := l.Schedules.BulkSync(ctx, v, schedule.BulkSyncCustomerSchedulesInput{Customers: rows, ErrorPolicy: batch.RejectEverything})
		if err != nil {
			return fmt.Errorf("make customers: %w", err)
		}
		for _, r := range results {
			if len(r.UserErrors) > 0 && r.UserErrors[0].Code != "DO_NOT_CALL" {
				return fmt.Errorf("make customers: %s at %v: %s", r.UserErrors[0].Code, r.UserErrors[0].Path, r.UserErrors[0].Message)
			}
		}
	}
	return nil
}

func (l *Loader) taskTypes(ctx context.Context, v *viewer.Viewer) error {
	some := func(n int32) graphql.Omittable[*int32] { return graphql.OmittableOf(&n) }
	text := func(s string) graphql.Omittable[*string] { return graphql.OmittableOf(&s) }
	off := calling.RegFOff
	for _, t := range []schedule.CreateTaskTypeInput{
		{Name: "collections", Purpose: calling.Collection, Description: text("Past-due accounts: one call a day for a week, under Regulation F.")},
		{Name: "welcome", Purpose: calling.Servicing, Description: text("New borrowers: two calls in the first three days."),
			Cadence: schedule.Cadence{MaxAttempts: some(2), HorizonDays: some(3), RegulationF: graphql.OmittableOf(&off)}},
		{Name: "refinance-offer", Purpose: calling.Solicitation, Description: text("Offers: the hours of the states apply."),
			Cadence: schedule.Cadence{MaxAttempts: some(3), HorizonDays: some(14), MinIntervalMinutes: some(2880), Priority: some(8)}},
	} {
		if _, err := schedule.FindTaskType(ctx, l.Pool, v.Scope(), t.Name); err == nil {
			continue
		}
		if _, err := l.Schedules.CreateTaskType(ctx, v, t); err != nil {
			return fmt.Errorf("make task type %s: %w", t.Name, err)
		}
	}
	return nil
}

// key returns the organization's demonstration key: the one kept by an earlier run, if it still works, or a
// new one.
func (l *Loader) key(ctx context.Context, v *viewer.Viewer) (string, error) {
	path := filepath.Join(l.KeysDir, "demo-key-"+v.OrganizationID.String())
	if text, err := os.ReadFile(path); err == nil {
		key := strings.TrimSpace(string(text))
		if _, err := l.Keys.Authenticate(ctx, key); err == nil {
			return key, nil
		}
	}
	_, key, err := l.Keys.Create(ctx, v, identity.CreateAPIKeyInput{Name: "Demonstration key", Scopes: viewer.AllScopes()})
	if err != nil {
		return "", fmt.Errorf("make demonstration key: %w", err)
	}
	if err := os.MkdirAll(l.KeysDir, 0o700); err != nil {
		return "", fmt.Errorf("keep demonstration key: %w", err)
	}
	if err := os.WriteFile(path, []byte(key+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep demonstration key: %w", err)
	}
	return key, nil
}

func (l *Loader) say(format string, args ...any) {
	if l.Progress != nil {
		l.Progress(format, args...)
	}
}
