// Package idempotency stores the outcome of a change under the key that the client sent with it, in the transaction of the change
// itself, so that neither is ever without the other. A request with the same key within [Kept] gets the stored outcome.
package idempotency

import "caseload/internal/fault"

// MaxKey is how many characters a key may have.
const MaxKey = 255

// CheckKey returns a BAD_REQUEST fault unless the key is 1 to [MaxKey] visible characters of ASCII, without
// spaces. The fault does not repeat the key.
func CheckKey(key string) error {
	ok := key != "" && len(key) <= MaxKey
	for i := range len(key) {
		ok = ok && key[i] > ' ' && key[i] < 0x7f
	}
	if !ok {
		return fault.New(fault.BadRequest, "An idempotency key is 1 to %d visible characters of ASCII without spaces, such as a UUID.", MaxKey)
	}
	return nil
}
