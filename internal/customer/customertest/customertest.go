// Package customertest is what the tests of customers share. Its own tests are those of customers behind the API: they
// stand apart from the packages that they test, so that those are tested without compiling the graph.
package customertest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/customer"
	"caseload/internal/customer/account"
	"caseload/internal/customer/intake"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/pii"
	"caseload/internal/reveal"
	"caseload/internal/viewer"
)

// SeedCustomer is the example of the source document, and SeedID its id there.
const (
	SeedID       = "afa2r21-25f9-4501-b9db-e78afa73c0e3"
	SeedCustomer = `{
	"sourceCustomerId": "afa2r21-25f9-4501-b9db-e78afa73c0e3", "sourceParentCustomerId": "2e052a88-6ae1-4501-b9db-e78afa73c0e3",
	"organizationId": "50004", "postalCode": "78753", "country": "US", "customerCreationDate": "2017-01-01T08:00:00Z",
	"enrollmentStartDate": "2023-01-01T08:00:00Z", "enrollmentEndDate": "2023-01-01T08:00:00Z", "enrollmentOptInStatus": "ACTIVE",
	"alertOptInStatus": ["ALL"], "targetingIndicator": "TARGET",
	"accounts": [{
		"sourceAccountId": "42c57311-25f9-4501-b9db-e78afa73c0e3",
		"sourceCustomerIds": ["afa2r21-25f9-4501-b9db-e78afa73c0e3", "2e052a88-6ae1-4b78-8d96-f3a037402567"],
		"primarySourceCustomerId": "afa2r21-25f9-4501-b9db-e78afa73c0e3", "status": "OPEN", "type": "DDA",
		"sourcePortfolioId": "76afcd28-b494-4b29-b7f2-3eb614a92f97", "accountOpenDate": "2018-05-12T20:30:00Z", "accountCloseDate": null,
		"cards": [{
			"sourceAccountId": "42c57311-25f9-4501-b9db-e78afa73c0e3", "sourceCustomerId": "afa2r21-25f9-4501-b9db-e78afa73c0e3",
			"last4": "2345", "iin": "123456", "cardType": "CREDIT", "status": "OPEN", "networkIdentifier": "3",
			"openDate": "2023-01-01T08:00:00Z", "closeDate": null
		}]
	}]
}`
)

// Recorder records the events of transactions, committed or not. It is safe for concurrent use.
type Recorder struct {
	mu    sync.Mutex
	heard []string
	// Fail is what Emit returns.
	Fail error
}

// Emit implements [customer.Events].
func (e *Recorder) Emit(_ context.Context, _ *db.Tx, _ *viewer.Viewer, events ...customer.Event) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, event := range events {
		line := fmt.Sprint(event.Kind, " ", event.Changed)
		if event.Into != nil {
			line = fmt.Sprint(event.Kind, " into ", event.Into.ID())
		}
		e.heard = append(e.heard, line)
	}
	return e.Fail
}

// Take returns what was recorded since it was called last, one line for each event.
func (e *Recorder) Take() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := e.heard
	e.heard = nil
	return out
}

// Refusals are the codes and paths of user errors.
func Refusals(t testing.TB, err error) []string {
	t.Helper()
	errs, ok := fault.AsUserErrors(err)
	require.True(t, ok, "want user errors, got %v", err)
	var out []string
	for _, e := range errs {
		out = append(out, fmt.Sprint(e.Code, " ", e.Path))
	}
	return out
}

// Revealer reveals the sealed values of customers and accounts.
func Revealer(pool *db.Pool, sealer *pii.Sealer) *reveal.Service {
	return reveal.New(pool, time.Now, slices.Concat(customer.Sealed(sealer), account.Sealed(sealer))...)
}

// AwaitWaiter returns when another transaction waits for this one, or with an error when done answers first.
func AwaitWaiter(ctx context.Context, tx *db.Tx, done <-chan error) error {
	for waiting := 0; waiting == 0; {
		select {
		case err := <-done:
			return fmt.Errorf("it did not wait: %v", err)
		default:
		}
		if err := tx.Get(ctx, &waiting, "SELECT count(*) FROM pg_locks l, pg_sleep(0.01) WHERE NOT l.granted AND pg_backend_pid() = ANY(pg_blocking_pids(l.pid))"); err != nil {
			return err
		}
	}
	return nil
}

// CreateRows reads customers as they stand in a file.
func CreateRows(t testing.TB, rows ...string) []*intake.CreateRow {
	t.Helper()
	var out []*intake.CreateRow
	for _, text := range rows {
		row, read := intake.CreateRows.Decode([]byte(text))
		require.Empty(t, read.UserErrors, "%v", read.UserErrors)
		out = append(out, row)
	}
	return out
}

// UpsertRows reads customers as they stand in a file.
func UpsertRows(t testing.TB, rows ...string) []*intake.UpsertRow {
	t.Helper()
	var out []*intake.UpsertRow
	for _, text := range rows {
		row, read := intake.UpsertRows.Decode([]byte(text))
		require.Empty(t, read.UserErrors, "%s: %v", text, read.UserErrors)
		out = append(out, row)
	}
	return out
}
