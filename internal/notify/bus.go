// Package notify carries small messages between server processes by PostgreSQL's LISTEN and NOTIFY:
// hints that something changed, never the change itself.
//
// Messages are sent after the commit of what they tell of, gathered into one statement, because a NOTIFY
// inside a transaction makes all commits of the database wait for each other (ADR 3). A process
// that dies between commit and send loses its last hints; whoever must not miss a change reads it
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
)

// channel is the one PostgreSQL channel; the topic is part of the message.
const channel = "caseload"

// maxQueued bounds messages that wait for a database that does not answer; past it they are dropped and
// every listener is told of a gap.
const maxQueued = 50_000

// Message is a hint. It must not hold personal data: NOTIFY payloads are seen by every role of the database.
type Message struct {
	Topic          string    `json:"t"`
	OrganizationID uuid.UUID `json:"o"`
	// Subject is what changed.
	Subject uuid.UUID `json:"s"`
	// Kind is the topic's own word for what happened.
	Kind string    `json:"k,omitempty"`
	At   time.Time `json:"a"`
}

// Bus sends and receives. It is safe for concurrent use.
type Bus struct {
	pool     *db.Pool
	log      *slog.Logger
	listener *pq.Listener
	wake     chan struct{}

	mu        sync.Mutex
	queue     []string
	subs      map[*subscription]struct{}
	connected bool
	onGap     []func()
	onMessage []handler
}

type handler struct {
	topic string
	call  func(Message)
}

type subscription struct {
	keep func(Message) bool
	ch   chan Message
}

// subscriberBuffer is how many messages a slow subscriber may be behind before it is cut off.
const subscriberBuffer = 256

// New makes a bus; [Bus.Run] makes it work.
func New(pool *db.Pool, databaseURL string, log *slog.Logger) *Bus {
	b := &Bus{pool: pool, log: log, wake: make(chan struct{}, 1), subs: map[*subscription]struct{}{}}
	b.listener = pq.NewListener(databaseURL, 100*time.Millisecond, 5*time.Second, func(e pq.ListenerEventType, err error) {
		switch e {
		case pq.ListenerEventConnected, pq.ListenerEventReconnected:
			b.setConnected(true)
		case pq.ListenerEventDisconnected, pq.ListenerEventConnectionAttemptFailed:
			b.setConnected(false)
		}
		if err != nil {
			log.Warn("listening for changes was interrupted", "error", err)
		}
	})
	return b
}

// OnGap registers a function that is called whenever messages may have been missed. Call it before Run.
func (b *Bus) OnGap(f func()) { b.onGap = append(b.onGap, f) }

// OnMessage registers a function that gets every message of a topic, in one goroutine. It must not block.
// Call it before Run.
func (b *Bus) OnMessage(topic string, f func(Message)) {
	b.onMessage = append(b.onMessage, handler{topic, f})
}

// Connected tells whether messages of other processes arrive at this moment.
func (b *Bus) Connected() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.connected
}

func (b *Bus) setConnected(on bool) {
	b.mu.Lock()
	b.connected = on
	b.mu.Unlock()
	b.gap()
}

// Run sends and receives until the context ends. It returns an error only when it cannot begin.
func (b *Bus) Run(ctx context.Context) error {
	if err := b.listener.Listen(channel); err != nil {
		return fmt.Errorf("listen for changes: %w", err)
	}
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		b.send(ctx)
	}()
	for {
		select {
		case n := <-b.listener.Notify:
			if n == nil {
				// pq's way to say that the connection was lost and is back.
				b.gap()
				continue
			}
			b.deliver(n.Extra)
		case <-ctx.Done():
			err := b.listener.Close()
			b.gap()
			wg.Wait()
			return err
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

func (b *Bus) send(ctx context.Context) {
	for {
		select {
		case <-b.wake:
		case <-ctx.Done():
			return
		}
		if err := b.Flush(ctx); err != nil && ctx.Err() == nil {
			b.log.Warn("change messages could not be sent", "error", err)
		}
	}
}

// Flush sends what is queued, in one statement. A running bus does it by itself; a command that only
// publishes calls it before it ends.
func (b *Bus) Flush(ctx context.Context) error {
	b.mu.Lock()
	batch := b.queue
	b.queue = nil
	b.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	if _, err := b.pool.Exec(ctx, "SELECT pg_notify('"+channel+"', m) FROM unnest(CAST($1 AS text[])) m", pq.Array(batch)); err != nil {
		return fmt.Errorf("send %d change messages: %w", len(batch), err)
	}
	return nil
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
			// Cut off rather than silently skip: the client subscribes again and reads first.
			delete(b.subs, s)
			close(s.ch)
		}
	}
}

// Subscribe returns the messages that keep accepts, until the context ends. The channel is closed then,
// and also when messages may have been missed: the subscriber must subscribe again and read first.
// keep is called in one goroutine and must not block.
func (b *Bus) Subscribe(ctx context.Context, keep func(Message) bool) <-chan Message {
	s := &subscription{keep: keep, ch: make(chan Message, subscriberBuffer)}
	b.mu.Lock()
	b.subs[s] = struct{}{}
	b.mu.Unlock()
	context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if _, open := b.subs[s]; open {
			delete(b.subs, s)
			close(s.ch)
		}
	})
	return s.ch
}

// gap ends all subscriptions and tells who keeps a cache.
func (b *Bus) gap() {
	b.mu.Lock()
	for s := range b.subs {
		close(s.ch)
	}
	clear(b.subs)
	b.mu.Unlock()
	for _, f := range b.onGap {
		f()
	}
}
