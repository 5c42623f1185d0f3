package schedule

import (
	"cmp"
	"context"

	"golang.org/x/sync/errgroup"

	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/lending"
)

// fetchers is how many customers of a batch are fetched from the lending system at once.
const fetchers = 8

// fetch asks the lending system about the rows that want it, before any row is locked.
func (b *syncBatch) fetch(ctx context.Context) error {
	var want []*syncRow
	for _, row := range b.rows {
		if row.in.wantsLending() && row.early.OK() {
			want = append(want, row)
		}
	}
	if len(want) == 0 {
		return nil
	}
	target, err := b.s.customers.LendingTarget(ctx, b.v)
	if refused, ok := fault.AsUserErrors(err); ok {
		for _, row := range want {
			row.early.At("sync").Add(refused[0].Code, "%s", refused[0].Message)
		}
		return nil
	}
	if err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(fetchers)
	for _, row := range want {
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			got, err := b.s.customers.Fetch(ctx, target, row.request())
			row.fetched = got
			if refused, ok := fault.AsUserErrors(err); ok {
				row.early.At("sync").Add(refused[0].Code, "%s", refused[0].Message)
				return nil
			}
			return err
		})
	}
	err = group.Wait()
	return cmp.Or(ctx.Err(), err)
}

func (r *syncRow) request() lending.Request {
	req := lending.Request{ReferenceID: r.in.ReferenceID}
	if r.in.ExternalLoanIDs.IsSet() && r.in.ExternalLoanIDs.Value() != nil {
		ids := r.in.ExternalLoanIDs.Value()
		req.LoanIDs = &ids
	}
	req.LoanID = input.Or(r.in.ExternalLoanID, "")
	return req
}
