package lending

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"caseload/internal/outbound"
)

// ValidateBaseURL checks the base URL of a lending system before it is stored. The error is a sentence
// that may be shown to clients: it says what would be right and repeats nothing. Names are not resolved
// here, as the answer may change; the address is checked at every connection.
func ValidateBaseURL(raw string, allowPrivate bool) error {
	_, err := parseBaseURL(raw, allowPrivate)
	return err
}

func parseBaseURL(raw string, allowPrivate bool) (string, error) {
	u, err := outbound.ParseURL(raw, allowPrivate)
	switch {
	case err != nil:
		return "", err
	case u.RawQuery != "" || u.ForceQuery:
		return "", errors.New("The URL must have no query.")
	case u.Path != "" && path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/") && u.Path != "/":
		return "", errors.New("The path of the URL must have no empty, . or .. segments.")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// ValidateKey checks a key before it is stored: 8 to 512 visible ASCII characters, as it has to fit in an
// HTTP header. The error is a sentence that may be shown to clients.
func ValidateKey(raw string) error {
	if len(raw) < 8 || len(raw) > 512 {
		return fmt.Errorf("The key must have %d to %d characters.", 8, 512)
	}
	for i := range len(raw) {
		if raw[i] <= ' ' || raw[i] > '~' {
			return errors.New("The key must be visible ASCII characters without spaces.")
		}
	}
	return nil
}
