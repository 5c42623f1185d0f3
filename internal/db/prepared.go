package db

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/jmoiron/sqlx"
)

// The bounds of the prepared statements of a pool; each connection keeps a plan of each. Selections, page sizes and filters come from
// clients, so the statements of compiled reads are unlimited in number: they have a bound of their own, and do not displace those of
// the program.
const (
	maxDeclared = 600
	maxRead     = 400
)

// prepared caches prepared statements by their text, the most recently used ones. It is safe for concurrent use.
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

// take returns the statement of a text, or nil. The caller gives it back once it runs.
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

// keep caches and takes a statement that the caller has prepared, or takes the one that another caller has cached meanwhile.
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

// closeUnused closes a statement that is neither cached nor taken. Close waits for what runs on the statement's connections, which may
// wait for a row that the caller's own transaction has locked: so it runs in a goroutine.
func (st *statement) closeUnused() {
	if st.forgotten && st.users == 0 {
		go func() { _ = st.Close() }()
	}
}
