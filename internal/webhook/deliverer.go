package webhook

import (
	"cmp"
	"context"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"caseload/internal/audit"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/outbound"
	"caseload/internal/pii"
	"caseload/internal/viewer"
)

// Options tune a [Deliverer]; a zero field takes the default named beside it.
type Options struct {
	// AllowPrivate lets endpoints be at private addresses and at http (no).
	AllowPrivate bool
	// Timeout bounds one attempt (10 s).
	Timeout time.Duration
	// Concurrency is how many deliveries to one endpoint are under way at once (8).
	Concurrency int
	// PerOrganization is how many endpoints of one organization are delivered to at once, and how many of those that
	// fail (8).
	PerOrganization int
	// Resolver looks names up (the system's).
	Resolver *net.Resolver
	// RootCAs are the authorities trusted for https (the system's).
	RootCAs *x509.CertPool
	// Observe, when set, gets the outcome of each attempt: delivered, or the failure in lower case. It is called from
	// many goroutines.
	Observe func(outcome string, took time.Duration)
	Log     *slog.Logger
}

const (
	// batchSize is how many deliveries are claimed at once, when the batches before went through.
	batchSize = 100
	// batchFor is how long new attempts of a batch are started.
	batchFor = 5 * time.Second
	// drainFor is how long new batches are started; then other endpoints are next. The last batch ends within the time
	// of a job.
	drainFor = 5 * time.Second
	// deliveryLease and endpointLease end after the batch and the job that they are for; what a killed worker held is
	// free when they end.
	deliveryLease = time.Minute
	endpointLease = 90 * time.Second
	// lateAfter is how long after its time a delivery is found by a sweep.
	lateAfter = 15 * time.Second
	// abandonBatch and purgeBatch are how many rows one statement takes.
	abandonBatch = 1000
	purgeBatch   = 5000
	// keepFor is how long deliveries stay in the log.
	keepFor = 30 * 24 * time.Hour
)

// Deliverer makes the attempts to deliver. It is safe for concurrent use; a process has one, as connections are shared through it.
type Deliverer struct {
	pool    *db.Pool
	sealer  *pii.Sealer
	outbox  *Outbox
	http    *http.Client
	options Options
	now     func() time.Time
	limiter *limiter
	stopped atomic.Bool
}

// NewDeliverer returns a deliverer; it opens no connection.
func NewDeliverer(pool *db.Pool, sealer *pii.Sealer, outbox *Outbox, o Options, now func() time.Time) *Deliverer {
	o.Timeout, o.Concurrency, o.PerOrganization = cmp.Or(o.Timeout, 10*time.Second), cmp.Or(o.Concurrency, 8), cmp.Or(o.PerOrganization, 8)
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if o.Observe == nil {
		o.Observe = func(string, time.Duration) {}
	}
	client := outbound.NewClient(outbound.Options{AllowPrivate: o.AllowPrivate, DialTimeout: o.Timeout, Resolver: o.Resolver, RootCAs: o.RootCAs})
	return &Deliverer{
		pool: pool, sealer: sealer, outbox: outbox, http: client, options: o, limiter: newLimiter(o.PerOrganization),
		// As it is stored: leases are compared for equality.
		now: func() time.Time { return input.Milliseconds(now()) },
	}
}

// Close closes idle connections; the deliverer may still be used afterwards.
func (c *Deliverer) Close() { c.http.CloseIdleConnections() }

// Stop lets no further attempt start, for good. Those that are under way go on; deliveries that were claimed and not
// attempted are released.
func (c *Deliverer) Stop() { c.stopped.Store(true) }

// mayStart reports whether attempts may be started.
func (c *Deliverer) mayStart(ctx context.Context) bool { return ctx.Err() == nil && !c.stopped.Load() }

// Drain delivers what is due at one endpoint, the oldest first, and enqueues a job for what is due later. It
// returns at once while another worker drains the endpoint, and when the endpoint is gone. A failure of the endpoint is
// no error. When the context ends, deliveries that were not attempted are released.
func (c *Deliverer) Drain(ctx context.Context, organizationID, endpointID uuid.UUID) error {
	sc := db.Scope{OrganizationID: organizationID}
	began := c.now()
	leaseEnd := began.Add(endpointLease)
	n, err := c.pool.Exec(ctx, leaseSQL, organizationID, endpointID, began, leaseEnd)
	if err != nil || n == 0 {
		return err
	}
	pauseFor, workErr := c.deliverBatches(ctx, sc, endpointID, began)
	// The lease is released even when the job is cancelled: otherwise it lasts as after a kill.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(workErr, c.release(end, sc, endpointID, leaseEnd, pauseFor))
}

// drainWithinLimit drains an endpoint, unless the organization uses as many workers as it may. Then the endpoint
// waits, and the next job of the organization that ends enqueues another one for it; so a job never waits.
func (c *Deliverer) drainWithinLimit(ctx context.Context, t turn) (err error) {
	if !c.limiter.acquire(t) {
		return nil
	}
	defer func() {
		next := c.limiter.release(t)
		if len(next) == 0 {
			return
		}
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err = errors.Join(err, c.pool.InTx(end, c.now(), func(tx *db.Tx) error { return c.outbox.enqueue(end, tx, time.Time{}, next...) }))
	}()
	return c.Drain(ctx, t.OrganizationID, t.EndpointID)
}

// deliverBatches delivers batches until nothing is due, the time is over, or a whole batch failed; then it returns for how
// long the endpoint is to be paused.
func (c *Deliverer) deliverBatches(ctx context.Context, sc db.Scope, endpointID uuid.UUID, began time.Time) (pauseFor time.Duration, err error) {
	// All attempts of the first batch run at once: where the endpoint is slow or dead, no further rows are claimed and
	// released again.
	for n := c.options.Concurrency; c.mayStart(ctx) && c.now().Sub(began) < drainFor; n = min(4*n, batchSize) {
		// Read for every batch: it may have been disabled, moved or given another secret.
		e, err := Endpoints.ByID(ctx, c.pool, sc, endpointID)
		if err != nil && fault.CodeOf(err) == fault.NotFound {
			return 0, nil
		}
		if err != nil {
			return 0, fmt.Errorf("read webhook endpoint: %w", err)
		}
		if !e.IsEnabled {
			return 0, c.abandon(ctx, sc, endpointID)
		}
		now := c.now()
		lease := now.Add(deliveryLease)
		rows, err := claim(ctx, c.pool, sc, endpointID, now, lease, n)
		if err != nil {
			return 0, fmt.Errorf("claim webhook deliveries: %w", err)
		}
		if len(rows) == 0 {
			return 0, nil
		}
		if pauseFor, err := c.deliverBatch(ctx, sc, e, rows, lease); err != nil || pauseFor > 0 {
			return pauseFor, err
		}
	}
	return 0, nil
}

// tally counts how the attempts of a batch ended.
type tally struct{ successes, failures, ended, gone int }

func (t *tally) count(d *Delivery, o outcome) {
	switch {
	case o.isSuccess():
		t.successes++
	case o.isFailure():
		t.failures++
	}
	if o.failure == FailureGone {
		t.gone++
	}
	if d.State == Failed {
		t.ended++
	}
}

// allFailed reports whether there were attempts, and none succeeded.
func (t tally) allFailed() bool { return t.failures > 0 && t.successes == 0 }

// disables returns why the endpoint is to be disabled, or "". Time alone is no reason: a delivery must have
// failed for good, or one failure after days without events would be enough.
func (t tally) disables(e *Endpoint, now time.Time) DisabledReason {
	switch {
	case t.gone > 0:
		return DisabledGone
	case t.ended > 0 && t.successes == 0 && e.isHopeless(now):
		return DisabledFailing
	}
	return ""
}

// deliverBatch attempts claimed deliveries and stores the results; pauseFor is positive when all of them failed.
func (c *Deliverer) deliverBatch(ctx context.Context, sc db.Scope, e *Endpoint, rows []*Delivery, lease time.Time) (pauseFor time.Duration, err error) {
	secrets, err := e.secrets(c.sealer, c.now())
	if err != nil {
		return 0, fmt.Errorf("open webhook secret: %w", err)
	}
	t := c.attempt(ctx, e, rows, secrets)
	now := c.now()
	if t.allFailed() {
		pauseFor = pause(*cmp.Or(e.FailingSince, &now), now)
	}
	// What was sent is stored even when the job is cancelled: otherwise it would be sent again.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err = c.pool.InTx(end, now, func(tx *db.Tx) error {
		if err := mark(end, tx, sc, lease, rows); err != nil {
			return err
		}
		if err := storeHealth(end, tx, sc, e, t); err != nil {
			return err
		}
		if reason := t.disables(e, tx.Now); reason != "" {
			return c.disable(end, tx, sc, e, reason)
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("mark webhook deliveries: %w", err)
	}
	return pauseFor, nil
}

// attempt makes the attempts of a batch, several at once, and sets their results in the rows.
func (c *Deliverer) attempt(ctx context.Context, e *Endpoint, rows []*Delivery, secrets []pii.Secret) tally {
	began := c.now()
	outcomes := make([]outcome, len(rows))
	var group errgroup.Group
	group.SetLimit(c.options.Concurrency)
	for i, d := range rows {
		if d.isExpired(began) {
			continue
		}
		group.Go(func() error {
			if !c.mayStart(ctx) || c.now().Sub(began) >= batchFor {
				return nil
			}
			start := time.Now()
			outcomes[i] = c.post(ctx, e.URL, d, secrets)
			c.options.Observe(outcomes[i].label(), time.Since(start))
			return nil
		})
	}
	_ = group.Wait() // no attempt returns an error
	now := c.now()
	var t tally
	for i, d := range rows {
		if d.isExpired(began) {
			d.expire()
		} else {
			d.settle(outcomes[i], now, rand.Float64())
		}
		t.count(d, outcomes[i])
	}
	return t
}

// disable disables an endpoint that answered 410 or does not work, unless it was changed since the attempt. It is
// audited.
func (c *Deliverer) disable(ctx context.Context, tx *db.Tx, sc db.Scope, tried *Endpoint, reason DisabledReason) error {
	e, err := Endpoints.Lock(ctx, tx, sc, tried.UUID)
	if err != nil && fault.CodeOf(err) == fault.NotFound {
		return nil
	}
	// An endpoint that was enabled again is not hopeless: earlier failures do not count.
	if err != nil || !e.IsEnabled || e.URL != tried.URL || reason == DisabledFailing && !e.isHopeless(tx.Now) {
		return err
	}
	v := &viewer.Viewer{Kind: viewer.System, OrganizationID: sc.OrganizationID, ActorName: "webhook deliveries"}
	e.disable(reason, tx.Now)
	e.UpdatedAt, e.UpdatedBy = tx.Now, v.ActorText()
	if err := Endpoints.Table.Update(ctx, tx, sc, e); err != nil {
		return err
	}
	c.outbox.changed(tx, sc.OrganizationID)
	tx.AfterCommit(func() {
		c.options.Log.Warn("webhook endpoint disabled", "endpoint", e.ID().String(), "reason", string(reason))
	})
	return audit.Write(ctx, tx, v, audit.Change{Action: "webhook_endpoint.disabled", Target: e.ID(), Fields: map[string]any{"reason": reason}})
}

// abandon fails what is pending at an endpoint that is disabled. What is left when the time of a job is over is found
// by a sweep.
func (c *Deliverer) abandon(ctx context.Context, sc db.Scope, endpointID uuid.UUID) error {
	if _, err := c.pool.ExecInBatches(ctx, abandonBatch, abandonSQL, sc.OrganizationID, endpointID, FailureDisabled); err != nil {
		return fmt.Errorf("end webhook deliveries: %w", err)
	}
	return nil
}

// release ends the endpoint's lease, or turns it into a pause, and enqueues a job for what is due next, unless one is
// enqueued.
func (c *Deliverer) release(ctx context.Context, sc db.Scope, endpointID uuid.UUID, leaseEnd time.Time, pauseFor time.Duration) error {
	err := c.pool.InTx(ctx, c.now(), func(tx *db.Tx) error {
		var until *time.Time
		if pauseFor > 0 {
			until = new(tx.Now.Add(pauseFor))
		}
		var left struct {
			WakeAt  *time.Time `db:"wake_at"`
			Failing bool       `db:"is_failing"`
		}
		// The order matters: a job that ran during the lease, and ended for that, had its deliveries committed
		// before, and they are seen by the next statement; one that comes after this waits for the commit.
		err := tx.Get(ctx, &left, releaseSQL, sc.OrganizationID, endpointID, leaseEnd, until)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		var next *time.Time
		if err := tx.Get(ctx, &next, nextSQL, sc.OrganizationID, endpointID); err != nil || next == nil {
			return err
		}
		at := *next
		if until != nil && at.Before(*until) {
			at = *until
		}
		one := turn{sc.OrganizationID, endpointID, left.Failing}
		if !at.After(tx.Now) {
			return c.outbox.enqueue(ctx, tx, time.Time{}, one)
		}
		// A job that runs before the pause is over does nothing.
		if w := left.WakeAt; w != nil && w.After(tx.Now) && !w.After(at) && (until == nil || !w.Before(*until)) {
			return nil
		}
		if _, err := tx.Exec(ctx, "UPDATE webhook_endpoints SET wake_at = $3 WHERE organization_id = $1 AND id = $2", sc.OrganizationID, endpointID, at); err != nil {
			return err
		}
		return c.outbox.enqueue(ctx, tx, at, one)
	})
	if err != nil {
		return fmt.Errorf("leave webhook endpoint: %w", err)
	}
	return nil
}
