package graphtest

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
)

// Log keeps what a server logs, and how many statements each request has run. It is safe for concurrent use.
type Log struct {
	mu         sync.Mutex
	text       bytes.Buffer
	statements map[string]int
}

var _ slog.Handler = (*Log)(nil)

// Enabled lets everything through.
func (*Log) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs returns the same log: the server adds no attributes.
func (l *Log) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup returns the same log: the server makes no groups.
func (l *Log) WithGroup(string) slog.Handler { return l }

// Handle keeps one record.
func (l *Log) Handle(ctx context.Context, r slog.Record) error {
	var id string
	statements := -1
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "request_id":
			id = a.Value.String()
		case "statements":
			statements = int(a.Value.Int64())
		}
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if statements >= 0 {
		if l.statements == nil {
			l.statements = map[string]int{}
		}
		l.statements[id] = statements
	}
	return slog.NewTextHandler(&l.text, nil).Handle(ctx, r)
}

// String returns everything that was logged.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// statementsOf returns how many statements the operation of a request ran, or -1 when it ran none at all.
func (l *Log) statementsOf(requestID string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, ok := l.statements[requestID]
	if !ok {
		return -1
	}
	return n
}
