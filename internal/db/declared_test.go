package db_test

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"caseload/internal/audit"
	"caseload/internal/bulk"
	"caseload/internal/customer"
	"caseload/internal/customer/account"
	"caseload/internal/customer/intake"
	"caseload/internal/db"
	"caseload/internal/identity"
	"caseload/internal/relay"
	"caseload/internal/schedule"
	"caseload/internal/webhook"
)

// declaredTables is every db.Table of the project, with the lists that read it. A new table gets a line
// here: TestEveryTableOfTheProgramIsDeclaredHere compares the list with the schema.
func declaredTables() []declared {
	customers, accounts, schedules, webhooks := customer.NewLists(nil), account.NewLists(nil), schedule.NewLists(), webhook.NewLists()
	return []declared{
		table(identity.Organizations),
		table(identity.APIKeys.Table).listed(db.By("created_at")),
		list(audit.List).per("customer_id"),
		list(customers.Customers).per("parent_id"),
		children(customers.Identifiers, "customer_id"),
		children(customers.Phones, "customer_id"),
		children(customers.Addresses, "customer_id"),
		children(customers.Loans, "customer_id"),
		table(customer.LendingSystems),
		table(customer.Profiles), table(customer.Coverages), table(customer.Medicares), table(customer.Households),
		table(customer.Enrollments), table(customer.Agents), table(customer.AlertPrograms),
		list(accounts.Accounts).per("primary_customer_id"),
		children(accounts.Holders, "account_id", "customer_id"),
		children(accounts.Cards, "account_id", "customer_id"),
		table(intake.ImportRequests),
		children(intake.ImportRowList, "request_id"),
		list(schedules.TaskTypes),
		list(schedules.Schedules).per("customer_id", "task_type_id", "loan_id"),
		list(schedules.CallTasks).per("customer_id", "schedule_id"),
		children(schedules.CallAttempts, "customer_id"),
		children(schedules.InconvenientTimes, "customer_id"),
		list(webhooks.Endpoints),
		list(webhooks.Deliveries).per("endpoint_id"),
		list(bulk.List),
	}
}

// otherTables are read and written by hand-written SQL alone.
var otherTables = []string{"bulk_chunks", "idempotency_keys", "organization_holidays", "organization_windows", "state_holidays", "state_windows"}

// declared is one table without its type.
type declared struct {
	name    string
	columns []db.Column
	// parents are the columns by which children are listed, at the default order.
	parents []string
	// isRoot tells that the table is listed as a whole too.
	isRoot bool
	// orders are the lists' orders; the first is the default.
	orders []db.Order
	// emit runs every verb.
	emit func(q db.Querier, d declared)
}

func table[T any](t *db.Table[T]) declared {
	return declared{name: t.Name(), columns: t.Columns(), emit: func(q db.Querier, d declared) { emit(q, t, d) }}
}

func list[T any](s *relay.Spec[T]) declared {
	d := table(s.Table).listed(s.Default)
	for _, name := range slices.Sorted(maps.Keys(s.Orders)) {
		for _, desc := range []bool{false, true} {
			term := s.Orders[name]
			term.Desc, term.NullsFirst = desc, desc
			d.orders = append(d.orders, db.Order{term, {Column: "id", Desc: desc}})
		}
	}
	return d
}

func (d declared) listed(o db.Order) declared {
	d.isRoot, d.orders = true, append(d.orders, o)
	return d
}

// per adds the lists below a parent.
func (d declared) per(columns ...string) declared {
	d.parents = append(d.parents, columns...)
	return d
}

// children is a list that is read below a parent only.
func children[T any](s *relay.Spec[T], parents ...string) declared {
	d := list(s).per(parents...)
	d.isRoot = false
	return d
}

var errRecorded = errors.New("the statement was recorded, not run")

// recorder is a Querier that keeps the texts.
type recorder struct{ texts []string }

func (r *recorder) record(query string) error { r.texts = append(r.texts, query); return errRecorded }

func (r *recorder) Select(_ context.Context, _ any, query string, _ ...any) error {
	return r.record(query)
}
func (r *recorder) Get(_ context.Context, _ any, query string, _ ...any) error {
	return r.record(query)
}
func (r *recorder) Exec(_ context.Context, query string, _ ...any) (int64, error) {
	return 0, r.record(query)
}
func (r *recorder) Query(_ context.Context, query string, _ ...any) (*sqlx.Rows, error) {
	return nil, r.record(query)
}

// emit runs the verbs of a table; the recorder answers all of them with its error.
func emit[T any](q db.Querier, t *db.Table[T], d declared) {
	ctx, s := context.Background(), db.Scope{OrganizationID: uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8057")}
	row := new(T)
	own(row, s.OrganizationID)
	rows := []*T{row}
	_, _ = t.ByKeys(ctx, q, s, "id", []uuid.UUID{s.OrganizationID})
	_, _ = t.ByID(ctx, q, s, s.OrganizationID)
	_ = t.Insert(ctx, q, s, row)
	_, _ = t.InsertAll(ctx, q, s, rows, true)
	if slices.ContainsFunc(d.columns, func(c db.Column) bool { return c.Name == "version" }) {
		_ = t.Update(ctx, q, s, row)
		_, _ = t.UpdateAll(ctx, q, s, rows, []string{"updated_at"})
	}
	if d.isRoot {
		_, _ = t.Count(ctx, q, s, db.Where{})
		for _, o := range d.orders {
			at := make([]*string, len(o))
			for i := range at {
				at[i] = new(string)
			}
			_, _ = t.List(ctx, q, s, db.Where{}, db.Page{Order: o, Limit: 15, After: at})
			_, _ = t.List(ctx, q, s, db.Where{}, db.Page{Order: o, Limit: 15, Before: at, Backward: true})
		}
	}
	for _, parent := range d.parents {
		_, _ = t.ListPer(ctx, q, s, parent, []uuid.UUID{s.OrganizationID}, db.Where{}, db.Page{Order: d.orders[0], Limit: 15})
		_, _ = t.CountPer(ctx, q, s, parent, []uuid.UUID{s.OrganizationID}, db.Where{})
	}
}
