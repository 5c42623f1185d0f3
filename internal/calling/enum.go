package calling

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// marshalEnum writes an enum value as GraphQL wants it.
func marshalEnum[T ~string](w io.Writer, v T) { _, _ = io.WriteString(w, strconv.Quote(string(v))) }

// unmarshalEnum reads an enum value; the error lists what would be right and does not repeat the input.
func unmarshalEnum[T ~string](to *T, v any, values []T) error {
	text, ok := v.(string)
	if !ok || !slices.Contains(values, T(text)) {
		return fmt.Errorf("value must be one of %s", list(values))
	}
	*to = T(text)
	return nil
}

// list joins enum values for a message.
func list[T ~string](values []T) string {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = string(v)
	}
	return strings.Join(names, ", ")
}
