package pii

import (
	"errors"
	"strings"
)

// What is wrong with a social security number. The sentences are for the person who typed it and never
// repeat what was typed.
var (
	ErrSSNForm   = errors.New("must be nine digits, as 123456789 or 123-45-6789")
	ErrSSNArea   = errors.New("must not begin with 000 or 666")
	ErrSSNGroup  = errors.New("must not have 00 as its fourth and fifth digits")
	ErrSSNSerial = errors.New("must not end in 0000")
	ErrLastFour  = errors.New("must be the last four digits, not 0000")
)

// SSN is a valid social security number, or an individual taxpayer identification number in its place. It redacts itself like any [Secret]; Reveal returns the nine digits without dashes.
type SSN struct{ Secret }

// ParseSSN checks a number typed by a person or sent by a system: nine ASCII digits, bare or with both
// dashes, white space around them ignored. The rules are those of the Social Security Administration for
// numbers that were never assigned. Numbers from 900 on are taxpayer numbers and are accepted: consumers
// without a social security number have one, and lenders send it in the same field.
func ParseSSN(text string) (SSN, error) {
	text = strings.TrimSpace(text)
	if len(text) == 11 && text[3] == '-' && text[6] == '-' {
		text = text[:3] + text[4:6] + text[7:]
	}
	if len(text) != 9 || !allDigits(text) {
		return SSN{}, ErrSSNForm
	}
	switch {
	case text[:3] == "000" || text[:3] == "666":
		return SSN{}, ErrSSNArea
	case text[3:5] == "00":
		return SSN{}, ErrSSNGroup
	case text[5:] == "0000":
		return SSN{}, ErrSSNSerial
	}
	return SSN{Secret(text)}, nil
}

// LastFour returns the last four digits, or "" of the zero SSN.
func (s SSN) LastFour() string {
	if len(s.Secret) < 4 {
		return ""
	}
	return string(s.Secret[len(s.Secret)-4:])
}

// ParseLastFour checks the last four digits of a number whose rest is not known; white space around them
// is ignored.
func ParseLastFour(text string) (string, error) {
	text = strings.TrimSpace(text)
	if len(text) != 4 || !allDigits(text) || text == "0000" {
		return "", ErrLastFour
	}
	return text, nil
}

func allDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}
