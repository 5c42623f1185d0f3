package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"caseload/internal/fault"
	"caseload/internal/policy"
	"caseload/internal/viewer"
)

const (
	typeMultipart  = "multipart/form-data"
	scalarUpload   = "Upload"
	partOperations = "operations"
	partMap        = "map"
	// maxBoundary is the limit of RFC 2046, 5.1.1.
	maxBoundary = 70
	// partOverhead is what may stand around a part, its headers above all, and what is read ahead.
	partOverhead = 16 << 10
	// deleteTimeout bounds the deletion of files that no resolver took.
	deleteTimeout = 10 * time.Second
)

// Uploads takes requests with files: the GraphQL multipart request specification, over POST, for mutations. The
// parts come in the order `operations`, `map`, files. Everything that can be decided from the first two is decided
// before a file is read: credential, form, validity, cost, the scopes of the root fields. Then the files go, one
// after the other and never through memory, into the spool; only then the operation runs. A file that no resolver
// has taken is deleted after the answer. Safe for use by several goroutines.
type Uploads struct {
	limits *Limits
	schema *ast.Schema
	spool  Spool
	places *Places
	log    *slog.Logger
}

func newUploads(o Options, b *Base) *Uploads {
	if o.Spool == nil {
		return nil
	}
	return &Uploads{
		limits: b.Limits, schema: b.Presenter.Schema, spool: o.Spool, log: b.Log,
		places: NewPlaces("requests with files of this caller come in", b.Limits.ProcessUploads, b.Limits.PrincipalUploads),
	}
}

// supports reports whether the request is one with files, as far as its headers say.
func (u *Uploads) supports(r *http.Request) bool {
	if u == nil || r.Method != http.MethodPost {
		return false
	}
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(media), typeMultipart)
}

// boundaryOf checks the headers, and returns the boundary of the parts.
func (u *Uploads) boundaryOf(r *http.Request) (boundary string, err error) {
	// A page of any site can have a browser send multipart to us. A credential in a header would prove the opposite
	// too, but one rule for all is easier to keep, and to audit.
	if !hasPreflightHeader(r) {
		return "", fault.New(fault.CSRFRefused, "A multipart request needs the header GraphQL-Require-Preflight: 1.")
	}
	if err := viewer.From(r.Context()).Require(); err != nil {
		return "", err
	}
	if err := checkUncompressed(r); err != nil {
		return "", err
	}
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if boundary = params["boundary"]; err != nil || boundary == "" || len(boundary) > maxBoundary {
		return "", fault.New(fault.BadRequest, "The Content-Type multipart/form-data has no usable boundary.")
	}
	if r.ContentLength > u.limits.MaxUpload+u.limits.BodyFor(viewer.From(r.Context()))+u.limits.MaxUploadMap+int64(u.limits.MaxUploadFiles+3)*partOverhead {
		return "", u.filesTooLarge()
	}
	return boundary, nil
}

func (u *Uploads) filesTooLarge() *fault.Error {
	return fault.New(fault.PayloadTooLarge, "The files of the request are over the limit of %d bytes together. Split the request.", u.limits.MaxUpload)
}

// serve answers a request with files.
func (u *Uploads) serve(w http.ResponseWriter, r *http.Request, e *Endpoint) {
	ctx := r.Context()
	refuse := func(err error) {
		abandon(w)
		e.Refuse(w, r, err)
	}
	boundary, err := u.boundaryOf(r)
	if err != nil {
		refuse(err)
		return
	}
	leave, err := u.places.Take(Principal(viewer.From(ctx)))
	if err != nil {
		refuse(err)
		return
	}
	defer leave() // also when a spool panics
	f := &form{uploads: u, in: newBodyReader(w, r)}
	f.parts = multipart.NewReader(f.in, boundary)
	params, err := f.readOperations(r)
	if err != nil {
		refuse(err)
		return
	}
	op, errs := e.CreateOperationContext(ctx, params)
	ctx = graphql.WithOperationContext(ctx, op)
	if len(errs) == 0 {
		errs = u.admit(ctx, op, f.places)
	}
	if len(errs) > 0 {
		abandon(w)
		e.reject(ctx, w, r, errs, true)
		return
	}
	// From here on, files that are stored and not taken are deleted, whatever happens.
	defer u.deleteUntaken(ctx, f.places)
	err = f.files(ctx)
	leave() // the operation itself takes a place of another kind
	if err == nil {
		err = f.in.finish()
	}
	if err == nil {
		// The credential may have ended while the files came in.
		_, err = e.Identify(r)
	}
	if err != nil {
		abandon(w)
		e.reject(ctx, w, r, gqlerror.List{gqlerror.Wrap(err)}, false)
		return
	}
	e.run(ctx, w, r, op)
}

// admit checks whether the files of a valid and charged operation may be read. The scopes are checked here in addition,
// since the directive @auth only runs when a field is resolved.
func (u *Uploads) admit(ctx context.Context, op *graphql.OperationContext, places uploadPlaces) gqlerror.List {
	if op.Operation.Operation != ast.Mutation {
		return gqlerror.List{gqlerror.Wrap(fault.New(fault.BadRequest, "Only mutations take files. Send other operations as application/json."))}
	}
	if err := places.fit(u.schema, op.Operation); err != nil {
		return gqlerror.List{gqlerror.Wrap(err)}
	}
	var errs gqlerror.List
	for _, field := range graphql.CollectFields(op, op.Operation.SelectionSet, []string{u.schema.Mutation.Name}) {
		if field.Definition == nil {
			continue
		}
		scopes, _ := policy.Scopes(field.Definition)
		if err := viewer.From(ctx).Require(scopes...); err != nil {
			errs = append(errs, gqlerror.WrapPath(ast.Path{ast.PathName(field.Alias)}, err))
		}
	}
	return errs
}

// deleteUntaken deletes what was stored and not taken, also when the client is gone.
func (u *Uploads) deleteUntaken(ctx context.Context, places uploadPlaces) {
	organization := viewer.From(ctx).OrganizationID
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteTimeout)
	defer cancel()
	for _, place := range places {
		if !place.file.drop() {
			continue
		}
		if err := u.spool.Delete(ctx, organization, place.file.Key); err != nil {
			u.log.LogAttrs(ctx, slog.LevelWarn, "an upload that no resolver took could not be deleted",
				slog.String("request_id", RequestID(ctx)), slog.String("key", mask(place.file.Key)), slog.String("cause", mask(err.Error())))
		}
	}
}

// form is one multipart body, read part by part.
type form struct {
	uploads *Uploads
	in      *bodyReader
	parts   *multipart.Reader
	places  uploadPlaces
}

// next returns the next part, or io.EOF after the last one.
func (f *form) next(allowed int64) (*multipart.Part, error) {
	f.in.allow(allowed + partOverhead)
	part, err := f.parts.NextRawPart()
	switch {
	case err == nil:
		return part, f.checkPlain(part)
	case f.in.ended != nil && !errors.Is(f.in.ended, io.EOF):
		return nil, f.in.ended
	case err == io.EOF && f.places != nil: // wrapped it would be an end without the last boundary
		return nil, io.EOF
	default:
		return nil, fault.New(fault.BadRequest, "The multipart body is malformed, or ends before its last boundary.")
	}
}

// checkPlain refuses parts that would have to be decoded first.
func (f *form) checkPlain(part *multipart.Part) error {
	media := strings.ToLower(strings.TrimSpace(part.Header.Get("Content-Type")))
	coding := strings.ToLower(strings.TrimSpace(part.Header.Get("Content-Transfer-Encoding")))
	if strings.HasPrefix(media, "multipart/") || (coding != "" && coding != "binary" && coding != "8bit" && coding != "7bit") {
		return fault.New(fault.BadRequest, "A part of the multipart body is itself multipart, or is encoded. Send the bytes as they are.")
	}
	return nil
}

// readOperations reads the parts operations and map.
func (f *form) readOperations(r *http.Request) (*graphql.RawParams, error) {
	l := f.uploads.limits
	start := graphql.Now()
	f.in.within(l.BodyTimeout, l.BodyTimeout)
	body := getBuffer()
	defer putBuffer(body)
	if err := f.text(body, partOperations, l.BodyFor(viewer.From(r.Context()))); err != nil {
		return nil, err
	}
	params, err := l.ParseParams(body.Bytes())
	if err != nil {
		return nil, err
	}
	body.Reset()
	if err := f.text(body, partMap, l.MaxUploadMap); err != nil {
		return nil, err
	}
	places, err := parseUploadMap(body.Bytes(), l.MaxUploadFiles)
	if err != nil {
		return nil, err
	}
	if err := places.putInto(params.Variables); err != nil {
		return nil, err
	}
	f.places = places
	params.Headers = r.Header
	params.ReadTime = graphql.TraceTiming{Start: start, End: graphql.Now()}
	return params, nil
}

// text reads the part that has to come next.
func (f *form) text(into *bytes.Buffer, name string, limit int64) error {
	part, err := f.next(limit)
	if err != nil {
		return err
	}
	if part.FormName() != name {
		return fault.New(fault.BadRequest, "The parts must come in the order operations, map, files.")
	}
	if _, err := into.ReadFrom(io.LimitReader(part, limit+1)); err != nil {
		return f.readError()
	}
	if int64(into.Len()) > limit {
		return fault.New(fault.PayloadTooLarge, "The part %s is over the limit of %d bytes.", name, limit)
	}
	return nil
}

// readError returns why a part could not be read to its end.
func (f *form) readError() error {
	if f.in.ended != nil && !errors.Is(f.in.ended, io.EOF) {
		return f.in.ended
	}
	return brokenBody()
}

// files puts the file parts into the spool, each once and all of them.
func (f *form) files(ctx context.Context) error {
	l := f.uploads.limits
	f.in.within(l.UploadTimeout, l.UploadStall)
	ctx, cancel := context.WithDeadline(ctx, f.in.end)
	defer cancel()
	left, missing := l.MaxUpload, len(f.places)
	for {
		part, err := f.next(0)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		place := f.places[part.FormName()]
		if place == nil || place.file.Name != "" {
			return fault.New(fault.BadRequest, "The body has a part that the map does not name, or has it twice.")
		}
		name, ok := partFileName(part)
		if !ok {
			return fault.New(fault.BadRequest, "A part that the map names is no file: it has no filename.")
		}
		place.file.Name, place.file.ContentType = FileName(name), contentType(part.Header.Get("Content-Type"))
		if err := f.store(ctx, place.file, part, left); err != nil {
			return err
		}
		left -= place.file.Size
		missing--
	}
	if missing > 0 {
		return fault.New(fault.BadRequest, "The map names a file that the body does not have.")
	}
	return nil
}

// partFileName returns the file's name as it was sent. The library's own function takes names apart by the rules
// of the system the server runs on.
func partFileName(part *multipart.Part) (string, bool) {
	_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	name, ok := params["filename"]
	return name, ok && err == nil
}

func (f *form) store(ctx context.Context, file *Upload, part io.Reader, limit int64) error {
	r := &limited{r: part, left: limit}
	f.in.allow(limit + partOverhead)
	stored, err := f.uploads.spool.Put(ctx, viewer.From(ctx).OrganizationID, r, limit)
	var known *fault.Error
	switch {
	case r.over:
		err = f.uploads.filesTooLarge()
	case r.broken:
		err = f.readError()
	case err == nil && (!r.done || stored.Size != r.n || stored.Key == ""):
		err = fault.Wrap(fault.Internal, errors.New("the spool did not store what it was given"), wentWrong)
	case err == nil, errors.As(err, &known):
	case ctx.Err() != nil:
		err = tooSlow()
	default:
		err = fault.Wrap(fault.Unavailable, err, "The file could not be stored. Send the request again.").After(time.Second)
	}
	// What a spool claims to have stored is kept also when it is refused, to be deleted.
	file.Stored = stored
	return err
}

// errOver ends the reading of a file that is too large; its text is for the log.
var errOver = errors.New("the file is over the limit")

// limited reads at most a number of bytes, and records how reading ended, as a spool may wrap errors.
type limited struct {
	r       io.Reader
	left, n int64
	// over, broken and done are set by what ended the reading.
	over, broken, done bool
}

func (l *limited) Read(p []byte) (int, error) {
	if l.over {
		return 0, errOver
	}
	// One byte more than is allowed, to distinguish a file that fits exactly from one that does not.
	n, err := l.r.Read(p[:min(int64(len(p)), l.left+1)])
	if int64(n) > l.left {
		l.over = true
		l.n += l.left
		return int(l.left), errOver
	}
	l.left -= int64(n)
	l.n += int64(n)
	switch {
	case errors.Is(err, io.EOF):
		l.done = true
	case err != nil:
		l.broken = true
	}
	return n, err
}
