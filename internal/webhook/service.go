package webhook

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"caseload/internal/audit"
	"caseload/internal/db"
	"caseload/internal/entity"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/pii"
	"caseload/internal/viewer"
)

// Service keeps an organization's endpoints. It is safe for concurrent use.
type Service struct {
	pool   *db.Pool
	sealer *pii.Sealer
	outbox *Outbox
	// allowPrivate admits endpoints at private addresses and at http.
	allowPrivate bool
	now          func() time.Time
}

// New makes the service.
func New(pool *db.Pool, sealer *pii.Sealer, outbox *Outbox, allowPrivate bool, now func() time.Time) *Service {
	return &Service{pool: pool, sealer: sealer, outbox: outbox, allowPrivate: allowPrivate, now: now}
}

// env is the context of the viewer's changes.
func (s *Service) env(v *viewer.Viewer) entity.Env {
	return entity.Env{Pool: s.pool, Now: s.now(), Viewer: v}
}

// CreateEndpoint makes an endpoint and returns it and, this once, its secret. It is audited. Wrong input, or more
// endpoints than an organization may have, comes back as fault.UserErrors and nothing is written.
func (s *Service) CreateEndpoint(ctx context.Context, v *viewer.Viewer, in CreateEndpointInput) (*Endpoint, string, error) {
	env, secret := s.env(v), newSecret()
	e, err := Endpoints.Make(env, func(e *Endpoint, c *fault.Check) { in.fill(c, e, s.allowPrivate) })
	if err != nil {
		return nil, "", err
	}
	if e.SecretSealed, err = s.sealer.Seal(secretAt(e, currentSecret), secret.Reveal()); err != nil {
		return nil, "", err
	}
	err = s.pool.InTx(ctx, env.Now, func(tx *db.Tx) error {
		if !input.Or(in.IsEnabled, true) {
			e.disable(DisabledByHand, tx.Now)
		}
		if err := checkLimit(ctx, tx, v.Scope()); err != nil {
			return err
		}
		if err := Endpoints.Add(ctx, tx, env, e); err != nil {
			return err
		}
		s.outbox.changed(tx, v.OrganizationID)
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return e, secret.Reveal(), nil
}

// checkLimit returns a LIMIT_EXCEEDED user error when the organization has as many endpoints as it may.
func checkLimit(ctx context.Context, tx *db.Tx, sc db.Scope) error {
	// Concurrent creations run one after the other, so that the count is right.
	if _, err := tx.Exec(ctx, "SELECT id FROM organizations WHERE organization_id = $1 AND id = $1 FOR NO KEY UPDATE", sc.OrganizationID); err != nil {
		return fmt.Errorf("lock organization: %w", err)
	}
	n, err := Endpoints.Count(ctx, tx, sc, db.Where{})
	if err != nil {
		return fmt.Errorf("count webhook endpoints: %w", err)
	}
	if n >= maxEndpoints {
		return fault.UserErrors{{Code: fault.LimitExceeded, Message: fmt.Sprintf("An organization has at most %d webhook endpoints; delete one first.", maxEndpoints), Path: []string{"input"}}}
	}
	return nil
}

// UpdateEndpoint changes an endpoint. A version that moved on is a STALE_VERSION user error. An input that changes
// nothing writes nothing. Enabling an endpoint, or moving it, makes its failures forgotten; what is pending when it
// is disabled fails.
func (s *Service) UpdateEndpoint(ctx context.Context, v *viewer.Viewer, in UpdateEndpointInput) (*Endpoint, error) {
	env := s.env(v)
	return db.InTx(ctx, s.pool, env.Now, func(tx *db.Tx) (*Endpoint, error) {
		var read int32
		e, err := Endpoints.Change(ctx, tx, env, entity.Updated, in.ID, in.ExpectedVersion.Value(), func(e *Endpoint, c *fault.Check) {
			read = e.Version
			in.apply(c, e, s.allowPrivate, tx.Now)
		})
		if err != nil || e.Version == read {
			return e, err
		}
		s.outbox.changed(tx, v.OrganizationID)
		// Deliveries that wait for a pause to end, or are to be failed, need not wait for a sweep.
		return e, s.outbox.enqueue(ctx, tx, time.Time{}, e.turn())
	})
}

// DeleteEndpoint removes an endpoint at once, with its secrets, and its log soon after. It returns the endpoint as it
// was. Transactions that emit at the same time come before or find it gone.
func (s *Service) DeleteEndpoint(ctx context.Context, v *viewer.Viewer, in DeleteEndpointInput) (*Endpoint, error) {
	env := s.env(v)
	return db.InTx(ctx, s.pool, env.Now, func(tx *db.Tx) (*Endpoint, error) {
		e, err := Endpoints.Remove(ctx, tx, env, in.ID)
		if err != nil {
			return nil, err
		}
		if _, err := s.outbox.jobs.InsertTx(ctx, tx.SQL(), ForgetArgs{v.OrganizationID, e.UUID}, nil); err != nil {
			return nil, fmt.Errorf("enqueue removal of webhook log: %w", err)
		}
		s.outbox.changed(tx, v.OrganizationID)
		return e, nil
	})
}

// RotateSecret gives an endpoint a new secret and returns it, this once. The old one goes on signing beside it for
// the overlap; a secret that was already the older of two ends at once. It is audited.
func (s *Service) RotateSecret(ctx context.Context, v *viewer.Viewer, in RotateSecretInput) (*Endpoint, string, error) {
	u, err := in.ID.As(Endpoints.Prefix())
	if err != nil {
		return nil, "", err
	}
	c := fault.NewCheck("input")
	hours := in.overlapHours(c)
	if err := c.Err(); err != nil {
		return nil, "", err
	}
	secret := newSecret()
	var e *Endpoint
	err = s.pool.InTx(ctx, s.now(), func(tx *db.Tx) error {
		if e, err = Endpoints.Lock(ctx, tx, v.Scope(), u); err != nil {
			return input.NoSuch(err, "webhook endpoint", "input", "id")
		}
		if err := e.rotate(s.sealer, secret, tx.Now, time.Duration(hours)*time.Hour); err != nil {
			return err
		}
		e.UpdatedAt, e.UpdatedBy = tx.Now, v.ActorText()
		if err := Endpoints.Table.Update(ctx, tx, v.Scope(), e); err != nil {
			return db.Refused(err, "input")
		}
		return audit.Write(ctx, tx, v, audit.Change{Action: "webhook_endpoint.secret_rotated", Target: e.ID(), Fields: map[string]any{"overlapHours": hours}})
	})
	if err != nil {
		return nil, "", err
	}
	return e, secret.Reveal(), nil
}

// Ping sends a test event to an enabled endpoint, whatever events it wants, and returns the delivery, which is
// pending. It is audited.
func (s *Service) Ping(ctx context.Context, v *viewer.Viewer, in PingEndpointInput) (*Delivery, error) {
	u, err := in.ID.As(Endpoints.Prefix())
	if err != nil {
		return nil, err
	}
	return db.InTx(ctx, s.pool, s.now(), func(tx *db.Tx) (*Delivery, error) {
		e, err := s.lockForDelivery(ctx, tx, v, u)
		if err != nil {
			return nil, err
		}
		id := e.ID()
		eventID, body, err := newEnvelope(v.OrganizationID, Ping, data{Endpoint: &id}, tx.Now)
		if err != nil {
			return nil, err
		}
		d := newDelivery(v.Scope(), u, Ping, eventID, id.String(), body, tx.Now)
		if err := s.outbox.put(ctx, tx, v.Scope(), []*Delivery{d}, e.turn()); err != nil {
			return nil, err
		}
		return d, audit.Write(ctx, tx, v, audit.Change{Action: "webhook_endpoint.pinged", Target: id})
	})
}

// Redeliver sends the payload of a delivery once more, whatever became of it, with the same event id, and returns
// the new delivery, which is pending and has 24 hours of its own. The endpoint must be enabled. It is audited.
func (s *Service) Redeliver(ctx context.Context, v *viewer.Viewer, in RedeliverInput) (*Delivery, error) {
	u, err := in.ID.As(Deliveries.Prefix())
	if err != nil {
		return nil, err
	}
	return db.InTx(ctx, s.pool, s.now(), func(tx *db.Tx) (*Delivery, error) {
		old, err := Deliveries.ByID(ctx, tx, v.Scope(), u)
		if err != nil {
			return nil, input.NoSuch(err, "webhook delivery", "input", "id")
		}
		e, err := s.lockForDelivery(ctx, tx, v, old.EndpointID)
		if err != nil {
			return nil, err
		}
		d := newDelivery(v.Scope(), old.EndpointID, old.Event, old.EventID, old.SubjectID, old.Payload, tx.Now)
		if err := s.outbox.put(ctx, tx, v.Scope(), []*Delivery{d}, e.turn()); err != nil {
			return nil, err
		}
		return d, audit.Write(ctx, tx, v, audit.Change{Action: "webhook_delivery.redelivered", Target: d.ID(), Fields: map[string]any{"of": old.ID()}})
	})
}

// lockForDelivery reads an endpoint that must be enabled, and keeps it from being deleted or disabled before the
// transaction ends.
func (s *Service) lockForDelivery(ctx context.Context, tx *db.Tx, v *viewer.Viewer, id uuid.UUID) (*Endpoint, error) {
	e, err := Endpoints.Lock(ctx, tx, v.Scope(), id)
	if err != nil {
		return nil, input.NoSuch(err, "webhook endpoint", "input", "id")
	}
	if !e.IsEnabled {
		return nil, fault.UserErrors{{Code: fault.InvalidState, Message: "The webhook endpoint is disabled: enable it first by updateWebhookEndpoint.", Path: []string{"input", "id"}}}
	}
	return e, nil
}
