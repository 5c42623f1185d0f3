package bulk

import (
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/require"

	"caseload/internal/db"
)

func TestKeyNames(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{
		"Name": "name", "SSN": "ssn", "SSNLastFour": "ssnLastFour", "SourceID": "sourceId", "SourceCustomerIDs": "sourceCustomerIds", "IDs": "ids", "IDsOf": "idsOf",
		"DoNotSMS": "doNotSms", "StreetAddress1": "streetAddress1", "Last4": "last4", "IIN": "iin", "AccountOpenDate": "accountOpenDate", "MBINumber": "mbiNumber", "IsTest": "isTest",
	} {
		require.Equal(t, want, keyName(field))
	}
}

type boundBase struct{ ReferenceID string }

type boundWord string

type boundChild struct {
	Name graphql.Omittable[*string]
	Kind graphql.Omittable[*boundWord]
}

type boundRow struct {
	boundBase
	Name     graphql.Omittable[*string]
	IsTest   graphql.Omittable[*bool]
	Tags     graphql.Omittable[[]string]
	Numbers  graphql.Omittable[[]int64]
	Metadata graphql.Omittable[db.JSON]
	Child    graphql.Omittable[*boundChild]
	Children graphql.Omittable[[]*boundChild]
}

var boundRows = Bind[boundRow](BindObject[boundChild](), BindList[boundChild](), BindText[boundWord](), BindOnly[boundChild]("only", "children"), BindAlias("id", "referenceId"))

func TestKeysOfABinding(t *testing.T) {
	t.Parallel()
	child := []Key{{Name: "name"}, {Name: "kind"}}
	require.Equal(t, []Key{
		{Name: "referenceId"}, {Name: "name"}, {Name: "isTest", Type: Boolean}, {Name: "tags", Type: Array}, {Name: "numbers", Type: Array}, {Name: "metadata", Type: Any},
		{Name: "child", Type: Object, Keys: child}, {Name: "children", Type: Array, Keys: child}, {Name: "only", Type: Object, Keys: child}, {Name: "id"},
	}, boundRows.Keys())
	require.PanicsWithValue(t, "bind a field of type float64: no option declares it", func() { Bind[struct{ Size float64 }]() })
	require.Panics(t, func() { Bind[struct{ Name string }](BindAlias("name", "name")) })
}

func TestLinesAreReadIntoTheirStruct(t *testing.T) {
	t.Parallel()
	name, word := "a", boundWord("w")
	child := &boundChild{Name: some("c"), Kind: graphql.OmittableOf(&word)}
	for text, want := range map[string]boundRow{
		`{}`: {},
		`{"id": 7, "name": "a", "isTest": false, "tags": ["x", 1], "numbers": [9007199254740993], "metadata": {"k": [null]}}`: {
			boundBase: boundBase{"7"}, Name: graphql.OmittableOf(&name), IsTest: some(false), Tags: graphql.OmittableOf([]string{"x", "1"}),
			Numbers: graphql.OmittableOf([]int64{9007199254740993}), Metadata: graphql.OmittableOf(db.JSON(`{"k": [null]}`))},
		`{"id": "7", "referenceId": 7, "name": null, "child": null, "children": null}`: {boundBase: boundBase{"7"}, Name: graphql.OmittableOf[*string](nil),
			Child: graphql.OmittableOf[*boundChild](nil), Children: graphql.OmittableOf([]*boundChild{})},
		`{"child": {"name": "c", "kind": "w"}, "only": {"kind": "w", "name": "c"}}`: {Child: graphql.OmittableOf(child), Children: graphql.OmittableOf([]*boundChild{child})},
		`{"children": [{}, {"name": "c", "kind": "w"}]}`:                            {Children: graphql.OmittableOf([]*boundChild{{}, child})},
		`{"id": -0, "tags": [-0, "-0", 12345678901234567890], "numbers": [-0]}`:     {boundBase: boundBase{"0"}, Tags: graphql.OmittableOf([]string{"0", "-0", "12345678901234567890"}), Numbers: graphql.OmittableOf([]int64{0})},
		`{"only": null}`: {Children: graphql.OmittableOf([]*boundChild{})},
	} {
		got, row := boundRows.Decode([]byte(text))
		require.Empty(t, row.UserErrors, text)
		require.Empty(t, row.unknown)
		require.Equal(t, &want, got, text)
	}
}

func TestWhatIsWrongWithALine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"name": 1.5, "isTest": "yes", "tags": {}, "numbers": [1, "x"], "child": [], "children": [1, {"kind": true}]}`: "INVALID name,INVALID isTest,INVALID tags,INVALID numbers.1,INVALID child,INVALID children.0,INVALID children.1.kind",
		`{"id": "1", "referenceId": "2"}`:   "DUPLICATE_INPUT_ITEM id",
		`{"only": {}, "children": []}`:      "DUPLICATE_INPUT_ITEM only",
		`{"name": "a", "name": "b"}`:        "DUPLICATE_INPUT_ITEM ",
		`{"child": {"name": 1, "name": 2}}`: "DUPLICATE_INPUT_ITEM ",
		`[]`:                                "INVALID ",
		`{"name"`:                           "INVALID ",
		`{} {}`:                             "INVALID ",
		"{\"child\": {\"name\": \"\xff\"}}": "INVALID ",
	} {
		_, row := boundRows.Decode([]byte(text))
		var got []string
		for _, e := range row.UserErrors {
			got = append(got, string(e.Code)+" "+strings.Join(e.Path, "."))
		}
		require.Equal(t, want, strings.Join(got, ","), text)
	}
	_, row := boundRows.Decode([]byte(`{"planet": 1, "child": {"a/b": 1}, "children": [{}, {"moon": {}}], "metadata": {"any": 1}}`))
	require.Equal(t, []unknownKey{{"", "planet"}, {"/child", "a/b"}, {"/children/1", "moon"}}, row.unknown)
}

func BenchmarkBinding(b *testing.B) {
	line := []byte(`{"referenceId": "R-1", "name": "Ann", "isTest": false, "tags": ["x"], "metadata": {"k": 1}, "child": {"name": "c"}, "children": [{"name": "c", "kind": "w"}]}`)
	b.ReportAllocs()
	for b.Loop() {
		if v, row := boundRows.Decode(line); v == nil || row.UserErrors != nil {
			b.Fatal("wrong")
		}
	}
}
