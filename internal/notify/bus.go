// Package notify carries small messages between server processes by PostgreSQL's LISTEN and NOTIFY:
// they say that something changed, never what it is now.
//
// Messages are sent after the commit of the change, many in one statement, because a NOTIFY
// inside a transaction makes all commits of the database wait for each other (ADR 3). A process
// that dies between commit and send loses its last messages; code that must not miss a change reads it
// from its table.
package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/db"
	"caseload/internal/fault"
)

// channel is the one PostgreSQL channel; the topic is part of the message.
const channel = "caseload"

// maxQueued bounds the messages that wait while the database does not answer; beyond it all are dropped, and the functions of
// [Bus.OnGap] are called.
const maxQueued = 50_000

// Message says that something changed. It must not hold personal data: NOTIFY payloads are seen by every role of the database.
type Message struct {
	Topic          string    `json:"t"`
	OrganizationID uuid.UUID `json:"o"`
	// Subject is what changed.
	Subject uuid.UUID `json:"s"`
	// Kind is what happened, by the topic's own list.
	Kind string    `json:"k,omitempty"`
	At   time.Time `json:"a"`
}

// Bus sends and receives. It is safe for concurrent use.
type Bus struct {
	pool *db.Pool
	url  string
	log  *slog.Logger
	wake chan struct{}

	mu    sync.Mutex
	queue []string
	subs  map[*subscription]struct{}
	// connected: there is a connection; listening: LISTEN has been executed on it.
	connected, listening bool
	onGap                []func()
	onMessage            []handler
}

type handler struct {
	topic string
	call  func(Message)
}

type subscription struct {
	keep func(Message) bool
	ch   chan Message
	// forget removes the subscription from its context.
	forget func() bool
}

// subscriberBuffer is how many messages a slow subscriber may be behind before its channel is closed.
const subscriberBuffer = 256

// New returns a bus; [Bus.Run] sends and receives its messages.
func New(pool *db.Pool, databaseURL string, log *slog.Logger) *Bus {
	return &Bus{pool: pool, url: databaseURL, log: log, wake: make(chan struct{}, 1), subs: map[*subscription]struct{}{}}
}

// OnGap registers a function that is called whenever messages may have been missed. Call it before Run.
func (b *Bus) OnGap(f func()) { b.onGap = append(b.onGap, f) }

// OnMessage registers a function that gets every message of a topic, in one goroutine. It must not block.
// Call it before Run.
func (b *Bus) OnMessage(topic string, f func(Message)) {
	b.onMessage = append(b.onMessage, handler{topic, f})
}

// Connected reports whether messages of other processes arrive at this moment.
func (b *Bus) Connected() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.connected && b.listening
}

// set changes one of the two states on which the use of caches depends. Caches are cleared before they are used again,
// and no longer used before anything else happens.
func (b *Bus) set(state *bool, on bool) {
	if on {
		b.gap()
	}
	b.mu.Lock()
	*state = on
	b.mu.Unlock()
	if !on {
		b.gap()
	}
}

func (b *Bus) listen() *pq.Listener {
	return pq.NewListener(b.url, 100*time.Millisecond, 5*time.Second, func(e pq.ListenerEventType, err error) {
		switch e {
		case pq.ListenerEventConnected, pq.ListenerEventReconnected:
			b.set(&b.connected, true)
		case pq.ListenerEventDisconnected, pq.ListenerEventConnectionAttemptFailed:
			b.set(&b.connected, false)
		}
		if err != nil {
			b.log.Warn("listening for changes was interrupted", "error", err)
		}
	})
}

// Run sends and receives until the context ends; it may be called once. While the database cannot be reached
// it tries again. It returns an error only when the database refuses to let it listen.
func (b *Bus) Run(ctx context.Context) error {
	listener := b.listen()
	// Listen waits for the first connection, however long that takes; only Close ends the wait.
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer func() {
		if stop() {
			_ = listener.Close()
		}
		b.set(&b.listening, false)
		// A listener with notifications in its channel ends only when they are received.
		go func() {
			for range listener.Notify {
			}
		}()
	}()
	if err := listener.Listen(channel); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("listen for changes: %w", err)
	}
	b.set(&b.listening, true)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		b.send(ctx)
		// What was published while the server was stopping.
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = b.Flush(last)
	})
	for {
		select {
		case n, open := <-listener.Notify:
			switch {
			case !open:
				return nil
			case n == nil:
				// pq sends nil when the connection was lost and is back.
				b.gap()
			default:
				b.deliver(n.Extra)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// Publish queues a message; it never blocks. Call it after the commit, by [db.Tx.AfterCommit].
func (b *Bus) Publish(m Message) {
	// A struct of strings and uuids always marshals.
	text, _ := json.Marshal(m)
	b.mu.Lock()
	full := len(b.queue) >= maxQueued
	if full {
		b.queue = b.queue[:0]
	}
	b.queue = append(b.queue, string(text))
	b.mu.Unlock()
	if full {
		b.log.Error("too many change messages waited for the database; they were dropped")
		b.gap()
	}
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// sendAgain is how long messages wait after the database did not take them.
const sendAgain = 200 * time.Millisecond

func (b *Bus) send(ctx context.Context) {
	for {
		select {
		case <-b.wake:
		case <-ctx.Done():
			return
		}
		err := b.Flush(ctx)
		for err != nil && ctx.Err() == nil {
			b.log.Warn("change messages could not be sent", "error", err)
			select {
			case <-time.After(sendAgain):
				err = b.Flush(ctx)
			case <-ctx.Done():
			}
		}
	}
}

// Flush sends what is queued, in one statement. A running bus does it by itself; a command that only
// publishes calls it before it ends. After an error the messages are still queued, unless the database
// will never take them.
func (b *Bus) Flush(ctx context.Context) error {
	b.mu.Lock()
	batch := b.queue
	b.queue = nil
	b.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	_, err := b.pool.Exec(ctx, "SELECT pg_notify('"+channel+"', m) FROM unnest(CAST($1 AS text[])) m", pq.Array(batch))
	if err == nil {
		return nil
	}
	if f := db.Fault(err); f == nil || f.Code != fault.Internal {
		// A key that was revoked here must stop working elsewhere too, so an outage only delays it.
		b.mu.Lock()
		b.queue = append(batch, b.queue...)
		b.mu.Unlock()
	}
	return fmt.Errorf("send %d change messages: %w", len(batch), err)
}

func (b *Bus) deliver(text string) {
	var m Message
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		b.log.Warn("a change message could not be read", "error", err)
		return
	}
	for _, h := range b.onMessage {
		if h.topic == m.Topic {
			h.call(m)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.subs {
		if !s.keep(m) {
			continue
		}
		select {
		case s.ch <- m:
		default:
			// Close rather than silently skip: the client subscribes again and reads first.
			b.end(s)
		}
	}
}

// Subscribe returns the messages that keep accepts, until the context ends. The channel is closed then,
// and also when messages may have been missed: the subscriber must subscribe again and read first.
// keep is called in one goroutine and must not block.
func (b *Bus) Subscribe(ctx context.Context, keep func(Message) bool) <-chan Message {
	s := &subscription{keep: keep, ch: make(chan Message, subscriberBuffer)}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subs[s] = struct{}{}
	s.forget = context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if _, open := b.subs[s]; open {
			b.end(s)
		}
	})
	return s.ch
}

// Changes is [Bus.Subscribe] for the messages of a topic about an organization, or about one subject of it, each as change makes it.
func Changes[T any](ctx context.Context, b *Bus, topic string, organizationID uuid.UUID, subject *uuid.UUID, change func(Message) T) <-chan T {
	messages := b.Subscribe(ctx, func(m Message) bool {
		return m.Topic == topic && m.OrganizationID == organizationID && (subject == nil || *subject == m.Subject)
	})
	out := make(chan T)
	go func() {
		defer close(out)
		for m := range messages {
			select {
			case out <- change(m):
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// end closes a subscription; the caller holds the lock.
func (b *Bus) end(s *subscription) {
	delete(b.subs, s)
	close(s.ch)
	s.forget()
}

// gap closes all subscriptions and calls the functions of [Bus.OnGap].
func (b *Bus) gap() {
	b.mu.Lock()
	for s := range b.subs {
		b.end(s)
	}
	b.mu.Unlock()
	for _, f := range b.onGap {
		f()
	}
}
