package pii

import (
	"errors"
	"regexp"
	"strings"
)

// ErrAccountNumber says what an account number looks like, without repeating what was typed.
var ErrAccountNumber = errors.New("must have 4 to 30 letters and digits; spaces and dashes between them are left out")

// ErrCardNumber refuses the full number of a payment card.
var ErrCardNumber = errors.New("must not be the full number of a card: send only its first six or eight and its last four digits")

var accountForm = regexp.MustCompile(`^[A-Z0-9]{4,30}$`)

// AccountNumber is the number of an account at a bank or lender. It redacts itself like any [Secret]; Reveal
// returns its capital letters and digits.
type AccountNumber struct{ Secret }

// ParseAccountNumber checks a number typed by a person or sent by a system. A text that is the full number of
// a payment card is refused with [ErrCardNumber].
func ParseAccountNumber(text string) (AccountNumber, error) {
	normal := NormalizeAccountNumber(text)
	switch {
	case !accountForm.MatchString(normal):
		return AccountNumber{}, ErrAccountNumber
	case IsCardNumber(normal):
		return AccountNumber{}, ErrCardNumber
	}
	return AccountNumber{Secret(normal)}, nil
}

// NormalizeAccountNumber is the form in which account numbers are stored and compared.
func NormalizeAccountNumber(text string) string {
	return strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(strings.TrimSpace(text)))
}

// LastFour returns the last four characters, or "" of the zero number.
func (n AccountNumber) LastFour() string { return lastFour(string(n.Secret)) }

// MaskAccountNumber returns "••••1234" for the number's last four characters.
func MaskAccountNumber(number string) string { return "••••" + lastFour(number) }

// IsCardNumber tells whether a text is the full number of a payment card: 13 to 19 digits, with spaces or
// dashes between them, whose check digit is right (ISO/IEC 7812, the formula of Luhn).
func IsCardNumber(text string) bool {
	digits := strings.NewReplacer(" ", "", "-", "").Replace(text)
	if len(digits) < 13 || len(digits) > 19 || !allDigits(digits) {
		return false
	}
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

func lastFour(text string) string {
	if len(text) < 4 {
		return ""
	}
	return text[len(text)-4:]
}
