package idempotency

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"caseload/internal/pii"
)

// The first byte of an outcome, before it is sealed.
const (
	plain   = 'p'
	deflate = 'd'
)

// packFrom is the size in bytes from which an outcome is compressed. Sealed bytes cannot be compressed any more,
// and a thousand rows of a bulk mutation repeat themselves.
const packFrom = 4 << 10

// Level 1: a result shrinks several times even so.
var packers = sync.Pool{New: func() any { w, _ := flate.NewWriter(io.Discard, flate.BestSpeed); return w }}

// at is where the outcome of a field is sealed. The field is part of it: rows of one key differ by it alone.
func (r *Request) at(field string) pii.Location {
	return pii.Location{OrganizationID: r.scope.OrganizationID, Table: table, Column: "outcome_sealed/" + field, Row: r.id}
}

func (r *Request) seal(field string, result any) ([]byte, error) {
	text, err := json.Marshal(result)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if len(text) < packFrom {
		b.WriteByte(plain)
		b.Write(text)
	} else if err := pack(&b, text); err != nil {
		return nil, err
	}
	return r.outcomes.sealer.Seal(r.at(field), b.String())
}

func pack(to *bytes.Buffer, text []byte) error {
	to.WriteByte(deflate)
	w := packers.Get().(*flate.Writer)
	defer packers.Put(w)
	w.Reset(to)
	if _, err := w.Write(text); err != nil {
		return err
	}
	return w.Close()
}

func (r *Request) open(field string, sealed []byte) ([]byte, error) {
	text, err := r.outcomes.sealer.Open(r.at(field), sealed)
	if err != nil {
		return nil, err
	}
	if text == "" {
		return nil, errors.New("the outcome is empty")
	}
	switch rest := text[1:]; text[0] {
	case plain:
		return []byte(rest), nil
	case deflate:
		return io.ReadAll(flate.NewReader(bytes.NewReader([]byte(rest))))
	default:
		return nil, fmt.Errorf("the outcome has the unknown form %q", text[0])
	}
}
