package live

import (
	"context"
	"sync"
	"time"

	"caseload/internal/fault"
)

// session is a connection or a stream that is open.
type session interface {
	// drain ends subscriptions and refuses new operations. It may wait for queries and mutations, until ctx ends.
	drain(ctx context.Context)
	// cut ends the session at once.
	cut()
}

// sessions are those of one transport.
type sessions struct {
	mu       sync.Mutex
	open     map[session]struct{}
	draining bool
	// empty is closed once draining has begun and no session is left.
	empty chan struct{}
}

func newSessions() sessions {
	return sessions{open: map[session]struct{}{}, empty: make(chan struct{})}
}

// Open returns how many connections or streams are open, those not yet acknowledged included.
func (s *sessions) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// check returns UNAVAILABLE once draining has begun.
func (s *sessions) check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return fault.New(fault.Unavailable, "The server is restarting.").After(time.Second)
	}
	return nil
}

// enter adds a session, and reports false once draining has begun.
func (s *sessions) enter(x session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.draining {
		s.open[x] = struct{}{}
	}
	return !s.draining
}

func (s *sessions) leave(x session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, x)
	if s.draining && len(s.open) == 0 {
		close(s.empty)
	}
}

// Shutdown refuses what is new, ends subscriptions, and lets queries and mutations finish until ctx ends. It returns when all
// connections and streams have ended, or with the error of ctx after it has cut those that were left. It may be called more
// than once.
func (s *sessions) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.draining {
		s.draining = true
		if len(s.open) == 0 {
			close(s.empty)
		}
	}
	open := make([]session, 0, len(s.open))
	for x := range s.open {
		open = append(open, x)
	}
	s.mu.Unlock()

	var drains sync.WaitGroup
	for _, x := range open {
		drains.Go(func() { x.drain(ctx) })
	}
	drains.Wait()
	select {
	case <-s.empty:
		return nil
	case <-ctx.Done():
		for _, x := range open {
			x.cut()
		}
		return ctx.Err()
	}
}
