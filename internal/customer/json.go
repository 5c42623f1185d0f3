package customer

import (
	"bytes"
	"encoding/json"

	"caseload/internal/db"
)

// canonical writes JSON with sorted keys and no white space, and numbers as they were written: jsonb
// gives values back in an order of its own, which is no change.
func canonical(j db.JSON) []byte {
	d := json.NewDecoder(bytes.NewReader(j))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return j
	}
	// What was just decoded can be encoded.
	out, _ := json.Marshal(v)
	return out
}
