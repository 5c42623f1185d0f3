package customertest_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
	"caseload/internal/customer/customertest"
	"caseload/internal/customer/intake"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/graphtest"
)

// A merge locks the accounts that it changes before it changes their holders, as everybody does.
func TestAMergeWaitsForAccountsFirst(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.People(t, 2)
	merged := make(chan error, 1)
	require.NoError(t, w.Pool.InTx(t.Context(), w.Clock.Now(), func(tx *db.Tx) error {
		if _, err := tx.Exec(t.Context(), "SELECT FROM accounts WHERE id = $1 FOR NO KEY UPDATE", p[1].Account.UUID); err != nil {
			return err
		}
		go func() {
			_, err := w.Merging.Merge(context.Background(), w.Harbor.System, mergeOf(p[0].Customer, p[1].Customer))
			merged <- err
		}()
		if err := customertest.AwaitWaiter(t.Context(), tx, merged); err != nil {
			return err
		}
		// Were the holder changed already, each would wait for the other.
		_, err := tx.Exec(t.Context(), "SELECT FROM account_holders WHERE id = $1 FOR UPDATE NOWAIT", p[1].Holder.UUID)
		return err
	}))
	require.NoError(t, <-merged)
}

// Intake of the ids of duplicates beside their merge: each message reaches who has the id by then, nobody is made
// twice, and none is lost.
func TestMergesBesideIntake(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	o := w.Harbor
	const pairs, rounds = 6, 4
	p := o.People(t, 2*pairs+1)
	bare(t, w)
	customers := number[int](t, w, "SELECT count(*) FROM customers")
	failures := make(chan error, 1000)
	var group sync.WaitGroup
	for i := range pairs {
		group.Go(func() {
			if _, err := w.Merging.Merge(context.Background(), o.System, mergeOf(p[2*i].Customer, p[2*i+1].Customer)); err != nil {
				failures <- err
			}
		})
	}
	var upserts, creates []string
	for i := range pairs {
		ref := p[2*i+1].ReferenceID
		upserts = append(upserts, fmt.Sprintf(`{"sourceId": "S-%s", "email": "new%d@example.com", "parent": {"sourceId": "S-%s"}}`, ref, i, p[2*i+2].ReferenceID))
		creates = append(creates, fmt.Sprintf(`{"sourceOrganizationId": "7", "sourceCustomerId": "C-%d", "firstName": "Created %d"}`, i, i))
	}
	for range rounds {
		group.Go(func() {
			r, err := w.Intake.BulkUpsert(context.Background(), o.System, intake.BulkUpsertInput{Source: "LMS", Customers: customertest.UpsertRows(t, upserts...)})
			if err != nil {
				failures <- err
			} else if r.Counts.Created > 0 || r.Counts.Failed > 0 {
				failures <- fmt.Errorf("upsert: %+v", r.Counts)
			}
		})
		group.Go(func() {
			if _, err := w.Intake.Create(context.Background(), o.System, intake.CreateInput{Customers: customertest.CreateRows(t, creates...), ErrorPolicy: batch.RejectFailedRows}); err != nil {
				failures <- err
			}
		})
	}
	group.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	nothingLeft(t, w)
	require.Equal(t, customers+pairs, number[int](t, w, "SELECT count(*) FROM customers"))
	for i := range pairs {
		require.Equal(t, p[2*i].Customer.UUID, *read(t, w, p[2*i+1].Customer.UUID).MergedIntoID)
		require.Equal(t, p[2*i].Customer.UUID.String(), number[string](t, w, "SELECT customer_id FROM customer_identifiers WHERE source_id = $1", "S-"+p[2*i+1].ReferenceID))
	}
	// Once more, alone: whatever was told before or after the merges is stored by now.
	r, err := w.Intake.BulkUpsert(t.Context(), o.System, intake.BulkUpsertInput{Source: "LMS", Customers: customertest.UpsertRows(t, upserts...)})
	require.NoError(t, err)
	require.Zero(t, r.Counts.Failed+r.Counts.Created)
	for i := range pairs {
		require.Equal(t, fmt.Sprintf("new%d@example.com", i), *read(t, w, p[2*i].Customer.UUID).Email)
	}
}

// Two merges that each want the other's survivor gone: one of them wins.
func TestTwoMergesOfOneAnother(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	const pairs = 8
	p := w.Harbor.People(t, 2*pairs)
	bare(t, w)
	errs := make([][2]error, pairs)
	var group sync.WaitGroup
	for i := range pairs {
		for way := range 2 {
			group.Go(func() {
				_, errs[i][way] = w.Merging.Merge(context.Background(), w.Harbor.System, mergeOf(p[2*i+way].Customer, p[2*i+1-way].Customer))
			})
		}
	}
	group.Wait()
	for i := range pairs {
		won := 0
		for way, err := range errs[i] {
			if err == nil {
				won++
				require.False(t, read(t, w, p[2*i+way].Customer.UUID).IsDeleted())
				require.Equal(t, p[2*i+way].Customer.UUID, *read(t, w, p[2*i+1-way].Customer.UUID).MergedIntoID)
				continue
			}
			wrong, ok := fault.AsUserErrors(err)
			require.True(t, ok, err)
			require.Equal(t, fault.InvalidState, wrong[0].Code)
		}
		require.Equal(t, 1, won)
	}
	nothingLeft(t, w)
}
