package customer

import (
	"time"

	"caseload/internal/db"
	"caseload/internal/lending"
	"caseload/internal/pii"
)

// Service is what the domain does beyond reading. It is safe for concurrent use.
type Service struct {
	pool    *db.Pool
	sealer  *pii.Sealer
	lending *lending.Client
	// allowPrivate admits lending systems at private addresses.
	allowPrivate bool
	now          func() time.Time
	// Events receives every change of a customer; it may be nil. It is set once, before the first request.
	Events Events
	// retire and merge are what other packages do with what they hold of customers.
	retire []RetireFunc
	merge  []MergeFunc
}

// New makes the service.
func New(pool *db.Pool, sealer *pii.Sealer, client *lending.Client, allowPrivate bool, now func() time.Time) *Service {
	return &Service{pool: pool, sealer: sealer, lending: client, allowPrivate: allowPrivate, now: now}
}

// Sealer returns what opens and seals personal data.
func (s *Service) Sealer() *pii.Sealer { return s.sealer }
