package bulk

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/toolcheck"
)

// read returns all records of a source, with texts and problems as text.
func read(t testing.TB, rows records, begin int64) []string {
	t.Helper()
	var out []string
	at := begin
	for n := int32(0); ; n++ {
		r, err := rows.next()
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		require.GreaterOrEqual(t, r.from, at, "records do not overlap")
		require.Greater(t, r.to, r.from)
		at = r.to
		if r.problem != nil {
			require.Empty(t, r.text)
			out = append(out, "! "+r.problem.Message)
		} else {
			out = append(out, string(r.text))
		}
	}
}

func TestJSONLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxLine)
	tests := map[string]struct {
		file string
		want []string
	}{
		"nothing":             {"", nil},
		"only line ends":      {"\n\r\n \n", nil},
		"line feeds":          {"{1}\n{2}\n", []string{"{1}", "{2}"}},
		"no end":              {"{1}\n{2}", []string{"{1}", "{2}"}},
		"carriage returns":    {"{1}\r\n{2}\r\n", []string{"{1}", "{2}"}},
		"empty lines":         {"\n{1}\n\n\n{2}\n\n", []string{"{1}", "{2}"}},
		"byte order mark":     {"\xef\xbb\xbf{1}\n", []string{"{1}"}},
		"only a mark":         {"\xef\xbb\xbf", nil},
		"the longest line":    {long + "\n{2}", []string{long, "{2}"}},
		"one byte more":       {long + "y\n{2}", []string{"! " + errLong.Message, "{2}"}},
		"much more":           {long + long + long + "\n{2}\n", []string{"! " + errLong.Message, "{2}"}},
		"not UTF-8":           {"{\"a\":\"\xe9\"}\n{2}\n", []string{"! " + errUTF8.Message, "{2}"}},
		"a long line, no end": {"{1}\n" + long + long, []string{"{1}", "! " + errLong.Message}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, read(t, jsonLines{newFileReader(strings.NewReader(test.file), 0, 0)}, 0))
		})
	}
	_, err := jsonLines{newFileReader(io.MultiReader(strings.NewReader("{1"), broken{}), 0, 0)}.next()
	require.ErrorIs(t, err, errBroken, "a file that cannot be read is not at its end")
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }

var testKeys = newShape((*things)(nil).Keys())

// readCSV reads a file, its refusals first.
func readCSV(t testing.TB, file string) []string {
	t.Helper()
	h, err := readHeader(strings.NewReader(file), testKeys)
	require.NoError(t, err)
	if len(h.refusals) > 0 {
		return h.refusals
	}
	return read(t, newCSV(newFileReader(strings.NewReader(file[h.end:]), h.end, 0), h), h.end)
}

func TestCSV(t *testing.T) {
	t.Parallel()
	form := "! The line is not in CSV form. A cell with a quote, a separator or a line end is put in quotes, and a quote in it is written twice."
	count := "! The line must have as many cells as the header."
	long := strings.Repeat("x", maxLine)
	tests := map[string]struct {
		file string
		want []string
	}{
		"texts":                          {"name,note\na,b\n", []string{`{"name":"a","note":"b"}`}},
		"no end":                         {"name,note\na,b", []string{`{"name":"a","note":"b"}`}},
		"header alone":                   {"name,note\n", nil},
		"header without end":             {"name", nil},
		"mark and carriage returns":      {"\xef\xbb\xbfname,note\r\na,b\r\n", []string{`{"name":"a","note":"b"}`}},
		"empty cells are absent":         {"name,note,place.city\n,b,\n", []string{`{"note":"b"}`}},
		"all empty":                      {"name,note\n,\n", []string{`{}`}},
		"null clears":                    {"name,note,place.city\na,null,null\n\"null\",Null,NULL\n", []string{`{"name":"a","note":null,"place":{"city":null}}`, `{"name":null,"note":"Null","place":{"city":"NULL"}}`}},
		"quotes":                         {"name,note\n\"a,\"\"b\"\"\",\"c\nd\"\ne,f\n", []string{`{"name":"a,\"b\"","note":"c\nd"}`, `{"name":"e","note":"f"}`}},
		"numbers and booleans":           {"count,isBig\n12.50,TRUE\n-1e3,false\n007,yes\n1 2,1\n", []string{`{"count":12.50,"isBig":true}`, `{"count":-1e3,"isBig":false}`, `{"count":"007","isBig":"yes"}`, `{"count":"1 2","isBig":"1"}`}},
		"text is never a number":         {"name\n02134\n", []string{`{"name":"02134"}`}},
		"JSON cells":                     {"extra,parts\n\"{\"\"a\"\":[1]}\",[]\nplain,[\n", []string{`{"extra":{"a":[1]},"parts":[]}`, `{"extra":"plain","parts":"["}`}},
		"nested":                         {"place.zip,name,place.city\n1,a,b\n,a,\n", []string{`{"place":{"zip":"1","city":"b"},"name":"a"}`, `{"name":"a"}`}},
		"lists":                          {"parts.1.code,parts.0.code,parts.0.size,links.0\nb,a,2,x\nb,,,\n", []string{`{"parts":[{"code":"a","size":2},{"code":"b"}],"links":["x"]}`, `{"parts":[{"code":"b"}]}`}},
		"semicolons":                     {"name;note\na,b;c\n", []string{`{"name":"a,b","note":"c"}`}},
		"tabs":                           {"name\tnote\na;b\tc\n", []string{`{"name":"a;b","note":"c"}`}},
		"spaces in the header":           {" name , note\na, b\n", []string{`{"name":"a","note":" b"}`}},
		"invisible in the header":        {"\u00a0name\u200b,\ufeffnote\t\na,b\n", []string{`{"name":"a","note":"b"}`}},
		"empty lines":                    {"\nname,note\n\na,b\n\n\n", []string{`{"name":"a","note":"b"}`}},
		"too few and too many cells":     {"name,note\na\na,b,c\na,b\n", []string{count, count, `{"name":"a","note":"b"}`}},
		"a quote inside a cell":          {"name,note\n5\" pipe,b\nc,d\n", []string{form, `{"name":"c","note":"d"}`}},
		"a quote in it, and one after":   {"name,note\n\"5\" screw\",1\nc,d\n", []string{form, `{"name":"c","note":"d"}`}},
		"a quote before the end":         {"name,note\nx\",\"\nc,d\n", []string{form, `{"name":"c","note":"d"}`}},
		"a return after a quoted cell":   {"name,note\n\"a\",\"b\"\r\n\"a\"\rb,c\n\"a\",\"b\"\r", []string{`{"name":"a","note":"b"}`, form, `{"name":"a","note":"b"}`}},
		"a quote after a quoted cell":    {"name,note\n\"a\"b,c\nd,e\n", []string{form, `{"name":"d","note":"e"}`}},
		"a quote that does not end":      {"name,note\n\"a,b\nc,d\ne,f\n", []string{"! " + errQuote.Message, `{"name":"c","note":"d"}`, `{"name":"e","note":"f"}`}},
		"a quote that ends far away":     {"name,note\n\"a,b\nc," + long + "\ne,\"f\"\n", []string{"! " + errQuote.Message, "! " + errLong.Message, `{"name":"e","note":"f"}`}},
		"a long line":                    {"name,note\na," + long + long + "\nc,d\n", []string{"! " + errLong.Message, `{"name":"c","note":"d"}`}},
		"not UTF-8":                      {"name,note\na,\xff\nc,d\n", []string{"! The line must be in UTF-8.", `{"name":"c","note":"d"}`}},
		"no file":                        {"", []string{"#/header: the first line must name the columns"}},
		"only line ends":                 {"\n\r\n", []string{"#/header: the first line must name the columns"}},
		"a binary header":                {"PK\x03\x04\xff\xfe,\x00\n", []string{"#/header: the first line must name the columns, in UTF-8, separated by commas"}},
		"unknown columns":                {"name,company,place.street,parts.x.code,parts.0.color,count.x,extra.y,\na\n", []string{"#/header: extraneous key [company] is not permitted", "#/header: extraneous key [place.street] is not permitted", "#/header: extraneous key [parts.x.code] is not permitted", "#/header: extraneous key [parts.0.color] is not permitted", "#/header: extraneous key [count.x] is not permitted", "#/header: extraneous key [extra.y] is not permitted", "#/header: extraneous key [] is not permitted"}},
		"a column twice":                 {"name,name,place,place.city,parts.0.code,parts,links.0,links.0,parts.0\n", []string{"#/header: second column [name] is not permitted", "#/header: second column [place.city] is not permitted", "#/header: second column [parts] is not permitted", "#/header: second column [links.0] is not permitted", "#/header: second column [parts.0] is not permitted"}},
		"indexes have one spelling":      {"name,parts.00.code,parts.100.code,parts..code,parts.-1.code\n", []string{"#/header: extraneous key [parts.00.code] is not permitted", "#/header: extraneous key [parts.100.code] is not permitted", "#/header: extraneous key [parts..code] is not permitted", "#/header: extraneous key [parts.-1.code] is not permitted"}},
		"names differ in case":           {"name,Note\n", []string{"#/header: extraneous key [Note] is not permitted"}},
		"no character can end a refusal": {"name,\"a\nb\"," + strings.Repeat("c", 65) + "\n", []string{"#/header: extraneous key […] is not permitted (column 2)", "#/header: extraneous key […] is not permitted (column 3)"}},
		"no header":                      {"K-1,Ann,Smith,512-73-8846,1985-06-15\n", []string{"#/header: the first line must name the columns; it has no name that is permitted"}},
		"a value among names":            {"name,512-73-8846,ann@example.com,a1b2c3d4,note\n", []string{"#/header: extraneous key […] is not permitted (column 2)", "#/header: extraneous key […] is not permitted (column 3)", "#/header: extraneous key […] is not permitted (column 4)"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, readCSV(t, test.file))
		})
	}
}

func TestInspect(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text       string
		extraneous []string
		problem    string
	}{
		{text: `{}`},
		{text: `{"name":"a","place":{"city":"b"},"parts":[{"code":"c"},5,[1]],"links":["x",{"y":1}],"extra":{"any":{"thing":1}}}`},
		{text: `{"place":"x","parts":{"code":1}}`}, // the wrong types are the kind's business
		{text: `{"company":1,"name":"a","place":{"b/c~d":{}},"parts":[{},{"e":1,"code":"x","f":2}]}`, extraneous: []string{" company", "/place b/c~d", "/parts/1 e", "/parts/1 f"}},
		{text: `{"":1}`, extraneous: []string{" "}},
		{text: `{"a":{"b":1}}`, extraneous: []string{" a"}},
		{text: `[]`, problem: "The line must be one JSON object, not a list: write each object of it in a line of its own."},
		{text: `[{"name":"a"},`, problem: "The line must be one JSON object, not a list: write each object of it in a line of its own."},
		{text: `null`, problem: "The line must be one JSON object in UTF-8."},
		{text: `{"name":"a"`, problem: "The line must be one JSON object in UTF-8."},
		{text: `{"name":"a"} {}`, problem: "The line must be one JSON object in UTF-8."},
		{text: `{"name":"a"},`, problem: "The line must be one JSON object in UTF-8."},
		{text: `{'name':"a"}`, problem: "The line must be one JSON object in UTF-8."},
		{text: "{\"name\":\"\xff\"}", problem: "The line must be one JSON object in UTF-8."},
		{text: strings.Repeat(`{"place":`, 20_000), problem: "The line must be one JSON object in UTF-8.", extraneous: []string{"/place place"}},
		{text: `{"name":"a","name":"b"}`, problem: "The line gives a key twice."},
		{text: `{"place":{"city":"a","c\u0069ty":"b"}}`, problem: "The line gives a key twice."},
		{text: `{"name":"a\u0000b"}`, problem: "Text must not hold the character U+0000."},
		{text: `{"name":"a\\\u0000b"}`, problem: "Text must not hold the character U+0000."},
		{text: `{"name":"a\\u0000b"}`},
		{text: `{"name":"\\\\u0000\\u0000"}`},
	}
	var got []string
	i := newInspector(func(pointer, key string) { got = append(got, pointer+" "+key) })
	for _, test := range tests {
		got = nil
		problem := i.inspect([]byte(test.text), testKeys)
		require.Equal(t, test.extraneous, got, test.text[:min(len(test.text), 60)])
		message := ""
		if problem != nil {
			message = problem.Message
		}
		require.Equal(t, test.problem, message, test.text[:min(len(test.text), 60)])
	}
}

// Of each line that leaves a quoted cell open the rest of the file could be read, as far as a cell may go.
func TestBrokenLinesAreReadInLinearTime(t *testing.T) {
	if toolcheck.RaceEnabled || testing.Short() {
		t.Skip("it looks at the clock: make test/cheap runs it alone")
	}
	for _, line := range []string{"\",x\"y,\"\n", "x\",\"\n", "\"\n", "\"a\n", "\"a\"\rx\",\"\n", "\"\",\"\n", "\"\"\"\n"} {
		const n = 40_000
		file := "name,note\n" + strings.Repeat(line, n)
		h, err := readHeader(strings.NewReader(file), testKeys)
		require.NoError(t, err)
		rows := newCSV(newFileReader(strings.NewReader(file[h.end:]), h.end, 0), h)
		// A MiB for each line would take a minute.
		begun := time.Now()
		read(t, rows, h.end)
		require.Less(t, time.Since(begun), 20*time.Second, "%q", line)
	}
}

// A key is what somebody made up: it may be a value that slipped into its place.
func TestRefusalsShowNoValues(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"512-73-8846", "512738846", "a512738846", "5.1.2.7.3.8.8.4.6", "1EG4-TE5-MK73", "ann@example.com", "Ann Smith", "+1 415 555 0123", "Ünal", strings.Repeat("x", 65), "a\nb"} {
		require.Equal(t, "#/things/7/place: extraneous key […] is not permitted", refusal("things/7/place", key))
	}
	for _, key := range []string{"company", "ssn", "address.line_2", "parts.99.sizes-1", "_x", ""} {
		require.Equal(t, "#/things/7: extraneous key ["+key+"] is not permitted", refusal("things/7", key))
	}
}

// resumes says that the records after any record are the same when the file is opened there.
func resumes(t *testing.T, open func(offset int64, line int32) records) {
	t.Helper()
	type seen struct {
		record
		text string
	}
	all := func(rows records) (out []seen) {
		for {
			r, err := rows.next()
			if errors.Is(err, io.EOF) {
				return out
			}
			require.NoError(t, err)
			s := seen{r, string(r.text)}
			s.record.text = nil
			out = append(out, s)
		}
	}
	whole := all(open(0, 0))
	for i, s := range whole {
		require.Equal(t, int32(i), s.line)
		// Every place is tried of short files, some of long ones.
		if i < 8 || i%97 == 0 {
			rest := all(open(s.to, s.line+1))
			require.Equal(t, len(whole[i+1:]), len(rest))
			for j := range rest {
				require.Equal(t, whole[i+1+j].text, rest[j].text)
				require.Equal(t, whole[i+1+j].to, rest[j].to)
				require.Equal(t, whole[i+1+j].line, rest[j].line)
			}
		}
	}
}

func FuzzJSONLines(f *testing.F) {
	for _, seed := range []string{"{}\n{}\n", "\xef\xbb\xbf{\"name\":1}\r\n\n[", `{"name":"\u0000"}`, "{\"a\":{\"b\":[", strings.Repeat("x", 5000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file string) {
		open := func(offset int64, line int32) records {
			return jsonLines{newFileReader(strings.NewReader(file[offset:]), offset, line)}
		}
		resumes(t, open)
		i := newInspector(func(pointer, key string) { require.NotEmpty(t, refusal("things/0"+pointer, key)) })
		rows := open(0, 0)
		for {
			r, err := rows.next()
			if err != nil {
				break
			}
			_ = i.inspect(r.text, testKeys)
		}
	})
}

func FuzzCSV(f *testing.F) {
	for _, seed := range []string{"name,note\na,b\n", "name;place.city\r\n\"a\";\"b\"\"\nc\"\r\n", "name\n\"open\nb\nc\"", "parts.0.code,parts.1\n1,2", "extra\n{}\n[", "\xef\xbb\xbfname\tnote\n\t\n", "name\n\x00\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file string) {
		h, err := readHeader(strings.NewReader(file), testKeys)
		require.NoError(t, err)
		require.LessOrEqual(t, h.end, int64(len(file)))
		if len(h.refusals) > 0 {
			return
		}
		open := func(offset int64, line int32) records {
			offset = max(offset, h.end)
			return newCSV(newFileReader(strings.NewReader(file[offset:]), offset, line), h)
		}
		resumes(t, open)
		extraneous := ""
		i := newInspector(func(pointer, key string) { extraneous = fmt.Sprint(pointer, " ", key) })
		rows := open(0, 0)
		for {
			r, err := rows.next()
			if err != nil {
				break
			}
			if r.problem != nil {
				continue
			}
			problem := i.inspect(r.text, testKeys)
			if problem != nil {
				require.Contains(t, []string{"Text must not hold the character U+0000.", "The line gives a key twice."}, problem.Message, "%s", r.text)
			}
		}
		// A cell that holds JSON has keys of its own; a header that was accepted brings no others.
		if !strings.Contains(file, "{") {
			require.Empty(t, extraneous)
		}
	})
}

// U+0000 is told at the field that holds it, as in a mutation; in a key it is told of the line, which repeats no key.
func TestPathOfNUL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		`{"a":"x","name":"a\u0000b"}`: {"name"}, `{"place":{"city":"\u0000"}}`: {"place", "city"}, `{"parts":[{},{"code":"\u0000"}]}`: {"parts", "1", "code"},
		`{"a\u0000":1}`: {}, `{"a\u0000":{"b":"\u0000"}}`: {},
	} {
		require.Equal(t, want, pathOfNUL([]byte(text)), text)
	}
}
