package httpapi

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/fault"
)

// maxPlace is the longest path of the map in bytes; the names of a schema are far shorter.
const maxPlace = 512

// uploadPlace says which part of the request belongs to which variable.
type uploadPlace struct {
	// part is the name of the part that holds the file.
	part string
	// path leads to the variable's value, without the leading "variables".
	path []string
	file *Upload
}

// uploadPlaces are the places of a request by the name of their part.
type uploadPlaces map[string]*uploadPlace

// parseUploadMap reads the part `map`: an object that has for each file the one place it is meant for, as in
// {"0": ["variables.input.file"]}. The specification allows several places for a file; here each has one, or two
// owners would share what is stored. The error is a [fault.Error] and repeats nothing of the input.
func parseUploadMap(raw []byte, maxFiles int) (uploadPlaces, error) {
	var lists map[string][]string
	// The library refuses repeated names and invalid UTF-8; its message quotes the input.
	if err := json.Unmarshal(raw, &lists); err != nil {
		return nil, fault.New(fault.BadRequest, "The part map must be a JSON object of lists of paths, as in {\"0\": [\"variables.file\"]}.")
	}
	if len(lists) == 0 {
		return nil, fault.New(fault.BadRequest, "The part map names no file. Send operations without files as application/json.")
	}
	if len(lists) > maxFiles {
		f := fault.New(fault.TooManyItems, "The request has %d files; the limit is %d. Split it.", len(lists), maxFiles)
		f.Details = map[string]any{"items": len(lists), "limit": maxFiles}
		return nil, f
	}
	places, taken := make(uploadPlaces, len(lists)), make(map[string]bool, len(lists))
	for part, paths := range lists {
		switch {
		case part == "" || part == partOperations || part == partMap:
			return nil, fault.New(fault.BadRequest, "The part map has a name that no file can have.")
		case len(paths) != 1:
			return nil, fault.New(fault.BadRequest, "The part map must have exactly one path for each file.")
		case taken[paths[0]]:
			return nil, fault.New(fault.BadRequest, "The part map has two files for one variable.")
		case len(paths[0]) > maxPlace:
			return nil, noSuchPlace()
		}
		taken[paths[0]] = true
		path := strings.Split(paths[0], ".")
		if len(path) < 2 || path[0] != "variables" {
			return nil, noSuchPlace()
		}
		places[part] = &uploadPlace{part: part, path: path[1:], file: &Upload{}}
	}
	return places, nil
}

func noSuchPlace() *fault.Error {
	return fault.New(fault.BadRequest, "The part map has a path that does not lead to a variable that is null, as variables.input.file does.")
}

// putInto replaces the null at each place by its upload. When one of the places is missing or has a value, the
// variables are left half done: the request is refused.
func (p uploadPlaces) putInto(variables map[string]any) error {
	for _, place := range p {
		if !put(variables, place.path, uploadValue{place.file}) {
			return noSuchPlace()
		}
	}
	return nil
}

func put(at any, path []string, v uploadValue) bool {
	last := len(path) == 1
	switch at := at.(type) {
	case map[string]any:
		child, ok := at[path[0]]
		if !ok {
			return false
		}
		if last && child == nil {
			at[path[0]] = v
			return true
		}
		return !last && put(child, path[1:], v)
	case []any:
		i, err := strconv.Atoi(path[0])
		// One spelling for each index: neither 01 nor +1.
		if err != nil || strconv.Itoa(i) != path[0] || i < 0 || i >= len(at) {
			return false
		}
		if last && at[i] == nil {
			at[i] = v
			return true
		}
		return !last && put(at[i], path[1:], v)
	}
	return false
}

// fit checks that each place is one where the schema wants an Upload. Other custom scalars take any value, and a
// variable that the operation does not declare is dropped without an error: such a file would be stored for nothing.
func (p uploadPlaces) fit(schema *ast.Schema, op *ast.OperationDefinition) error {
	for _, place := range p {
		v := op.VariableDefinitions.ForName(place.path[0])
		if v == nil || !wantsUpload(schema, v.Type, place.path[1:]) {
			return fault.New(fault.BadUserInput, "The part map has a path to a value that is not an Upload in the operation.")
		}
	}
	return nil
}

func wantsUpload(schema *ast.Schema, t *ast.Type, path []string) bool {
	for _, step := range path {
		if t.Elem != nil {
			t = t.Elem
			continue
		}
		def := schema.Types[t.NamedType]
		if def == nil || def.Kind != ast.InputObject {
			return false
		}
		field := def.Fields.ForName(step)
		if field == nil {
			return false
		}
		t = field.Type
	}
	return t.Elem == nil && t.NamedType == scalarUpload
}
