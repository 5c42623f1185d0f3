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
		o, body, err := a.Bulk.Open(ctx, by.Scope(), id)
		if err != nil {
			return download.File{}, err
		}
		return download.File{Body: body, Size: -1, ContentType: o.ResultsType(), Name: o.ResultsName(),
			Fetched: func() error { return a.Bulk.Fetched(ctx, by, o) }}, nil
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

// createBulkOperation takes the upload; it is released, and removed, when no operation was made of it. When the commit outcome is unknown
// the file stays: an operation may own it, and otherwise it is removed as an old upload.
func (r *Resolver) createBulkOperation(ctx context.Context, in model.CreateBulkOperationInput) (*bulk.Operation, error) {
	if err := in.File.Take(); err != nil {
		return nil, err
	}
	options := map[string]any{}
	setOptions(options, bulk.UpsertCustomers, in.UpsertCustomers)
	setOptions(options, bulk.CreateCustomers, in.CreateCustomers)
	o, err := r.bulk.Create(ctx, viewer.From(ctx),
		bulk.CreateInput{Kind: in.Kind, Format: in.Format, ErrorPolicy: in.ErrorPolicy, Options: options},
		bulk.File{Key: in.File.Key, Name: in.File.Name, Size: in.File.Size, SHA256: in.File.SHA256})
	if err != nil && !errors.Is(err, db.ErrUnknown) {
		in.File.Release()
	}
	return o, err
}

// setOptions adds the options of a kind when they were sent.
func setOptions[T any](options map[string]any, kind bulk.KindName, sent graphql.Omittable[*T]) {
	if own := sent.Value(); own != nil {
		options[bulk.OptionsName(kind)] = own
	}
}

// createExport passes the options as they were sent, under the names of their kinds: exports have no Go types of their own.
func (r *Resolver) createExport(ctx context.Context, in model.CreateExportInput) (*bulk.Operation, error) {
	raw, _ := graphql.GetFieldContext(ctx).Field.ArgumentMap(graphql.GetOperationContext(ctx).Variables)["input"].(map[string]any)
	options := make(map[string]json.RawMessage, len(raw))
	for name, value := range raw {
		member, ok := value.(map[string]any)
		if !ok {
			continue
		}
		options[name] = nil
		if filter := member["filter"]; filter != nil {
			if err := relay.RefuseNull(filter); err != nil {
				return nil, err
			}
			text, err := json.Marshal(filter)
			if err != nil {
				return nil, fmt.Errorf("write the filter of an export: %w", err)
			}
			options[name] = text
		}
	}
	export := bulk.ExportInput{Kind: in.Kind, Filters: options}
	if format := in.Format.Value(); format != nil {
		export.Format = *format
	}
	return r.bulk.CreateExport(ctx, viewer.From(ctx), export)
}
