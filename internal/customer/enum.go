package customer

import (
	"strings"

	"caseload/internal/input"
)

// EnumValue is one value of a GraphQL enum with the word that source systems use for it.
type EnumValue[T ~string] struct {
	Value  T
	Source string
}

// Enum is all values of one GraphQL enum, in the order of the schema.
type Enum[T ~string] []EnumValue[T]

// Parse reads a value by its name in the schema, or by the source's word for it; letters' case and white space
// around it do not count.
func (e Enum[T]) Parse(text string) (T, bool) {
	text = input.Form(text)
	for _, v := range e {
		if strings.EqualFold(text, string(v.Value)) || strings.EqualFold(text, v.Source) {
			return v.Value, true
		}
	}
	return "", false
}

// Names lists the values for a person: "MALE, FEMALE or OTHER".
func (e Enum[T]) Names() string {
	var b strings.Builder
	for i, v := range e {
		switch {
		case i > 0 && i == len(e)-1:
			b.WriteString(" or ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(string(v.Value))
	}
	return b.String()
}

// The enums for which source systems have words of their own: their spaces and dashes cannot stand in a GraphQL name.
var (
	Genders = Enum[Gender]{
		{"MALE", "Male"}, {"FEMALE", "Female"}, {"NON_BINARY", "Non-Binary"}, {"OTHER", "Other"}, {"PREFER_NOT_TO_SAY", "Prefer Not to Say"},
	}
	AddressLabels = Enum[AddressLabel]{{"PRIMARY", "primary"}, {"MAILING", "mailing"}, {"WORK", "work"}, {"OTHER", "other"}}
)
