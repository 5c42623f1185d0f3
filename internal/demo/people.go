package demo

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/schedule"
)

var (
	firstNames = strings.Fields(`James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Richard Susan Joseph Jessica Thomas Sarah Christopher Karen Charles Lisa Daniel Nancy Matthew Betty Anthony Sandra Mark Margaret Donald Ashley Steven Kimberly Andrew Emily Paul Donna Joshua Michelle Kenneth Carol Kevin Amanda Brian Melissa Luis Camila Mateo Valentina Wei Mei Aisha Omar Priya Arjun`)
	lastNames  = strings.Fields(`Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Gonzalez Wilson Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris Sanchez Clark Ramirez Lewis Robinson Walker Young Allen King Wright Scott Torres Nguyen Hill Flores Green Adams Nelson Baker Hall Rivera Campbell Mitchell Carter Roberts Chen Patel Kim Singh Khan Okafor`)
	streets    = []string{"Main St", "Oak Ave", "Maple Dr", "Cedar Ln", "Washington Blvd", "Lake Rd", "Hillcrest Ave", "Sunset Blvd", "Park Pl", "River Rd"}
	employers  = []string{"Acme Corporation", "Northside Clinic", "Bluebird Logistics", "County Schools", "Ridgeline Foods"}
)

// place is a city with its state, zone, ZIP code and area code.
type place struct {
	city, state, zone, zip, area string
}

var places = []place{
	{"New York", "NY", "America/New_York", "10025", "212"}, {"Buffalo", "NY", "America/New_York", "14201", "716"},
	{"Boston", "MA", "America/New_York", "02115", "617"}, {"Miami", "FL", "America/New_York", "33130", "305"},
	{"Atlanta", "GA", "America/New_York", "30303", "404"}, {"Chicago", "IL", "America/Chicago", "60614", "312"},
	{"Houston", "TX", "America/Chicago", "77002", "713"}, {"New Orleans", "LA", "America/Chicago", "70112", "504"},
	{"Minneapolis", "MN", "America/Chicago", "55401", "612"}, {"Denver", "CO", "America/Denver", "80203", "303"},
	{"Salt Lake City", "UT", "America/Denver", "84101", "801"}, {"Phoenix", "AZ", "America/Phoenix", "85004", "602"},
	{"Los Angeles", "CA", "America/Los_Angeles", "90012", "213"}, {"San Francisco", "CA", "America/Los_Angeles", "94102", "415"},
	{"Seattle", "WA", "America/Los_Angeles", "98101", "206"}, {"Honolulu", "HI", "Pacific/Honolulu", "96813", "808"},
	{"Anchorage", "AK", "America/Anchorage", "99501", "907"}, {"Knox", "IN", "America/Indiana/Knox", "46534", "574"},
}

// people makes up customers; the same seed makes the same ones.
type people struct{ r *rand.Rand }

func (p *people) pick(list []string) string { return list[p.r.IntN(len(list))] }

// next makes up the customer with the given number.
func (p *people) next(i int) *schedule.SyncCustomerScheduleInput {
	first, last, at := p.pick(firstNames), p.pick(lastNames), places[p.r.IntN(len(places))]
	set := func(s string) graphql.Omittable[*string] { return graphql.OmittableOf(&s) }
	reference := fmt.Sprintf("CUST-%06d", i+1)
	in := &schedule.SyncCustomerScheduleInput{
		TaskType: []string{"collections", "collections", "collections", "welcome", "refinance-offer"}[p.r.IntN(5)],
		Fields: customer.Fields{
			ReferenceID: reference, FirstName: set(first), LastName: set(last),
			// example.com is nobody's (RFC 2606); 555-01xx numbers are nobody's either.
			Email:       set(fmt.Sprintf("%s.%s%d@example.com", strings.ToLower(first), strings.ToLower(last), i+1)),
			Birthday:    set(fmt.Sprintf("%d-%02d-%02d", 1945+p.r.IntN(60), 1+p.r.IntN(12), 1+p.r.IntN(28))),
			SSNLastFour: set(fmt.Sprintf("%04d", 1+p.r.IntN(9999))),
			PhoneNumber: set(fmt.Sprintf("+1%s55501%02d", at.area, p.r.IntN(100))), Timezone: set(at.zone),
			StreetAddress1: set(fmt.Sprintf("%d %s", 1+p.r.IntN(9899), p.pick(streets))), City: set(at.city), State: set(at.state), ZipCode: set(at.zip),
		},
	}
	if p.r.IntN(5) == 0 {
		in.StreetAddress2 = set(fmt.Sprintf("Apt %d", 1+p.r.IntN(40)))
	}
	if p.r.IntN(3) == 0 {
		in.ExternalMetadata = graphql.OmittableOf(db.JSON(fmt.Sprintf(`{"employer_name": %q, "pay_frequency": "biweekly"}`, p.pick(employers))))
	}
	return in
}
