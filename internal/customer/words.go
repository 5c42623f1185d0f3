package customer

import (
	"strings"

	"caseload/internal/input"
)

// Word is one value of a GraphQL enum with the word that the source systems use for it.
type Word[T ~string] struct {
	Value  T
	Source string
}

// Words are all values of one GraphQL enum, in the order of the schema.
type Words[T ~string] []Word[T]

// Parse reads a value by its name in the schema, or by the source's word for it; letters' case and white space
// around it do not count.
func (w Words[T]) Parse(text string) (T, bool) {
	text = input.Form(text)
	for _, word := range w {
		if strings.EqualFold(text, string(word.Value)) || strings.EqualFold(text, word.Source) {
			return word.Value, true
		}
	}
	return "", false
}

// Names lists the values for a person: "MALE, FEMALE or OTHER".
func (w Words[T]) Names() string {
	var b strings.Builder
	for i, word := range w {
		switch {
		case i > 0 && i == len(w)-1:
			b.WriteString(" or ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(string(word.Value))
	}
	return b.String()
}

// The words of the source systems (domain rules: the patch of a customer). Their spaces, dashes and slashes
// cannot stand in a GraphQL name.
var (
	Genders = Words[Gender]{
		{"MALE", "Male"}, {"FEMALE", "Female"}, {"NON_BINARY", "Non-Binary"}, {"OTHER", "Other"}, {"PREFER_NOT_TO_SAY", "Prefer Not to Say"},
	}
	AddressLabels = Words[AddressLabel]{{"PRIMARY", "primary"}, {"MAILING", "mailing"}, {"WORK", "work"}, {"OTHER", "other"}}
)
