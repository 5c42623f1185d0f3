package pii

import (
	"regexp"
	"strings"
	"unicode"
)

// cardRun is a run of digits as card numbers are written within a text. Letters beside it make it part of an id.
var cardRun = regexp.MustCompile(`[0-9](?: ?[0-9]){12,18}`)

// HoldsCardNumber tells whether a text is the full number of a payment card, however it is parted by white space and
// punctuation, or holds one among other words. Ids such as UUIDs are none.
func HoldsCardNumber(text string) bool {
	bare := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || r == '.' || r == '/' || r == '_' {
			return -1
		}
		return r
	}, text)
	if IsCardNumber(bare) {
		return true
	}
	for _, at := range cardRun.FindAllStringIndex(text, -1) {
		if alone(text, at[0], at[1]) && IsCardNumber(text[at[0]:at[1]]) {
			return true
		}
	}
	return false
}

// alone tells whether text[from:to] has no letter or digit at its sides.
func alone(text string, from, to int) bool {
	return !(from > 0 && isWordByte(text[from-1])) && !(to < len(text) && isWordByte(text[to]))
}

func isWordByte(b byte) bool {
	return b >= 0x80 || '0' <= b && b <= '9' || 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z'
}
