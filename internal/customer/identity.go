package customer

import (
	"strings"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/fault"
	"caseload/internal/input"
)

// Identities are the birthdays and social security numbers in the rows of one call, by the key of the customer. One key with two
// of either is a mistake of the sender: the later row would overwrite one person's data with another's.
type Identities[K comparable] map[K]identity

type identity struct{ birthday, ssn string }

// Check records at the fields of a row which of them differ from an earlier row of the same key, and removes those from the row.
func (s Identities[K]) Check(c *fault.Check, key K, birthday, ssn *graphql.Omittable[*string]) {
	another := func(field string, in *graphql.Omittable[*string]) {
		c.At(field).Add(fault.DuplicateInputItem, "The same customer stands in this call before, with another %s. Send the same wherever it is named.", field)
		*in = graphql.Omittable[*string]{}
	}
	otherBirthday, otherSSN := s.Differ(key, *birthday, *ssn)
	if otherBirthday {
		another("birthday", birthday)
	}
	if otherSSN {
		another("ssn", ssn)
	}
}

// Differ reports which of the two differ from an earlier row of the same key.
func (s Identities[K]) Differ(key K, birthday, ssn graphql.Omittable[*string]) (otherBirthday, otherSSN bool) {
	known := s[key]
	otherBirthday, otherSSN = differs(birthday, input.Form, &known.birthday), differs(ssn, digits, &known.ssn)
	s[key] = known
	return otherBirthday, otherSSN
}

func differs(in graphql.Omittable[*string], form func(string) string, known *string) bool {
	if in.Value() == nil {
		return false
	}
	text := form(*in.Value())
	if *known == "" {
		*known = text
	}
	return text != "" && text != *known
}

// digits are those of a number, however it is written.
func digits(text string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, text)
}
