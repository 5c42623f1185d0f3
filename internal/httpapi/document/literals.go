package document

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator/core"

	"caseload/internal/fault"
	"caseload/internal/input"
)

// sourceIDLiterals makes texts of the numbers that a document has for ids of other systems, as of those in variables: such a
// number may have more digits than the library's int64.
func sourceIDLiterals(observers *core.Events, _ core.AddErrFunc) {
	observers.OnValue(func(_ *core.Walker, v *ast.Value) {
		if v.Kind == ast.IntValue && v.Definition != nil && v.Definition.Name == "SourceId" {
			v.Kind = ast.StringValue
			v.Raw, _ = input.WholeNumber(v.Raw)
		}
	})
}

// rewriteLiterals returns the document with its string literals in a form that the parser reads as section 2.9.4 of the
// GraphQL specification (September 2025) says. The parser's own reading differs: it makes the character U+FFFD of each
// half of a surrogate pair, so that two different keys become one; it does not know \u{1F600}; and it lets the first line
// of a block string count for the common indent. So the character itself takes the place of such an escape, and an
// ordinary string that of a block string; white space after them keeps what follows in its line and column.
//
// Half of a pair is an error at its place. Whatever else is wrong with a literal is left as it is, for the parser to refuse.
func rewriteLiterals(document string) (string, *gqlerror.Error) {
	if !strings.Contains(document, `\u`) && !strings.Contains(document, `"""`) {
		return document, nil
	}
	l := literals{in: document, half: -1}
	for at := 0; at < len(document); {
		switch {
		case document[at] == '#':
			at += lineLength(document[at:])
		case strings.HasPrefix(document[at:], `"""`):
			at = l.blockString(at)
		case document[at] == '"':
			if at = l.string(at); l.half >= 0 {
				return "", halfOfPair(document, l.half)
			}
		default:
			at++
		}
	}
	if l.copied == 0 {
		return document, nil
	}
	l.out.WriteString(document[l.copied:])
	return l.out.String(), nil
}

// literals rewrites one document.
type literals struct {
	in  string
	out strings.Builder
	// copied is the offset up to which the document has been written.
	copied int
	// half is the offset of an escape that is half of a pair, or -1.
	half int
}

// string rewrites the escapes of the string literal at an offset and returns the offset after it: the end of the document
// when the parser will refuse the literal.
func (l *literals) string(open int) int {
	saved := 0
	for i := open + 1; i < len(l.in); {
		switch c := l.in[i]; {
		case c == '"':
			if saved > 0 {
				l.out.WriteString(l.in[l.copied : i+1])
				l.copied = i + 1
				l.out.WriteString(strings.Repeat(" ", saved))
			}
			return i + 1
		case c < ' ' && c != '\t':
			return len(l.in)
		case c != '\\':
			i++
		case !strings.HasPrefix(l.in[i:], `\u`):
			i += 2
		default:
			r, size := unicodeEscape(l.in[i:])
			switch {
			case size == 0:
				return len(l.in)
			case utf16.IsSurrogate(r):
				l.half = i
				return len(l.in)
			case l.in[i+2] == '{' || size != len(`\uFFFF`):
				l.out.WriteString(l.in[l.copied:i])
				saved += size - writeRune(&l.out, r)
				l.copied = i + size
			}
			i += size
		}
	}
	return len(l.in)
}

// blockString rewrites the block string at an offset as an ordinary string and returns the offset after it: the end of the
// document when the parser will refuse the literal.
func (l *literals) blockString(open int) int {
	for i := open + 3; i < len(l.in); {
		switch c := l.in[i]; {
		case strings.HasPrefix(l.in[i:], `\"""`):
			i += 4
		case strings.HasPrefix(l.in[i:], `"""`):
			l.out.WriteString(l.in[l.copied:open])
			l.copied = i + 3
			l.out.WriteByte('"')
			written := 2
			for _, r := range blockStringValue(l.in[open+3 : i]) {
				written += writeRune(&l.out, r)
			}
			l.out.WriteByte('"')
			lines := splitLines(l.in[open:l.copied])
			last := utf8.RuneCountInString(lines[len(lines)-1])
			if len(lines) > 1 {
				l.out.WriteString(strings.Repeat("\n", len(lines)-1))
				written = 0
			}
			l.out.WriteString(strings.Repeat(" ", max(last-written, 0)))
			return l.copied
		case c < ' ' && c != '\t' && c != '\n' && c != '\r':
			return len(l.in)
		default:
			i++
		}
	}
	return len(l.in)
}

// unicodeEscape reads the escape \uFFFF, \u{10FFFF} or \uD83D\uDE00 that the text begins with. A half of a pair is returned
// as it is; the size is 0 when the escape is none.
func unicodeEscape(s string) (r rune, size int) {
	if rest, ok := strings.CutPrefix(s, `\u{`); ok {
		digits, _, closed := strings.Cut(rest, "}")
		n, err := strconv.ParseUint(digits, 16, 32)
		if !closed || err != nil || n > utf8.MaxRune {
			return 0, 0
		}
		return rune(n), len(`\u{}`) + len(digits)
	}
	first, ok := fixedEscape(s)
	if !ok {
		return 0, 0
	}
	if second, ok := fixedEscape(s[len(`\uFFFF`):]); ok {
		if pair := utf16.DecodeRune(first, second); pair != utf8.RuneError {
			return pair, 2 * len(`\uFFFF`)
		}
	}
	return first, len(`\uFFFF`)
}

func fixedEscape(s string) (r rune, ok bool) {
	if len(s) < len(`\uFFFF`) || s[:2] != `\u` {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:len(`\uFFFF`)], 16, 32)
	return rune(n), err == nil
}

// writeRune writes a character as it stands in an ordinary string and returns how many characters that takes.
func writeRune(to *strings.Builder, r rune) int {
	text := string(r)
	switch {
	case r == '"' || r == '\\':
		text = `\` + text
	case r == '\n':
		text = `\n`
	case r < ' ' && r != '\t':
		text = fmt.Sprintf(`\u%04X`, r)
	}
	to.WriteString(text)
	return utf8.RuneCountInString(text)
}

// blockStringValue is BlockStringValue of section 2.9.4: the first line does not count for the common indent and keeps its
// own.
func blockStringValue(raw string) string {
	lines := splitLines(strings.ReplaceAll(raw, `\"""`, `"""`))
	common := math.MaxInt
	for _, line := range lines[1:] {
		if indent := indentOf(line); indent < len(line) {
			common = min(common, indent)
		}
	}
	for i, line := range lines[1:] {
		lines[i+1] = line[min(common, len(line)):]
	}
	for len(lines) > 0 && indentOf(lines[0]) == len(lines[0]) {
		lines = lines[1:]
	}
	for len(lines) > 0 && indentOf(lines[len(lines)-1]) == len(lines[len(lines)-1]) {
		lines = lines[:len(lines)-1]
	}
	return strings.Join(lines, "\n")
}

// indentOf returns the length of the white space that a line begins with.
func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " \t")) }

// lineLength returns the length of the first line of a text, without what ends it.
func lineLength(s string) int {
	if i := strings.IndexAny(s, "\r\n"); i >= 0 {
		return i
	}
	return len(s)
}

// splitLines splits a text at the line terminators of GraphQL: LF, CR, and CR LF.
func splitLines(s string) []string {
	return strings.Split(strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n"), "\n")
}

func halfOfPair(document string, at int) *gqlerror.Error {
	lines := splitLines(document[:at])
	err := gqlerror.Wrap(fault.New(fault.ParseFailed, "The document is not GraphQL: a string has half of a surrogate pair. Write both halves, or the character itself."))
	err.Locations = []gqlerror.Location{{Line: len(lines), Column: utf8.RuneCountInString(lines[len(lines)-1]) + 1}}
	return err
}
