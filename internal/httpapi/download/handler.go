package download

import (
	"context"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/google/uuid"

	"caseload/internal/fault"
	"caseload/internal/httpapi"
	"caseload/internal/viewer"
)

// Path is where a [Handler] is mounted; the token of a link follows it.
const Path = "/files/"

// File is an open file.
type File struct {
	// Body is read once and closed by the caller.
	Body io.ReadCloser
	// Size is in bytes, -1 when it is not known.
	Size int64
	// ContentType is the media type; empty is application/octet-stream. Browsers save the file, and neither sniff its type
	// nor execute anything in it.
	ContentType string
	// Name is the file's name unless the link has one.
	Name string
	// Fetched is called before the body is read, and so not for HEAD; after an error nothing is sent. It may be nil.
	Fetched func() error
}

// Opener opens files of one kind. The link has been checked, so it decides about nothing but whether the file is
// there: NOT_FOUND when the organization has none of that id. by is for the audit log: who asked for the link, without a
// name or scopes, with the id and the address of the request that follows it. It is safe for use by several goroutines, and stops when ctx ends.
type Opener func(ctx context.Context, by *viewer.Viewer, id uuid.UUID) (File, error)

// Options are what a [Handler] is made of. Links is required.
type Options struct {
	Links *Links
	// Openers are the files that can be fetched, by kind.
	Openers map[string]Opener
	// API holds what the GraphQL endpoint is made of: its limits, log, error classes, allowed origins and proxies
	// hold here too.
	API httpapi.Options
}

type handler struct {
	*httpapi.Base
	links   *Links
	openers map[string]Opener
	places  *httpapi.Places
	now     func() time.Time
}

// Handler serves GET and HEAD of [Path] with a token. A link that was changed, has expired, or leads to nothing is
// NOT_FOUND, always in the same words. No credential is asked for, and there are no ranges.
func Handler(o Options) http.Handler {
	b := httpapi.NewBase(o.API)
	h := &handler{
		Base: b, links: o.Links, openers: o.Openers, now: time.Now,
		places: httpapi.NewPlaces("downloads of the organization are running", b.Limits.Downloads, b.Limits.OrganizationDownloads),
	}
	r := chi.NewRouter()
	// The router is within the log, which writes the pattern of the route and so never a token.
	r.Use(b.Middleware()...)
	r.Get(Path+"{token}", h.serve)
	r.Head(Path+"{token}", h.serve)
	r.NotFound(func(w http.ResponseWriter, r *http.Request) { h.Refuse(w, r, notFound()) })
	r.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", "GET, HEAD")
		h.Refuse(w, r, fault.New(fault.MethodNotAllowed, "Use GET or HEAD for files."))
	})
	return r
}

func notFound() *fault.Error {
	return fault.New(fault.NotFound, "There is no such file, or the link has expired. Ask for a new link.")
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	s, ok := h.links.read(chi.URLParam(r, "token"))
	open := h.openers[s.Kind]
	if !ok || open == nil {
		h.Refuse(w, r, notFound())
		return
	}
	leave, err := h.places.Take(s.OrganizationID.String())
	if err != nil {
		h.Refuse(w, r, err)
		return
	}
	defer leave()
	by := &viewer.Viewer{Kind: s.ActorKind, OrganizationID: s.OrganizationID, ActorID: s.ActorID, RequestID: httpapi.RequestID(r.Context()), IP: middleware.GetClientIP(r.Context())}
	f, err := open(r.Context(), by, s.ID)
	if err != nil {
		if fault.CodeOf(err) == fault.NotFound {
			err = notFound()
		}
		h.Refuse(w, r, err)
		return
	}
	defer f.Body.Close() //nolint:errcheck // it was only read
	if f.Fetched != nil && r.Method != http.MethodHead {
		if err := f.Fetched(); err != nil {
			h.Refuse(w, r, err)
			return
		}
	}
	name := s.Name
	if name == "" {
		name = f.Name
	}
	head(w.Header(), f, name)
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	h.copy(w, f)
}

func head(to http.Header, f File, name string) {
	contentType := f.ContentType
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	to.Set("Content-Type", contentType)
	to.Set("Content-Disposition", disposition(name))
	to.Set("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'")
	if f.Size >= 0 {
		to.Set("Content-Length", strconv.FormatInt(f.Size, 10))
	}
}

// disposition makes a browser save the file under its name, in the form of RFC 6266.
func disposition(name string) string {
	if text := mime.FormatMediaType("attachment", map[string]string{"filename": httpapi.FileName(name)}); text != "" {
		return text
	}
	return "attachment"
}

// copy sends the file. A client that takes nothing for the write timeout is cut off, and so is one that takes less on the
// whole than the least rate, or a few slow ones would hold all places. A file that breaks off breaks the connection, or it
// would look whole.
func (h *handler) copy(w http.ResponseWriter, f File) {
	control := http.NewResponseController(w)
	defer func() {
		// What is still buffered goes under the deadline too.
		_ = control.Flush()
		_ = control.SetWriteDeadline(time.Time{})
	}()
	buffer := make([]byte, 64<<10)
	var sent int64
	// The time in which the file is read is not the client's.
	var waited time.Duration
	for {
		n, err := f.Body.Read(buffer)
		if n > 0 {
			start := h.now()
			earned := time.Duration(float64(sent) / float64(h.Limits.DownloadRate) * float64(time.Second))
			_ = control.SetWriteDeadline(start.Add(min(h.Limits.WriteTimeout, h.Limits.WriteTimeout+earned-waited)))
			if _, err := w.Write(buffer[:n]); err != nil {
				return // the client is gone, or cut off
			}
			sent, waited = sent+int64(n), waited+h.now().Sub(start)
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}
