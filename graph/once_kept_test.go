package graph_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"caseload/graph"
	"caseload/internal/civil"
)

// resultTypes are the types that the methods of the resolver's services return first, by their names.
func resultTypes() map[string]reflect.Type {
	out, resolver := map[string]reflect.Type{}, reflect.TypeFor[graph.Resolver]()
	for i := range resolver.NumField() {
		service := resolver.Field(i).Type
		for j := range service.NumMethod() {
			if m := service.Method(j).Type; m.NumOut() > 0 {
				out[m.Out(0).String()] = m.Out(0)
			}
		}
	}
	return out
}

// opaque makes values of types whose fields cannot be set from here.
var opaque = map[reflect.Type]func(t *rapid.T) any{
	reflect.TypeFor[time.Time](): func(t *rapid.T) any {
		return time.UnixMicro(rapid.Int64Range(-2e15, 4e15).Draw(t, "time")).UTC()
	},
	reflect.TypeFor[civil.Date](): func(t *rapid.T) any {
		return civil.DateOfUnixDay(rapid.Int64Range(-719162, 2932896).Draw(t, "date"))
	},
	reflect.TypeFor[civil.LocalTime](): func(t *rapid.T) any {
		clock, err := civil.LocalTimeOfMinute(rapid.IntRange(0, 1439).Draw(t, "clock"))
		require.NoError(t, err)
		return clock
	},
	reflect.TypeFor[decimal.Decimal](): func(t *rapid.T) any {
		return decimal.New(rapid.Int64().Draw(t, "digits"), rapid.Int32Range(-12, 3).Draw(t, "exponent"))
	},
}

// unshown are the fields that no answer has and no repetition needs.
var unshown = map[string]bool{"webhook.Endpoint.SecretSealed": true, "webhook.Endpoint.PreviousSecretSealed": true}

// fill sets a value and all that is in it. Nothing may be in it that does not survive being written as JSON.
func fill(t *rapid.T, v reflect.Value, depth int) {
	if draw, ok := opaque[v.Type()]; ok {
		v.Set(reflect.ValueOf(draw(t)))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if depth > 0 && rapid.Bool().Draw(t, "there") {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem(), depth-1)
		}
	case reflect.Slice:
		// Nil is not empty: one is null in an answer, the other a list.
		if n := rapid.IntRange(-1, 3).Draw(t, "length"); n >= 0 && depth > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(t, v.Index(i), depth-1)
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i), depth)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if unshown[v.Type().String()+"."+f.Name] {
				require.Equal(t, "-", f.Tag.Get("json"))
				continue
			}
			require.True(t, f.IsExported(), "%s.%s would be lost: export it, or give its type a JSON form and a generator here", v.Type(), f.Name)
			require.NotEqual(t, "-", f.Tag.Get("json"), "%s.%s would be lost", v.Type(), f.Name)
			fill(t, v.Field(i), depth)
		}
	case reflect.String:
		v.SetString(rapid.String().Draw(t, "text"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(rapid.Int32().Draw(t, "int")))
	case reflect.Uint8:
		v.SetUint(uint64(rapid.Uint8().Draw(t, "byte")))
	default:
		require.Fail(t, "a value would come back as another type", "%s", v.Type())
	}
}

func TestKeptResultsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	kept, types := map[string]reflect.Type{}, resultTypes()
	for method, result := range resolversOfMutations(t) {
		if result != "" {
			require.Contains(t, types, result, method)
			kept[result] = types[result]
		}
	}
	require.Greater(t, len(kept), 10)
	for name, typ := range kept {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				kept, back := reflect.New(typ), reflect.New(typ)
				fill(t, kept.Elem(), 5)
				text, err := json.Marshal(kept.Interface())
				require.NoError(t, err)
				require.NoError(t, json.Unmarshal(text, back.Interface()))
				require.Empty(t, cmp.Diff(kept.Interface(), back.Interface()))
			})
		})
	}
}
