package customer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"

	"caseload/internal/db"
	"caseload/internal/fault"
)

// The bounds of external metadata. PostgreSQL refuses a jsonb value with U+0000, and one with a number of more
// than 131,072 digits or 16,383 decimals; a double is what other programs read numbers as anyway.
const (
	maxMetadataBytes = 64 << 10
	maxMetadataDepth = 32
	// No double needs more than 309 digits before the point, or 1,074 after it. Zero may be written with any exponent.
	maxMetadataExponent = 309
	maxMetadataDecimals = 1074
)

// checkMetadata returns what is wrong with external metadata that must be an object, "" when nothing is.
func checkMetadata(j db.JSON) (fault.UserCode, string) {
	if j[0] != '{' {
		return fault.Invalid, `Give a JSON object, such as {"employer_name": "Acme"}.`
	}
	return checkJSON(j)
}

// checkJSON returns what is wrong with a JSON value of any kind, "" when nothing is.
func checkJSON(j db.JSON) (fault.UserCode, string) {
	if len(j) > maxMetadataBytes {
		return fault.TooLong, "At most 64 KiB."
	}
	d := json.NewDecoder(bytes.NewReader(j))
	d.UseNumber()
	depth := 0
	for {
		token, err := d.Token()
		if err != nil {
			return fault.Invalid, "Give well-formed JSON."
		}
		switch t := token.(type) {
		case json.Delim:
			if t == '{' || t == '[' {
				depth++
			} else {
				depth--
			}
			if depth > maxMetadataDepth {
				return fault.Invalid, "JSON may be nested at most 32 deep."
			}
		case string:
			if strings.ContainsRune(t, 0) {
				return fault.Invalid, "JSON must not hold the character NUL."
			}
		case json.Number:
			if !isDouble(t.String()) {
				return fault.OutOfRange, "Numbers of JSON must fit in a 64-bit floating-point number."
			}
		}
		if depth == 0 {
			break
		}
	}
	if d.More() {
		return fault.Invalid, "Give one JSON value."
	}
	return "", ""
}

// isDouble reports whether a number is near one that a double can hold, and is written with no more decimals than such
// a number has.
func isDouble(number string) bool {
	// What is too small is read as 0, without an error.
	if _, err := strconv.ParseFloat(number, 64); err != nil {
		return false
	}
	n, err := decimal.NewFromString(number)
	return err == nil && -maxMetadataDecimals <= n.Exponent() && n.Exponent() <= maxMetadataExponent
}

// canonical writes JSON with sorted keys and no white space, and numbers by their value: jsonb gives values
// back in an order and notation of its own (1e2 as 100), which is no change.
func canonical(j db.JSON) []byte {
	d := json.NewDecoder(bytes.NewReader(j))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return j
	}
	// What was just decoded can be encoded.
	out, _ := json.Marshal(plainNumbers(v))
	return out
}

// plainNumbers replaces the numbers of a decoded value by their digits and exponent, without trailing zeros.
func plainNumbers(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k := range x {
			x[k] = plainNumbers(x[k])
		}
	case []any:
		for i := range x {
			x[i] = plainNumbers(x[i])
		}
	case json.Number:
		n, err := decimal.NewFromString(x.String())
		if err != nil {
			return x
		}
		digits := n.Coefficient().String()
		kept := strings.TrimRight(digits, "0")
		if kept == "" || kept == "-" {
			return json.Number("0")
		}
		return json.Number(fmt.Sprintf("%se%d", kept, int(n.Exponent())+len(digits)-len(kept)))
	}
	return v
}
