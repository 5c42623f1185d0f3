package httpapi

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// What the scan lets through is JSON that the standard library reads in the same way.
func FuzzParams(f *testing.F) {
	for _, body := range []string{
		`{"query":"{ __typename }","variables":{"a":[1,{"b":null}]},"operationName":"A","extensions":{}}`,
		`{"query":"a","query":"b"}`, `[{"query":"a"}]`, `{"query":"\ud800"}`, `{}{}`, ` {"query" : "a" } `, `{"variables":{"x":1e400},"query":"q"}`, "{\"query\":\"\xff\"}",
	} {
		f.Add([]byte(body))
	}
	limits := DefaultLimits()
	f.Fuzz(func(t *testing.T, body []byte) {
		params, err := limits.ParseParams(body)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		require.True(t, utf8.Valid(body))
		var plain map[string]any
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		require.NoError(t, d.Decode(&plain))
		require.Equal(t, plain["query"], params.Query)
		if v, ok := plain["variables"].(map[string]any); ok {
			require.Len(t, params.Variables, len(v))
		} else {
			require.Nil(t, params.Variables)
		}
	})
}
