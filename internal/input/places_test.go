package input_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// judges are the functions with which a text is trimmed, counted, or searched for characters that must not be there; "*" is
// every one of a package.
var judges = map[string][]string{
	"strings":                         {"TrimSpace", "Trim", "TrimFunc", "TrimLeft", "TrimRight", "TrimLeftFunc", "TrimRightFunc", "ToValidUTF8"},
	"unicode/utf8":                    {"RuneCountInString", "RuneCount", "ValidString", "Valid"},
	"unicode":                         {"IsSpace", "IsControl", "IsGraphic", "IsPrint", "In", "Is"},
	"net/mail":                        {"*"},
	"time":                            {"Parse", "ParseInLocation"},
	"golang.org/x/text/unicode/norm":  {"*"},
	"github.com/nyaruka/phonenumbers": {"*"},
}

// elsewhere are the files, or the folders with all that is in them, whose texts are no input of clients, or are one that has
// passed this package, each with the reason.
var elsewhere = map[string]string{
	"graph/examples.go":                   "files of the program: the examples of the playground",
	"internal/bulk/bind.go":               "names of fields in Go, of which keys are made",
	"internal/bulk/csv.go":                "the encoding of a file; cells are judged by the kinds",
	"internal/bulk/lines.go":              "the encoding of a file",
	"internal/config":                     "the environment",
	"internal/customer/record.go":         "stored numbers, for the search",
	"internal/dbtest":                     "tests",
	"internal/demo":                       "demonstration data",
	"internal/devdb":                      "files and programs of the machine",
	"internal/httpapi":                    "headers of HTTP, names of files, and messages of protocols",
	"internal/lending":                    "answers of lending systems, which have a contract of their own",
	"internal/memory":                     "files of the machine",
	"internal/observe":                    "what is logged and measured",
	"internal/outbound":                   "the grammar of URLs",
	"internal/pii":                        "numbers after they passed this package: which digits and marks they are made of",
	"internal/playground":                 "headers of HTTP",
	"internal/relay/args.go":              "words of a search after they passed this package",
	"internal/relay/id.go":                "the grammar of typed ids",
	"internal/toolcheck":                  "tests",
	"internal/webhook/sign.go":            "headers of HTTP",
	"internal/calling/candidate_zones.go": "stored numbers: the zones of their areas",
	"internal/calling/wall_time.go":       "times of day as they are stored",
	"internal/customer/json.go":           "the zeros at the end of a number in JSON",
	"internal/customer/phone.go":          "the names of the kinds of lines",
	"internal/graphtest":                  "tests",
}

// Client input is trimmed, counted and searched for wrong characters in this package alone: elsewhere it would be done in
// another way.
func TestNobodyElseJudgesTexts(t *testing.T) {
	t.Parallel()
	const root = "../.."
	found := map[string][]string{}
	for _, folder := range []string{"internal", "graph"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
			name := filepath.ToSlash(strings.TrimPrefix(path, root+"/"))
			switch {
			case err != nil:
				return err
			case d.IsDir() && (name == "internal/input" || name == "graph/generated" || d.Name() == "testdata"):
				return fs.SkipDir
			case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
				return nil
			}
			found[name], err = uses(path)
			return err
		}))
	}
	require.Greater(t, len(found), 100)
	used := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if len(found[name]) == 0 {
			continue
		}
		excused := false
		for place := range elsewhere {
			if name == place || strings.HasPrefix(name, place+"/") {
				used[place], excused = true, true
			}
		}
		if !excused {
			t.Errorf("%s: %s: let internal/input do it, or say in this test why the text is no client's", name, strings.Join(found[name], ", "))
		}
	}
	for place, reason := range elsewhere {
		require.NotEmpty(t, reason, place)
		require.True(t, used[place], "%s needs no reason any more", place)
	}
}

// uses lists the calls of judges in a file, with their lines.
func uses(path string) (out []string, err error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	imported := map[string][]string{}
	for _, spec := range file.Imports {
		of, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		name := of[strings.LastIndexByte(of, '/')+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if list, ok := judges[of]; ok {
			imported[name] = list
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok {
				if list := imported[x.Name]; slices.Contains(list, n.Sel.Name) || slices.Contains(list, "*") {
					out = append(out, fmt.Sprintf("%s.%s in line %d", x.Name, n.Sel.Name, files.Position(n.Pos()).Line))
				}
			}
		case *ast.CallExpr:
			if a, ok := n.Fun.(*ast.ArrayType); ok && a.Len == nil {
				if e, ok := a.Elt.(*ast.Ident); ok && e.Name == "rune" {
					out = append(out, fmt.Sprintf("[]rune in line %d", files.Position(n.Pos()).Line))
				}
			}
		}
		return true
	})
	return out, nil
}
