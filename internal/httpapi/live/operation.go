package live

import (
	"context"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// operation is what runs under one id of a connection.
type operation struct {
	id string
	// ended is closed when the operation was abandoned or its connection is being closed.
	ended  <-chan struct{}
	cancel context.CancelFunc
	// kind is set under the connection's lock once the executor knows it.
	kind ast.Operation
	// abandoned operations send nothing more, not even what is queued.
	abandoned atomic.Bool
	// done is closed when the goroutine of the operation has sent its last message.
	done chan struct{}
}

// mayFinish reports whether a restart waits for the operation. One whose kind is not known yet has not
// started, and will not.
func (o *operation) mayFinish() bool { return o.kind == ast.Query || o.kind == ast.Mutation }

func (o *operation) abandon() {
	o.abandoned.Store(true)
	o.cancel()
}

// subscribe starts an operation of any kind under a new id.
func (c *connection) subscribe(id string, payload []byte) *closure {
	if c.viewer == nil {
		return &closeUnauthorized
	}
	params, err := c.endpoint.Limits.ParseParams(payload)
	if err != nil && fault.CodeOf(err) == fault.BadRequest {
		return &closeInvalid
	}
	ctx, cancel := context.WithCancel(viewer.With(c.ctx, c.viewer))
	o := &operation{id: id, ended: ctx.Done(), cancel: cancel, done: make(chan struct{})}
	if err == nil {
		var why *closure
		if why, err = c.admit(o); why != nil {
			cancel()
			return why
		}
	}
	if err != nil {
		cancel()
		c.send(frame{body: compose(typeError, id, errorsOf(c.endpoint.Explain(ctx, err)))})
		return nil
	}
	c.running.Go(func() { c.run(ctx, o, params) })
	return nil
}

// admit registers an operation, or returns why not: a reason to close the connection, or an error of the operation.
func (c *connection) admit(o *operation) (*closure, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, exists := c.operations[o.id]; exists {
		return &closeDuplicate, nil
	}
	// A client may replace all its operations at once, but not collect those that are ending.
	if len(c.operations) >= c.options.MaxOperations || len(c.active) >= 2*c.options.MaxOperations {
		return nil, fault.New(fault.RateLimited,
			"This connection already runs %d operations; complete one first.", c.options.MaxOperations)
	}
	c.operations[o.id] = o
	c.active[o] = struct{}{}
	return nil, nil
}

// stop ends an operation because its client wants no more of it. An unknown id is one that has just
// completed by itself.
func (c *connection) stop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o, exists := c.operations[id]; exists {
		delete(c.operations, id)
		o.abandon()
	}
}

// run takes the operation through the executor and sends what comes out.
func (c *connection) run(ctx context.Context, o *operation, params *graphql.RawParams) {
	defer func() {
		c.release(o)
		o.cancel()
		close(o.done)
		c.mu.Lock()
		delete(c.active, o)
		c.mu.Unlock()
	}()
	params.Headers = c.request.Header
	e := &execution{endpoint: c.endpoint, params: params}
	if !e.guard(ctx, func() { c.execute(ctx, o, e) }) {
		c.close(closeInternal)
	}
}

func (c *connection) execute(ctx context.Context, o *operation, e *execution) {
	ctx, failure := e.prepare(ctx)
	if failure == nil {
		if !c.begin(o, e.kind()) {
			return
		}
		failure = e.run(ctx, func(body []byte) bool { return c.sendFor(o, typeNext, body) })
	}
	// The id is free before the client learns of it, so that the client may use it again at once.
	c.release(o)
	if failure != nil {
		c.sendFor(o, typeError, errorsOf(failure))
		return
	}
	c.sendFor(o, typeComplete, nil)
}

// begin notes what kind of operation this is, and reports false when a restart leaves it no time.
func (c *connection) begin(o *operation, kind ast.Operation) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	o.kind = kind
	return !c.draining && !o.abandoned.Load()
}

// release gives the operation's id back, unless another operation has it by now.
func (c *connection) release(o *operation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.operations[o.id] == o {
		delete(c.operations, o.id)
	}
}

// sendFor queues a message of an operation, and reports false when the operation was abandoned or its connection is closing.
func (c *connection) sendFor(o *operation, kind string, payload []byte) bool {
	select {
	case c.out <- frame{body: compose(kind, o.id, payload), operation: o}:
		return !o.abandoned.Load()
	case <-o.ended:
		return false
	}
}
