package pii

import (
	"errors"
	"regexp"
	"strings"
)

// ErrMBI says what a Medicare Beneficiary Identifier looks like, without repeating what was typed.
var ErrMBI = errors.New("must be eleven letters and digits as on the Medicare card, such as 1EG4-TE5-MK73")

// mbiForm is the format of the Centers for Medicare & Medicaid Services: the letters S, L, O, I, B and Z are
// never used.
var mbiForm = regexp.MustCompile(`^[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9]-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9]-?[AC-HJKMNP-RT-Y]{2}[0-9]{2}$`)

// MBI is a valid Medicare Beneficiary Identifier. It redacts itself like any [Secret]; Reveal returns its
// eleven characters without dashes.
type MBI struct{ Secret }

// ParseMBI checks an identifier typed by a person or sent by a system, in capital or small letters, with or
// without dashes, white space around it ignored.
func ParseMBI(text string) (MBI, error) {
	text = strings.ToUpper(strings.TrimSpace(text))
	if !mbiForm.MatchString(text) {
		return MBI{}, ErrMBI
	}
	return MBI{Secret(strings.ReplaceAll(text, "-", ""))}, nil
}
