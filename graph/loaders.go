package graph

import (
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/audit"
	"caseload/internal/bulk"
	"caseload/internal/client"
	"caseload/internal/customer"
	"caseload/internal/customer/account"
	"caseload/internal/customer/intake"
	"caseload/internal/db"
	"caseload/internal/identity"
	"caseload/internal/loader"
	"caseload/internal/pii"
	"caseload/internal/schedule"
	"caseload/internal/webhook"
)

// Edges is every edge and entity of the graph, declared once: from a declaration come its loader, its preload, and its
// statements. An edge is named by its coordinate.
type Edges struct {
	Graph *loader.Graph
	// nodes are what node and nodes find, by the prefix of the ids.
	nodes map[string]nodeType

	AuditEntryCustomer *loader.One[audit.Entry, customer.Customer]

	CustomerPrimaryPhone      *loader.One[customer.Customer, customer.Phone]
	CustomerPrimaryAddress    *loader.One[customer.Customer, customer.Address]
	CustomerActiveSchedule    *loader.One[customer.Customer, schedule.Schedule]
	CustomerIdentifiers       *loader.Many[customer.Customer, customer.Identifier]
	CustomerPhones            *loader.Many[customer.Customer, customer.Phone]
	CustomerAddresses         *loader.Many[customer.Customer, customer.Address]
	CustomerLoans             *loader.Many[customer.Customer, customer.Loan]
	CustomerSchedules         *loader.Many[customer.Customer, schedule.Schedule]
	CustomerCallTasks         *loader.Many[customer.Customer, schedule.CallTask]
	CustomerCallAttempts      *loader.Many[customer.Customer, schedule.CallAttempt]
	CustomerInconvenientTimes *loader.Many[customer.Customer, schedule.InconvenientTime]

	CustomerParent         *loader.One[customer.Customer, customer.Customer]
	CustomerMergedInto     *loader.One[customer.Customer, customer.Customer]
	CustomerProfile        *loader.One[customer.Customer, customer.Profile]
	CustomerCoverage       *loader.One[customer.Customer, customer.Coverage]
	CustomerMedicare       *loader.One[customer.Customer, customer.Medicare]
	CustomerHousehold      *loader.One[customer.Customer, customer.Household]
	CustomerEnrollment     *loader.One[customer.Customer, customer.Enrollment]
	CustomerAgent          *loader.One[customer.Customer, customer.Agent]
	CustomerAlertProgram   *loader.One[customer.Customer, customer.AlertProgram]
	CustomerChildren       *loader.Many[customer.Customer, customer.Customer]
	CustomerAccountHolders *loader.Many[customer.Customer, account.Holder]
	CustomerCards          *loader.Many[customer.Customer, account.Card]

	AccountPrimaryCustomer *loader.One[account.Account, customer.Customer]
	AccountHolders         *loader.Many[account.Account, account.Holder]
	AccountCards           *loader.Many[account.Account, account.Card]
	AccountHolderAccount   *loader.One[account.Holder, account.Account]
	AccountHolderCustomer  *loader.One[account.Holder, customer.Customer]
	CardAccount            *loader.One[account.Card, account.Account]
	CardCustomer           *loader.One[account.Card, customer.Customer]
	ImportRequestRows      *loader.Many[intake.ImportRequest, intake.ImportRow]
	ImportRowCustomer      *loader.One[intake.ImportRow, customer.Customer]

	CustomerIdentifierCustomer *loader.One[customer.Identifier, customer.Customer]
	CustomerPhoneCustomer      *loader.One[customer.Phone, customer.Customer]
	CustomerAddressCustomer    *loader.One[customer.Address, customer.Customer]
	LoanCustomer               *loader.One[customer.Loan, customer.Customer]
	LoanSchedules              *loader.Many[customer.Loan, schedule.Schedule]

	TaskTypeSchedules *loader.Many[schedule.TaskType, schedule.Schedule]

	ScheduleCustomer *loader.One[schedule.Schedule, customer.Customer]
	ScheduleTaskType *loader.One[schedule.Schedule, schedule.TaskType]
	ScheduleLoan     *loader.One[schedule.Schedule, customer.Loan]
	ScheduleTasks    *loader.Many[schedule.Schedule, schedule.CallTask]

	CallTaskCustomer *loader.One[schedule.CallTask, customer.Customer]
	CallTaskSchedule *loader.One[schedule.CallTask, schedule.Schedule]
	CallTaskTaskType *loader.One[schedule.CallTask, schedule.TaskType]
	CallTaskLoan     *loader.One[schedule.CallTask, customer.Loan]

	CallAttemptCustomer      *loader.One[schedule.CallAttempt, customer.Customer]
	CallAttemptTask          *loader.One[schedule.CallAttempt, schedule.CallTask]
	InconvenientTimeCustomer *loader.One[schedule.InconvenientTime, customer.Customer]

	WebhookEndpointDeliveries *loader.Many[webhook.Endpoint, webhook.Delivery]
	WebhookDeliveryEndpoint   *loader.One[webhook.Delivery, webhook.Endpoint]

	Entities Entities
}

// Entities is every type of node with the root fields that lead to it, named as in the schema.
type Entities struct {
	Organization       *loader.Entity[identity.Organization]
	APIKey             *loader.Entity[identity.APIKey]
	AuditEntry         *loader.Entity[audit.Entry]
	Customer           *loader.Entity[customer.Customer]
	CustomerIdentifier *loader.Entity[customer.Identifier]
	CustomerPhone      *loader.Entity[customer.Phone]
	CustomerAddress    *loader.Entity[customer.Address]
	Loan               *loader.Entity[customer.Loan]
	LendingSystem      *loader.Entity[customer.LendingSystem]
	Account            *loader.Entity[account.Account]
	AccountHolder      *loader.Entity[account.Holder]
	Card               *loader.Entity[account.Card]
	ImportRequest      *loader.Entity[intake.ImportRequest]
	ImportRow          *loader.Entity[intake.ImportRow]
	BulkOperation      *loader.Entity[bulk.Operation]
	WebhookEndpoint    *loader.Entity[webhook.Endpoint]
	WebhookDelivery    *loader.Entity[webhook.Delivery]
	TaskType           *loader.Entity[schedule.TaskType]
	Schedule           *loader.Entity[schedule.Schedule]
	CallTask           *loader.Entity[schedule.CallTask]
	CallAttempt        *loader.Entity[schedule.CallAttempt]
	InconvenientTime   *loader.Entity[schedule.InconvenientTime]
	Goal               *loader.Entity[client.Goal]
}

// NewEdges declares the whole graph. The sealer makes the blind indexes that some filters compare. It is an error when the
// schema does not say who may read a type of node.
func NewEdges(schema *ast.Schema, sealer *pii.Sealer) (*Edges, error) {
	c, a, s, w := customer.NewLists(sealer), account.NewLists(sealer), schedule.NewLists(), webhook.NewLists()
	primary := db.Where{}.And("c.label = 'PRIMARY'")
	e := &Edges{
		AuditEntryCustomer: loader.NewOne("AuditEntry.customer", audit.Entries, "customer_id", customer.Customers),

		CustomerPrimaryPhone:      loader.NewOneBy("Customer.primaryPhone", customer.Customers, "id", customer.Phones, "customer_id", primary),
		CustomerPrimaryAddress:    loader.NewOneBy("Customer.primaryAddress", customer.Customers, "id", customer.Addresses, "customer_id", primary),
		CustomerActiveSchedule:    loader.NewOneBy("Customer.activeSchedule", customer.Customers, "id", schedule.Schedules, "customer_id", db.Where{}.And("c.status = 'ACTIVE'")),
		CustomerIdentifiers:       loader.NewMany("Customer.identifiers", customer.Customers, c.Identifiers, "customer_id"),
		CustomerPhones:            loader.NewMany("Customer.phones", customer.Customers, c.Phones, "customer_id"),
		CustomerAddresses:         loader.NewMany("Customer.addresses", customer.Customers, c.Addresses, "customer_id"),
		CustomerLoans:             loader.NewMany("Customer.loans", customer.Customers, c.Loans, "customer_id"),
		CustomerSchedules:         loader.NewMany("Customer.schedules", customer.Customers, s.Schedules, "customer_id"),
		CustomerCallTasks:         loader.NewMany("Customer.callTasks", customer.Customers, s.CallTasks, "customer_id"),
		CustomerCallAttempts:      loader.NewMany("Customer.callAttempts", customer.Customers, s.CallAttempts, "customer_id"),
		CustomerInconvenientTimes: loader.NewMany("Customer.inconvenientTimes", customer.Customers, s.InconvenientTimes, "customer_id"),

		CustomerParent:         loader.NewOne("Customer.parent", customer.Customers, "parent_id", customer.Customers),
		CustomerMergedInto:     loader.NewOne("Customer.mergedInto", customer.Customers, "merged_into_id", customer.Customers),
		CustomerProfile:        section("Customer.profile", customer.Profiles),
		CustomerCoverage:       section("Customer.coverage", customer.Coverages),
		CustomerMedicare:       section("Customer.medicare", customer.Medicares),
		CustomerHousehold:      section("Customer.household", customer.Households),
		CustomerEnrollment:     section("Customer.enrollment", customer.Enrollments),
		CustomerAgent:          section("Customer.agent", customer.Agents),
		CustomerAlertProgram:   section("Customer.alertProgram", customer.AlertPrograms),
		CustomerChildren:       loader.NewMany("Customer.children", customer.Customers, c.Customers, "parent_id"),
		CustomerAccountHolders: loader.NewMany("Customer.accountHolders", customer.Customers, a.Holders, "customer_id"),
		CustomerCards:          loader.NewMany("Customer.cards", customer.Customers, a.Cards, "customer_id"),

		AccountPrimaryCustomer: loader.NewOne("Account.primaryCustomer", account.Accounts, "primary_customer_id", customer.Customers),
		AccountHolders:         loader.NewMany("Account.holders", account.Accounts, a.Holders, "account_id"),
		AccountCards:           loader.NewMany("Account.cards", account.Accounts, a.Cards, "account_id"),
		AccountHolderAccount:   loader.NewOne("AccountHolder.account", account.Holders, "account_id", account.Accounts),
		AccountHolderCustomer:  loader.NewOne("AccountHolder.customer", account.Holders, "customer_id", customer.Customers),
		CardAccount:            loader.NewOne("Card.account", account.Cards, "account_id", account.Accounts),
		CardCustomer:           loader.NewOne("Card.customer", account.Cards, "customer_id", customer.Customers),
		ImportRequestRows:      loader.NewMany("ImportRequest.rows", intake.ImportRequests, intake.ImportRowList, "request_id"),
		ImportRowCustomer:      loader.NewOne("ImportRow.customer", intake.ImportRows, "customer_id", customer.Customers),

		CustomerIdentifierCustomer: loader.NewOne("CustomerIdentifier.customer", customer.Identifiers, "customer_id", customer.Customers),
		CustomerPhoneCustomer:      loader.NewOne("CustomerPhone.customer", customer.Phones, "customer_id", customer.Customers),
		CustomerAddressCustomer:    loader.NewOne("CustomerAddress.customer", customer.Addresses, "customer_id", customer.Customers),
		LoanCustomer:               loader.NewOne("Loan.customer", customer.Loans, "customer_id", customer.Customers),
		LoanSchedules:              loader.NewMany("Loan.schedules", customer.Loans, s.Schedules, "loan_id"),

		TaskTypeSchedules: loader.NewMany("TaskType.schedules", schedule.TaskTypes.Table, s.Schedules, "task_type_id"),

		ScheduleCustomer: loader.NewOne("Schedule.customer", schedule.Schedules, "customer_id", customer.Customers),
		ScheduleTaskType: loader.NewOne("Schedule.taskType", schedule.Schedules, "task_type_id", schedule.TaskTypes.Table),
		ScheduleLoan:     loader.NewOne("Schedule.loan", schedule.Schedules, "loan_id", customer.Loans),
		ScheduleTasks:    loader.NewMany("Schedule.tasks", schedule.Schedules, s.CallTasks, "schedule_id"),

		CallTaskCustomer: loader.NewOne("CallTask.customer", schedule.CallTasks, "customer_id", customer.Customers),
		CallTaskSchedule: loader.NewOne("CallTask.schedule", schedule.CallTasks, "schedule_id", schedule.Schedules),
		CallTaskTaskType: loader.NewOne("CallTask.taskType", schedule.CallTasks, "task_type_id", schedule.TaskTypes.Table),
		CallTaskLoan:     loader.NewOne("CallTask.loan", schedule.CallTasks, "loan_id", customer.Loans),

		CallAttemptCustomer:      loader.NewOne("CallAttempt.customer", schedule.CallAttempts, "customer_id", customer.Customers),
		CallAttemptTask:          loader.NewOne("CallAttempt.task", schedule.CallAttempts, "task_id", schedule.CallTasks),
		InconvenientTimeCustomer: loader.NewOne("InconvenientTime.customer", schedule.InconvenientTimes, "customer_id", customer.Customers),

		WebhookEndpointDeliveries: loader.NewMany("WebhookEndpoint.deliveries", webhook.Endpoints.Table, w.Deliveries, "endpoint_id"),
		WebhookDeliveryEndpoint:   loader.NewOne("WebhookDelivery.endpoint", webhook.Deliveries, "endpoint_id", webhook.Endpoints.Table),

		Entities: Entities{
			Organization:       loader.NewEntity("Organization", identity.Organizations),
			APIKey:             loader.NewEntity("ApiKey", identity.APIKeys.Table, loader.ListOf("apiKeys", identity.APIKeyList)),
			AuditEntry:         loader.NewEntity("AuditEntry", audit.Entries, loader.ListOf("auditEntries", audit.List)),
			Customer:           loader.NewEntity("Customer", customer.Customers, loader.ListOf("customers", c.Customers), loader.FindBy("customer", loader.ID("id"), loader.By("referenceId", customer.ByReference), loader.By("identifier", customer.ByIdentifier))),
			CustomerIdentifier: loader.NewEntity("CustomerIdentifier", customer.Identifiers),
			CustomerPhone:      loader.NewEntity("CustomerPhone", customer.Phones),
			CustomerAddress:    loader.NewEntity("CustomerAddress", customer.Addresses),
			Loan:               loader.NewEntity("Loan", customer.Loans),
			LendingSystem:      loader.NewEntity("LendingSystem", customer.LendingSystems, loader.Only("lendingSystem")),
			Account:            loader.NewEntity("Account", account.Accounts, loader.ListOf("accounts", a.Accounts), loader.FindBy("account", loader.ID("id"), loader.By("sourceAccount", account.ByKey))),
			AccountHolder:      loader.NewEntity("AccountHolder", account.Holders),
			Card:               loader.NewEntity("Card", account.Cards),
			ImportRequest:      loader.NewEntity("ImportRequest", intake.ImportRequests, loader.FindBy("importRequest", loader.ID("requestId"))),
			ImportRow:          loader.NewEntity("ImportRow", intake.ImportRows),
			BulkOperation:      loader.NewEntity("BulkOperation", bulk.Operations, loader.ListOf("bulkOperations", bulk.List), loader.ByID("bulkOperation")),
			WebhookEndpoint:    loader.NewEntity("WebhookEndpoint", webhook.Endpoints.Table, loader.ListOf("webhookEndpoints", w.Endpoints), loader.ByID("webhookEndpoint")),
			WebhookDelivery:    loader.NewEntity("WebhookDelivery", webhook.Deliveries, loader.ListOf("webhookDeliveries", w.Deliveries)),
			TaskType:           loader.NewEntity("TaskType", schedule.TaskTypes.Table, loader.ListOf("taskTypes", s.TaskTypes), loader.FindBy("taskType", loader.ID("id"), loader.By("name", schedule.TaskTypeNamed))),
			Schedule:           loader.NewEntity("Schedule", schedule.Schedules, loader.ListOf("schedules", s.Schedules)),
			CallTask:           loader.NewEntity("CallTask", schedule.CallTasks, loader.ListOf("callTasks", s.CallTasks)),
			CallAttempt:        loader.NewEntity("CallAttempt", schedule.CallAttempts),
			InconvenientTime:   loader.NewEntity("InconvenientTime", schedule.InconvenientTimes),
			Goal:               loader.NewEntity("Goal", client.Goals.Table, loader.ListOf("goals", client.GoalList), loader.ByID("goal")),
		},
	}
	e.Graph = loader.NewGraph(schema, loader.Members[loader.Edge](e)...)
	var err error
	e.nodes, err = nodeTypes(schema, loader.Members[loader.AnyEntity](&e.Entities))
	return e, err
}

// declarations returns every edge and root list.
func (e *Edges) declarations() []loader.Declaration {
	var out []loader.Declaration
	for _, edge := range loader.Members[interface{ Declaration() loader.Declaration }](e) {
		out = append(out, edge.Declaration())
	}
	for _, entity := range loader.Members[loader.AnyEntity](&e.Entities) {
		out = append(out, entity.Lists()...)
	}
	return out
}

// section declares a side of a customer: a row with the customer's own id.
func section[T any](coordinate string, table *db.Table[T]) *loader.One[customer.Customer, T] {
	return loader.NewOneBy(coordinate, customer.Customers, "id", table, "id", db.Where{})
}
