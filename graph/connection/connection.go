// Package connection names the connections and edges of every entity: aliases of the generic ones, so that
// no code is generated for them.
package connection

import (
	"caseload/internal/audit"
	"caseload/internal/bulk"
	"caseload/internal/customer"
	"caseload/internal/identity"
	"caseload/internal/relay"
	"caseload/internal/schedule"
	"caseload/internal/webhook"
)

// The connections and edges, named as in the schema.
type (
	ApiKeyConnection             = relay.Connection[*identity.APIKey]
	ApiKeyEdge                   = relay.Edge[*identity.APIKey]
	AuditEntryConnection         = relay.Connection[*audit.Entry]
	AuditEntryEdge               = relay.Edge[*audit.Entry]
	CustomerConnection           = relay.Connection[*customer.Customer]
	CustomerEdge                 = relay.Edge[*customer.Customer]
	CustomerIdentifierConnection = relay.Connection[*customer.Identifier]
	CustomerIdentifierEdge       = relay.Edge[*customer.Identifier]
	CustomerPhoneConnection      = relay.Connection[*customer.Phone]
	CustomerPhoneEdge            = relay.Edge[*customer.Phone]
	CustomerAddressConnection    = relay.Connection[*customer.Address]
	CustomerAddressEdge          = relay.Edge[*customer.Address]
	LoanConnection               = relay.Connection[*customer.Loan]
	LoanEdge                     = relay.Edge[*customer.Loan]
	AccountConnection            = relay.Connection[*customer.Account]
	AccountEdge                  = relay.Edge[*customer.Account]
	AccountHolderConnection      = relay.Connection[*customer.AccountHolder]
	AccountHolderEdge            = relay.Edge[*customer.AccountHolder]
	CardConnection               = relay.Connection[*customer.Card]
	CardEdge                     = relay.Edge[*customer.Card]
	ImportRowConnection          = relay.Connection[*customer.ImportRow]
	ImportRowEdge                = relay.Edge[*customer.ImportRow]
	BulkOperationConnection      = relay.Connection[*bulk.Operation]
	BulkOperationEdge            = relay.Edge[*bulk.Operation]
	WebhookEndpointConnection    = relay.Connection[*webhook.Endpoint]
	WebhookEndpointEdge          = relay.Edge[*webhook.Endpoint]
	WebhookDeliveryConnection    = relay.Connection[*webhook.Delivery]
	WebhookDeliveryEdge          = relay.Edge[*webhook.Delivery]
	TaskTypeConnection           = relay.Connection[*schedule.TaskType]
	TaskTypeEdge                 = relay.Edge[*schedule.TaskType]
	ScheduleConnection           = relay.Connection[*schedule.Schedule]
	ScheduleEdge                 = relay.Edge[*schedule.Schedule]
	CallTaskConnection           = relay.Connection[*schedule.CallTask]
	CallTaskEdge                 = relay.Edge[*schedule.CallTask]
	CallAttemptConnection        = relay.Connection[*schedule.CallAttempt]
	CallAttemptEdge              = relay.Edge[*schedule.CallAttempt]
	InconvenientTimeConnection   = relay.Connection[*schedule.Inconvenience]
	InconvenientTimeEdge         = relay.Edge[*schedule.Inconvenience]
)
