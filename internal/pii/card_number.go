package pii

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// ErrCardNumber refuses the full number of a payment card.
var ErrCardNumber = errors.New("must not be the full number of a card: send only its first six or eight and its last four digits")

// The shortest and the longest number of a card (ISO/IEC 7812-1).
const (
	minCardDigits = 13
	maxCardDigits = 19
)

// cardRanges are the numbers that the card networks give out, by their first four digits and their length: an id that no
// network gives out is no card, though one id of ten passes the check digit.
var cardRanges = []cardRange{
	{2200, 2204, 16, 19}, // Mir
	{2221, 2720, 16, 16}, // Mastercard
	{3000, 3059, 14, 19}, // Diners Club
	{3095, 3095, 14, 19},
	{3400, 3499, 15, 15}, // American Express
	{3528, 3589, 16, 19}, // JCB
	{3600, 3699, 14, 19}, // Diners Club
	{3700, 3799, 15, 15}, // American Express
	{3800, 3999, 14, 19}, // Diners Club
	{4000, 4999, 13, 13}, // Visa
	{4000, 4999, 16, 16},
	{4000, 4999, 18, 19},
	{5000, 5099, 13, 19}, // Maestro, Elo, RuPay, Verve
	{5100, 5599, 16, 16}, // Mastercard
	{5600, 5899, 13, 19}, // Maestro
	{6000, 6099, 16, 19}, // Discover, RuPay, Hipercard
	{6200, 6299, 16, 19}, // UnionPay
	{6300, 6399, 13, 19}, // Maestro
	{6440, 6599, 16, 19}, // Discover, Troy
	{6700, 6799, 13, 19}, // Maestro
	{8100, 8299, 16, 19}, // UnionPay, RuPay
}

type cardRange struct{ from, to, shortest, longest int }

// uuidForm is how UUIDs are written. Among so many digits with dashes between them some pass for a card.
var uuidForm = regexp.MustCompile(`\b[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}\b`)

// HoldsCardNumber reports whether a text is the full number of a payment card, or holds one among other words and numbers:
// 13 to 19 digits that a card network gives out, with the right check digit (ISO/IEC 7812-1, the formula of Luhn), in
// one or parted in any way by white space, dashes, dots, commas, colons, slashes and underscores. Digits of any script and
// shape count. Those that a letter or a further digit touches belong to something else, and so do UUIDs.
func HoldsCardNumber(text string) bool {
	if !hasEnoughDigits(text) {
		return false
	}
	text = strings.Map(asciiDigit, norm.NFKC.String(text))
	return findCard(text) && findCard(uuidForm.ReplaceAllLiteralString(text, "x"))
}

// hasEnoughDigits passes over nearly every text at once.
func hasEnoughDigits(text string) bool {
	n := 0
	for _, r := range text {
		switch {
		case '0' <= r && r <= '9':
			n++
		case r >= utf8.RuneSelf && unicode.IsNumber(r):
			// One character may hold two digits, such as ⑬.
			n += 2
		}
	}
	return n >= minCardDigits
}

// asciiDigit returns the ASCII digit of a decimal digit of any script, and other characters as they are. The digits of a
// script stand in a row that begins with its zero (The Unicode Standard, section 4.6).
func asciiDigit(r rune) rune {
	if r < utf8.RuneSelf || !unicode.Is(unicode.Nd, r) {
		return r
	}
	first := r
	for unicode.Is(unicode.Nd, first-1) {
		first--
	}
	return '0' + (r-first)%10
}

// findCard looks through the groups of digits in a text.
func findCard(text string) bool {
	// digits are those of the run that is read, which is parted by separators alone; starts are where its groups begin.
	var digits []byte
	var starts []int
	inGroup, touched := false, false
	end := func() bool {
		if !inGroup {
			return false
		}
		inGroup = false
		return endsCard(digits, starts)
	}
	for _, r := range text {
		switch {
		case '0' <= r && r <= '9':
			if touched {
				continue
			}
			if !inGroup {
				inGroup, starts = true, append(starts, len(digits))
			}
			digits = append(digits, byte(r-'0'))
		case unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsNumber(r):
			// What was read of this group belongs to a word, and so does what follows until the word ends.
			digits, starts, inGroup, touched = digits[:0], starts[:0], false, true
		default:
			if end() {
				return true
			}
			if touched = false; !separatesDigits(r) {
				digits, starts = digits[:0], starts[:0]
			}
		}
	}
	return end()
}

// separatesDigits reports whether a number goes on behind a character.
func separatesDigits(r rune) bool {
	return unicode.IsSpace(r) || unicode.In(r, unicode.Pd, unicode.Cf) || strings.ContainsRune(".,:/_\u2212", r)
}

// endsCard reports whether the last groups of a run are the number of a card.
func endsCard(digits []byte, starts []int) bool {
	for i := len(starts) - 1; i >= 0; i-- {
		number := digits[starts[i]:]
		if len(number) > maxCardDigits {
			return false
		}
		if isCardNumber(number) {
			return true
		}
	}
	return false
}

// isCardNumber reports whether digits are the number of a card.
func isCardNumber(digits []byte) bool {
	if len(digits) < minCardDigits || len(digits) > maxCardDigits {
		return false
	}
	sum, double := 0, len(digits)%2 == 0
	for _, digit := range digits {
		d := int(digit)
		if double {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum, double = sum+d, !double
	}
	return sum%10 == 0 && isGivenOut(digits)
}

// isGivenOut reports whether a network gives out such numbers.
func isGivenOut(digits []byte) bool {
	first := 0
	for _, d := range digits[:4] {
		first = first*10 + int(d)
	}
	return slices.ContainsFunc(cardRanges, func(r cardRange) bool {
		return r.from <= first && first <= r.to && r.shortest <= len(digits) && len(digits) <= r.longest
	})
}
