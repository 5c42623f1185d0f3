package httpapi

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// Whatever the map: it is refused, or each of its files has one place of its own that was null before, and nothing
// else of the variables has changed.
func FuzzUploadMap(f *testing.F) {
	for _, seed := range []string{
		`{"0":["variables.file"]}`, `{"0":["variables.list.0"],"1":["variables.input.file"]}`, `{"0":["variables.list.00"]}`, `{"0":["variables.__proto__"]}`,
		`{"0":["variables.file"],"1":["variables.file.x"]}`, `{"0":["variables.list.-1"]}`, `{"0":[]}`, `{}`, `null`, "{\"0\":[\"variables.\xff\"]}",
	} {
		f.Add(seed, `{"file":null,"list":[null,1],"input":{"file":null}}`)
	}
	f.Add(`{"0":["variables.0.0"]}`, `{"0":[null]}`)
	f.Fuzz(func(t *testing.T, text, variables string) {
		places, err := parseUploadMap([]byte(text), 10)
		if err != nil {
			require.Nil(t, places)
			require.NotEmpty(t, err.Error())
			return
		}
		require.True(t, utf8.ValidString(text))
		var into, before map[string]any
		if json.Unmarshal([]byte(variables), &into) != nil || json.Unmarshal([]byte(variables), &before) != nil {
			return
		}
		if places.putInto(into) != nil {
			return
		}
		require.NotEmpty(t, places)
		require.LessOrEqual(t, len(places), 10)
		seen := map[*Upload]bool{}
		for part, place := range places {
			require.Equal(t, part, place.part)
			v, ok := at(t, into, place.path).(uploadValue)
			require.True(t, ok)
			require.Nil(t, at(t, before, place.path))
			require.False(t, seen[v.Upload])
			seen[v.Upload] = true
			undo(t, into, place.path)
		}
		require.Equal(t, before, into)
	})
}

// at walks a path the simple way; the test fails where it does not exist.
func at(t *testing.T, v any, path []string) any {
	for _, step := range path {
		switch x := v.(type) {
		case map[string]any:
			inner, ok := x[step]
			require.True(t, ok)
			v = inner
		case []any:
			i, err := strconv.Atoi(step)
			require.NoError(t, err)
			v = x[i]
		default:
			require.FailNow(t, "the path goes through a value", strings.Join(path, "."))
		}
	}
	return v
}

func undo(t *testing.T, v map[string]any, path []string) {
	last := path[len(path)-1]
	switch x := at(t, v, path[:len(path)-1]).(type) {
	case map[string]any:
		x[last] = nil
	case []any:
		i, err := strconv.Atoi(last)
		require.NoError(t, err)
		x[i] = nil
	}
}

// Whatever a client calls a file, the name can be shown and saved.
func FuzzFileName(f *testing.F) {
	for _, seed := range []string{"a.csv", "../..", `C:\x`, "a\r\nb", "\xff", strings.Repeat("é", 300) + ".csv", ".\u200b."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got := FileName(in)
		require.NotEmpty(t, got)
		require.True(t, utf8.ValidString(got))
		require.LessOrEqual(t, utf8.RuneCountInString(got), maxFileName)
		require.NotContains(t, []string{".", ".."}, got)
		require.False(t, strings.ContainsAny(got, "/\\\r\n\x00\"\u202e"), "%q", got)
		require.Equal(t, got, FileName(got), "a name that is fit stays as it is")
	})
}
