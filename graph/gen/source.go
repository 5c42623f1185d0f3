package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	gotypes "go/types"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/codegen/templates"
)

const module = "caseload/"

// source is what gen knows of the Go code, read without its types: it need not compile yet.
type source struct {
	packages []*goPackage
	graph    *goPackage
}

// goPackage is one package: its exported types, and its methods.
type goPackage struct {
	path, name string
	types      map[string]ast.Expr
	// methods are the functions by receiver and name, as in "Service.CreateTaskType".
	methods map[string]*ast.FuncType
}

func readSource(paths []string) (*source, error) {
	s := &source{}
	for _, path := range paths {
		p, err := readPackage(path)
		if err != nil {
			return nil, err
		}
		s.packages = append(s.packages, p)
	}
	var err error
	s.graph, err = readPackage(module + "graph")
	return s, err
}

func readPackage(importPath string) (*goPackage, error) {
	p := &goPackage{path: importPath, name: path.Base(importPath), types: map[string]ast.Expr{}, methods: map[string]*ast.FuncType{}}
	files, err := filepath.Glob(filepath.Join(strings.TrimPrefix(importPath, module), "*.go"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || filepath.Base(file) == resolversFile {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range parsed.Decls {
			p.add(d)
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("gqlgen.yml: there is no package %s", importPath)
	}
	return p, nil
}

func (p *goPackage) add(d ast.Decl) {
	switch d := d.(type) {
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			if t, ok := spec.(*ast.TypeSpec); ok {
				p.types[t.Name.Name] = t.Type
			}
		}
	case *ast.FuncDecl:
		if d.Recv != nil {
			receiver := strings.TrimPrefix(gotypes.ExprString(d.Recv.List[0].Type), "*")
			p.methods[receiver+"."+d.Name.Name] = d.Type
		}
	}
}

// find returns the Go type that serves a type of the schema: the one of the same name in the first package that has it; or
// else the one named so without the word for its package, as webhook.Endpoint serves WebhookEndpoint.
func (s *source) find(name string) (*goPackage, string) {
	for _, p := range s.packages {
		for _, same := range []string{name, templates.ToGo(name)} {
			if _, ok := p.types[same]; ok {
				return p, same
			}
		}
	}
	for _, p := range s.packages {
		if short := p.without(name); short != "" && short != name {
			if _, ok := p.types[short]; ok {
				return p, short
			}
		}
	}
	return nil, ""
}

var words = regexp.MustCompile(`[A-Z]+[a-z0-9]*`)

// without leaves the word for the package, in singular or plural, out of a name.
func (p *goPackage) without(name string) string {
	left := slices.DeleteFunc(words.FindAllString(name, -1), func(word string) bool {
		word = strings.ToLower(word)
		return word == p.name || word == p.name+"s"
	})
	return strings.Join(left, "")
}
