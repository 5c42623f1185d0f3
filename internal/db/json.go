package db

import (
	"bytes"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"io"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/fault"
)

// JSON is a jsonb value as its text; nil is NULL. It is bound to the GraphQL scalar JSON.
type JSON []byte

// maxJSON bounds a JSON value in the input.
const maxJSON = 64 << 10

// Value implements driver.Valuer.
func (j JSON) Value() (driver.Value, error) {
	if j == nil {
		return nil, nil
	}
	return string(j), nil
}

// Scan implements sql.Scanner.
func (j *JSON) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*j = nil
	case []byte:
		*j = bytes.Clone(v)
	case string:
		*j = JSON(v)
	default:
		return fmt.Errorf("scan %T as JSON", src)
	}
	return nil
}

// MarshalGQL writes the value as it is.
func (j JSON) MarshalGQL(w io.Writer) {
	if j == nil {
		_, _ = io.WriteString(w, "null")
		return
	}
	_, _ = w.Write(j)
}

// UnmarshalGQL takes any JSON value of at most 64 KiB.
func (j *JSON) UnmarshalGQL(v any) error {
	var b bytes.Buffer
	graphql.MarshalAny(v).MarshalGQL(&b)
	text := bytes.TrimSpace(b.Bytes())
	if !json.Valid(text) {
		return fault.New(fault.BadUserInput, "This is not a JSON value.")
	}
	if len(text) > maxJSON {
		return fault.New(fault.TooManyItems, "A JSON value may have at most 64 KiB.")
	}
	*j = text
	return nil
}
