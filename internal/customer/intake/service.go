package intake

import (
	"database/sql"
	"time"

	"github.com/riverqueue/river"

	"caseload/internal/customer"
	"caseload/internal/db"
)

// Service creates and updates customers as source systems send them: many at once, with accounts and cards, parents and
// holders who may arrive later. It is safe for concurrent use.
type Service struct {
	pool      *db.Pool
	customers *customer.Service
	now       func() time.Time
	// Jobs takes what a transaction leaves to be done later; tests that need no jobs leave it nil. It is set once, before
	// the first request.
	Jobs *river.Client[*sql.Tx]
}

// New makes the service.
func New(pool *db.Pool, customers *customer.Service, now func() time.Time) *Service {
	return &Service{pool: pool, customers: customers, now: now}
}
