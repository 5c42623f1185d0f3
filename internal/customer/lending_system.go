package customer

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"caseload/internal/audit"
	"caseload/internal/db"
	"caseload/internal/entity"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/lending"
	"caseload/internal/pii"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// LendingSystem is the organization's own lending system.
type LendingSystem struct {
	entity.Row
	BaseURL   string `db:"base_url"`
	KeySealed []byte `db:"key_sealed"`
	IsEnabled bool   `db:"is_enabled"`
}

// LendingSystems declares the lending systems: at most one row per organization.
var LendingSystems = db.NewTable[LendingSystem]("lending_systems", "lms")

// ID returns the typed id.
func (l *LendingSystem) ID() relay.ID {
	return relay.ID{Prefix: LendingSystems.Prefix(), UUID: l.UUID}
}

// The bounds of the address and the key of a lending system, in code points.
const maxBaseURL, maxLendingKey = 2048, 512

// lendingKeyAt is where the key of a lending system is sealed.
func lendingKeyAt(l *LendingSystem) pii.Location {
	return pii.Location{OrganizationID: l.OrganizationID, Table: "lending_systems", Column: "key_sealed", Row: l.UUID}
}

// ReadLendingSystem returns the organization's lending system, or a NOT_FOUND fault.
func ReadLendingSystem(ctx context.Context, q db.Querier, sc db.Scope) (*LendingSystem, error) {
	return LendingSystems.One(ctx, q, sc, db.Where{})
}

// ConfigureLendingSystem sets the organization's lending system. The key is sealed and never shown again.
// Safe to repeat; wrong input comes back as fault.UserErrors.
func (s *Service) ConfigureLendingSystem(ctx context.Context, v *viewer.Viewer, in ConfigureLendingSystemInput) (*LendingSystem, error) {
	c := fault.NewCheck("input")
	baseURL := input.Text(c.At("baseUrl"), in.BaseURL, maxBaseURL)
	if err := lending.ValidateBaseURL(baseURL, s.allowPrivate); baseURL != "" && err != nil {
		c.At("baseUrl").Add(fault.Invalid, "%v", err)
	}
	key := in.Key.Value()
	if key != nil {
		secret := input.Text(c.At("key"), *key, maxLendingKey)
		if err := lending.ValidateKey(secret); secret != "" && err != nil {
			c.At("key").Add(fault.Invalid, "%v", err)
		}
		key = &secret
	}
	var row *LendingSystem
	err := s.pool.InTx(ctx, s.now(), func(tx *db.Tx) error {
		tx.Keep(&row)
		got, err := ReadLendingSystem(ctx, tx, v.Scope())
		if err == nil {
			// Concurrent changes act in sequence.
			got, err = LendingSystems.Lock(ctx, tx, v.Scope(), got.UUID)
		}
		isNew := err != nil && fault.CodeOf(err) == fault.NotFound
		if err != nil && !isNew {
			return fmt.Errorf("read lending system: %w", err)
		}
		if isNew && key == nil && !c.Has("key") {
			c.At("key").Add(fault.Required, "Give the key: none is stored yet.")
		}
		if !isNew && key == nil && !sameOrigin(got.BaseURL, baseURL) {
			// Otherwise whoever may configure could have the stored key sent to a host of their own.
			c.At("key").Add(fault.Required, "Give the key again: the lending system is at another host now.")
		}
		if err := c.Err(); err != nil {
			return err
		}
		if isNew {
			got = &LendingSystem{Row: entity.NewRow(v.OrganizationID, v.ActorText(), tx.Now), IsEnabled: true}
		}
		got.BaseURL, got.UpdatedAt, got.UpdatedBy = baseURL, tx.Now, v.ActorText()
		if on := in.IsEnabled.Value(); on != nil {
			got.IsEnabled = *on
		}
		if key != nil {
			if got.KeySealed, err = s.sealer.Seal(lendingKeyAt(got), *key); err != nil {
				return err
			}
		}
		if isNew {
			if err = LendingSystems.Insert(ctx, tx, v.Scope(), got); db.Violated(err) == "lending_systems_one_per_organization" {
				return db.ErrRetry
			}
		} else {
			err = LendingSystems.Update(ctx, tx, v.Scope(), got)
		}
		if err != nil {
			return db.Refused(err, "input")
		}
		row = got
		return audit.Write(ctx, tx, v, audit.Change{Action: "lending_system.configured", Target: got.ID(),
			Fields: map[string]any{"baseUrl": got.BaseURL, "isEnabled": got.IsEnabled, "keyChanged": key != nil}})
	})
	if err != nil {
		return nil, err
	}
	return row, nil
}

// sameOrigin reports whether two addresses have the same scheme, host and port.
func sameOrigin(a, b string) bool {
	x, errX := url.Parse(a)
	y, errY := url.Parse(b)
	return errX == nil && errY == nil && x.Scheme == y.Scheme && strings.EqualFold(x.Host, y.Host)
}

// Fetched is what the lending system sent of one customer.
type Fetched struct {
	Borrower *lending.Borrower
	Loans    []lending.Loan
}

// LendingTarget returns the organization's lending system ready to be asked, or fault.UserErrors at path
// when none is configured or it is switched off.
func (s *Service) LendingTarget(ctx context.Context, v *viewer.Viewer, path ...string) (lending.Target, error) {
	row, err := ReadLendingSystem(ctx, s.pool, v.Scope())
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		return lending.Target{}, fmt.Errorf("read lending system: %w", err)
	}
	if err != nil || !row.IsEnabled {
		return lending.Target{}, fault.UserErrors{{Code: fault.InvalidState, Path: path,
			Message: "No lending system is configured and enabled for this organization: use configureLendingSystem first, or leave sync out."}}
	}
	key, err := s.sealer.Open(lendingKeyAt(row), row.KeySealed)
	if err != nil {
		return lending.Target{}, err
	}
	return lending.Target{OrganizationID: v.OrganizationID, BaseURL: row.BaseURL, Key: pii.Secret(key), AllowPrivate: s.allowPrivate}, nil
}

// Fetch asks the lending system about one customer. It is called before the transaction: no row is locked
// while another company's server thinks. What goes wrong comes back as fault.UserErrors at path.
func (s *Service) Fetch(ctx context.Context, t lending.Target, req lending.Request, path ...string) (*Fetched, error) {
	borrower, loans, err := s.lending.Fetch(ctx, t, req)
	if err == nil {
		return &Fetched{Borrower: borrower, Loans: loans}, nil
	}
	var failure *lending.Error
	if !errors.As(err, &failure) {
		return nil, err
	}
	code := fault.LendingRefused
	switch {
	case errors.Is(err, lending.ErrUnavailable):
		code = fault.LendingUnavailable
	case errors.Is(err, lending.ErrNotFound), errors.Is(err, lending.ErrLoanNotFound):
		code = fault.Missing
	}
	return nil, fault.UserErrors{{Code: code, Message: failure.Message, Path: path}}
}
