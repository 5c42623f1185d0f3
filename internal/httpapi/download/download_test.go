package download

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/dbtest"
	"caseload/internal/fault"
	"caseload/internal/httpapi"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

var (
	organization = uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8057")
	file         = uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8058")
	key          = uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8059")
	secret       = []byte("a secret of all server processes")
)

// asker is an API key of an organization.
func asker(organizationID uuid.UUID) *viewer.Viewer {
	return &viewer.Viewer{Kind: viewer.APIKey, OrganizationID: organizationID, ActorID: key, ActorName: "portal", RequestID: "asked", IP: "192.0.2.7"}
}

const public = "https://api.example.com"

// office is a handler over files in memory, with a clock.
type office struct {
	http.Handler
	links  *Links
	now    time.Time
	opened atomic.Int64
	closed atomic.Int64
	log    dbtest.Log
	// by is on whose behalf a file was opened last.
	by *viewer.Viewer
	// open is what the opener does.
	open Opener
	// fetched is how often a file was fetched, and refusal what a fetch returns.
	fetched int
	refusal error
}

type body struct {
	io.Reader
	closed *atomic.Int64
}

func (b body) Close() error { b.closed.Add(1); return nil }

func newOffice(t *testing.T, change func(*Options)) *office {
	t.Helper()
	o := &office{now: time.Date(2026, 3, 9, 15, 0, 0, 0, time.UTC)}
	links, err := NewLinks(LinksOptions{Secret: secret, PublicURL: public + "/", Now: func() time.Time { return o.now }})
	require.NoError(t, err)
	o.links = links
	o.open = func(_ context.Context, by *viewer.Viewer, id uuid.UUID) (File, error) {
		o.by = by
		if by.OrganizationID != organization || id != file {
			return File{}, fault.New(fault.NotFound, "The operation does not exist.")
		}
		return File{Body: body{strings.NewReader("a,b\n1,2\n"), &o.closed}, Size: 8, ContentType: "text/csv", Name: "of the opener.csv",
			Fetched: func() error { o.fetched++; return o.refusal }}, nil
	}
	options := Options{Links: links, API: httpapi.Options{Log: slog.New(slog.NewJSONHandler(&o.log, nil)), Origins: []string{"https://portal.example.com"}},
		Openers: map[string]Opener{"results": func(ctx context.Context, by *viewer.Viewer, id uuid.UUID) (File, error) {
			o.opened.Add(1)
			return o.open(ctx, by, id)
		}}}
	if change != nil {
		change(&options)
	}
	o.Handler = Handler(options)
	return o
}

func (o *office) get(method, path string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	o.ServeHTTP(rec, httptest.NewRequest(method, path, nil))
	return rec
}

// path makes a link and returns what of it reaches the server.
func (o *office) path(name string) string {
	link, _ := o.links.URL(asker(organization), "results", file, name)
	return strings.TrimPrefix(link, public)
}

func TestFilesAreServed(t *testing.T) {
	t.Parallel()
	o := newOffice(t, nil)
	link, expires := o.links.URL(asker(organization), "results", file, "")
	require.True(t, strings.HasPrefix(link, public+"/files/"), link)
	require.Equal(t, o.now.Add(15*time.Minute), expires)
	got := o.get(http.MethodGet, o.path(""))
	require.Equal(t, 200, got.Code)
	require.Equal(t, "a,b\n1,2\n", got.Body.String())
	for name, want := range map[string]string{
		"Content-Type": "text/csv", "Content-Length": "8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Content-Disposition": `attachment; filename="of the opener.csv"`, "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
	} {
		require.Equal(t, want, got.Header().Get(name), name)
	}
	require.Equal(t, 1, o.fetched)
	head := o.get(http.MethodHead, o.path("mine.csv"))
	require.Equal(t, 1, o.fetched, "nothing was fetched")
	require.Equal(t, 200, head.Code)
	require.Zero(t, head.Body.Len())
	require.Equal(t, "8", head.Header().Get("Content-Length"))
	require.Equal(t, "attachment; filename=mine.csv", head.Header().Get("Content-Disposition"))
	require.EqualValues(t, 2, o.closed.Load())
	require.NotEmpty(t, o.by.RequestID)
	require.NotEqual(t, "asked", o.by.RequestID, "the request is the one that follows the link")
	o.by.RequestID = ""
	require.Equal(t, &viewer.Viewer{Kind: viewer.APIKey, OrganizationID: organization, ActorID: key, IP: "192.0.2.1"}, o.by)
}

func TestNamesOfFiles(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Zahlen für März.csv": "Zahlen für März.csv", `a"; filename="b.exe`: "a_; filename=_b.exe", "a\r\nSet-Cookie: x": "aSet-Cookie_ x", "../../x": "x", "报告.csv": "报告.csv", "a;b.csv": "a;b.csv",
	} {
		text := disposition(in)
		require.NotContains(t, text, "\n")
		kind, params, err := mime.ParseMediaType(text)
		require.NoError(t, err, text)
		require.Equal(t, "attachment", kind)
		require.Equal(t, map[string]string{"filename": want}, params, "%s", text)
	}
	require.Equal(t, "attachment; filename=file", disposition(""))
}

// A link that is not ours, one that was changed in any bit, one that has expired and one that leads nowhere get one
// and the same answer, but for the id of the request.
func TestLinksThatDoNotWork(t *testing.T) {
	t.Parallel()
	o := newOffice(t, nil)
	good := o.path("a.csv")
	token := strings.TrimPrefix(good, Path)
	other, err := NewLinks(LinksOptions{Secret: []byte("another secret of 16+ bytes"), Now: func() time.Time { return o.now }})
	require.NoError(t, err)
	foreign, _ := other.URL(asker(organization), "results", file, "")
	unknownKind, _ := o.links.URL(asker(organization), "letters", file, "")
	unknownFile, _ := o.links.URL(asker(organization), "results", organization, "")
	unknownOrganization, _ := o.links.URL(asker(file), "results", file, "")
	raw, err := base64.RawURLEncoding.DecodeString(token)
	require.NoError(t, err)
	resigned := func(body string) string {
		return Path + base64.RawURLEncoding.EncodeToString(append(o.links.mac([]byte(body)), body...))
	}
	body := string(raw[32:])
	require.Equal(t, good, resigned(body))
	bad := map[string]string{
		"foreign": foreign, "unknown kind": strings.TrimPrefix(unknownKind, public), "unknown file": strings.TrimPrefix(unknownFile, public),
		"unknown organization": strings.TrimPrefix(unknownOrganization, public), "empty": Path, "short": Path + "AAAA", "not base64": Path + "!!!!", "padded": good + "=",
		"doubled": good + token, "path below": good + "/x", "line break": Path + token[:9] + "%0A" + token[9:], "huge": Path + strings.Repeat("A", 100_000),
		"no kind": resigned(strings.Replace(body, `"results"`, `""`, 1)), "no JSON": resigned(body[1:]), "nothing": resigned(""),
		"cursor": Path + relay.NewCursors(secret).Encode(&relay.List{}, []*string{nil}),
	}
	for i := range raw {
		changed := append([]byte{}, raw...)
		changed[i] ^= 1
		bad["bit of byte "+time.Duration(i).String()] = Path + base64.RawURLEncoding.EncodeToString(changed)
	}
	words := func(rec *httptest.ResponseRecorder) string {
		return strings.ReplaceAll(rec.Body.String(), rec.Header().Get("X-Request-Id"), "")
	}
	want := ""
	for name, path := range bad {
		got := o.get(http.MethodGet, path)
		require.Equal(t, 404, got.Code, name)
		require.Contains(t, got.Body.String(), "NOT_FOUND", name)
		require.Empty(t, got.Header().Get("Content-Disposition"))
		if want == "" {
			want = words(got)
		}
		require.Equal(t, want, words(got), name)
	}
	opened := o.opened.Load()
	require.EqualValues(t, 2, opened, "only the two that we made and that lead nowhere were looked up")

	require.Equal(t, 200, o.get(http.MethodGet, good).Code)
	o.now = o.now.Add(15*time.Minute - time.Second)
	require.Equal(t, 200, o.get(http.MethodGet, good).Code)
	o.now = o.now.Add(time.Second)
	got := o.get(http.MethodGet, good)
	require.Equal(t, 404, got.Code)
	require.Equal(t, want, words(got))
	require.EqualValues(t, opened+2, o.opened.Load(), "an expired link opens nothing")
}

func TestTokensAreNotLogged(t *testing.T) {
	t.Parallel()
	o := newOffice(t, nil)
	paths := []string{o.path("Ann Smith.csv"), o.path("") + "x", o.path("") + "/y"}
	for _, path := range paths {
		o.get(http.MethodGet, path)
		require.NotContains(t, o.log.String(), path[len(Path):len(Path)+20])
	}
	require.Contains(t, o.log.String(), `"path":"/files/{token}"`)
	require.NotContains(t, o.log.String(), "Ann")
}

func TestOtherMethods(t *testing.T) {
	t.Parallel()
	o := newOffice(t, nil)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		got := o.get(method, o.path(""))
		require.Equal(t, 405, got.Code, method)
		require.Equal(t, "GET, HEAD", got.Header().Get("Allow"))
	}
	require.Zero(t, o.opened.Load())
	r := httptest.NewRequest(http.MethodGet, o.path(""), nil)
	r.Header.Set("Origin", "https://portal.example.com")
	rec := httptest.NewRecorder()
	o.ServeHTTP(rec, r)
	require.Equal(t, "https://portal.example.com", rec.Header().Get("Access-Control-Allow-Origin"))
	r.Header.Set("Range", "bytes=0-1")
	rec = httptest.NewRecorder()
	o.ServeHTTP(rec, r)
	require.Equal(t, 200, rec.Code, "there are no ranges: the whole file comes")
}

func TestOpenersThatFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
	}{
		{errors.New("read bucket at 10.1.2.3: refused"), 500}, {fault.New(fault.Unavailable, "The object store is down."), 503}, {context.DeadlineExceeded, 504},
	} {
		o := newOffice(t, nil)
		o.open = func(context.Context, *viewer.Viewer, uuid.UUID) (File, error) { return File{}, c.err }
		got := o.get(http.MethodGet, o.path(""))
		require.Equal(t, c.status, got.Code)
		require.NotContains(t, got.Body.String(), "10.1.2.3")
	}
	o := newOffice(t, nil)
	o.refusal = errors.New("write audit entry at 10.1.2.3: refused")
	got := o.get(http.MethodGet, o.path(""))
	require.Equal(t, 500, got.Code)
	require.NotContains(t, got.Body.String(), "1,2")
	require.NotContains(t, got.Body.String(), "10.1.2.3")
	require.EqualValues(t, 1, o.closed.Load())
}

// torn fails after some bytes.
type torn struct{ io.Reader }

func (r torn) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err == io.EOF {
		err = errors.New("connection lost")
	}
	return n, err
}

// Over a real connection: a file of unknown size is whole or visibly broken.
func TestFilesThatBreakOff(t *testing.T) {
	t.Parallel()
	o := newOffice(t, nil)
	server := httptest.NewServer(o)
	defer server.Close()
	get := func() (string, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+o.path(""), nil)
		require.NoError(t, err)
		res, err := server.Client().Do(r)
		require.NoError(t, err)
		defer res.Body.Close()
		require.Equal(t, 200, res.StatusCode)
		text, err := io.ReadAll(res.Body)
		return string(text), err
	}
	long := strings.Repeat("0123456789", 50_000)
	o.open = func(context.Context, *viewer.Viewer, uuid.UUID) (File, error) {
		return File{Body: body{strings.NewReader(long), &o.closed}, Size: -1}, nil
	}
	text, err := get()
	require.NoError(t, err)
	require.Equal(t, long, text)
	o.open = func(context.Context, *viewer.Viewer, uuid.UUID) (File, error) {
		return File{Body: body{torn{strings.NewReader(long)}, &o.closed}, Size: -1}, nil
	}
	_, err = get()
	require.Error(t, err)
	require.EqualValues(t, 2, o.closed.Load())
}

func TestPlacesOfDownloads(t *testing.T) {
	t.Parallel()
	o := newOffice(t, func(options *Options) {
		l := httpapi.DefaultLimits()
		l.Downloads = 1
		options.API.Limits = &l
	})
	open := o.open
	var inner *httptest.ResponseRecorder
	o.open = func(ctx context.Context, by *viewer.Viewer, id uuid.UUID) (File, error) {
		o.open = open
		inner = o.get(http.MethodGet, o.path(""))
		return open(ctx, by, id)
	}
	require.Equal(t, 200, o.get(http.MethodGet, o.path("")).Code)
	require.Equal(t, 503, inner.Code)
	require.NotEmpty(t, inner.Header().Get("Retry-After"))
	require.Equal(t, 200, o.get(http.MethodGet, o.path("")).Code, "the place is free again")
}

// One organization leaves places for the others.
func TestPlacesOfAnOrganization(t *testing.T) {
	t.Parallel()
	o := newOffice(t, func(options *Options) {
		l := httpapi.DefaultLimits()
		l.Downloads, l.OrganizationDownloads = 3, 2
		options.API.Limits = &l
	})
	link, _ := o.links.URL(asker(file), "results", file, "")
	foreign := strings.TrimPrefix(link, public)
	open := o.open
	depth := 0
	var codes []int
	get := func(path string) {
		code := o.get(http.MethodGet, path).Code
		codes = append(codes, code)
	}
	// Each download begins the next before it ends.
	o.open = func(ctx context.Context, by *viewer.Viewer, id uuid.UUID) (File, error) {
		switch depth++; depth {
		case 1:
			get(o.path(""))
		case 2:
			get(o.path(""))
			get(foreign)
		case 3:
			get(foreign)
		}
		return open(ctx, by, id)
	}
	require.Equal(t, 200, o.get(http.MethodGet, o.path("")).Code)
	// The third of one organization; the second of another, when all places are taken; its first, which leads to nothing.
	require.Equal(t, []int{429, 503, 404, 200}, codes)
	require.Equal(t, 200, o.get(http.MethodGet, o.path("")).Code)
}

// slow is a client that takes each piece after some time.
type slow struct {
	*httptest.ResponseRecorder
	now      time.Time
	each     time.Duration
	deadline time.Time
}

func (s *slow) SetWriteDeadline(at time.Time) error { s.deadline = at; return nil }

func (s *slow) Write(p []byte) (int, error) {
	if s.now = s.now.Add(s.each); s.now.After(s.deadline) {
		return 0, os.ErrDeadlineExceeded
	}
	return s.ResponseRecorder.Write(p)
}

// A place is not held for ever by taking a little now and then.
func TestLeastRate(t *testing.T) {
	t.Parallel()
	const pieces, piece = 100, 64 << 10
	for _, c := range []struct {
		each time.Duration
		want int
	}{
		{0, pieces}, {time.Second, pieces}, {2 * time.Second, pieces},
		// After 30 s on credit, 2 s are earned by each piece.
		{3 * time.Second, 28}, {12 * time.Second, 2}, {29 * time.Second, 1}, {31 * time.Second, 0},
	} {
		w := &slow{ResponseRecorder: httptest.NewRecorder(), each: c.each}
		h := &handler{Base: httpapi.NewBase(httpapi.Options{}), now: func() time.Time { return w.now }}
		h.copy(w, File{Body: io.NopCloser(io.LimitReader(zeros{}, pieces*piece))})
		require.Equal(t, c.want*piece, w.Body.Len(), c.each)
		require.True(t, w.deadline.IsZero(), "the connection serves another request")
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestNewLinks(t *testing.T) {
	t.Parallel()
	_, err := NewLinks(LinksOptions{Secret: []byte("short")})
	require.Error(t, err)
	l, err := NewLinks(LinksOptions{Secret: secret, Lifetime: time.Hour})
	require.NoError(t, err)
	link, expires := l.URL(asker(organization), "results", file, strings.Repeat("x", maxName+1))
	require.True(t, strings.HasPrefix(link, "/files/"), "without a public address")
	require.WithinDuration(t, time.Now().Add(time.Hour), expires, time.Minute)
	s, ok := l.read(strings.TrimPrefix(link, Path))
	require.True(t, ok)
	require.Equal(t, Statement{OrganizationID: organization, ActorKind: viewer.APIKey, ActorID: key, Kind: "results", ID: file, Expires: expires}, s)
	longest, _ := l.URL(asker(organization), strings.Repeat("k", maxKind), file, strings.Repeat("𝔘", maxName/4))
	s, ok = l.read(strings.TrimPrefix(longest, Path))
	require.True(t, ok, "the longest link works")
	require.Len(t, []rune(s.Name), 255)
	require.LessOrEqual(t, len(longest)-len(Path), maxToken)
	require.Panics(t, func() { l.URL(asker(organization), "", file, "") })
	require.Panics(t, func() { l.URL(asker(organization), strings.Repeat("k", maxKind+1), file, "") })
}

// No token that we did not make is read, and reading never fails otherwise.
func FuzzToken(f *testing.F) {
	l, err := NewLinks(LinksOptions{Secret: secret, Now: func() time.Time { return time.Unix(0, 0) }})
	require.NoError(f, err)
	good := l.sign(Statement{OrganizationID: organization, Kind: "results", ID: file, Name: "a.csv", Expires: time.Unix(900, 0)})
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		if s, ok := l.read(token); ok {
			require.Equal(t, token, l.sign(s), "a token has one spelling")
		}
	})
}
