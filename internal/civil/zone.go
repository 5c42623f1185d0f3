package civil

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // the zone rules must not depend on what the machine has installed
)

// Zone is a place with a clock: a time zone of the IANA database under its canonical name. It is
// made by [ParseZone] only; the zero value is no zone (see [Zone.IsZero]).
//
// In text and in SQL it is its name, in GraphQL the scalar TimeZone.
type Zone struct {
	name     string
	location *time.Location
}

// ErrZone says what a time zone must look like; every failure to read one wraps it.
var ErrZone = errors.New(`time zone must be the IANA name of a place, such as "America/New_York" or "Pacific/Honolulu"; ` +
	`an offset (EST, UTC, Etc/GMT+5) does not say where the customer is`)

// parsedZones keeps what was found. It is bounded, since only names of the IANA database get in, and
// a Zone never changes; reading a zone file anew for each customer would cost more than planning.
var parsedZones sync.Map // string (as given) -> Zone

// zoneAreas are the first parts of canonical names. Anything else is an alias, an offset or a
// directory of the machine's zone files (posix/, right/) that is not for us.
var zoneAreas = map[string]bool{
	"Africa": true, "America": true, "Antarctica": true, "Arctic": true, "Asia": true,
	"Atlantic": true, "Australia": true, "Europe": true, "Indian": true, "Pacific": true,
}

// ParseZone returns the zone with this IANA name. An alias (US/Eastern) gives the canonical zone
// (America/New_York). Everything that is not a place is refused, above all the two names that Go
// accepts without a word: "" (UTC) and "Local" (the server's own zone). The error wraps [ErrZone].
//
// It is cheap for a name seen before and safe to call from several goroutines.
func ParseZone(name string) (Zone, error) {
	if z, ok := parsedZones.Load(name); ok {
		return z.(Zone), nil
	}
	canonical := name
	if target, ok := zoneAliases[name]; ok {
		canonical = target
	}
	if !isPlaceName(canonical) {
		return Zone{}, ErrZone
	}
	location, err := time.LoadLocation(canonical)
	if err != nil {
		return Zone{}, ErrZone
	}
	z := Zone{canonical, location}
	parsedZones.Store(name, z)
	return z, nil
}

// isPlaceName reports whether a name is spelled like Area/Place or Area/Region/Place. Stricter than
// the file system, where America//Boise and America/./Boise would be found too.
func isPlaceName(name string) bool {
	parts := strings.Split(name, "/")
	if len(name) > 50 || len(parts) < 2 || len(parts) > 3 || !zoneAreas[parts[0]] {
		return false
	}
	for _, part := range parts[1:] {
		if part == "" || part[0] < 'A' || part[0] > 'Z' {
			return false
		}
		for _, r := range part {
			if (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '_' && r != '-' {
				return false
			}
		}
	}
	return true
}

// Name returns the canonical IANA name, or "" for the zero value.
func (z Zone) Name() string { return z.name }

// Location returns the zone's rules; the zero value has none and gives nil.
func (z Zone) Location() *time.Location { return z.location }

// IsZero reports whether z is no zone at all.
func (z Zone) IsZero() bool { return z.location == nil }

// String returns the canonical name.
func (z Zone) String() string { return z.name }

// Equal reports whether both are the same place.
func (z Zone) Equal(o Zone) bool { return z.name == o.name }

// MarshalText returns the canonical name.
func (z Zone) MarshalText() ([]byte, error) { return []byte(z.name), nil }

// UnmarshalText reads an IANA name; see [ParseZone].
func (z *Zone) UnmarshalText(text []byte) error {
	v, err := ParseZone(string(text))
	if err != nil {
		return err
	}
	*z = v
	return nil
}

// Value gives the name to the database driver; the zero value is NULL.
func (z Zone) Value() (driver.Value, error) {
	if z.IsZero() {
		return nil, nil
	}
	return z.name, nil
}

// Scan reads a zone name; NULL gives the zero value.
func (z *Zone) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*z = Zone{}
		return nil
	case string:
		return z.UnmarshalText([]byte(v))
	case []byte:
		return z.UnmarshalText(v)
	}
	return fmt.Errorf("scan time zone: unexpected type %T", src)
}

// MarshalGQL writes the scalar TimeZone.
func (z Zone) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(z.name)) }

// UnmarshalGQL reads the scalar TimeZone from a string.
func (z *Zone) UnmarshalGQL(v any) error {
	text, ok := v.(string)
	if !ok {
		return ErrZone
	}
	return z.UnmarshalText([]byte(text))
}
