package graph

import (
	"context"

	"caseload/graph/model"
	"caseload/internal/bulk"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

func (r *bulkOperationResolver) ResultsURL(ctx context.Context, obj *bulk.Operation) (*string, error) {
	return r.resultsURL(ctx, obj)
}

func (r *bulkOperationChangeResolver) BulkOperation(ctx context.Context, obj *bulk.Change) (*bulk.Operation, error) {
	return r.edges.Entities.BulkOperation.Load(ctx, obj.OperationID)
}

func (r *mutationResolver) CreateBulkOperation(ctx context.Context, input model.CreateBulkOperationInput) (*model.BulkOperationPayload, error) {
	o, err := replayed(ctx, r.Resolver, func(ctx context.Context) (*bulk.Operation, error) {
		return r.createBulkOperation(ctx, input)
	})
	errs, err := refused(err)
	return &model.BulkOperationPayload{BulkOperation: o, UserErrors: errs}, err
}

func (r *mutationResolver) CreateExport(ctx context.Context, input model.CreateExportInput) (*model.BulkOperationPayload, error) {
	o, err := replayed(ctx, r.Resolver, func(ctx context.Context) (*bulk.Operation, error) {
		return r.createExport(ctx, input)
	})
	errs, err := refused(err)
	return &model.BulkOperationPayload{BulkOperation: o, UserErrors: errs}, err
}

func (r *mutationResolver) CancelBulkOperation(ctx context.Context, input bulk.CancelInput) (*model.BulkOperationPayload, error) {
	o, errs, err := change(ctx, r.Resolver, r.bulk.Cancel, input)
	return &model.BulkOperationPayload{BulkOperation: o, UserErrors: errs}, err
}

func (r *subscriptionResolver) BulkOperationChanged(ctx context.Context, id *relay.ID) (<-chan *bulk.Change, error) {
	key, err := keyOf(id, bulk.Operations.Prefix())
	if err != nil {
		return nil, err
	}
	return r.bulk.Changes(ctx, viewer.From(ctx), key), nil
}
