package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"caseload/internal/pii"
)

// The headers of a delivery, beside Content-Type and User-Agent.
const (
	HeaderEvent     = "Caseload-Event"
	HeaderDelivery  = "Caseload-Delivery"
	HeaderSignature = "Caseload-Signature"
)

// sign makes the signature header: t=<unix seconds>, and for each secret v1=<hex HMAC-SHA-256 of "t.body">.
func sign(secrets []pii.Secret, body []byte, at time.Time) string {
	t := strconv.FormatInt(at.Unix(), 10)
	parts := []string{"t=" + t}
	for _, s := range secrets {
		parts = append(parts, "v1="+hex.EncodeToString(digest(s.Reveal(), t, body)))
	}
	return strings.Join(parts, ",")
}

// digest is the HMAC of the time and the body, by the secret as it is written, prefix included.
func digest(secret, t string, body []byte) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return mac.Sum(nil)
}

// The reasons for which [Verify] refuses.
var (
	// ErrUnsigned says that the header is missing, or not of the form t=…,v1=….
	ErrUnsigned = errors.New("verify webhook: there is no signature of version 1")
	// ErrForged says that no signature is by the secret: body, time or secret are not those that were signed with.
	ErrForged = errors.New("verify webhook: the signature is not by this secret")
	// ErrExpired says that the delivery was signed too long ago, or too far in the future: it may be a replay.
	ErrExpired = errors.New("verify webhook: the signature is too old")
)

// Verify checks the Caseload-Signature header of a delivery: that one of its signatures is by the secret, over
// this very body, and was made within tolerance of now; five minutes are usual. Check the body as it was
// received, before it is parsed. While a secret is rotated, a receiver may hold either one.
func Verify(secret, header string, body []byte, now time.Time, tolerance time.Duration) error {
	var t string
	var signatures [][]byte
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "t":
			t = value
		case "v1":
			if mac, err := hex.DecodeString(value); err == nil {
				signatures = append(signatures, mac)
			}
		}
	}
	unix, err := strconv.ParseInt(t, 10, 64)
	if err != nil || len(signatures) == 0 {
		return ErrUnsigned
	}
	want := digest(secret, t, body)
	matches := false
	for _, mac := range signatures {
		// Every one is compared, in constant time: how long this takes must not tell how much was right.
		matches = hmac.Equal(mac, want) || matches
	}
	if !matches {
		return ErrForged
	}
	if age := now.Sub(time.Unix(unix, 0)); age > tolerance || age < -tolerance {
		return fmt.Errorf("%w: signed %s ago", ErrExpired, age.Truncate(time.Second))
	}
	return nil
}
