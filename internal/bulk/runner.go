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

// How long an operation is worked on before others get their turn: fairTurn when others wait, longestTurn
// always, so that its job ends well before it is taken for dead. Whether others wait is asked every askEvery.
const (
	fairTurn    = 30 * time.Second
	longestTurn = 20 * time.Minute
	askEvery    = 3 * time.Second
)

// Runner works on operations, in one process. It is safe for concurrent use.
type Runner struct {
	*Service
	// Observe is told of rows that have got their outcome, by the wire names of the kind and the action; EXPORT is a
	// row that was exported. It may be nil, and is set before the first Run.
	Observe func(kind, action string, rows int)
	slots   chan struct{}
	// renew is how often the lease is renewed; drained is closed when the process is to stop.
	renewEvery time.Duration
	drained    chan struct{}
	drain      sync.Once
}

// NewRunner makes the one Runner of a process that has workers.
func NewRunner(s *Service) *Runner {
	return &Runner{Service: s, slots: make(chan struct{}, s.limits.PerProcess), renewEvery: renewEvery, drained: make(chan struct{})}
}

// Drain has the operations of this process handed back after the chunks that are being written, and takes no
// more. Call it before the jobs are stopped. Safe to call twice.
func (r *Runner) Drain() { r.drain.Do(func() { close(r.drained) }) }

// errYield ends a turn: somebody goes on, perhaps the same process.
var errYield = errors.New("the turn is over")

// errCancelled ends an operation that was asked to end.
var errCancelled = errors.New("the operation is cancelled")

// errFull ends an operation whose results have become too large.
var errFull = errors.New("the results are as large as the files of an organization may be")

// errDied is why an operation is given up that nobody survives.
var errDied = errors.New("whoever worked on it died")

// Run works on an operation until it is finished, or until the turn is over. It does nothing when the operation is
// somebody else's or this process has its hands full: the sweep comes back to it. A failure is written down in the
// operation and logged, and is an error only when even that failed. When the context ends, what is being written is
// rolled back and the operation is handed back.
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
		return r.settle(ctx, o, errDied)
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

// settle writes down how a turn ended.
func (r *Runner) settle(ctx context.Context, o *Operation, err error) error {
	// A turn that its job's deadline has ended was stuck; whoever goes on would be, too.
	stopped := ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded)
	// The last word must be written also when the context has ended: otherwise everybody waits for the lease.
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
		r.log.Error("a bulk operation did not come further", "operation", o.ID().String(), "kind", o.Kind, "failures", o.FailureCount, "error", describe(cause))
	}
	if errors.Is(err, errLost) {
		return nil
	}
	if err != nil {
		return err
	}
	// There is a place for one more now: do not leave it empty until the next sweep. The first that wait may be such as
	// their organization has its share without.
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

// keep renews the lease until the work is done, and ends the work when the lease is lost.
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
			// The next tick tries again. If the database is gone for longer, the lease ends, and the fence keeps order.
			w.log.Warn("the lease of a bulk operation could not be renewed", "error", describe(err))
		}
	}
}

// interrupted returns why the work must end here, or nil.
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

// interruptible runs what writes nothing, and ends its context as soon as the work must end.
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

// pause returns why the turn must end here, between two chunks, or nil. The check of a file has no such places, as
// whoever goes on begins it anew: two long checks that took turns would never end.
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
