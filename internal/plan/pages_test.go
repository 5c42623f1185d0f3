package plan

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCellsOfCSV(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`null`: ``, `""`: `""`, `"a b"`: `a b`, `" a"`: `" a"`, `"a "`: `"a "`, `"a,b"`: `"a,b"`, `"say \"no\""`: `"say ""no"""`, `"a\nb"`: "\"a\nb\"",
		`"ü\u0001"`: "ü\u0001", `true`: `true`, `12.5`: `12.5`, `[]`: `[]`, `[{"a":"b,c"},2]`: `"[{""a"":""b,c""},2]"`, `{"a": null}`: `"{""a"": null}"`,
	} {
		got, err := appendCSV([]byte("x,"), []byte(value))
		require.NoError(t, err)
		require.Equal(t, "x,"+want, string(got), value)
	}
	_, err := appendCSV(nil, []byte(`"\x"`))
	require.ErrorIs(t, err, errCell)
}

func TestColumnsAreNamedByTheirPath(t *testing.T) {
	t.Parallel()
	w := &writer{ops: []op{{name: "id"}, {name: "parent", one: &writer{ops: []op{{name: "id"}, {name: "home", one: &writer{ops: []op{{name: "city"}}}}}}}, {name: "phones", all: &writer{ops: []op{{name: "id"}}}}}}
	require.Equal(t, "id,parent.id,parent.home.city,phones\n", string((&Pages{row: w}).AppendHeader(nil)))
}
