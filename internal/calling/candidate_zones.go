package calling

import (
	"time"

	"github.com/nyaruka/phonenumbers"

	"caseload/internal/civil"
)

const (
	// maxPhoneZones is the longest list of zones that still says where a phone is. libphonenumber
	// answers an American number without a place (toll-free, personal, unassigned area code) with all
	// 42 zones of country code 1; that is no evidence against any address.
	maxPhoneZones = 12
	// zoneAgreement is how long two clocks must agree to count as one: the longest planning horizon.
	zoneAgreement = 90 * 24 * time.Hour
)

// CandidateZones returns the zones in which the consumer may be: the customer's own zone first, then
// those of the phone's area code and of the address state (USPS code), where they disagree with it. Legal windows must hold in all of them (Regulation F comment 6(b)(1)(i)-2: with
// conflicting locations, call only when it is convenient in each).
//
// A source agrees when the customer's zone, or one whose clock shows the same through the 90 days
// from at, is among its zones; it then adds nothing. A phone or state without a zone (unknown,
// toll-free, not parseable) adds nothing either. With no zone at all the result is empty.
// The phone is E.164 or a national American number.
func CandidateZones(zone civil.Zone, phone, state string, at time.Time) []civil.Zone {
	if zone.IsZero() {
		return nil
	}
	zones := []civil.Zone{zone}
	zones = addDisagreeing(zones, PhoneZones(phone), at)
	return addDisagreeing(zones, stateZones[state], at)
}

// PhoneZones returns the IANA names of the zones in which numbers of this area code are at home, as
// far as libphonenumber knows; nil when the number has no place.
func PhoneZones(phone string) []string {
	if phone == "" {
		return nil
	}
	number, err := phonenumbers.Parse(phone, "US")
	if err != nil {
		return nil
	}
	names, err := phonenumbers.GetTimezonesForNumber(number)
	if err != nil || len(names) > maxPhoneZones || (len(names) == 1 && names[0] == phonenumbers.UNKNOWN_TIMEZONE) {
		return nil
	}
	return names
}

func addDisagreeing(zones []civil.Zone, names []string, at time.Time) []civil.Zone {
	for _, name := range names {
		if name == zones[0].Name() {
			return zones
		}
	}
	var found []civil.Zone
	for _, name := range names {
		z, err := civil.ParseZone(name)
		if err != nil {
			continue
		}
		if sameClock(zones[0], z, at) {
			return zones
		}
		found = append(found, z)
	}
	for _, z := range found {
		if !agreesWithAny(zones, z, at) {
			zones = append(zones, z)
		}
	}
	return zones
}

// agreesWithAny keeps the list short: two zones with one clock have one window.
func agreesWithAny(zones []civil.Zone, z civil.Zone, at time.Time) bool {
	for _, o := range zones {
		if sameClock(o, z, at) {
			return true
		}
	}
	return false
}

// sameClock reports whether both zones show the same wall clock from at to the end of the longest plan.
func sameClock(a, b civil.Zone, at time.Time) bool {
	if a.Name() == b.Name() {
		return true
	}
	for end := at.Add(zoneAgreement); ; {
		inA, inB := at.In(a.Location()), at.In(b.Location())
		_, offsetA := inA.Zone()
		_, offsetB := inB.Zone()
		if offsetA != offsetB {
			return false
		}
		_, nextA := inA.ZoneBounds()
		_, nextB := inB.ZoneBounds()
		if nextA.IsZero() || (!nextB.IsZero() && nextB.Before(nextA)) {
			nextA = nextB
		}
		if nextA.IsZero() || nextA.After(end) {
			return true
		}
		at = nextA
	}
}

// stateZones are the zones in which a state or territory of the United States lies, by USPS code.
// Source: IANA tzdata 2025b, file zone.tab, with the comments on counties.
var stateZones = map[string][]string{
	"AK": {"America/Anchorage", "America/Juneau", "America/Sitka", "America/Metlakatla", "America/Yakutat", "America/Nome", "America/Adak"},
	"AL": {"America/Chicago"}, "AR": {"America/Chicago"}, "AS": {"Pacific/Pago_Pago"},
	"AZ": {"America/Phoenix", "America/Denver"}, "CA": {"America/Los_Angeles"}, "CO": {"America/Denver"},
	"CT": {"America/New_York"}, "DC": {"America/New_York"}, "DE": {"America/New_York"},
	"FL": {"America/New_York", "America/Chicago"}, "GA": {"America/New_York"}, "GU": {"Pacific/Guam"},
	"HI": {"Pacific/Honolulu"}, "IA": {"America/Chicago"}, "ID": {"America/Boise", "America/Los_Angeles"},
	"IL": {"America/Chicago"},
	"IN": {
		"America/Indiana/Indianapolis", "America/Chicago", "America/Indiana/Knox", "America/Indiana/Tell_City",
		"America/Indiana/Vincennes", "America/Indiana/Winamac", "America/Indiana/Marengo", "America/Indiana/Petersburg",
		"America/Indiana/Vevay",
	},
	"KS": {"America/Chicago", "America/Denver"},
	"KY": {"America/New_York", "America/Kentucky/Louisville", "America/Kentucky/Monticello", "America/Chicago"},
	"LA": {"America/Chicago"}, "MA": {"America/New_York"}, "MD": {"America/New_York"}, "ME": {"America/New_York"},
	"MI": {"America/Detroit", "America/Menominee"}, "MN": {"America/Chicago"}, "MO": {"America/Chicago"},
	"MP": {"Pacific/Saipan"}, "MS": {"America/Chicago"}, "MT": {"America/Denver"}, "NC": {"America/New_York"},
	"ND": {
		"America/Chicago", "America/Denver", "America/North_Dakota/Center", "America/North_Dakota/New_Salem",
		"America/North_Dakota/Beulah",
	},
	"NE": {"America/Chicago", "America/Denver"}, "NH": {"America/New_York"}, "NJ": {"America/New_York"},
	"NM": {"America/Denver"}, "NV": {"America/Los_Angeles", "America/Denver"}, "NY": {"America/New_York"},
	"OH": {"America/New_York"}, "OK": {"America/Chicago"}, "OR": {"America/Los_Angeles", "America/Boise"},
	"PA": {"America/New_York"}, "PR": {"America/Puerto_Rico"}, "RI": {"America/New_York"}, "SC": {"America/New_York"},
	"SD": {"America/Chicago", "America/Denver"}, "TN": {"America/New_York", "America/Chicago"},
	"TX": {"America/Chicago", "America/Denver"}, "UT": {"America/Denver"}, "VA": {"America/New_York"},
	"VI": {"America/St_Thomas"}, "VT": {"America/New_York"}, "WA": {"America/Los_Angeles"},
	"WI": {"America/Chicago"}, "WV": {"America/New_York"}, "WY": {"America/Denver"},
}
