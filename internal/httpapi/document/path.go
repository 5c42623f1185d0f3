package document

import (
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// Article returns a name of the schema with "a" or "an" before it.
func Article(noun string) string {
	if noun != "" && strings.ContainsRune("AEIOUaeio", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

// Dotted writes an input path as the documentation does: input.items.17.email.
func Dotted(path ast.Path) string {
	var b strings.Builder
	for i, step := range path {
		if i > 0 {
			b.WriteByte('.')
		}
		switch step := step.(type) {
		case ast.PathName:
			b.WriteString(string(step))
		case ast.PathIndex:
			b.WriteString(strconv.Itoa(int(step)))
		}
	}
	return b.String()
}
