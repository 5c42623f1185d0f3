package customer

import (
	"strings"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/fault"
	"caseload/internal/input"
)

// Said is what the rows of one call say of who their customers are, by the key of the customer. One key with two birthdays or
// two social security numbers is a mistake of the sender: the later row would put one person's data in the place of another's.
type Said[K comparable] map[K]identity

type identity struct{ birthday, ssn string }

// Check records at the fields of a row what an earlier row of the same key says otherwise, and takes it out of the row.
func (s Said[K]) Check(c *fault.Check, key K, birthday, ssn *graphql.Omittable[*string]) {
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

// Differ reports which of the two an earlier row of the same key says otherwise.
func (s Said[K]) Differ(key K, birthday, ssn graphql.Omittable[*string]) (otherBirthday, otherSSN bool) {
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

// digits are those of a number, in whatever way they are parted.
func digits(text string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, text)
}
