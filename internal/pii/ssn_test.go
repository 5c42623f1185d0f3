package pii_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"caseload/internal/pii"
)

func TestParseSSN(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		digits string
		err    error
	}{
		"123-45-6789":          {digits: "123456789"},
		"123456789":            {digits: "123456789"},
		" 123-45-6789\n":       {digits: "123456789"},
		"001-01-0001":          {digits: "001010001"},
		"665-99-9999":          {digits: "665999999"},
		"667-01-0001":          {digits: "667010001"},
		"899-01-0001":          {digits: "899010001"},
		"900-70-0001":          {digits: "900700001"},
		"999-88-9999":          {digits: "999889999"},
		"000-45-6789":          {err: pii.ErrSSNArea},
		"666-45-6789":          {err: pii.ErrSSNArea},
		"123-00-6789":          {err: pii.ErrSSNGroup},
		"900-00-6789":          {err: pii.ErrSSNGroup},
		"123-45-0000":          {err: pii.ErrSSNSerial},
		"":                     {err: pii.ErrSSNForm},
		"12345678":             {err: pii.ErrSSNForm},
		"1234567890":           {err: pii.ErrSSNForm},
		"123-456789":           {err: pii.ErrSSNForm},
		"12345-6789":           {err: pii.ErrSSNForm},
		"12-345-6789":          {err: pii.ErrSSNForm},
		"123--5-6789":          {err: pii.ErrSSNForm},
		"123 45 6789":          {err: pii.ErrSSNForm},
		"***-**-6789":          {err: pii.ErrSSNForm},
		"12345678a":            {err: pii.ErrSSNForm},
		"١٢٣٤٥٦٧٨٩":            {err: pii.ErrSSNForm},
		"123-45-6789; DROP --": {err: pii.ErrSSNForm},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			got, err := pii.ParseSSN(text)
			require.ErrorIs(t, err, want.err)
			require.Equal(t, want.digits, got.Reveal())
		})
	}
}

func TestAssignableNumbersParse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		area := rapid.IntRange(1, 999).Filter(func(n int) bool { return n != 666 }).Draw(t, "area")
		group := rapid.IntRange(1, 99).Draw(t, "group")
		serial := rapid.IntRange(1, 9999).Draw(t, "serial")

		bare, err := pii.ParseSSN(fmt.Sprintf("%03d%02d%04d", area, group, serial))
		require.NoError(t, err)
		dashed, err := pii.ParseSSN(fmt.Sprintf("%03d-%02d-%04d", area, group, serial))
		require.NoError(t, err)
		require.Equal(t, bare, dashed, "both ways of writing are one number")
		require.Equal(t, fmt.Sprintf("%04d", serial), bare.LastFour())
		_, err = pii.ParseLastFour(bare.LastFour())
		require.NoError(t, err)
	})
}

func FuzzParseSSN(f *testing.F) {
	for _, seed := range []string{"", "123-45-6789", "123456789", "000-00-0000", "900-70-0001", "123--5-6789", "\xff\xfe", " 123456789 "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ssn, err := pii.ParseSSN(text)
		if err != nil {
			require.Empty(t, ssn.Reveal(), "nothing of a refused number is kept")
			require.Empty(t, ssn.LastFour())
			require.NotRegexp(t, `\d{5}\d*-`, err.Error())
			return
		}
		digits := ssn.Reveal()
		require.Regexp(t, `^[0-9]{9}$`, digits)
		require.Equal(t, digits, strings.ReplaceAll(strings.TrimSpace(text), "-", ""))
		again, err := pii.ParseSSN(digits)
		require.NoError(t, err)
		require.Equal(t, ssn, again, "a parsed number parses to itself")
		require.NotEqual(t, "0000", ssn.LastFour())
	})
}

func TestParseLastFour(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"1234", " 0001 ", "9999"} {
		got, err := pii.ParseLastFour(text)
		require.NoError(t, err)
		require.Equal(t, strings.TrimSpace(text), got)
	}
	for _, text := range []string{"", "0000", "123", "12345", "12a4", "١٢", "-123"} {
		got, err := pii.ParseLastFour(text)
		require.ErrorIs(t, err, pii.ErrLastFour, text)
		require.Empty(t, got)
	}
}
