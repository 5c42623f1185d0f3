package customertest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/calling"
	"caseload/internal/civil"
	"caseload/internal/customer"
	"caseload/internal/customer/intake"
	"caseload/internal/graphtest"
	"caseload/internal/schedule"
)

// Whoever calls back on a letter of the time before the merge is known by the duplicate's id: what is told then is told
// of the one who is called now.
func TestWhatIsToldOfADuplicateCountsForTheSurvivor(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	o := w.Harbor
	p := o.People(t, 2)
	bare(t, w)
	_, err := merge(t, w, p[0].Customer, p[1].Customer)
	require.NoError(t, err)

	id := p[1].Customer.ID()
	noted, err := w.Schedules.AddInconvenientTime(t.Context(), o.System, schedule.AddInconvenientTimeInput{
		CustomerRef: schedule.CustomerRef{CustomerID: val(id)}, Days: []calling.Weekday{"MONDAY"}, StartsAt: civil.MustLocalTime(12, 0), EndsAt: civil.MustLocalTime(13, 0)})
	require.NoError(t, err)
	require.Equal(t, p[0].Customer.UUID, noted.InconvenientTime.CustomerID)

	result, err := w.Schedules.RecordCall(t.Context(), o.System, schedule.RecordCallInput{CustomerRef: schedule.CustomerRef{ReferenceID: val(p[1].ReferenceID)},
		Direction: calling.Inbound, Outcome: calling.DNCRequested, PhoneNumber: val("+12125550123")})
	require.NoError(t, err)
	require.Equal(t, p[0].Customer.UUID, result.Customer.UUID)
	require.Equal(t, p[0].Customer.UUID, result.Attempt.CustomerID)
	require.True(t, read(t, w, p[0].Customer.UUID).DoNotCall)
	require.False(t, read(t, w, p[1].Customer.UUID).DoNotCall)
}

// A number that was found wrong under the duplicate's name stays blocked when the duplicate's source, or a person, makes
// it the survivor's first.
func TestABlockedNumberStaysBlockedAfterAMerge(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	o := w.Harbor
	const wrong = "+12125550177"
	blocked := func(p *graphtest.Person) bool {
		return number[bool](t, w, "SELECT blocked_at IS NOT NULL FROM customer_phones WHERE customer_id = $1 AND label = 'PRIMARY' AND number = '"+wrong+"'", p.Customer.UUID)
	}
	for name, send := range map[string]func(*graphtest.Person){
		"by its source": func(p *graphtest.Person) {
			execute(t, w, "UPDATE customer_identifiers SET source = 'LMS', source_id = $2, language = '' WHERE customer_id = $1", p.Customer.UUID, p.ReferenceID)
			r, err := w.Intake.BulkUpsert(t.Context(), o.System, intake.BulkUpsertInput{Source: "LMS", Customers: []*intake.UpsertRow{{SourceID: p.ReferenceID, Phone: val(wrong)}}})
			require.NoError(t, err)
			require.Equal(t, p.Customer.UUID, r.Results[0].Customer.UUID)
		},
		"by a person": func(p *graphtest.Person) {
			update(t, w, p.Customer, customer.UpdateInput{Phone: val(customer.UpdatePhoneInput{Number: val(wrong)})})
		},
	} {
		p := o.People(t, 2)
		bare(t, w)
		execute(t, w, "DELETE FROM customer_phones WHERE customer_id = ANY(ARRAY[$1, $2]::uuid[]) AND label <> 'PRIMARY'", p[0].Customer.UUID, p[1].Customer.UUID)
		execute(t, w, "DELETE FROM customer_identifiers WHERE customer_id = $1", p[1].Customer.UUID)
		execute(t, w, "UPDATE customer_phones SET number = '"+wrong+"', blocked_at = now(), blocked_reason = 'WRONG_NUMBER' WHERE customer_id = $1", p[1].Customer.UUID)
		_, err := merge(t, w, p[0].Customer, p[1].Customer)
		require.NoError(t, err)
		send(p[0])
		require.True(t, blocked(p[0]), name)
	}
}
