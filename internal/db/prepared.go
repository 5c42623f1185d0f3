package db

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/jmoiron/sqlx"
)

// The bounds of the prepared statements of a pool, of which each of its connections keeps a plan. Selections, page
// sizes and filters come from clients, so their texts are as many as somebody likes: the statements of compiled
// reads have a bound of their own, and cannot displace those of the program.
const (
	maxDeclared = 600
	maxRead     = 400
)

// prepared keeps prepared statements by their text, and forgets those that were not used for the longest time. It is
// safe for concurrent use.
type prepared struct {
	mu    sync.Mutex
	texts *simplelru.LRU[string, *statement]
}

// statement is a prepared statement, and how many callers have taken it.
type statement struct {
	*sqlx.Stmt
	users     int
	forgotten bool
}

func newPrepared(most int) *prepared {
	p := &prepared{}
	// The error is for a size below one.
	p.texts, _ = simplelru.NewLRU(most, func(_ string, st *statement) {
		st.forgotten = true
		st.closeUnused()
	})
	return p
}

// take returns the statement of a text, or nil. Who takes one gives it back once it has begun to run.
func (p *prepared) take(text string) *statement {
	p.mu.Lock()
	defer p.mu.Unlock()
	st, ok := p.texts.Get(text)
	if !ok {
		return nil
	}
	st.users++
	return st
}

// keep keeps what the caller has prepared, and takes it; if another caller was first, it takes theirs.
func (p *prepared) keep(text string, x *sqlx.Stmt) *statement {
	p.mu.Lock()
	defer p.mu.Unlock()
	st, ok := p.texts.Get(text)
	if ok {
		(&statement{Stmt: x, forgotten: true}).closeUnused()
	} else {
		st = &statement{Stmt: x}
		p.texts.Add(text, st)
	}
	st.users++
	return st
}

func (p *prepared) giveBack(st *statement) {
	p.mu.Lock()
	defer p.mu.Unlock()
	st.users--
	st.closeUnused()
}

// closeUnused closes a statement that is kept no longer and that nobody is about to run. Close waits for what runs on the
// statement's connections, which may wait for a row that the caller's own transaction has locked: nobody waits for it.
func (st *statement) closeUnused() {
	if st.forgotten && st.users == 0 {
		go func() { _ = st.Close() }()
	}
}
