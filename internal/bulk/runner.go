package bulk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"caseload/internal/blob"
)

// How long an operation runs before it is released for others: fairTurn when others wait, which is asked every askEvery, and longestTurn
// always, so that its job ends well before its timeout.
const (
	fairTurn    = 30 * time.Second
	longestTurn = 20 * time.Minute
	askEvery    = 3 * time.Second
)

// Runner runs operations, in one process. It is safe for concurrent use.
type Runner struct {
	*Service
	// Observe is called with the number of rows that have their outcome, by the wire names of the kind and the action; EXPORT is
	// that of exported rows. It may be nil, and is set before the first Run.
	Observe func(kind, action string, rows int)
	slots   chan struct{}
	// renewEvery is how often leases are renewed.
	renewEvery time.Duration
	// drained is closed when the process is to stop.
	drained chan struct{}
	drain   sync.Once
}

// NewRunner makes the one Runner of a process that has workers.
func NewRunner(s *Service) *Runner {
	return &Runner{Service: s, slots: make(chan struct{}, s.limits.PerProcess), renewEvery: renewEvery, drained: make(chan struct{})}
}

// Drain releases the operations of this process after the chunks that are being written, and starts no more. Call it before the jobs
// are stopped. Safe to call twice.
func (r *Runner) Drain() { r.drain.Do(func() { close(r.drained) }) }

// errYield ends a turn: another goes on, perhaps in the same process.
var errYield = errors.New("the turn is over")

// errCancelled ends an operation that was cancelled.
var errCancelled = errors.New("the operation is cancelled")

// errFull ends an operation whose results are too large.
var errFull = errors.New("the results are as large as the files of an organization may be")

// errKilled ends an operation whose processes were killed too often.
var errKilled = errors.New("the processes that ran it were killed")

// Run runs an operation until it is finished, or until the turn is over. It does nothing when the operation is leased by another
// process or this one has no free slot: the sweep enqueues it again. A failure is stored in the operation and logged; Run returns an
// error only when that fails. When the context ends, what is being written is rolled back and the operation is released.
func (r *Runner) Run(ctx context.Context, organizationID, id uuid.UUID) error {
	select {
	case <-r.drained:
		return nil
	default:
	}
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	default:
		return nil
	}
	o, err := r.acquire(ctx, organizationID, id)
	if err != nil || o == nil {
		return err
	}
	if o.FailureCount >= maxFailures {
		return r.settle(ctx, o, errKilled)
	}
	w := &work{Service: r.Service, o: o, begun: r.now(), drained: r.drained, cancelled: make(chan struct{}), observe: r.Observe}
	ended, stop := context.WithCancelCause(ctx)
	var keeping sync.WaitGroup
	// The operation's fields change while it is worked on; its identity and the token, which a renewal needs, do not.
	lease := &Operation{Row: o.Row, LeaseToken: o.LeaseToken}
	keeping.Go(func() { w.keep(ended, stop, lease, r.renewEvery) })
	err = guard(func() error { return w.run(ended) })
	if cause := context.Cause(ended); cause != nil && err != nil && ctx.Err() == nil {
		err = cause
	}
	stop(nil)
	keeping.Wait()
	return r.settle(ctx, o, err)
}

// settle stores how a turn ended.
func (r *Runner) settle(ctx context.Context, o *Operation, err error) error {
	// A turn that ended by its job's deadline was stuck, which is a failure.
	stopped := ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded)
	// Also when the context has ended: otherwise others wait until the lease runs out.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	switch {
	case err == nil, errors.Is(err, errLost):
		err = nil
	case errors.Is(err, errCancelled):
		err = r.finish(ctx, o, Cancelled, nil)
	case errors.Is(err, errYield), stopped:
		err = r.handBack(ctx, o)
	case errors.Is(err, blob.ErrNotFound):
		err = r.finish(ctx, o, Failed, nil, "The uploaded file is gone. What was done stays: see the results.")
	case errors.Is(err, errFull):
		err = r.finish(ctx, o, Failed, nil, fmt.Sprintf("The results have more than the %d bytes that the files of an organization may take. What was done stays: see the results.", r.limits.OrganizationBytes))
	default:
		cause := err
		err = r.failed(ctx, o)
		r.log.Error("a bulk operation failed", "operation", o.ID().String(), "kind", o.Kind, "failures", o.FailureCount, "error", describe(cause))
	}
	if errors.Is(err, errLost) {
		return nil
	}
	if err != nil {
		return err
	}
	// A slot is free now: fill it before the next sweep. One more than the limit of an organization, as the first ones may be those
	// of an organization that is at its limit.
	return r.sweep(ctx, 0, r.limits.PerOrganization+1)
}

// work is one turn on one operation.
type work struct {
	*Service
	o       *Operation
	begun   time.Time
	drained <-chan struct{}
	// cancelled is closed when the operation is to end.
	cancelled chan struct{}
	cancel    sync.Once
	// full tells that the results have become too large.
	full    atomic.Bool
	observe func(kind, action string, rows int)
	// putTime bounds the writing of a part, during which the chunk's rows are locked.
	putTime time.Duration
	// asked is when it was last asked whether others wait.
	asked time.Time
}

// keep renews the lease until the turn ends, and ends the turn when the lease is lost.
func (w *work) keep(ctx context.Context, stop context.CancelCauseFunc, lease *Operation, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		cancel, err := w.renew(ctx, lease)
		switch {
		case errors.Is(err, errLost):
			stop(errLost)
			return
		case cancel:
			w.cancelNow()
		case err != nil && ctx.Err() == nil:
			// The next tick tries again. If the database is away for longer, the lease runs out, and the next commit fails.
			w.log.Warn("the lease of a bulk operation could not be renewed", "error", describe(err))
		}
	}
}

// interrupted returns why the turn must end here, or nil.
func (w *work) interrupted(ctx context.Context) error {
	select {
	case <-w.drained:
		return errYield
	default:
	}
	select {
	case <-w.cancelled:
		return errCancelled
	default:
	}
	if w.full.Load() {
		return errFull
	}
	return ctx.Err()
}

func (w *work) cancelNow() { w.cancel.Do(func() { close(w.cancelled) }) }

// interruptible runs a function that writes nothing, and cancels its context as soon as the turn must end.
func (w *work) interruptible(ctx context.Context, f func(ctx context.Context) error) error {
	asking, stop := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-w.drained:
			stop(errYield)
		case <-w.cancelled:
			stop(errCancelled)
		case <-asking.Done():
		}
	})
	err := f(asking)
	cause := context.Cause(asking)
	stop(nil)
	watching.Wait()
	if err != nil && cause != nil {
		return cause
	}
	return err
}

// pause returns why the turn must end here, between two chunks, or nil. The check of a file does not call it, as it starts from the
// beginning in every turn: two long checks that took turns would never end.
func (w *work) pause(ctx context.Context) error {
	if err := w.interrupted(ctx); err != nil {
		return err
	}
	now := w.now()
	switch spent := now.Sub(w.begun); {
	case spent > longestTurn:
		return errYield
	case spent > fairTurn && now.Sub(w.asked) > askEvery:
		w.asked = now
		var others bool
		if err := w.pool.Get(ctx, &others, `SELECT EXISTS (SELECT FROM bulk_operations WHERE finished_at IS NULL AND lease_token IS NULL AND runnable_at <= $1)`, now); err != nil {
			return fmt.Errorf("ask whether other bulk operations wait: %w", err)
		}
		if others {
			return errYield
		}
	}
	return nil
}

// run goes through the states that are left.
func (w *work) run(ctx context.Context) error {
	if w.o.CancelRequested() {
		return errCancelled
	}
	if e := w.exporters[w.o.Kind]; e != nil {
		return w.export(ctx, e)
	}
	kind := w.kinds[w.o.Kind]
	if kind == nil || w.o.FileKey == nil {
		return fmt.Errorf("run a bulk operation: this program has no kind %s, or the file is gone", w.o.Kind)
	}
	file := source{store: w.store, o: w.o, keys: newShape(kind.Keys())}
	if w.o.State == Checking {
		if err := w.check(ctx, kind, file); err != nil || w.o.State.Final() {
			return err
		}
		if w.o.CancelRequested() {
			return errCancelled
		}
	}
	return w.importRows(ctx, kind, file)
}
