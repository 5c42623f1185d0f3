package merging

import (
	"time"

	"caseload/internal/customer"
	"caseload/internal/db"
)

// Service merges customers who are the same person. It is safe for concurrent use.
type Service struct {
	pool      *db.Pool
	customers *customer.Service
	now       func() time.Time
}

// New makes the service.
func New(pool *db.Pool, customers *customer.Service, now func() time.Time) *Service {
	return &Service{pool: pool, customers: customers, now: now}
}
