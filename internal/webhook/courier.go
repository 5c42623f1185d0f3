package webhook

import (
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
	"caseload/internal/outbound"
	"caseload/internal/pii"
	"caseload/internal/viewer"
)

// Options tune a [Courier]; a zero field takes the default named beside it.
type Options struct {
	// AllowPrivate lets endpoints be at private addresses and at http (no).
	AllowPrivate bool
	// Timeout bounds one attempt (10 s).
	Timeout time.Duration
	// Concurrency is how many deliveries to one endpoint are under way at once (8).
	Concurrency int
	// PerOrganization is how many endpoints of one organization jobs deliver to at once, and how many of those that
	// fail (8).
	PerOrganization int
	// Resolver looks names up (the system's).
	Resolver *net.Resolver
	// RootCAs are the authorities trusted for https (the system's).
	RootCAs *x509.CertPool
	// Observe, when set, is told of each attempt: delivered, or the failure in lower case. It is called from many
	// goroutines.
	Observe func(outcome string, took time.Duration)
	Log     *slog.Logger
}

const (
	// batchSize is how many deliveries are claimed at once, when the batches before went through.
	batchSize = 100
	// batchFor is how long new attempts of a batch are begun.
	batchFor = 5 * time.Second
	// shiftFor is how long new batches are begun; then others have their turn. A shift with its last batch ends within
	// the time of a job.
	shiftFor = 5 * time.Second
	// deliveryLease and endpointLease end after the batch and the shift that they are for, and are what a killed
	// worker's work waits for.
	deliveryLease = time.Minute
	endpointLease = 90 * time.Second
	// lateAfter is when a sweep takes up what no job has.
	lateAfter = 15 * time.Second
	// abandonBatch and purgeBatch are how many rows one statement takes.
	abandonBatch = 1000
	purgeBatch   = 5000
	// keepFor is how long deliveries stay in the log.
	keepFor = 30 * 24 * time.Hour
)

// Courier delivers. It is safe for concurrent use; a process has one, as connections are shared through it.
type Courier struct {
	pool    *db.Pool
	sealer  *pii.Sealer
	outbox  *Outbox
	http    *http.Client
	options Options
	now     func() time.Time
	shares  *shares
	stopped atomic.Bool
}

// NewCourier makes a courier; it opens no connection.
func NewCourier(pool *db.Pool, sealer *pii.Sealer, outbox *Outbox, o Options, now func() time.Time) *Courier {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Concurrency == 0 {
		o.Concurrency = 8
	}
	if o.PerOrganization == 0 {
		o.PerOrganization = 8
	}
	if o.Observe == nil {
		o.Observe = func(string, time.Duration) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	client := outbound.NewClient(outbound.Options{AllowPrivate: o.AllowPrivate, DialTimeout: o.Timeout, Resolver: o.Resolver, RootCAs: o.RootCAs})
	return &Courier{
		pool: pool, sealer: sealer, outbox: outbox, http: client, options: o, shares: newShares(o.PerOrganization),
		// PostgreSQL keeps microseconds, and leases are compared for equality.
		now: func() time.Time { return now().UTC().Truncate(time.Microsecond) },
	}
}

// Close closes idle connections; the courier may still be used afterwards.
func (c *Courier) Close() { c.http.CloseIdleConnections() }

// Stop makes the courier begin no further attempt, for good. Those that are under way go on; what was not begun is
// given back.
func (c *Courier) Stop() { c.stopped.Store(true) }

// mayBegin reports whether attempts may be begun.
func (c *Courier) mayBegin(ctx context.Context) bool { return ctx.Err() == nil && !c.stopped.Load() }

// Drain delivers what is due at one endpoint, the oldest first, and enqueues a job for what is due later. It
// returns at once while another is at it, and when the endpoint is gone. What goes wrong at the endpoint is no
// error. When the context ends, what was not begun is given back.
func (c *Courier) Drain(ctx context.Context, organizationID, endpointID uuid.UUID) error {
	sc := db.Scope{OrganizationID: organizationID}
	began := c.now()
	hold := began.Add(endpointLease)
	n, err := c.pool.Exec(ctx, holdSQL, organizationID, endpointID, began, hold)
	if err != nil || n == 0 {
		return err
	}
	rest, workErr := c.work(ctx, sc, endpointID, began)
	// The hold is given back even when the job is cancelled: otherwise it lasts as after a kill.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(workErr, c.leave(end, sc, endpointID, hold, rest))
}

// take is what a job does: it drains an endpoint, unless the organization has its share of turns. Then the endpoint
// stands in line, and whoever leaves enqueues another job for it; so a job never waits.
func (c *Courier) take(ctx context.Context, t turn) (err error) {
	if !c.shares.enter(t) {
		return nil
	}
	defer func() {
		next := c.shares.leave(t)
		if len(next) == 0 {
			return
		}
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err = errors.Join(err, c.pool.InTx(end, c.now(), func(tx *db.Tx) error { return c.outbox.wake(end, tx, time.Time{}, next...) }))
	}()
	return c.Drain(ctx, t.OrganizationID, t.EndpointID)
}

// work delivers batches until nothing is due, the shift is over, or a whole batch failed; then it returns how long
// the endpoint is to be left alone.
func (c *Courier) work(ctx context.Context, sc db.Scope, endpointID uuid.UUID, began time.Time) (rest time.Duration, err error) {
	// The first batch is one wave of attempts: no more is known of an endpoint that is slow or dead, and none of the
	// rows is written for nothing.
	for n := c.options.Concurrency; c.mayBegin(ctx) && c.now().Sub(began) < shiftFor; n = min(4*n, batchSize) {
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
		if rest, err := c.batch(ctx, sc, e, rows, lease); err != nil || rest > 0 {
			return rest, err
		}
	}
	return 0, nil
}

// tally is what a batch says of its endpoint.
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

// allFailed reports whether something was tried, and nothing arrived.
func (t tally) allFailed() bool { return t.failures > 0 && t.successes == 0 }

// disables returns why the endpoint is to be disabled, or "". Time alone is no reason: a delivery must have come to
// its end, or one failure after days without events would do.
func (t tally) disables(e *Endpoint, now time.Time) DisabledReason {
	switch {
	case t.gone > 0:
		return DisabledGone
	case t.ended > 0 && t.successes == 0 && e.isHopeless(now):
		return DisabledFailing
	}
	return ""
}

// batch attempts claimed deliveries and writes down how it went; rest is positive when all of them failed.
func (c *Courier) batch(ctx context.Context, sc db.Scope, e *Endpoint, rows []*Delivery, lease time.Time) (rest time.Duration, err error) {
	secrets, err := e.secrets(c.sealer, c.now())
	if err != nil {
		return 0, fmt.Errorf("open webhook secret: %w", err)
	}
	t := c.attempt(ctx, e, rows, secrets)
	now := c.now()
	if t.allFailed() {
		since := now
		if e.FailingSince != nil {
			since = *e.FailingSince
		}
		rest = pause(since, now)
	}
	// What was sent is written down even when the job is cancelled: otherwise it would be sent again.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err = c.pool.InTx(end, now, func(tx *db.Tx) error {
		if err := mark(end, tx, sc, lease, rows); err != nil {
			return err
		}
		if err := noteHealth(end, tx, sc, e, t); err != nil {
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
	return rest, nil
}

// attempt makes the attempts of a batch, several at once, and settles the rows.
func (c *Courier) attempt(ctx context.Context, e *Endpoint, rows []*Delivery, secrets []pii.Secret) tally {
	began := c.now()
	outcomes := make([]outcome, len(rows))
	var group errgroup.Group
	group.SetLimit(c.options.Concurrency)
	for i, d := range rows {
		if d.isExpired(began) {
			continue
		}
		group.Go(func() error {
			if !c.mayBegin(ctx) || c.now().Sub(began) >= batchFor {
				return nil
			}
			start := time.Now()
			outcomes[i] = c.post(ctx, e.URL, d, secrets)
			c.options.Observe(outcomes[i].word(), time.Since(start))
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

// disable ends an endpoint that asked for it or does not work, unless it was changed since it was tried. It is audited.
func (c *Courier) disable(ctx context.Context, tx *db.Tx, sc db.Scope, tried *Endpoint, reason DisabledReason) error {
	e, err := Endpoints.Lock(ctx, tx, sc, tried.UUID)
	if err != nil {
		if fault.CodeOf(err) == fault.NotFound {
			return nil
		}
		return err
	}
	if !e.IsEnabled || e.URL != tried.URL {
		return nil
	}
	// Enabled anew, it begins afresh.
	if reason == DisabledFailing && !e.isHopeless(tx.Now) {
		return nil
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

// abandon ends what is pending at an endpoint that is disabled. What is left when the time of a job is over is taken up
// by a sweep.
func (c *Courier) abandon(ctx context.Context, sc db.Scope, endpointID uuid.UUID) error {
	if _, err := c.pool.InRounds(ctx, abandonBatch, abandonSQL, sc.OrganizationID, endpointID, FailureDisabled); err != nil {
		return fmt.Errorf("end webhook deliveries: %w", err)
	}
	return nil
}

// leave gives the hold back, or turns it into a rest, and enqueues a job for what is due next, unless one is.
func (c *Courier) leave(ctx context.Context, sc db.Scope, endpointID uuid.UUID, hold time.Time, rest time.Duration) error {
	err := c.pool.InTx(ctx, c.now(), func(tx *db.Tx) error {
		var until *time.Time
		if rest > 0 {
			end := tx.Now.Add(rest)
			until = &end
		}
		var left struct {
			WakeAt  *time.Time `db:"wake_at"`
			Failing bool       `db:"is_failing"`
		}
		// The order matters: a job that came while the hold was on, and ended for it, had its deliveries committed
		// before, and they are seen by the next statement; one that comes after this waits for the commit.
		err := tx.Get(ctx, &left, releaseSQL, sc.OrganizationID, endpointID, hold, until)
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
			return c.outbox.wake(ctx, tx, time.Time{}, one)
		}
		// A job that runs before the rest is over does nothing.
		if w := left.WakeAt; w != nil && w.After(tx.Now) && !w.After(at) && (until == nil || !w.Before(*until)) {
			return nil
		}
		if _, err := tx.Exec(ctx, "UPDATE webhook_endpoints SET wake_at = $3 WHERE organization_id = $1 AND id = $2", sc.OrganizationID, endpointID, at); err != nil {
			return err
		}
		return c.outbox.wake(ctx, tx, at, one)
	})
	if err != nil {
		return fmt.Errorf("leave webhook endpoint: %w", err)
	}
	return nil
}
