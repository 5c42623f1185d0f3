package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/fault"
	"caseload/internal/viewer"
)

func TestFilesAreTaken(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("a,b\r\n1,2"))
	for name, c := range map[string]struct {
		parts []part
		want  string
	}{
		"one":   {oneFile("a,b\r\n1,2"), `{"keep":["0.csv"]}`},
		"empty": {oneFile(""), `{"keep":["0.csv"]}`},
		"list": {[]part{operations("mutation($f: [Upload!]) { keep(files: $f) }", map[string]any{"f": []any{nil, nil}}),
			mapped(`{"b":["variables.f.1"],"a":["variables.f.0"]}`), file("b", "2"), file("a", "1")}, `{"keep":["a.csv","b.csv"]}`},
		"input": {[]part{operations("mutation($i: Input) { keep(input: $i) }", map[string]any{"i": map[string]any{"file": nil, "name": "x"}}),
			mapped(`{"0":["variables.i.file"]}`), file("0", "1")}, `{"keep":["0.csv"]}`},
		"deep": {[]part{operations("mutation($i: Input) { keep(input: $i) }", map[string]any{"i": map[string]any{"inputs": []any{map[string]any{"files": []any{nil}}}}}),
			mapped(`{"0":["variables.i.inputs.0.files.0"]}`), file("0", "1")}, `{"keep":["0.csv"]}`},
		"one for a list": {[]part{operations("mutation($f: Upload!) { keep(files: [$f]) }", map[string]any{"f": nil}),
			mapped(`{"0":["variables.f"]}`), file("0", "1")}, `{"keep":["0.csv"]}`},
		"named operation": {[]part{{name: "operations", header: "Content-Type: application/json", filename: "blob",
			body: `{"operationName":"B","query":"query A { __typename } mutation B($file: Upload) { keep(file: $file) }","variables":{"file":null}}`},
			mapped(`{"0":["variables.file"]}`), file("0", "1")}, `{"keep":["0.csv"]}`},
		"skipped field of another scope": {[]part{operations("mutation($file: Upload!, $no: Boolean!) { keep(file: $file) write(file: $file) @include(if: $no) }", map[string]any{"file": nil, "no": false}),
			mapped(`{"0":["variables.file"]}`), file("0", "1")}, `{"keep":["0.csv"]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUploadBench(t, nil)
			got := u.serve(t, multi(body(c.parts...)))
			require.Equal(t, 200, got.Code, got.body)
			require.Empty(t, got.Errors, got.body)
			require.JSONEq(t, c.want, string(got.Data))
			puts, held := u.shelf.count()
			require.Equal(t, len(c.parts)-2, puts)
			require.Equal(t, puts, held, "what was taken stays")
			if name == "one" {
				seen := <-u.seen
				require.Equal(t, "text/csv", seen.ContentType)
				require.EqualValues(t, 8, seen.Size)
				require.Equal(t, sum[:], seen.SHA256)
				require.Contains(t, u.shelf.held, seen.Key)
			}
		})
	}
}

// huge is a body that would fill the disk; what is refused must not be read into it.
func huge(head string) *source {
	return &source{Reader: io.MultiReader(strings.NewReader(head), endless('x'))}
}

func TestMultipartRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	good := oneFile("content")
	ops, places, content := good[0], good[1], good[2]
	with := func(text string, variables any) part { return operations(text, variables) }
	whole := body(good...)
	for _, c := range []struct {
		name   string
		r      *http.Request
		status int
		code   string
	}{
		{"no preflight header", multi(whole, "GraphQL-Require-Preflight", ""), 403, "CSRF_REFUSED"},
		{"get", func() *http.Request { r := multi(whole); r.Method = http.MethodGet; return r }(), 400, "BAD_REQUEST"},
		{"put", func() *http.Request { r := multi(whole); r.Method = http.MethodPut; return r }(), 405, "METHOD_NOT_ALLOWED"},
		{"anonymous", multi(whole, "X-API-Key", ""), 401, "UNAUTHENTICATED"},
		{"unknown key", multi(whole, "X-API-Key", "nobody"), 401, "UNAUTHENTICATED"},
		{"compressed", multi(whole, "Content-Encoding", "gzip"), 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"not acceptable", multi(whole, "Accept", "text/html"), 406, "NOT_ACCEPTABLE"},
		{"no boundary", multi(whole, "Content-Type", "multipart/form-data"), 400, "BAD_REQUEST"},
		{"empty boundary", multi(whole, "Content-Type", `multipart/form-data; boundary=""`), 400, "BAD_REQUEST"},
		{"endless boundary", multi(whole, "Content-Type", "multipart/form-data; boundary="+strings.Repeat("X", 71)), 400, "BAD_REQUEST"},
		{"malformed parameter", multi(whole, "Content-Type", "multipart/form-data; boundary"), 400, "BAD_REQUEST"},
		{"boundary twice", multi(whole, "Content-Type", "multipart/form-data; boundary=XX; boundary=YY"), 400, "BAD_REQUEST"},
		{"other boundary", multi(whole, "Content-Type", "multipart/form-data; boundary=YY"), 400, "BAD_REQUEST"},
		{"multipart mixed", multi(whole, "Content-Type", "multipart/mixed; boundary=XX"), 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"empty body", multi(""), 400, "BAD_REQUEST"},
		{"no parts", multi("--XX--\r\n"), 400, "BAD_REQUEST"},
		{"only operations", multi(body(ops)), 400, "BAD_REQUEST"},
		{"no map", multi(body(ops, content)), 400, "BAD_REQUEST"},
		{"map first", multi(body(places, ops, content)), 400, "BAD_REQUEST"},
		{"file first", multi(body(content, ops, places)), 400, "BAD_REQUEST"},
		{"file second", multi(body(ops, content, places)), 400, "BAD_REQUEST"},
		{"operations twice", multi(body(ops, ops, places, content)), 400, "BAD_REQUEST"},
		{"operations again at the end", multi(body(ops, places, content, ops)), 400, "BAD_REQUEST"},
		{"map again at the end", multi(body(ops, places, content, places)), 400, "BAD_REQUEST"},
		{"file twice", multi(body(ops, places, content, content)), 400, "BAD_REQUEST"},
		{"file missing", multi(body(ops, places)), 400, "BAD_REQUEST"},
		{"unknown part", multi(body(ops, places, file("1", "x"))), 400, "BAD_REQUEST"},
		{"unknown part after", multi(body(ops, places, content, file("1", "x"))), 400, "BAD_REQUEST"},
		{"field that is no file", multi(body(ops, places, part{name: "0", body: "x"})), 400, "BAD_REQUEST"},
		{"part without a name", multi("--XX\r\nContent-Type: text/plain\r\n\r\nx\r\n" + whole), 400, "BAD_REQUEST"},
		{"attachment", multi(strings.Replace(whole, "form-data; name=\"operations\"", "attachment; name=\"operations\"", 1)), 400, "BAD_REQUEST"},
		{"truncated in a file", multi(ops.String() + places.String() + "--XX\r\nContent-Disposition: form-data; name=\"0\"; filename=\"a\"\r\n\r\nabc"), 400, "BAD_REQUEST"},
		{"truncated after a file", multi(strings.TrimSuffix(whole, "--\r\n")), 400, "BAD_REQUEST"},
		{"truncated in a header", multi(ops.String() + places.String() + "--XX\r\nContent-Dispo"), 400, "BAD_REQUEST"},
		{"truncated in operations", multi(`--XX` + "\r\n" + `Content-Disposition: form-data; name="operations"` + "\r\n\r\n" + `{"query":"mut`), 400, "BAD_REQUEST"},
		{"long text after the end", multi(whole + strings.Repeat("x", 64<<10)), 400, "BAD_REQUEST"},
		{"nested multipart", multi(body(ops, places, part{name: "0", filename: "a", header: "Content-Type: multipart/mixed; boundary=YY", body: "--YY--"})), 400, "BAD_REQUEST"},
		{"nested operations", multi(body(part{name: "operations", header: "Content-Type: Multipart/Mixed; boundary=YY", body: ops.body}, places, content)), 400, "BAD_REQUEST"},
		{"quoted-printable", multi(body(ops, places, part{name: "0", filename: "a", header: "Content-Transfer-Encoding: quoted-printable", body: "=41"})), 400, "BAD_REQUEST"},
		{"base64", multi(body(ops, places, part{name: "0", filename: "a", header: "Content-Transfer-Encoding: BASE64", body: "QQ=="})), 400, "BAD_REQUEST"},
		{"huge header of a part", multi("--XX\r\nX-A: " + strings.Repeat("a", 9<<20) + "\r\n\r\n"), 400, "BAD_REQUEST"},
		{"huge header of a file", multi(ops.String() + places.String() + "--XX\r\nContent-Disposition: form-data; name=\"0\"; filename=\"" + strings.Repeat("a", 1<<20) + "\"\r\n\r\nx\r\n--XX--\r\n"), 400, "BAD_REQUEST"},
		{"huge preamble", multi(strings.Repeat("x\r\n", 2<<20) + whole), 400, "BAD_REQUEST"},
		{"huge operations", multi(body(part{name: "operations", body: strings.Repeat(" ", 2<<20)}, places, content)), 413, "PAYLOAD_TOO_LARGE"},
		{"huge map", multi(body(ops, mapped("{"+strings.Repeat(" ", 17<<10)+"}"), content)), 413, "PAYLOAD_TOO_LARGE"},
		{"many files", multi(body(ops, mapped("{"+strings.TrimSuffix(numbered(11, `"#":["variables.file.#"],`), ", ")+"}"), content)), 400, "TOO_MANY_ITEMS"},
		{"batch", multi(body(part{name: "operations", body: "[" + ops.body + "]"}, places, content)), 400, "BAD_REQUEST"},
		{"operations is no JSON", multi(body(part{name: "operations", body: "{"}, places, content)), 400, "BAD_REQUEST"},
		{"syntax", multi(body(with("mutation {", map[string]any{"file": nil}), places, content)), 400, "GRAPHQL_PARSE_FAILED"},
		{"invalid", multi(body(with("mutation($file: Upload!) { nope(file: $file) }", map[string]any{"file": nil}), places, content)), 400, "GRAPHQL_VALIDATION_FAILED"},
		{"bomb", multi(body(with("mutation { "+strings.Repeat("__typename ", 1000)+"}", map[string]any{"file": nil}), places, content)), 400, "QUERY_TOO_LARGE"},
		{"query", multi(body(with("query($file: Upload) { readFile(file: $file) }", map[string]any{"file": nil}), places, content)), 400, "BAD_REQUEST"},
		{"subscription", multi(body(with("subscription($file: Upload) { tick(file: $file) }", map[string]any{"file": nil}), places, content)), 400, "BAD_REQUEST"},
		{"scope", multi(body(with("mutation($file: Upload!) { write(file: $file) }", map[string]any{"file": nil}), places, content)), 403, "FORBIDDEN"},
		{"scope in a fragment", multi(body(with("mutation($file: Upload!) { ...F } fragment F on Mutation { a: write(file: $file) }", map[string]any{"file": nil}), places, content)), 403, "FORBIDDEN"},
		{"scope beside a field that may", multi(body(with("mutation($file: Upload!, $b: Upload) { keep(file: $b) write(file: $file) }", map[string]any{"file": nil}), places, content)), 403, "FORBIDDEN"},
		{"variable of another type", multi(body(with("mutation($file: String) { keep(name: $file) }", map[string]any{"file": nil}), places, content)), 400, "BAD_USER_INPUT"},
		{"variable of another scalar", multi(body(with("mutation($file: JSON) { keep(extra: $file) }", map[string]any{"file": nil}), places, content)), 400, "BAD_USER_INPUT"},
		{"into a JSON value", multi(body(with("mutation($file: JSON) { keep(extra: $file) }", map[string]any{"file": map[string]any{"a": nil}}), mapped(`{"0":["variables.file.a"]}`), content)), 400, "BAD_USER_INPUT"},
		{"file for a list", multi(body(with("mutation($file: [Upload!]) { keep(files: $file) }", map[string]any{"file": nil}), places, content)), 400, "BAD_USER_INPUT"},
		{"undeclared variable", multi(body(with("mutation { keep }", map[string]any{"file": nil}), places, content)), 400, "BAD_USER_INPUT"},
		{"unknown input field", multi(body(with("mutation($i: Input) { keep(input: $i) }", map[string]any{"i": map[string]any{"nope": nil}}), mapped(`{"0":["variables.i.nope"]}`), content)), 400, "BAD_USER_INPUT"},
		{"over the file limit", func() *http.Request {
			r := multi(body(oneFile(strings.Repeat("x", 5000))...))
			r.ContentLength = -1
			return r
		}(), 413, "PAYLOAD_TOO_LARGE"},
		{"over the limit by its length", func() *http.Request { r := multi(""); r.ContentLength = 10 << 20; return r }(), 413, "PAYLOAD_TOO_LARGE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u := newUploadBench(t, func(o *Options) { o.Limits.MaxUpload = 4096 })
			got := u.serve(t, c.r)
			require.Equal(t, c.status, got.Code, got.body)
			require.Equal(t, c.code, got.code(), got.body)
			require.Nil(t, got.Data)
			require.Zero(t, u.executed.Load(), "refused before execution")
			_, held := u.shelf.count()
			require.Zero(t, held, "nothing of it is kept")
			require.Contains(t, u.log.String(), c.code)
		})
	}
}

func TestPathsOfTheMap(t *testing.T) {
	t.Parallel()
	variables := map[string]any{"file": nil, "set": 1, "text": "abc", "list": []any{nil, 1}, "input": map[string]any{"file": nil, "": nil}, "a.b": nil}
	for _, c := range []string{
		`{"0":["variables.nope"]}`, `{"0":["variables.set"]}`, `{"0":["variables.text.0"]}`, `{"0":["variables"]}`, `{"0":["variables."]}`,
		`{"0":[".variables.file"]}`, `{"0":["variables..file"]}`, `{"0":["file"]}`, `{"0":["query"]}`, `{"0":["operations.variables.file"]}`, `{"0":[""]}`,
		`{"0":["variables.list"]}`, `{"0":["variables.list.1"]}`, `{"0":["variables.list.2"]}`, `{"0":["variables.list.-1"]}`, `{"0":["variables.list.00"]}`,
		`{"0":["variables.list.+0"]}`, `{"0":["variables.list.0x0"]}`, `{"0":["variables.list.0.0"]}`, `{"0":["variables.list.99999999999999999999"]}`,
		`{"0":["variables.list.length"]}`, `{"0":["variables.__proto__"]}`, `{"0":["variables.constructor.prototype"]}`, `{"0":["variables.input.__proto__.file"]}`,
		`{"0":["variables.input.toString"]}`, `{"0":["variables.file.a"]}`, `{"0":["variables.a.b"]}`, `{"0":["variables.FILE"]}`, `{"0":["Variables.file"]}`,
		`{"0":["variables.` + strings.Repeat("a.", 300) + `a"]}`, `{"0":[]}`, `{"0":null}`, `{"0":"variables.file"}`, `{"0":["variables.file",1]}`, `{"0":{"a":"variables.file"}}`,
		`{"0":["variables.file","variables.input.file"]}`, `{"0":["variables.file"],"1":["variables.file"]}`, `{"0":["variables.file"],"0":["variables.input.file"]}`,
		`{"0":["variables.file","variables.file"]}`, `{"":["variables.file"]}`, `{"map":["variables.file"]}`, `{"operations":["variables.file"]}`,
		`{}`, `null`, `[]`, `["variables.file"]`, `"x"`, ``, `{`, `{"0":["variables.file"]}{}`, "{\"0\":[\"variables.\xff\"]}", `{"0":["variables.file"],"1":["variables.file.x"]}`,
	} {
		t.Run(c[:min(len(c), 60)], func(t *testing.T) {
			t.Parallel()
			places, err := parseUploadMap([]byte(c), 10)
			if err == nil {
				err = places.putInto(copied(t, variables))
			}
			require.Equal(t, fault.BadRequest, fault.CodeOf(err), c)
			require.NotContains(t, err.Error(), "proto", "nothing is repeated")
		})
	}
	for _, c := range []string{`{"0":["variables.file"]}`, `{"0":["variables.list.0"]}`, ` { "a-b.c" : [ "variables.input.file" ] } `} {
		places, err := parseUploadMap([]byte(c), 1)
		require.NoError(t, err, c)
		require.NoError(t, places.putInto(copied(t, variables)), c)
	}
}

func copied(t testing.TB, v map[string]any) (to map[string]any) {
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	require.NoError(t, decode(raw, &to))
	return to
}

// What is refused by the headers is not read at all, and what is refused by operations and map no further than them.
func TestRefusedBodiesAreNotRead(t *testing.T) {
	t.Parallel()
	long := operations(keepOne, map[string]any{"file": nil})
	scope := operations("mutation($file: Upload!) { write(file: $file) }", map[string]any{"file": nil})
	invalid := operations("mutation($file: Upload!) { nope(file: $file) }", map[string]any{"file": nil})
	head := mapped(`{"0":["variables.file"]}`).String() + "--XX\r\nContent-Disposition: form-data; name=\"0\"; filename=\"a\"\r\n\r\n"
	for name, c := range map[string]struct {
		head   string
		header []string
		status int
		most   int64
		// decided is set where this transport refuses, and not what is before it.
		decided bool
	}{
		"anonymous":      {long.String() + head, []string{"X-API-Key", ""}, 401, 0, true},
		"unknown key":    {long.String() + head, []string{"X-API-Key", "nobody"}, 401, 0, false},
		"no preflight":   {long.String() + head, []string{"GraphQL-Require-Preflight", ""}, 403, 0, true},
		"no boundary":    {long.String() + head, []string{"Content-Type", "multipart/form-data"}, 400, 0, true},
		"not acceptable": {long.String() + head, []string{"Accept", "text/html"}, 406, 0, false},
		"wrong order":    {head + long.String(), nil, 400, 8 << 10, true},
		"scope":          {scope.String() + head, nil, 403, 8 << 10, true},
		"invalid":        {invalid.String() + head, nil, 400, 8 << 10, true},
		"endless line":   {"", nil, 400, 8 << 10, true},
		"over the limit": {long.String() + head, nil, 413, 1<<20 + 64<<10, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUploadBench(t, func(o *Options) { o.Limits.MaxUpload = 1 << 20 })
			r, from := multi("", c.header...), huge(c.head)
			r.Body, r.ContentLength = from, -1
			got := u.serve(t, r)
			require.Equal(t, c.status, got.Code, got.body)
			require.LessOrEqual(t, from.read, c.most)
			if c.decided {
				require.Equal(t, "close", got.Header().Get("Connection"), "the rest of the body is not waited for")
			}
			_, held := u.shelf.count()
			require.Zero(t, held)
		})
	}
}

func TestUploadsThatNobodyTook(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, code string }{
		{"looked at", "mutation($file: Upload!) { look(file: $file) }", ""},
		{"given back", "mutation($file: Upload!) { fail(file: $file) }", "NOT_FOUND"},
		{"panic", "mutation($file: Upload!) { panic(file: $file) }", "INTERNAL"},
		{"unused", "mutation($file: Upload!, $n: Boolean = true) { look(file: $file) @skip(if: $n) __typename }", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u := newUploadBench(t, nil)
			got := u.serve(t, multi(body(operations(c.text, map[string]any{"file": nil}), mapped(`{"0":["variables.file"]}`), file("0", "abc"))))
			require.Equal(t, 200, got.Code, got.body)
			require.Equal(t, c.code, got.code())
			puts, held := u.shelf.count()
			require.Equal(t, 1, puts)
			require.Zero(t, held)
			require.Equal(t, 1, u.shelf.deletes)
			select {
			case seen := <-u.seen:
				require.Equal(t, fault.Timeout, fault.CodeOf(seen.Take()), "nobody can take what was deleted")
			default:
				require.Equal(t, "unused", c.name)
			}
		})
	}
}

// One stored file cannot have two owners: deleting one row would empty the other.
func TestOneFileForTwoFields(t *testing.T) {
	t.Parallel()
	u := newUploadBench(t, nil)
	got := u.serve(t, multi(body(operations("mutation($file: Upload!) { a: keep(file: $file) b: keep(file: $file) }", map[string]any{"file": nil}), mapped(`{"0":["variables.file"]}`), file("0", "x"))))
	require.Equal(t, "BAD_USER_INPUT", got.code(), got.body)
	require.JSONEq(t, `{"a":["0.csv"],"b":null}`, string(got.Data))
	_, held := u.shelf.count()
	require.Equal(t, 1, held)
}

func TestSeveralFilesWhenOneFails(t *testing.T) {
	t.Parallel()
	two := func(second string) *http.Request {
		r := multi(body(operations("mutation($f: [Upload!]) { keep(files: $f) }", map[string]any{"f": []any{nil, nil}}),
			mapped(`{"0":["variables.f.0"],"1":["variables.f.1"]}`), file("0", strings.Repeat("a", 3000)), file("1", second)))
		r.ContentLength = -1
		return r
	}
	u := newUploadBench(t, func(o *Options) { o.Limits.MaxUpload = 4096 })
	got := u.serve(t, two(strings.Repeat("b", 1097)))
	require.Equal(t, 413, got.Code, "the limit is on all files together")
	puts, held := u.shelf.count()
	require.Equal(t, 2, puts)
	require.Zero(t, held, "the first one is deleted")
	require.Equal(t, 200, u.serve(t, two(strings.Repeat("b", 1096))).Code, "exactly the limit fits")
	_, held = u.shelf.count()
	require.Equal(t, 2, held)
}

func TestSpoolsThatFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fail   error
		broken bool
		status int
		code   string
	}{
		{errors.New("disk full at " + canary), false, 503, "UNAVAILABLE"},
		{fault.New(fault.Forbidden, "The organization may store no more."), false, 403, "FORBIDDEN"},
		{nil, true, 500, "INTERNAL"},
	} {
		u := newUploadBench(t, nil)
		u.shelf.fail, u.shelf.broken = c.fail, c.broken
		got := u.serve(t, multi(body(oneFile("abc")...), "Accept", "application/json"))
		require.Equal(t, c.status, got.Code, got.body)
		require.Equal(t, c.code, got.code())
		require.NotContains(t, got.body+u.log.String(), canary)
		_, held := u.shelf.count()
		require.Zero(t, held)
		require.Zero(t, u.executed.Load())
	}
}

// A key that was revoked while its file came in writes nothing any more.
func TestCredentialThatEndsDuringAnUpload(t *testing.T) {
	t.Parallel()
	asked := 0
	u := newUploadBench(t, func(o *Options) {
		o.Identify = func(r *http.Request) (*viewer.Viewer, error) {
			if asked++; asked > 1 {
				return nil, fault.New(fault.Unauthenticated, "The API key is unknown, expired or revoked.")
			}
			return identify(r)
		}
	})
	got := u.serve(t, multi(body(oneFile("abc")...)))
	require.Equal(t, 401, got.Code, got.body)
	require.Zero(t, u.executed.Load())
	puts, held := u.shelf.count()
	require.Equal(t, 1, puts)
	require.Zero(t, held)
}

func TestPlacesOfUploads(t *testing.T) {
	t.Parallel()
	u := newUploadBench(t, func(o *Options) { o.Limits.PrincipalUploads, o.Limits.ProcessUploads = 1, 2 })
	reader, writer := io.Pipe()
	start := make(chan *reply)
	go func() {
		r := multi("")
		r.Body, r.ContentLength = reader, -1
		start <- u.do(t, r)
	}()
	whole := body(oneFile("abc")...)
	_, err := writer.Write([]byte(whole[:20]))
	require.NoError(t, err, "the first upload is being read")
	got := u.serve(t, multi(whole))
	require.Equal(t, 429, got.Code, got.body)
	require.NotEmpty(t, got.Header().Get("Retry-After"))
	require.Equal(t, 200, u.serve(t, multi(whole, "X-API-Key", "other")).Code, "others have places of their own")
	_, err = writer.Write([]byte(whole[20:]))
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	require.Equal(t, 200, (<-start).Code)
	require.Equal(t, 200, u.serve(t, multi(whole)).Code, "the place is free again")
}

func TestUploadsInJSON(t *testing.T) {
	t.Parallel()
	u := newUploadBench(t, nil)
	for _, v := range []any{"file.csv", 1, true, map[string]any{"Key": "org/other", "Upload": nil}, map[string]any{"name": "a", "size": 1}} {
		got := u.serve(t, query(keepOne, map[string]any{"file": v}))
		require.Equal(t, "BAD_USER_INPUT", got.code(), got.body)
	}
	require.Equal(t, "BAD_USER_INPUT", u.serve(t, query(keepOne, map[string]any{"file": nil})).code())
	require.Equal(t, "BAD_USER_INPUT", u.serve(t, query(`mutation { keep(file: "x") }`, nil)).code())
	_, err := UnmarshalUpload(uploadValue{})
	require.Equal(t, fault.BadUserInput, fault.CodeOf(err))
}

func TestWithoutASpoolThereAreNoUploads(t *testing.T) {
	t.Parallel()
	u := newUploadBench(t, func(o *Options) { o.Spool = nil })
	got := u.serve(t, multi(body(oneFile("abc")...)))
	require.Equal(t, 415, got.Code, got.body)
}

func TestUploadFingerprint(t *testing.T) {
	t.Parallel()
	text := func(content, name string) string {
		u := newUploadBench(t, nil)
		require.Equal(t, 200, u.serve(t, multi(body(operations(keepOne, map[string]any{"file": nil}), mapped(`{"0":["variables.file"]}`), part{name: "0", filename: name, body: content}))).Code)
		raw, err := json.Marshal(map[string]any{"file": uploadValue{<-u.seen}})
		require.NoError(t, err)
		return string(raw)
	}
	require.Equal(t, text("a", "n"), text("a", "n"), "the key in the store is not part of it")
	require.NotEqual(t, text("a", "n"), text("b", "n"))
	require.NotEqual(t, text("a", "n"), text("a", "m"))
}

func TestUploadsLeaveNoPersonalValues(t *testing.T) {
	t.Parallel()
	for name, parts := range map[string][]part{
		"file name":       {operations(keepOne, map[string]any{"file": nil}), mapped(`{"0":["variables.file"]}`), {name: "1", filename: canary, body: canary}},
		"name of a part":  {operations(keepOne, map[string]any{"file": nil}), mapped(`{"0":["variables.file"]}`), file(canary, "x")},
		"path of the map": {operations(keepOne, map[string]any{"file": nil}), mapped(`{"0":["variables.` + canary + `"]}`)},
		"map":             {operations(keepOne, map[string]any{"file": nil}), mapped(`{"` + canary + `":"` + canary)},
		"key twice":       {operations(keepOne, map[string]any{"file": nil}), mapped(`{"` + canary + `":[],"` + canary + `":[]}`)},
		"variable":        {operations("mutation($i: Input) { keep(input: $i) }", map[string]any{"i": map[string]any{canary: nil}}), mapped(`{"0":["variables.i.` + canary + `"]}`)},
		"content type":    {operations(keepOne, map[string]any{"file": nil}), mapped(`{"0":["variables.file"]}`), {name: "0", filename: "a", header: "Content-Type: multipart/" + canary}},
	} {
		u := newUploadBench(t, nil)
		got := u.serve(t, multi(body(parts...)))
		require.NotEmpty(t, got.code(), name)
		require.NotContains(t, got.body+u.log.String(), canary, name)
	}
}

func TestFileNames(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a.csv": "a.csv", "../../etc/passwd": "passwd", `C:\fakepath\a b.csv`: "a b.csv", "": "file", ".": "file", "..": "file", "/": "file", `\`: "file",
		".htaccess": "htaccess", "a\r\nX: y.csv": "aX_ y.csv", "a\x00b\x7f.csv": "ab.csv", "résumé.pdf": "résumé.pdf", "报告.csv": "报告.csv",
		"a\u202efdp.exe": "afdp.exe", "\ufeffa": "a", "a\xff.csv": "a.csv", "  a.csv . ": "a.csv", `a"b<c>.csv`: "a_b_c_.csv", "\u200b": "file", "a\u00a0b": "a b",
	} {
		require.Equal(t, want, FileName(in), "%q", in)
	}
	long := FileName(strings.Repeat("é", 400) + ".csv")
	require.Len(t, []rune(long), 255)
	require.True(t, strings.HasSuffix(long, "é.csv"))
	require.Len(t, []rune(FileName(strings.Repeat("x", 400)+"."+strings.Repeat("y", 400))), 255)
	for in, want := range map[string]string{"": anyContentType, "text/csv; charset=x": "text/csv", "TEXT/CSV": "text/csv", "text": anyContentType, "a/" + strings.Repeat("b", 200): anyContentType, "text/csv\r\nX: y": anyContentType} {
		require.Equal(t, want, contentType(in), "%q", in)
	}
}

func TestUploadOwnership(t *testing.T) {
	t.Parallel()
	u := &Upload{Stored: Stored{Key: "k"}}
	u.Release()
	require.NoError(t, u.Take())
	require.Equal(t, fault.BadUserInput, fault.CodeOf(u.Take()))
	require.False(t, u.drop(), "what was taken is not deleted")
	u.Release()
	u.Release()
	require.NoError(t, u.Take(), "a transaction that failed may be tried again")
	u.Release()
	require.True(t, u.drop())
	require.False(t, u.drop())
	require.Equal(t, fault.Timeout, fault.CodeOf(u.Take()))
	u.Release()
	require.Equal(t, fault.Timeout, fault.CodeOf(u.Take()), "released after the end it does not come back")
	require.False(t, (&Upload{}).drop(), "nothing was stored")

	shared, winners := &Upload{}, make(chan error, 8)
	for range cap(winners) {
		go func() { winners <- shared.Take() }()
	}
	won := 0
	for range cap(winners) {
		if <-winners == nil {
			won++
		}
	}
	require.Equal(t, 1, won)
}

func TestLimitedReader(t *testing.T) {
	t.Parallel()
	for size := range 6 {
		for limit := range 6 {
			l := &limited{r: strings.NewReader(strings.Repeat("x", size)), left: int64(limit)}
			n, err := io.Copy(io.Discard, struct{ io.Reader }{l})
			require.Equal(t, size > limit, l.over, strconv.Itoa(size)+" of "+strconv.Itoa(limit))
			require.Equal(t, size > limit, err != nil)
			require.LessOrEqual(t, n, int64(limit))
			require.Equal(t, n, l.n)
			require.Equal(t, size <= limit, l.done)
		}
	}
	l := &limited{r: &source{Reader: io.MultiReader(strings.NewReader("a"), failing{})}, left: 5}
	_, err := io.ReadAll(l)
	require.ErrorIs(t, err, context.Canceled)
	require.True(t, l.broken)
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, context.Canceled }
