package document

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// valueOf returns the text that a literal stands for, read as every request is.
func valueOf(literal string) (string, error) {
	document, half := rewriteLiterals("{ f(a: " + literal + ") }")
	if half != nil {
		return "", half
	}
	doc, err := parser.ParseQuery(&ast.Source{Input: document})
	if err != nil {
		return "", err
	}
	if len(doc.Operations) != 1 || len(doc.Operations[0].SelectionSet) != 1 {
		return "", strconv.ErrSyntax
	}
	f, ok := doc.Operations[0].SelectionSet[0].(*ast.Field)
	if !ok || len(f.Arguments) != 1 || (f.Arguments[0].Value.Kind != ast.StringValue && f.Arguments[0].Value.Kind != ast.BlockValue) {
		return "", strconv.ErrSyntax
	}
	return f.Arguments[0].Value.Raw, nil
}

// The examples of section 2.9.4 of the GraphQL specification, and what is next to them.
func TestLiteralsAreReadAsTheSpecificationSays(t *testing.T) {
	t.Parallel()
	for literal, want := range map[string]string{
		`""`:                              "",
		`"plain"`:                         "plain",
		`"say \"hi\" \\ \/ \b\f\n\r\t"`:   "say \"hi\" \\ / \b\f\n\r\t",
		`"\u{1F4A9}"`:                     "💩",
		`"\uD83D\uDCA9"`:                  "💩",
		`"\ud83d\udca9"`:                  "💩",
		"\"💩\"":                           "💩",
		`"\u0041\u{41}\u{0000000000041}"`: "AAA",
		`"\u{22}\u{5C}\u{A}\u{7}\u{9}"`:   "\"\\\n\a\t",
		`"\\uD83D"`:                       `\uD83D`,
		`"\\\u{1F600}\\u{1F600}"`:         `\😀\u{1F600}`,
		`"\uD83D\uDE00\uD83D\uDE01"`:      "😀😁",
		`"\uFFFD"`:                        "\uFFFD",
		`"# no comment \u{1F600}"`:        "# no comment 😀",
		`""""""`:                          "",
		"\"\"\"\n    Hello,\n      World!\n\n    Yours,\n      GraphQL.\n  \"\"\"": "Hello,\n  World!\n\nYours,\n  GraphQL.",
		"\"\"\"Hello,\n  World!\n\n  Yours,\n    GraphQL.\"\"\"":                   "Hello,\nWorld!\n\nYours,\n  GraphQL.",
		"\"\"\"  begins\n    here\n      there\"\"\"":                              "  begins\nhere\n  there",
		"\"\"\"a\r\n  b\r  c\"\"\"":                                                "a\nb\nc",
		"\"\"\"\n\t\tx\n\ty\"\"\"":                                                 "\tx\ny",
		"\"\"\"say \"hi\" \\ \\n \\u0041 \\uD83D\"\"\"":                            `say "hi" \ \n \u0041 \uD83D`,
		`"""three \""" quotes"""`:                                                  `three """ quotes`,
		"\"\"\" \n \t\n\"\"\"":                                                     "",
		`"""# no comment"""`:                                                       "# no comment",
	} {
		got, err := valueOf(literal)
		require.NoError(t, err, "%s", literal)
		require.Equal(t, want, got, "%s", literal)
	}
	for _, literal := range []string{
		`"\uD83D"`, `"\uDE00"`, `"\uDE00\uD83D"`, `"\uD83D\uD83D\uDE00"`, `"\uD83D\u0041"`, `"\uD83D\u{DE00}"`, `"\u{D83D}\u{DE00}"`, `"\u{D83D}\uDE00"`, `"\uD83D \uDE00"`,
	} {
		_, half := rewriteLiterals("{ f(a: " + literal + ") }")
		require.NotNil(t, half, literal)
	}
	for _, literal := range []string{
		`"`, `"\`, `"\u`, `"\u{`, `"\u{}"`, `"\u{110000}"`, `"\u{FFFFFFFFFFFFFFFF}"`, `"\u{1F600"`, `"\u{G}"`, `"\u12"`, `"\U0041"`, `"\x41"`, "\"a\nb\"", "\"a\x01\"",
		`"""`, `"""a`, `"""a\"""`, `"""a""`, "\"\"\"a\x01\"\"\"", `"""a""""`,
	} {
		_, err := valueOf(literal)
		require.Error(t, err, literal)
	}
}

// What follows a literal that was rewritten stays in its line and column.
func TestLiteralsKeepPlaces(t *testing.T) {
	t.Parallel()
	document := "{ # \"\"\" \\uD83D\n a: f(x: \"\\uD83D\\uDE00ü\", y: \"\"\"one\n  two\r\n three \"quoted\" \"\"\", z: \"\\u{1F600}\") b\n c }"
	want, err := parser.ParseQuery(&ast.Source{Input: strings.NewReplacer(`\uD83D\uDE00`, "xxxxxxxxxxxx", `\u{1F600}`, "xxxxxxxxx").Replace(document)})
	require.NoError(t, err)
	rewritten, half := rewriteLiterals(document)
	require.Nil(t, half)
	got, err := parser.ParseQuery(&ast.Source{Input: rewritten})
	require.NoError(t, err)
	places := func(doc *ast.QueryDocument) (out [][2]int) {
		for _, s := range doc.Operations[0].SelectionSet {
			out = append(out, [2]int{s.GetPosition().Line, s.GetPosition().Column})
			for _, a := range s.(*ast.Field).Arguments {
				out = append(out, [2]int{a.Position.Line, a.Position.Column})
			}
		}
		return out
	}
	require.Len(t, places(got), 6)
	require.Equal(t, places(want), places(got))

	_, half = rewriteLiterals("{ a: f(x: \"😀\") \r\n\r b(x: \"é\\u0041\\uDE00\") }")
	require.NotNil(t, half)
	require.Equal(t, 3, half.Locations[0].Line)
	require.Equal(t, 15, half.Locations[0].Column)

	plain := `{ f(x: "a \" \u0041 b") # """` + "\n}"
	same, half := rewriteLiterals(plain)
	require.Nil(t, half)
	require.Equal(t, plain, same)
}

var (
	escapes = regexp.MustCompile(`\\(?:u\{([0-9A-Fa-f]+)\}|u([Dd][89ABab][0-9A-Fa-f]{2})\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|(["\\/bfnrt])|.?)`)
	simple  = strings.NewReplacer("b", "\b", "f", "\f", "n", "\n", "r", "\r", "t", "\t")
)

// reference reads what stands between the quotes of a string by the words of the specification and nothing else.
func reference(inner string) (value string, ok bool) {
	if strings.ContainsFunc(inner, func(r rune) bool { return r < ' ' && r != '\t' }) || regexp.MustCompile(`^(?:[^"\\]|\\.)*$`).FindString(inner) != inner {
		return "", false
	}
	ok = true
	number := func(digits string) rune {
		n, err := strconv.ParseUint(strings.TrimLeft("0"+digits, "0")+"", 16, 32)
		if strings.Trim(digits, "0") == "" {
			n, err = 0, nil
		}
		if err != nil || !utf8.ValidRune(rune(n)) || n > utf8.MaxRune {
			ok = false
		}
		return rune(n)
	}
	value = escapes.ReplaceAllStringFunc(inner, func(escape string) string {
		m := escapes.FindStringSubmatch(escape)
		switch {
		case m[1] != "":
			return string(number(m[1]))
		case m[2] != "":
			high, _ := strconv.ParseUint(m[2], 16, 16)
			low, _ := strconv.ParseUint(m[3], 16, 16)
			return string(rune(0x10000 + (high-0xD800)<<10 + (low - 0xDC00)))
		case m[4] != "":
			return string(number(m[4]))
		case m[5] != "":
			return simple.Replace(m[5])
		}
		ok = false
		return ""
	})
	return value, ok
}

// A literal is read as the reference reads it, or refused by both.
func FuzzStringLiterals(f *testing.F) {
	for _, inner := range []string{"", "a", `\uD83D\uDE00`, `\uD83D`, `\u{1F600}`, `\u{D800}`, `\u{0000110000}`, `\\uD83D\u0041`, `"`, `\"`, "\t", `\uD83D\\uDE00`, "é\\n", `\u{00000000000000000041}`, "\"\"a", "#"} {
		f.Add(inner)
	}
	f.Fuzz(func(t *testing.T, inner string) {
		if !utf8.ValidString(inner) || strings.HasPrefix(inner, `""`) {
			t.Skip()
		}
		got, err := valueOf(`"` + inner + `"`)
		want, ok := reference(inner)
		if !ok {
			require.Error(t, err, "%q", inner)
			return
		}
		require.NoError(t, err, "%q", inner)
		require.Equal(t, want, got, "%q", inner)
	})
}

var indents = regexp.MustCompile(`^[ \t]*`)

// referenceBlock is BlockStringValue of the specification, step by step.
func referenceBlock(raw string) string {
	lines := regexp.MustCompile("\r\n|\r|\n").Split(strings.ReplaceAll(raw, `\"""`, `"""`), -1)
	common := -1
	for i, line := range lines {
		if i == 0 {
			continue
		}
		if indent := len(indents.FindString(line)); indent < len(line) && (common < 0 || indent < common) {
			common = indent
		}
	}
	for i := range lines {
		if i > 0 && common > 0 {
			lines[i] = lines[i][min(common, len(lines[i])):]
		}
	}
	blank := regexp.MustCompile(`^[ \t]*$`).MatchString
	for len(lines) > 0 && blank(lines[0]) {
		lines = lines[1:]
	}
	for len(lines) > 0 && blank(lines[len(lines)-1]) {
		lines = lines[:len(lines)-1]
	}
	return strings.Join(lines, "\n")
}

// A block string is read as the reference reads it.
func FuzzBlockStringLiterals(f *testing.F) {
	for _, raw := range []string{"", "a", "a\n  b", "\n  a\n    b\n ", "a\r\n\tb\r c", `\"""`, `\u0041 \`, "  a\n \n  b", "\"\"", "a\n\n"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if !utf8.ValidString(raw) || strings.ContainsFunc(raw, func(r rune) bool { return r < ' ' && !strings.ContainsRune("\t\r\n", r) }) ||
			strings.Contains(strings.ReplaceAll(raw, `\"""`, ""), `"""`) || strings.HasSuffix(raw, `"`) || strings.HasSuffix(raw, `\`) {
			t.Skip()
		}
		got, err := valueOf(`"""` + raw + `"""`)
		require.NoError(t, err, "%q", raw)
		require.Equal(t, referenceBlock(raw), got, "%q", raw)
	})
}

// Whatever the document, the parser sees no half of a pair, and no character that nobody wrote.
func FuzzDocumentsWithLiterals(f *testing.F) {
	for _, document := range []string{"{ f(a: \"\\uD83D\\uDE00\") }", "# \"\n{ f(a: \"\"\"x\\uD83D\"\"\") }", "{ f(a: \"\"\"\"\"\"\"\\uD83D\") }", `{ f(a: "\\", b: "\uDE00") }`, "\"\"\"\x01\"\"\" \"\\uD83D\""} {
		f.Add(document)
	}
	f.Fuzz(func(t *testing.T, document string) {
		if !utf8.ValidString(document) || strings.Contains(document, "\uFFFD") || regexp.MustCompile(`(?i)fffd`).MatchString(document) {
			t.Skip()
		}
		rewritten, half := rewriteLiterals(document)
		if half != nil {
			return
		}
		doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: rewritten}, 2000)
		if err != nil {
			return
		}
		again, half := rewriteLiterals(rewritten)
		require.Nil(t, half)
		require.Equal(t, rewritten, again, "what was rewritten stays")
		for _, op := range doc.Operations {
			for _, s := range op.SelectionSet {
				if field, ok := s.(*ast.Field); ok {
					for _, a := range field.Arguments {
						require.NotContains(t, a.Value.Raw, "\uFFFD")
					}
				}
			}
		}
	})
}
