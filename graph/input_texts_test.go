package graph_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"

	"caseload/internal/bulk"
	"caseload/internal/graphtest"
	"caseload/internal/observe"
)

// badTexts are texts that no input takes, each with the code that every input gives it.
var badTexts = []struct{ name, text, code string }{
	{"empty", "", "BLANK"},
	{"white space", " \u00a0\t", "BLANK"},
	{"invisible", strings.Repeat("\u200b", 10), "BLANK"},
	{"NUL", "a\x00b", "INVALID"},
	{"override", "a\u202eb", "INVALID"},
	{"control", "a\x07b", "INVALID"},
	{"long", strings.Repeat("x", 5000), "TOO_LONG"},
}

// dressed is a text that is right and is stored in another form.
const dressed = "\u200b\u00a0Wo\u0301rd\r\n"

// otherTexts are the inputs of text that answer in another way, each with the reason.
var otherTexts = map[string]string{}

// textPlace is a leaf of an input that is a text.
type textPlace struct {
	coordinate string
	// path leads to it from the argument, through the first elements of lists.
	path []string
	make func(value any) any
}

// textPlaces lists the texts of an input type. ids fills the leaves that name rows.
func textPlaces(t *testing.T, typ *ast.Type, ids func(name string) any, above map[string]bool) (places []textPlace) {
	def := schema.Types[typ.Name()]
	wrap := func(v any) any {
		if typ.Elem != nil {
			return []any{v}
		}
		return v
	}
	var index []string
	if typ.Elem != nil {
		index = []string{"0"}
	}
	switch {
	case def.Name == "String" || def.Name == "SourceId":
		return []textPlace{{def.Name, index, wrap}}
	case def.Kind != ast.InputObject || above[def.Name] || strings.HasSuffix(def.Name, "Filter"):
		return nil
	}
	above[def.Name] = true
	defer delete(above, def.Name)
	for _, f := range def.Fields {
		for _, p := range textPlaces(t, f.Type, ids, above) {
			coordinate := p.coordinate
			if !strings.Contains(coordinate, ".") {
				coordinate = def.Name + "." + f.Name
			}
			places = append(places, textPlace{coordinate, slices.Concat(index, []string{f.Name}, p.path), func(v any) any {
				out := map[string]any{}
				for _, other := range def.Fields {
					switch {
					case other.Name == f.Name:
					case other.Type.Name() == "ID" && ids(other.Name) != nil && (other.Type.NonNull || other.Name == "customerId" && f.Name != "referenceId"):
						out[other.Name] = ids(other.Name)
						if other.Type.Elem != nil {
							out[other.Name] = []any{ids(other.Name)}
						}
					case other.Type.NonNull && other.DefaultValue == nil:
						out[other.Name] = example(t, other.Type)
					}
				}
				out[f.Name] = p.make(v)
				return wrap(out)
			}})
		}
	}
	return places
}

// The same bad text gets the same code at its field in every mutation that has a place for a text.
func TestBadTextsAreAnsweredAlikeInEveryMutation(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.Person(t)
	read := func(document, path string) any { return w.OK(t, w.Harbor.Key, document, nil).At(path) }
	rowsOf := []struct {
		name string
		id   any
	}{
		{"Customer", graphtest.ID(p.Customer)}, {"CallTask", graphtest.ID(p.Tasks[0])}, {"TaskType", read(`{ taskTypes { nodes { id } } }`, "taskTypes.nodes.0.id")},
		{"Webhook", graphtest.ID(p.Endpoint)},
	}
	for _, p := range plainEntities {
		rowsOf = append(rowsOf, struct {
			name string
			id   any
		}{p.typeName(), p.make(t, w.Server, w.Harbor.Key)})
	}
	count := 0
	var wrong []string
	var store []func() bool
	for _, f := range schema.Mutation.Fields {
		if strings.HasPrefix(f.Name, "__") || f.Name == "createBulkOperation" {
			continue // A file cannot be sent so; its options are in the test of files.
		}
		ids := func(name string) any {
			for _, row := range rowsOf {
				if strings.Contains(f.Name, row.name) && name == "id" {
					return row.id
				}
			}
			if strings.HasPrefix(name, "customer") || name == "survivorId" || name == "duplicateIds" {
				return graphtest.ID(p.Customer)
			}
			return nil
		}
		if f.Name == "completeCallTask" {
			w.Harbor.MakeDue(t, p.Tasks[0])
			w.OK(t, w.Harbor.Key, `mutation ($id: ID!) { claimCallTask(input: {id: $id}) { userErrors { code } } }`, vars{"id": graphtest.ID(p.Tasks[0])})
		}
		var declared, given []string
		arguments := vars{}
		for _, a := range f.Arguments {
			declared, given = append(declared, "$"+a.Name+": "+a.Type.String()), append(given, a.Name+": $"+a.Name)
			if arguments[a.Name] = ids(a.Name); arguments[a.Name] == nil {
				arguments[a.Name] = example(t, a.Type)
			}
		}
		selected := "userErrors { code path }"
		if r := schema.Types[f.Type.Name()].Fields.ForName("results"); r != nil {
			selected += " results { userErrors { code path } }"
		}
		document := fmt.Sprintf("mutation (%s) { %s(%s) { %s } }", strings.Join(declared, ", "), f.Name, strings.Join(given, ", "), selected)
		for _, a := range f.Arguments {
			for _, place := range textPlaces(t, a.Type, ids, map[string]bool{}) {
				store = append(store, func() bool {
					v := maps.Clone(arguments)
					v[a.Name] = place.make(dressed)
					r := w.Do(t, w.Harbor.Key, document, v)
					errs := append(listOf(r.At(f.Name+".userErrors")), listOf(r.At(f.Name+".results.0.userErrors"))...)
					return r.Code() == "" && len(errs) == 0
				})
				for _, bad := range badTexts {
					count++
					v := maps.Clone(arguments)
					v[a.Name] = place.make(bad.text)
					r := w.Do(t, w.Harbor.Key, document, v)
					got := codesAt(append(listOf(r.At(f.Name+".userErrors")), listOf(r.At(f.Name+".results.0.userErrors"))...), place.path)
					if reason, ok := otherTexts[place.coordinate]; ok {
						require.NotEmpty(t, reason)
						require.NotEqual(t, "INTERNAL", r.Code(), "%s of %s: %s", place.coordinate, f.Name, r.Body)
					} else if !slices.Equal(got, []string{bad.code}) {
						wrong = append(wrong, fmt.Sprintf("%s %s (%s): %v, not %s: %.300s", f.Name, place.coordinate, bad.name, got, bad.code, r.Body))
					}
				}
			}
		}
	}
	require.Greater(t, count, 800)
	require.Empty(t, wrong, strings.Join(wrong, "\n"))

	stored := 0
	for _, f := range store {
		if f() {
			stored++
		}
	}
	require.Greater(t, stored, 45)
	var columns []struct{ Table, Column string }
	require.NoError(t, w.Pool.Select(t.Context(), &columns, `SELECT table_name AS table, column_name AS column FROM information_schema.columns
		WHERE table_schema = 'public' AND data_type IN ('text', 'jsonb', 'ARRAY', 'character varying')`))
	for _, c := range columns {
		var rows []string
		require.NoError(t, w.Pool.Select(t.Context(), &rows, fmt.Sprintf(`SELECT %[1]s::text FROM %[2]s WHERE %[1]s::text ~ '[\u200B\u0301]'`, c.Column, c.Table)))
		require.Empty(t, rows, "%s.%s is stored as it was sent", c.Table, c.Column)
	}
}

func listOf(v any) []any { list, _ := v.([]any); return list }

// codesAt are the codes of the errors at the end of a path, each once.
func codesAt(errs []any, path []string) (codes []string) {
	for _, e := range errs {
		if at := join(graphtest.At(e, "path")); strings.HasSuffix("."+at, "."+strings.Join(path, ".")) {
			codes = append(codes, fmt.Sprint(graphtest.At(e, "code")))
		}
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// Files give the same text the same code, in each of their kinds and formats.
func TestBadTextsAreAnsweredAlikeInEveryFile(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	w.Harbor.Person(t)
	workers := w.NewWorkers(t, w.Server, observe.NewMetrics())
	for kind, of := range map[bulk.KindName]struct {
		input  string
		source any
		base   map[string]any
	}{
		bulk.UpsertCustomers: {"UpsertCustomerInput", "LMS", map[string]any{"sourceId": "T-1"}},
		bulk.CreateCustomers: {"CreateCustomerInput", "50004", map[string]any{"sourceCustomerId": "T-1"}},
		bulk.SyncSchedules:   {"SyncCustomerScheduleInput", nil, map[string]any{"referenceId": "T-1", "taskType": "collections"}},
	} {
		places := textPlaces(t, &ast.Type{NamedType: of.input}, func(string) any { return nil }, map[string]bool{})
		require.Greater(t, len(places), 10, kind)
		var lines strings.Builder
		var wants []string
		for _, place := range places {
			for _, bad := range badTexts {
				row := maps.Clone(of.base)
				sent := place.make(bad.text).(map[string]any)
				row[place.path[0]] = sent[place.path[0]]
				lines.WriteString(line(t, row))
				wants = append(wants, bad.code)
			}
		}
		r := end(t, w, workers, w.Harbor, begin(t, w, w.Harbor.Key, kind, bulk.JSONL, of.source, lines.String()))
		require.Equal(t, "COMPLETED", r.At("bulkOperation.state"), r.Body)
		answers := results(t, w, r)
		require.Len(t, answers, len(wants))
		var wrong []string
		for i, want := range wants {
			place, bad := places[i/len(badTexts)], badTexts[i%len(badTexts)]
			if _, ok := otherTexts[place.coordinate]; ok {
				continue
			}
			if got := lineCodes(answers[i], place.path); !slices.Equal(got, []string{want}) {
				wrong = append(wrong, fmt.Sprintf("%s %s (%s): %v, not %s: %v", kind, place.coordinate, bad.name, got, want, answers[i].UserErrors))
			}
		}
		require.Empty(t, wrong, strings.Join(wrong, "\n"))
		if kind == bulk.CreateCustomers {
			continue // There is no CSV of it.
		}
		cells(t, w, workers, kind, of.source, of.base, places)
	}
}

// cells sends the bad texts as cells of a table, one a line. An empty cell is absent, and is no text.
func cells(t *testing.T, w *graphtest.World, workers *graphtest.Workers, kind bulk.KindName, source any, base map[string]any, places []textPlace) {
	t.Helper()
	columns := slices.Sorted(maps.Keys(base))
	for _, place := range places {
		if name := strings.Join(place.path, "."); !slices.Contains(columns, name) {
			columns = append(columns, name)
		}
	}
	table := strings.Join(columns, ",") + "\n"
	type sent struct {
		place textPlace
		bad   int
	}
	var all []sent
	for _, place := range places {
		for n, bad := range badTexts {
			if bad.text == "" {
				continue
			}
			row := make([]string, len(columns))
			for i, column := range columns {
				if text, ok := base[column]; ok {
					row[i] = fmt.Sprint(text)
				}
				if column == strings.Join(place.path, ".") {
					row[i] = `"` + bad.text + `"`
				}
			}
			table += strings.Join(row, ",") + "\n"
			all = append(all, sent{place, n})
		}
	}
	r := end(t, w, workers, w.Harbor, begin(t, w, w.Harbor.Key, kind, bulk.CSV, source, table))
	require.Equal(t, "COMPLETED", r.At("bulkOperation.state"), r.Body)
	answers := results(t, w, r)
	require.Len(t, answers, len(all))
	var wrong []string
	for i, s := range all {
		if _, ok := otherTexts[s.place.coordinate]; ok {
			continue
		}
		bad := badTexts[s.bad]
		if got := lineCodes(answers[i], s.place.path); !slices.Equal(got, []string{bad.code}) {
			wrong = append(wrong, fmt.Sprintf("%s CSV %s (%s): %v, not %s: %v", kind, s.place.coordinate, bad.name, got, bad.code, answers[i].UserErrors))
		}
	}
	require.Empty(t, wrong, strings.Join(wrong, "\n"))
}

func lineCodes(l resultLine, path []string) (codes []string) {
	for _, e := range l.UserErrors {
		if slices.Equal(e.Path, path) {
			codes = append(codes, e.Code)
		}
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}
