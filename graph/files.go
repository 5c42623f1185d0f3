package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"

	"caseload/graph/model"
	"caseload/internal/blob"
	"caseload/internal/bulk"
	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/httpapi"
	"caseload/internal/httpapi/download"
	"caseload/internal/identity"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// spool keeps uploaded files in the object store.
type spool struct{ *blob.Store }

// Put implements [httpapi.Spool].
func (s spool) Put(ctx context.Context, organizationID uuid.UUID, r io.Reader, limit int64) (httpapi.Stored, error) {
	stored, err := s.Store.Put(ctx, organizationID, r, limit)
	return httpapi.Stored(stored), err
}

// resultsFile names the results of bulk operations in links.
const resultsFile = "bulk"

// Openers are the files that signed links lead to.
func (a *API) Openers() map[string]download.Opener {
	return map[string]download.Opener{resultsFile: func(ctx context.Context, by *viewer.Viewer, id uuid.UUID) (download.File, error) {
		if by.Kind == viewer.APIKey {
			key, err := identity.APIKeys.ByID(ctx, a.pool, by.Scope(), by.ActorID)
			if err != nil {
				return download.File{}, err
			}
			by.ActorName = key.Name
		}
		o, body, err := a.Bulk.Open(ctx, by, id)
		if err != nil {
			return download.File{}, err
		}
		return download.File{Body: body, Size: -1, ContentType: "application/jsonl", Name: o.ResultsName()}, nil
	}}
}

// resultsURL signs a link to the results of an operation; nil when there are none, or not for this viewer.
func (r *Resolver) resultsURL(ctx context.Context, o *bulk.Operation) (*string, error) {
	if r.links == nil || o.FilesRemovedAt != nil || r.bulk.MayDownload(viewer.From(ctx), o) != nil {
		return nil, nil
	}
	url, _ := r.links.URL(viewer.From(ctx), resultsFile, o.UUID, o.ResultsName())
	return &url, nil
}

// createBulkOperation takes the upload over; it goes back, and is removed, when no operation was made of it. Where that
// is not known the file stays: an operation may have it, and otherwise the removal of leftovers finds it.
func (r *Resolver) createBulkOperation(ctx context.Context, in model.CreateBulkOperationInput) (*bulk.Operation, error) {
	if err := in.File.Take(); err != nil {
		return nil, err
	}
	o, err := r.bulk.Create(ctx, viewer.From(ctx),
		bulk.CreateInput{Kind: in.Kind, Format: in.Format, Source: in.Source, Language: in.Language, ErrorPolicy: in.ErrorPolicy},
		bulk.File{Key: in.File.Key, Name: in.File.Name, Size: in.File.Size, SHA256: in.File.SHA256})
	if err != nil && !errors.Is(err, db.ErrUnknown) {
		in.File.Release()
	}
	return o, err
}

func (r *Resolver) createExport(ctx context.Context, kind bulk.KindName, filter *customer.Filter) (*bulk.Operation, error) {
	var in bulk.CreateExportInput
	if filter != nil {
		raw, _ := graphql.GetFieldContext(ctx).Field.ArgumentMap(graphql.GetOperationContext(ctx).Variables)["input"].(map[string]any)
		if err := relay.RefuseNull(raw["filter"]); err != nil {
			return nil, err
		}
		text, err := json.Marshal(filter)
		if err != nil {
			return nil, fmt.Errorf("write the filter of an export: %w", err)
		}
		in.Filter = text
	}
	return r.bulk.CreateExport(ctx, viewer.From(ctx), kind, in)
}
