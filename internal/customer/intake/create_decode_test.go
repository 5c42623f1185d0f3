package intake_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/bulk"

	"caseload/internal/customer/intake"
)

// keysOf lists the keys at every level, as accounts.cards.iin.
func keysOf(prefix string, keys []bulk.Key) []string {
	var out []string
	for _, k := range keys {
		out = append(out, prefix+k.Name)
		out = append(out, keysOf(prefix+k.Name+".", k.Keys)...)
	}
	return out
}

func TestEveryKeyOfAFileIsRead(t *testing.T) {
	t.Parallel()
	keys := keysOf("", intake.NewCreateKind(nil).Keys())
	require.Subset(t, keys, keysOfJSON(t, "", seedCustomer), "the example of the source document is permitted")
	for _, key := range keys {
		// A value of the wrong type is refused only where the key is read. Metadata has no wrong type.
		text := seedCustomer
		if key == "sourceOrganizationId" {
			text = edit(t, text, "organizationId", remove)
		}
		path := strings.NewReplacer("accounts.", "accounts.0.", "cards.", "cards.0.").Replace(key)
		row, errs := decodeCreate(edit(t, text, path, map[string]any{"x": 1.5}))
		if key == "externalMetadata" {
			require.Empty(t, errs)
			require.JSONEq(t, `{"x": 1.5}`, string(row.ExternalMetadata.Value()))
			continue
		}
		if path == "organizationId" {
			path = "organizationId"
		}
		require.Equal(t, []string{"INVALID " + path}, codesOf(errs))
	}
	fields := 0
	for _, typ := range []reflect.Type{reflect.TypeFor[intake.CreateRow](), reflect.TypeFor[intake.AccountInput](), reflect.TypeFor[intake.CardInput]()} {
		for _, field := range reflect.VisibleFields(typ) {
			if !field.Anonymous {
				fields++
			}
		}
	}
	require.Len(t, keys, fields+1, "every field of the input has a key; the organization has two")
}

func keysOfJSON(t *testing.T, prefix, text string) []string {
	t.Helper()
	var fields map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(text), &fields))
	var out []string
	for name, value := range fields {
		out = append(out, prefix+name)
		var list []map[string]json.RawMessage
		if json.Unmarshal(value, &list) == nil {
			for _, element := range list {
				inner, err := json.Marshal(element)
				require.NoError(t, err)
				out = append(out, keysOfJSON(t, prefix+name+".", string(inner))...)
			}
		}
	}
	return out
}

func TestWhatIsNoCustomerIsRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`[]`: "INVALID ", `null`: "INVALID ", `{"a": 1} {}`: "INVALID ", `{`: "INVALID ", ``: "INVALID ",
		`{"organizationId": "1", "sourceOrganizationId": "2"}`: "DUPLICATE_INPUT_ITEM organizationId",
		`{"accounts": [1]}`: "INVALID accounts.0", `{"alertOptInStatus": [[]]}`: "INVALID alertOptInStatus.0",
		`{"accounts": [{"cards": [null]}]}`: "INVALID accounts.0.cards.0", `{"sourceCustomerId": 1.5}`: "INVALID sourceCustomerId",
	} {
		_, errs := decodeCreate(text)
		require.Equal(t, []string{want}, codesOf(errs), text)
	}
	row, errs := decodeCreate(`{"organizationId": 50004, "sourceOrganizationId": "50004", "sourceCustomerId": 9007199254740993}`)
	require.Empty(t, errs)
	require.Equal(t, []string{"50004", "9007199254740993"}, []string{*row.SourceOrganizationID.Value(), *row.SourceCustomerID.Value()})
	for text, same := range map[string]bool{`"50004 ", "sourceOrganizationId": "50004"`: true, `null, "sourceOrganizationId": null`: true, `"", "sourceOrganizationId": null`: false} {
		_, errs = decodeCreate(`{"organizationId": ` + text + `}`)
		require.Equal(t, same, len(errs) == 0, text)
	}
}

// Lines whose customer is not named by a source share nothing, so their chunks may be applied at once.
func TestLinesWithoutASourceIDShareNoLock(t *testing.T) {
	t.Parallel()
	o := &bulk.Operation{OptionJSON: []byte(`{}`)}
	create, upsert := intake.NewCreateKind(nil).Decoder(o), intake.NewUpsertKind(nil).Decoder(o)
	a, b := create([]byte(`{"referenceId": "R1"}`)), create([]byte(`{"referenceId": "R2"}`))
	require.Len(t, a.Locks, 1)
	require.Len(t, b.Locks, 1)
	require.NotEqual(t, a.Locks, b.Locks)
	require.Empty(t, create([]byte(`{"firstName": "Ann"}`)).Locks)
	require.Empty(t, upsert([]byte(`{"source": "crm", "sourceId": "#N/A"}`)).Locks)
	require.Len(t, upsert([]byte(`{"source": "crm", "sourceId": "1"}`)).Locks, 1)
}

func FuzzDecodeCreateRow(f *testing.F) {
	f.Add(seedCustomer)
	f.Add(`{"accounts": [{"cards": [{}], "sourceCustomerIds": [1, null]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		row, errs := decodeCreate(text)
		require.True(t, row != nil || len(errs) > 0)
		decode := intake.NewCreateKind(nil).Decoder(&bulk.Operation{OptionJSON: []byte(`{}`)})
		got := decode([]byte(text))
		require.Equal(t, len(errs) == 0, got.Value != nil)
		require.Equal(t, len(errs), len(got.UserErrors))
	})
}
