// Package client holds the people whom the organization helps, and what it sets for them.
package client

import (
	"time"

	"caseload/internal/db"
	"caseload/internal/entity"
	"caseload/internal/viewer"
)

// Service changes clients and what is set for them. It is safe for concurrent use.
type Service struct {
	pool *db.Pool
	now  func() time.Time
}

// New makes the service.
func New(pool *db.Pool, now func() time.Time) *Service { return &Service{pool, now} }

// env is where the viewer changes plain entities.
func (s *Service) env(v *viewer.Viewer) entity.Env {
	return entity.Env{Pool: s.pool, Now: s.now(), Viewer: v}
}
