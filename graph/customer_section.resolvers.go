package graph

import (
	"context"

	"caseload/internal/customer"
)

func (r *customerAlertProgramResolver) AlertOptIns(ctx context.Context, obj *customer.AlertProgram) ([]string, error) {
	return obj.AlertOptIns, nil
}

func (r *customerMedicareResolver) MbiLastFour(ctx context.Context, obj *customer.Medicare) (*string, error) {
	return obj.MBILastFour(r.customers.Sealer())
}
