package pii_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/pii"
)

func TestHoldsCardNumber(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"4111111111111111", "4111 1111 1111 1111", " 4111-1111-1111-1111\t", "4111\u00a01111\u00a01111\u00a01111", "4111.1111.1111.1111", "4111–1111–1111–1111",
		"4111/1111/1111/1111", "4111_1111_1111_1111", "4111 - 1111 - 1111 - 1111", "41 11 11 11 11 11 11 11", "4111\u200b1111\u200b1111\u200b1111",
		"378282246310005", "3782 822463 10005", "4222222222222", "6304000000000000000", "5555555555554444", "2223003122003222", "6011111111111117", "30569309025904", "3530111333300000",
		"card 4111 1111 1111 1111, expires soon", "pan:4111111111111111", "card 4111-1111-1111-1111", "PAN_4111111111111111", "[4111-1111-1111-1111]",
		"4111 1111 1111 1111 123", "4111111111111111 12/29 123", "17 4111 1111 1111 1111", "0042-4111-1111-1111-1111-x", "é 4111111111111111",
		"42c57311-25f9-4501-b9db-e78afa73c0e3 4111111111111111", "4111 1111,1111 1111", "4111:1111:1111:1111", "4111\u22121111\u22121111\u22121111",
		"４１１１１１１１１１１１１１１１", "٤١١١ ١١١١ ١١١١ ١١١١", "۴۱۱۱۱۱۱۱۱۱۱۱۱۱۱۱", "𝟒𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏", "④①①①①①①①①①①①①①①①", "④⑪⑪⑪⑪⑪⑪⑪①", "⁴¹¹¹¹¹¹¹¹¹¹¹¹¹¹¹", "４１１１－１１１１－１１１１－１１１１",
	} {
		require.True(t, pii.HoldsCardNumber(text), text)
	}
	for _, text := range []string{
		"", "4111111111111112", "411111111111", "41111111111111111111", "DDA", "42c57311-25f9-4501-b9db-e78afa73c0e3",
		"x4111111111111111", "4111111111111111a", "4111111111111111é", "2023-01-01T08:00:00Z", "1234 5678", "4111 1111;1111 1111", "4111|1111|1111|1111", "½½½½½½½½½½½½½½½½",
		// The check digit is right, but no network gives them out: milliseconds, counters, the numbers of other things.
		"1700000000004", "9999999999999995", "0000000000000000", "1000000000000008", "7992739871300008", "411111111111116", "35301113333000",
		// A UUID that begins with the digits of a card.
		"41111111-1111-1111-8111-e78afa73c0e3", "(41111111-1111-1111-8111-e78afa73c0e3)",
	} {
		require.False(t, pii.HoldsCardNumber(text), text)
	}
	for range 20_000 {
		id := uuid.New().String()
		require.False(t, pii.HoldsCardNumber(id), id)
	}
}

// zeros are the zeros of all scripts and shapes of digits.
func zeros() (zeros []rune) {
	run := 0
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !unicode.Is(unicode.Nd, r) {
			run = 0
			continue
		}
		if run%10 == 0 {
			zeros = append(zeros, r)
		}
		run++
	}
	return zeros
}

// Whatever stands beside a number, however it is parted and whatever its digits look like, it is found.
func TestHoldsCardNumberHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(uint64(rand.Int64()), 0))
	oneOf := func(list ...string) string { return list[random.IntN(len(list))] }
	scripts := zeros()
	require.Greater(t, len(scripts), 60)
	for range 20_000 {
		var b strings.Builder
		for _, digit := range "4111111111111111" {
			zero := '0'
			if random.IntN(2) == 0 {
				zero = scripts[random.IntN(len(scripts))]
			}
			fmt.Fprint(&b, string(zero+digit-'0'), oneOf("", "", "", "", "", " ", "-", ".", ",", ":", "\u2212", "\u00a0", "／"))
		}
		text := oneOf("", "card ", "12 ", "A-", "#", "9-9 ") + strings.TrimRight(b.String(), " -.,:\u2212\u00a0／") + oneOf("", " 123", "-x", "!", " 12/29", "\n")
		require.True(t, pii.HoldsCardNumber(text), text)
	}
}
