// Package graph serves the schema: thin resolvers from declared access to a domain function to a payload. It
// holds no SQL and no rule.
package graph

//go:generate go -C .. run ./graph/gen

import (
	"caseload/internal/bulk"
	"caseload/internal/client"
	"caseload/internal/customer"
	"caseload/internal/customer/intake"
	"caseload/internal/customer/merging"
	"caseload/internal/db"
	"caseload/internal/httpapi/download"
	"caseload/internal/idempotency"
	"caseload/internal/identity"
	"caseload/internal/reveal"
	"caseload/internal/schedule"
	"caseload/internal/webhook"
)

// Resolver is what all resolvers need, made once at start. Its fields are lower case since the resolvers
// embed it beside methods that are named like the fields of the schema.
type Resolver struct {
	pool      *db.Pool
	keys      *identity.Keys
	customers *customer.Service
	intake    *intake.Service
	merging   *merging.Service
	schedules *schedule.Service
	reveal    *reveal.Service
	bulk      *bulk.Service
	webhooks  *webhook.Service
	clients   *client.Service
	edges     *Edges
	outcomes  *idempotency.Outcomes
	links     *download.Links
}
