package pii_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"caseload/internal/pii"
)

func newKeys(t *testing.T) pii.Keys {
	t.Helper()
	keys, err := pii.GenerateKeys()
	require.NoError(t, err)
	return keys
}

func newSealer(t *testing.T, keys pii.Keys) *pii.Sealer {
	t.Helper()
	sealer, err := pii.NewSealer(keys)
	require.NoError(t, err)
	return sealer
}

func somewhere() pii.Location {
	return pii.Location{OrganizationID: uuid.New(), Table: "customers", Column: "ssn", Row: uuid.New()}
}

func TestSealedValueOpensWhereItWasSealed(t *testing.T) {
	t.Parallel()
	sealer := newSealer(t, newKeys(t))
	rapid.Check(t, func(t *rapid.T) {
		loc, plaintext := somewhere(), rapid.String().Draw(t, "plaintext")
		sealed, err := sealer.Seal(loc, plaintext)
		require.NoError(t, err)
		opened, err := sealer.Open(loc, sealed)
		require.NoError(t, err)
		require.Equal(t, plaintext, opened)

		again, err := sealer.Seal(loc, plaintext)
		require.NoError(t, err)
		require.NotEqual(t, sealed, again, "equal values must not be told from their sealed form")
	})
}

func TestSealedValueOpensNowhereElse(t *testing.T) {
	t.Parallel()
	sealer := newSealer(t, newKeys(t))
	home := somewhere()
	sealed, err := sealer.Seal(home, "123456789")
	require.NoError(t, err)

	moves := map[string]func(*pii.Location){
		"organization": func(l *pii.Location) { l.OrganizationID = uuid.New() },
		"table":        func(l *pii.Location) { l.Table = "clients" },
		"column":       func(l *pii.Location) { l.Column = "account_number" },
		"row":          func(l *pii.Location) { l.Row = uuid.New() },
		"swapped ids":  func(l *pii.Location) { l.OrganizationID, l.Row = l.Row, l.OrganizationID },
		"shifted name": func(l *pii.Location) { l.Table, l.Column = "customer", "sssn" },
	}
	for name, move := range moves {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			elsewhere := home
			move(&elsewhere)
			_, err := sealer.Open(elsewhere, sealed)
			require.ErrorIs(t, err, pii.ErrOpen)
			require.NotContains(t, err.Error(), "123456789")
		})
	}
}

func TestDamagedValueDoesNotOpen(t *testing.T) {
	t.Parallel()
	sealer, loc := newSealer(t, newKeys(t)), somewhere()
	sealed, err := sealer.Seal(loc, "123456789")
	require.NoError(t, err)
	for i := range sealed {
		damaged := bytes.Clone(sealed)
		damaged[i] ^= 1
		_, err := sealer.Open(loc, damaged)
		require.ErrorIs(t, err, pii.ErrOpen, "byte %d", i)
		_, err = sealer.Open(loc, sealed[:i])
		require.ErrorIs(t, err, pii.ErrOpen, "cut at %d", i)
	}
}

func TestUnfinishedLocationIsRefused(t *testing.T) {
	t.Parallel()
	sealer := newSealer(t, newKeys(t))
	for name, spoil := range map[string]func(*pii.Location){
		"no organization": func(l *pii.Location) { l.OrganizationID = uuid.Nil },
		"no table":        func(l *pii.Location) { l.Table = "" },
		"no column":       func(l *pii.Location) { l.Column = "" },
		"no row":          func(l *pii.Location) { l.Row = uuid.Nil },
		"bar in table":    func(l *pii.Location) { l.Table = "customers|ssn" },
		"bar in column":   func(l *pii.Location) { l.Column = "ssn|x" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loc := somewhere()
			spoil(&loc)
			_, err := sealer.Seal(loc, "123456789")
			require.Error(t, err)
			require.NotContains(t, err.Error(), "123456789")
			_, err = sealer.Open(loc, []byte("x"))
			require.Error(t, err)
			require.NotErrorIs(t, err, pii.ErrOpen, "a mistake of the caller is not a damaged value")
		})
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	keys := newKeys(t)
	rotated, err := keys.Rotate()
	require.NoError(t, err)
	before, after, stranger := newSealer(t, keys), newSealer(t, rotated), newSealer(t, newKeys(t))
	loc := somewhere()

	old, err := before.Seal(loc, "123456789")
	require.NoError(t, err)
	fresh, err := after.Seal(loc, "123456789")
	require.NoError(t, err)

	opened, err := after.Open(loc, old)
	require.NoError(t, err, "old keys go on opening")
	require.Equal(t, "123456789", opened)
	_, err = before.Open(loc, fresh)
	require.ErrorIs(t, err, pii.ErrOpen, "the new key is the one that seals")
	_, err = stranger.Open(loc, old)
	require.ErrorIs(t, err, pii.ErrOpen)

	require.False(t, before.Stale(old))
	require.True(t, after.Stale(old))
	require.False(t, after.Stale(fresh))
	require.True(t, after.Stale(nil))
	require.True(t, after.Stale(fresh[:4]))

	org := uuid.New()
	require.Equal(t, before.Index(org, "customers.ssn", "123456789"), after.Index(org, "customers.ssn", "123456789"),
		"a rotation must not lose what was indexed")
}

func TestIndex(t *testing.T) {
	t.Parallel()
	keys := newKeys(t)
	sealer, twin, stranger := newSealer(t, keys), newSealer(t, keys), newSealer(t, newKeys(t))
	rapid.Check(t, func(t *rapid.T) {
		org := uuid.New()
		column := rapid.StringMatching(`[a-z_.+]{1,20}`).Draw(t, "column")
		value := rapid.String().Draw(t, "value")
		index := sealer.Index(org, column, value)

		require.Len(t, index, pii.IndexSize)
		require.Equal(t, index, sealer.Index(org, column, value), "derived and cached keys agree")
		require.Equal(t, index, twin.Index(org, column, value), "all processes agree")
		require.NotEqual(t, index, sealer.Index(uuid.New(), column, value))
		require.NotEqual(t, index, sealer.Index(org, column+"x", value))
		require.NotEqual(t, index, sealer.Index(org, column, value+"x"))
		require.NotEqual(t, index, stranger.Index(org, column, value))
	})
}

// What is stored must still be found by later versions, so the derivation is pinned by its outcome.
func TestIndexIsStable(t *testing.T) {
	t.Parallel()
	keys, err := pii.ParseKeys(fixedKeys)
	require.NoError(t, err)
	sealer := newSealer(t, keys)
	org := uuid.MustParse("0190d5a4-7f6b-7c3e-9b1a-0123456789ab")
	require.Equal(t, "5ea4e7c43cbcd71d", fmt.Sprintf("%x", sealer.Index(org, "customers.ssn", "123456789")))
	require.Equal(t, "5ad103400420adcf", fmt.Sprintf("%x", sealer.Index(org, "customers.ssn_last_four+birthday", "1234|1985-06-15")))
}

// More names than the cache keeps, from many goroutines: evicted keys must be derived to the same bytes.
func TestIndexOfManyOrganizationsAtOnce(t *testing.T) {
	t.Parallel()
	sealer := newSealer(t, newKeys(t))
	orgs := make([]uuid.UUID, 5000)
	want := make([][]byte, len(orgs))
	for i := range orgs {
		orgs[i] = uuid.New()
		want[i] = sealer.Index(orgs[i], "customers.ssn", "123456789")
	}
	var wait sync.WaitGroup
	wrong := make(chan int, 4*len(orgs))
	for range 4 {
		wait.Go(func() {
			for i, org := range orgs {
				if !bytes.Equal(want[i], sealer.Index(org, "customers.ssn", "123456789")) {
					wrong <- i
				}
			}
		})
	}
	wait.Wait()
	require.Empty(t, wrong)
}

func TestSealerAtOnce(t *testing.T) {
	t.Parallel()
	sealer := newSealer(t, newKeys(t))
	var wait sync.WaitGroup
	failures := make(chan error, 8)
	for n := range 8 {
		wait.Go(func() {
			for range 100 {
				loc, plaintext := somewhere(), fmt.Sprintf("%09d", n)
				sealed, err := sealer.Seal(loc, plaintext)
				opened, openErr := sealer.Open(loc, sealed)
				if err = errors.Join(err, openErr); err == nil && opened != plaintext {
					err = errors.New("opened something else")
				}
				if err != nil {
					failures <- err
					return
				}
			}
		})
	}
	wait.Wait()
	require.Empty(t, failures)
}

// renderings prints a value in every way a careless line of code might.
func renderings(t *testing.T, value any) string {
	t.Helper()
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c", "%U", "%e", "%08.3f"} {
		fmt.Fprintf(&out, verb+"\n", value)
	}
	fmt.Fprintln(&out, value, []any{value}, map[string]any{"k": value}, struct{ V any }{value})
	fmt.Fprintln(&out, fmt.Errorf("wrong: %v", value))
	encoded, err := json.Marshal(map[string]any{"value": value, "list": []any{value}})
	require.NoError(t, err)
	out.Write(encoded)
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("value", "value", value, slog.Group("group", "value", value), "list", []any{value})
	}
	return out.String()
}

func TestPersonalDataDoesNotPrint(t *testing.T) {
	t.Parallel()
	ssn, err := pii.ParseSSN("123-45-6789")
	require.NoError(t, err)
	secret := pii.Secret("123456789")
	for name, value := range map[string]any{
		"secret": secret, "pointer": &secret, "list": []pii.Secret{secret}, "map": map[string]pii.Secret{"ssn": secret},
		"number": ssn, "number pointer": &ssn, "numbers": []pii.SSN{ssn},
		"struct": struct {
			SSN    pii.SSN
			Secret *pii.Secret
		}{ssn, &secret},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := renderings(t, value)
			require.NotContains(t, text, "6789")
			require.NotContains(t, text, fmt.Sprintf("%x", "6789"))
			require.NotContains(t, text, fmt.Sprintf("%X", "456789"))
			require.Contains(t, text, "[redacted]")
		})
	}
	require.Equal(t, "123456789", secret.Reveal())
	require.Equal(t, "123456789", ssn.Reveal())
}

func TestSecretIsNotStoredInClear(t *testing.T) {
	t.Parallel()
	value, err := pii.Secret("123456789").Value()
	require.Nil(t, value)
	require.ErrorContains(t, err, "sealed")
	require.NotContains(t, err.Error(), "123456789")
}

func TestSecretReadsFromJSON(t *testing.T) {
	t.Parallel()
	var input struct{ Key pii.Secret }
	require.NoError(t, json.Unmarshal([]byte(`{"key":"s3cret"}`), &input))
	require.Equal(t, "s3cret", input.Key.Reveal())
}

func TestKeysDoNotPrint(t *testing.T) {
	t.Parallel()
	keys, err := pii.ParseKeys(fixedKeys)
	require.NoError(t, err)
	sealer := newSealer(t, keys)
	sealer.Index(uuid.New(), "customers.ssn", "123456789")
	// The bytes of the index key are 0, 1, 2 and so on; a copy of the struct has no methods of a pointer.
	for _, value := range []any{keys, &keys, sealer, *sealer, struct{ hidden *pii.Sealer }{sealer}, struct{ hidden pii.Keys }{keys}} {
		text := renderings(t, value)
		require.NotContains(t, text, "10 11 12 13")
		require.NotContains(t, text, "0a0b0c0d")
		require.NotContains(t, text, "AAECAwQF")
		require.NotContains(t, strings.ToLower(text), "0xa, 0xb")
	}
}
