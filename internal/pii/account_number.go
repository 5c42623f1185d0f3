package pii

import (
	"errors"
	"regexp"
	"strings"
)

// ErrAccountNumber says what an account number looks like, without repeating what was typed.
var ErrAccountNumber = errors.New("must have 4 to 30 letters and digits; spaces and dashes between them are left out")

var accountForm = regexp.MustCompile(`^[A-Z0-9]{4,30}$`)

// AccountNumber is the number of an account at a bank or lender. It redacts itself like any [Secret]; Reveal
// returns its capital letters and digits.
type AccountNumber struct{ Secret }

// ParseAccountNumber checks a number typed by a person or sent by a system. A text that holds the full number of
// a payment card is refused with [ErrCardNumber].
func ParseAccountNumber(text string) (AccountNumber, error) {
	normal := NormalizeAccountNumber(text)
	switch {
	case !accountForm.MatchString(normal):
		return AccountNumber{}, ErrAccountNumber
	case HoldsCardNumber(text):
		return AccountNumber{}, ErrCardNumber
	}
	return AccountNumber{Secret(normal)}, nil
}

// NormalizeAccountNumber is the form in which account numbers are stored and compared.
func NormalizeAccountNumber(text string) string {
	return strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(strings.TrimSpace(text)))
}

// MaskAccountNumber returns "••••1234" for the number's last four characters.
func MaskAccountNumber(number string) string { return "••••" + lastFour(number) }

func lastFour(text string) string {
	if len(text) < 4 {
		return ""
	}
	return text[len(text)-4:]
}
