package schedule_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/batch"
	"caseload/internal/calling"
	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/schedule"
)

func TestSecondSyncChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	typ := w.taskType(t, "collections", nil)
	first := w.syncWith(t, "C-1", "collections", nil)
	require.Equal(t, batch.Create, first.Action)
	require.True(t, first.ScheduleCreated)
	require.Nil(t, first.NotScheduledBecause)
	require.Equal(t, 7, first.TasksCreated)
	require.Zero(t, first.ExistingTasksRemoved)
	require.Equal(t, typ.UUID, first.TaskType.UUID)
	require.Equal(t, int32(1), first.Customer.Version)
	require.Equal(t, w.Viewer.ActorText(), first.Customer.CreatedBy)
	id := first.Customer.UUID
	plan := due(w.tasks(t, id))
	written := get[string](t, w, "SELECT xmin::text FROM customers WHERE id = $1", id)

	again := w.syncWith(t, "C-1", "collections", nil)
	require.Equal(t, batch.Unchanged, again.Action)
	require.Equal(t, id, again.Customer.UUID)
	require.Equal(t, first.TasksCreated, again.ExistingTasksRemoved)
	require.Equal(t, first.TasksCreated, again.TasksCreated)
	require.Equal(t, plan, due(w.tasks(t, id)), "the same input at the same time gives the same plan")
	require.Equal(t, first.Schedule.UUID, again.Schedule.UUID)
	require.Equal(t, first.Schedule.PlanNumber+1, again.Schedule.PlanNumber)

	w.Clock.Advance(time.Hour)
	require.Equal(t, batch.Unchanged, w.syncWith(t, "C-1", "collections", nil).Action)
	require.Equal(t, written, get[string](t, w, "SELECT xmin::text FROM customers WHERE id = $1", id), "nothing was written to the customer")
	require.Equal(t, dbtest.Monday, w.record(t, id).Customer.UpdatedAt.UTC())
	for _, table := range []string{"customer_phones", "customer_addresses"} {
		require.Equal(t, dbtest.Monday, get[time.Time](t, w, "SELECT updated_at FROM "+table+" WHERE customer_id = $1", id).UTC(), table)
	}

	changed := w.syncWith(t, "C-1", "collections", func(in *schedule.SyncCustomerScheduleInput) { in.City = val("Albany") })
	require.Equal(t, batch.Update, changed.Action)
	require.Equal(t, int32(2), changed.Customer.Version)
	record := w.record(t, id)
	require.Equal(t, dbtest.Monday.Add(time.Hour), record.Customer.UpdatedAt.UTC())
	require.Equal(t, "Albany", *record.Address.City)
	require.Equal(t, int32(2), record.Customer.Version)
}

// due is the set of (task type, due time) of tasks.
func due(tasks []*schedule.CallTask) []string {
	out := []string{}
	for _, task := range tasks {
		out = append(out, task.TaskTypeID.String()+" "+task.DueAt.UTC().Format(time.RFC3339))
	}
	return out
}

// field is one optional text of the input, and where it is stored.
type field struct {
	name   string
	sent   func(*schedule.SyncCustomerScheduleInput) *graphql.Omittable[*string]
	stored func(*world, *customer.Record) *string
	// good is another valid value and what it is stored as; wrong has the wrong form, with its code.
	good, kept string
	wrong      map[string]string
	// required: null is refused since nothing is left.
	required bool
}

func fields(t *testing.T) []field {
	of := func(r *customer.Record) *customer.Address {
		if r.Address == nil {
			return &customer.Address{}
		}
		return r.Address
	}
	return []field{
		{"firstName", func(in *schedule.SyncCustomerScheduleInput) *graphql.Omittable[*string] { return &in.FirstName },
			func(_ *world, r *customer.Record) *string { return r.Customer.FirstName }, "  Zoë ", "Zoë", nil, true},
		{"middleName", func(in *schedule.SyncCustomerScheduleInput) *graphql.Omittable[*string] { return &in.MiddleName },
			func(_ *world, r *customer.Record) *string { return r.Customer.MiddleName }, "Maria", "Maria", nil, false},
		{"lastName", func(in *schedule.SyncCustomerScheduleInput) *graphql.Omittable[*string] { return &in.LastName },
			func(_ *world, r *customer.Record) *string { return r.Customer.LastName }, "O'Neil", "O'Neil", nil, true},
		{"email", func(in *schedule.SyncCustomerScheduleInput) *graphql.Omittable[*string] { return &in.Email },
			func(_ *world, r *customer.Record) *string { return r.Customer.Email }, "B.C+d@Example.org", "B.C+d@example.org",
			map[string]string{"nobody": "INVALID", "a@b": "INVALID", "Ann <a@example.com>": "INVALID", "a@example.com, b@example.com": "INVALID", "a b@example.com": "INVALID", "a@[127.0.0.1]": "INVALID", "a@example.com.": "INVALID"}, true},
		{"birthday", func(in *schedule.SyncCustomerScheduleInput) *graphql.Omittable[*string] { return &in.Birthday },
			func(_ *world, r *customer.Record) *string {
				if r.Customer.Birthday == nil {
					return nil
				}
				s := r.Customer.Birthday.String()
				return &s
			}, "2000-02-29", "2000-02-29",
			map[string]string{"1985-6-15": "INVALID", "06/15/1985": "INVALID", "1985-02-30": "INVALID", "1999-02-29": "INVALID", "1900-02-29": "INVALID", "2026-03-03": "OUT_OF_RANGE", "9999-12-31": "OUT_OF_RANGE", "1899-12-31": "OUT_OF_RANGE", "1985-06-15T00:00:00Z": "INVALID"}, true},
		{"ssnLastFour", func(in *schedule.SyncCustomerScheduleInput) *graphql.Omittable[*string] { return &in.SSNLastFour },
			func(w *world, r *customer.Record) *string {
				digits, err := r.Customer.LastFour(w.Sealer)
				require.NoError(t, err)
				return digits
			}, " 0007 ", "0007", map[string]string{"123": "INVALID", "12345": "INVALID", "0000": "INVALID", "12a4": "INVALID", "１２３４": "INVALID"}, true},
		{"phoneNumber", func(in *schedule.SyncCustomerScheduleInput) *graphql.Omittable[*string] { return &in.PhoneNumber },
			func(_ *world, r *customer.Record) *string {
				if r.Phone == nil {
					return nil
				}
				return &r.Phone.Number
			}, "(718) 555-1234", "+17185551234", map[string]string{"555": "INVALID", "+1212555": "INVALID", "call me": "INVALID", "+12125551212;ext=": "INVALID"}, false},
		{"timezone", func(in *schedule.SyncCustomerScheduleInput) *graphql.Omittable[*string] { return &in.Timezone },
			func(_ *world, r *customer.Record) *string { return r.Customer.TimeZone }, "US/Central", "America/Chicago",
			map[string]string{"Mars/Olympus": "INVALID", "Local": "INVALID", "UTC+5": "INVALID", "Etc/GMT+5": "INVALID", "EST": "INVALID", "../etc/passwd": "INVALID"}, false},
		{"language", func(in *schedule.SyncCustomerScheduleInput) *graphql.Omittable[*string] { return &in.Language },
			func(_ *world, r *customer.Record) *string { return r.Customer.Language }, "es-MX", "es-MX", map[string]string{"english please": "INVALID", "e": "INVALID"}, false},
		{"streetAddress1", func(in *schedule.SyncCustomerScheduleInput) *graphql.Omittable[*string] { return &in.StreetAddress1 },
			func(_ *world, r *customer.Record) *string { return of(r).Line1 }, "1 Elm St", "1 Elm St", nil, true},
		{"streetAddress2", func(in *schedule.SyncCustomerScheduleInput) *graphql.Omittable[*string] { return &in.StreetAddress2 },
			func(_ *world, r *customer.Record) *string { return of(r).Line2 }, "Apt 9", "Apt 9", nil, false},
		{"city", func(in *schedule.SyncCustomerScheduleInput) *graphql.Omittable[*string] { return &in.City },
			func(_ *world, r *customer.Record) *string { return of(r).City }, "Buffalo", "Buffalo", nil, true},
		{"state", func(in *schedule.SyncCustomerScheduleInput) *graphql.Omittable[*string] { return &in.State },
			func(_ *world, r *customer.Record) *string { return of(r).State }, "nj", "NJ", map[string]string{"New York": "INVALID", "XX": "INVALID"}, true},
		{"zipCode", func(in *schedule.SyncCustomerScheduleInput) *graphql.Omittable[*string] { return &in.ZipCode },
			func(_ *world, r *customer.Record) *string { return of(r).PostalCode }, "94102-1234", "94102-1234", map[string]string{"9410": "INVALID", "94102-12": "INVALID", "K1A 0B1": "INVALID"}, true},
	}
}

func TestEveryTextField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	id := w.syncWith(t, "C-1", "collections", func(in *schedule.SyncCustomerScheduleInput) {
		in.MiddleName, in.Language, in.StreetAddress2 = val("Jo"), val("en"), val("Floor 2")
	}).Customer.UUID
	only := func(f field, value graphql.Omittable[*string]) schedule.SyncCustomerScheduleInput {
		in := schedule.SyncCustomerScheduleInput{TaskType: "collections", Fields: customer.Fields{ReferenceID: "C-1"}}
		*f.sent(&in) = value
		return in
	}
	for _, f := range fields(t) {
		stored := func() *string { return f.stored(w, w.record(t, id)) }
		before := stored()
		require.NotNil(t, before, f.name)

		require.Equal(t, batch.Unchanged, w.sync(t, only(f, graphql.Omittable[*string]{})).Action, f.name)
		require.Equal(t, before, stored(), f.name)

		all := w.Dump(t)
		wrong := map[string]string{"": "BLANK", " \t ": "BLANK", strings.Repeat("ä", 256): "TOO_LONG", "a\x00b": "INVALID"}
		if f.name == "language" {
			wrong[strings.Repeat("a", 36)] = "TOO_LONG"
		}
		for text, code := range f.wrong {
			wrong[text] = code
		}
		for text, code := range wrong {
			_, err := w.Sync(t.Context(), w.Viewer, only(f, val(text)))
			require.Equal(t, []string{code + " input." + f.name}, refused(t, err), "%s %q", f.name, text)
			require.NotContains(t, err.Error(), "ä")
		}
		if f.required {
			_, err := w.Sync(t.Context(), w.Viewer, only(f, null[string]()))
			require.Equal(t, []string{"REQUIRED input." + f.name}, refused(t, err), f.name)
		}
		require.Equal(t, all, w.Dump(t), f.name)

		require.Equal(t, batch.Update, w.sync(t, only(f, val(f.good))).Action, f.name)
		require.Equal(t, f.kept, *stored(), f.name)
		require.Equal(t, batch.Unchanged, w.sync(t, only(f, val(f.good))).Action, f.name)
		if !f.required {
			require.Equal(t, batch.Update, w.sync(t, only(f, null[string]())).Action, f.name)
			require.Nil(t, stored(), f.name)
			require.Equal(t, batch.Unchanged, w.sync(t, only(f, null[string]())).Action, f.name)
		}
	}
	long := strings.Repeat("ä", 255)
	w.sync(t, schedule.SyncCustomerScheduleInput{TaskType: "collections", Fields: customer.Fields{ReferenceID: "C-1", LastName: val(long)}})
	require.Equal(t, long, *w.record(t, id).Customer.LastName, "lengths count characters, not bytes")
}

func TestFlags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	id := w.syncWith(t, "C-1", "collections", func(in *schedule.SyncCustomerScheduleInput) {
		in.DoNotSMS, in.DoNotEmail, in.DoNotMail, in.Test = val(true), val(true), val(true), val(true)
	}).Customer.UUID
	flags := func() []bool {
		c := w.record(t, id).Customer
		return []bool{c.DoNotSMS, c.DoNotEmail, c.DoNotMail, c.IsTest}
	}
	require.Equal(t, []bool{true, true, true, true}, flags())
	r := w.syncWith(t, "C-1", "collections", func(in *schedule.SyncCustomerScheduleInput) {
		in.DoNotSMS, in.DoNotEmail, in.IsTest, in.Test = null[bool](), graphql.Omittable[*bool]{}, null[bool](), null[bool]()
	})
	require.Equal(t, batch.Unchanged, r.Action, "null says nothing about a flag")
	w.syncWith(t, "C-1", "collections", func(in *schedule.SyncCustomerScheduleInput) {
		in.DoNotSMS, in.DoNotEmail, in.DoNotMail, in.IsTest, in.Test = val(false), val(false), val(false), val(false), val(false)
	})
	require.Equal(t, []bool{false, false, false, false}, flags())
	in := input("C-1", "collections")
	in.IsTest, in.Test = val(true), val(false)
	_, err := w.Sync(t.Context(), w.Viewer, in)
	require.Equal(t, []string{"DUPLICATE_INPUT_ITEM input.test"}, refused(t, err))
}

func TestAllErrorsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	w.taskType(t, "welcome", nil)
	archived := w.taskType(t, "old", nil)
	_, err := w.ArchiveTaskType(t.Context(), w.Viewer, schedule.ArchiveTaskTypeInput{ID: archived.ID()})
	require.NoError(t, err)
	all := w.Dump(t)

	in := schedule.SyncCustomerScheduleInput{TaskType: "old", ExternalLoanID: val(" "), Fields: customer.Fields{
		ReferenceID: "C-1", Email: val("nobody"), PhoneNumber: val("12"), Timezone: val("EST"), State: val("QQ"), ZipCode: val("1"),
		Birthday: val("tomorrow"), SSN: val("000-12-3456"), IsTest: val(true), Test: val(false), ExternalMetadata: graphql.OmittableOf(db.JSON(`[1]`)),
	}}
	_, err = w.Sync(t.Context(), w.Viewer, in)
	require.ElementsMatch(t, []string{
		"INVALID input.taskType", "INVALID input.email", "INVALID input.phoneNumber", "INVALID input.timezone", "INVALID input.state",
		"INVALID input.zipCode", "INVALID input.birthday", "INVALID input.ssn", "DUPLICATE_INPUT_ITEM input.test",
		"INVALID input.externalMetadata", "BLANK input.externalLoanId",
		"REQUIRED input.firstName", "REQUIRED input.lastName", "REQUIRED input.ssnLastFour", "REQUIRED input.streetAddress1", "REQUIRED input.city",
	}, refused(t, err))
	_, err = w.Sync(t.Context(), w.Viewer, schedule.SyncCustomerScheduleInput{TaskType: "nothing", Fields: input("C-1", "").Fields})
	errs := refused(t, err)
	require.Equal(t, []string{"INVALID input.taskType"}, errs)
	require.Contains(t, messages(t, err), "collections, welcome", "the valid ones are listed, archived ones not")
	require.NotContains(t, messages(t, err), "old")

	for reference, code := range map[string]string{"": "BLANK", "  ": "BLANK", strings.Repeat("x", 256): "TOO_LONG", "a\x00": "INVALID", "\xff": "INVALID"} {
		in := input(reference, "collections")
		in.Email = val("nobody")
		_, err := w.Sync(t.Context(), w.Viewer, in)
		require.Equal(t, []string{code + " input.referenceId", "INVALID input.email"}, refused(t, err))
	}
	require.Equal(t, all, w.Dump(t))
}

func TestWithoutPhoneOrZoneTheCustomerIsWrittenButNotScheduled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	for reference, change := range map[string]struct {
		do     func(*schedule.SyncCustomerScheduleInput)
		reason calling.CallRule
	}{
		"no phone":   {func(in *schedule.SyncCustomerScheduleInput) { in.PhoneNumber = graphql.Omittable[*string]{} }, calling.RuleNoPhone},
		"null phone": {func(in *schedule.SyncCustomerScheduleInput) { in.PhoneNumber = null[string]() }, calling.RuleNoPhone},
		"no zone":    {func(in *schedule.SyncCustomerScheduleInput) { in.Timezone = graphql.Omittable[*string]{} }, calling.RuleNoZone},
	} {
		r := w.syncWith(t, reference, "collections", change.do)
		require.False(t, r.ScheduleCreated, reference)
		require.Equal(t, change.reason, *r.NotScheduledBecause, reference)
		require.Zero(t, r.TasksCreated, reference)
		require.Equal(t, batch.Create, r.Action, reference)
		require.NotNil(t, w.record(t, r.Customer.UUID))
	}
	// Taking the phone away ends a plan.
	first := w.syncWith(t, "C-1", "collections", nil)
	r := w.syncWith(t, "C-1", "collections", func(in *schedule.SyncCustomerScheduleInput) { in.PhoneNumber = null[string]() })
	require.False(t, r.ScheduleCreated)
	require.Equal(t, first.TasksCreated, r.ExistingTasksRemoved)
	require.Empty(t, w.tasks(t, r.Customer.UUID))
	require.Nil(t, w.active(t, r.Customer.UUID))
	// A blocked phone is no phone to call, until another number comes.
	id := w.syncWith(t, "C-2", "collections", nil).Customer.UUID
	w.Exec(t, "UPDATE customer_phones SET blocked_at = now(), blocked_reason = 'WRONG_NUMBER' WHERE customer_id = $1", id)
	r = w.syncWith(t, "C-2", "collections", nil)
	require.Equal(t, calling.RulePhoneBlocked, *r.NotScheduledBecause)
	require.Equal(t, batch.Unchanged, r.Action)
	require.NotNil(t, w.record(t, id).Phone.BlockedAt, "the same number again does not lift the block")
	r = w.syncWith(t, "C-2", "collections", func(in *schedule.SyncCustomerScheduleInput) { in.PhoneNumber = val("+17185551234") })
	require.True(t, r.ScheduleCreated)
	require.Nil(t, w.record(t, id).Phone.BlockedAt)
}

func TestSocialSecurityNumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	lastFour := func(id uuid.UUID) string {
		digits, err := w.record(t, id).Customer.LastFour(w.Sealer)
		require.NoError(t, err)
		return *digits
	}
	with := func(ssn, last graphql.Omittable[*string]) func(*schedule.SyncCustomerScheduleInput) {
		return func(in *schedule.SyncCustomerScheduleInput) { in.SSN, in.SSNLastFour = ssn, last }
	}
	none := graphql.Omittable[*string]{}
	r := w.syncWith(t, "C-1", "collections", with(val("123-45-6789"), none))
	id := r.Customer.UUID
	require.Equal(t, "6789", lastFour(id), "the full number brings the last four digits")
	stored := w.record(t, id).Customer
	require.Len(t, stored.SSNIndex, 8)
	require.Len(t, stored.SSNLastFourBirthdayIndex, 8)
	for _, again := range []func(*schedule.SyncCustomerScheduleInput){with(val("123456789"), none), with(val("123456789"), val("6789")), with(none, val("6789")), with(none, none)} {
		require.Equal(t, batch.Unchanged, w.syncWith(t, "C-1", "collections", again).Action)
	}
	require.Equal(t, stored.SSNSealed, w.record(t, id).Customer.SSNSealed, "sealing again would look like a change")

	in := input("C-1", "collections")
	in.SSN, in.SSNLastFour = val("123456789"), val("6780")
	_, err := w.Sync(t.Context(), w.Viewer, in)
	require.Equal(t, []string{"DUPLICATE_INPUT_ITEM input.ssnLastFour"}, refused(t, err))

	twin := w.syncWith(t, "C-2", "collections", with(val("123456789"), none)).Customer
	require.Equal(t, stored.SSNIndex, twin.SSNIndex)
	require.NotEqual(t, stored.SSNSealed, twin.SSNSealed)
	require.Equal(t, stored.SSNLastFourBirthdayIndex, twin.SSNLastFourBirthdayIndex)
	moved := w.syncWith(t, "C-2", "collections", func(in *schedule.SyncCustomerScheduleInput) { in.SSNLastFour, in.Birthday = none, val("1985-06-16") }).Customer
	require.NotEqual(t, stored.SSNLastFourBirthdayIndex, moved.SSNLastFourBirthdayIndex, "the index is of the digits and the birthday")

	// Other last digits prove the full number wrong.
	require.Equal(t, batch.Update, w.syncWith(t, "C-1", "collections", with(none, val("1111"))).Action)
	c := w.record(t, id).Customer
	require.Nil(t, c.SSNSealed)
	require.Nil(t, c.SSNIndex)
	require.Equal(t, "1111", lastFour(id))
	// Clearing the full number leaves the digits.
	w.syncWith(t, "C-2", "collections", with(null[string](), none))
	require.Nil(t, w.record(t, twin.UUID).Customer.SSNSealed)
	require.Equal(t, "6789", lastFour(twin.UUID))
	require.NotContains(t, w.record(t, id).Customer.SearchText, "1111")
}

func TestExternalMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	send := func(text string) (*schedule.SyncResult, error) {
		in := input("C-1", "collections")
		in.ExternalMetadata = graphql.OmittableOf(db.JSON(text))
		return w.Sync(t.Context(), w.Viewer, in)
	}
	r, err := send(`{"employer": "Acme", "pay": {"day": "Friday", "amount": 1.50, "big": 1e2}, "list": [1, -0]}`)
	require.NoError(t, err)
	id := r.Customer.UUID
	for _, same := range []string{
		`{"pay": {"big": 100, "amount": 1.50, "day": "Friday"}, "list": [1, -0], "employer": "Acme"}`,
		"\n{\"list\":[1,0],\"pay\":{\"amount\":1.5,\"day\":\"Friday\",\"big\":1e2},\"employer\":\"\\u0041cme\"} ",
	} {
		r, err = send(same)
		require.NoError(t, err)
		require.Equal(t, batch.Unchanged, r.Action, same)
	}
	for text, code := range map[string]string{
		`[]`: "INVALID", `"text"`: "INVALID", `7`: "INVALID", `true`: "INVALID", `{"a": 1`: "INVALID", `{} {}`: "INVALID",
		`{"a": "\u0000"}`: "INVALID", `{"a\u0000": 1}`: "INVALID", `{"a": 1e400}`: "OUT_OF_RANGE",
		strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40): "INVALID",
		`{"a": "` + strings.Repeat("x", 64<<10) + `"}`:              "TOO_LONG",
	} {
		_, err := send(text)
		require.Equal(t, []string{code + " input.externalMetadata"}, refused(t, err), "%.40s", text)
	}
	// What looks like the escape of NUL but is a backslash is text.
	r, err = send(`{"path": "C:\\u0000"}`)
	require.NoError(t, err)
	require.Equal(t, batch.Update, r.Action)
	r, err = send(`{"a": "` + strings.Repeat("x", 64<<10-9) + `"}`)
	require.NoError(t, err)
	require.Equal(t, batch.Update, r.Action)
	for _, empty := range []string{"null", ""} {
		_, err = send(`{"again": true}`)
		require.NoError(t, err)
		_, err = send(empty)
		require.NoError(t, err)
		require.Nil(t, w.record(t, id).Customer.ExternalMetadata)
	}
}

func TestSearchText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	c := w.syncWith(t, "Ref-77", "collections", func(in *schedule.SyncCustomerScheduleInput) { in.MiddleName = val("JO") }).Customer
	require.Equal(t, "ann jo lee ann.lee@example.com ref-77 12125551212", c.SearchText)
	w.Exec(t, "INSERT INTO customer_identifiers (organization_id, id, customer_id, source, source_id, created_at) VALUES ($1, $2, $3, 'crm', 'CRM-9', now())", w.Viewer.OrganizationID, uuid.New(), c.UUID)
	w.Exec(t, "INSERT INTO customer_phones (organization_id, id, customer_id, label, number, created_at, updated_at) VALUES ($1, $2, $3, 'WORK', '+13475550101', now(), now())", w.Viewer.OrganizationID, uuid.New(), c.UUID)
	c = w.syncWith(t, "Ref-77", "collections", func(in *schedule.SyncCustomerScheduleInput) { in.LastName = val("Ray") }).Customer
	require.Equal(t, "ann jo ray ann.lee@example.com ref-77 12125551212 13475550101 crm-9", c.SearchText)
	require.Equal(t, c.SearchText, w.record(t, c.UUID).Customer.SearchText)
}

func TestSwitchingTheTaskTypeSupersedes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	collections, welcome := w.taskType(t, "collections", nil), w.taskType(t, "welcome", func(in *schedule.CreateTaskTypeInput) { in.MaxAttempts = val[int32](3) })
	first := w.syncWith(t, "C-1", "collections", nil)
	id := first.Customer.UUID
	second := w.syncWith(t, "C-1", "welcome", nil)
	require.Equal(t, first.TasksCreated, second.ExistingTasksRemoved)
	require.Equal(t, 3, second.TasksCreated)
	require.Len(t, w.tasks(t, id), 3)
	require.Equal(t, map[uuid.UUID]schedule.ScheduleStatus{collections.UUID: schedule.Superseded, welcome.UUID: schedule.Active}, w.schedules(t, id))
	third := w.syncWith(t, "C-1", "collections", nil)
	require.Equal(t, first.Schedule.UUID, third.Schedule.UUID, "one schedule per task type")
	require.Equal(t, map[uuid.UUID]schedule.ScheduleStatus{collections.UUID: schedule.Active, welcome.UUID: schedule.Superseded}, w.schedules(t, id))
	require.Equal(t, int32(2), third.Schedule.PlanNumber)
	require.Equal(t, third.Schedule.Version, w.active(t, id).Version)
	for _, task := range w.tasks(t, id) {
		require.Equal(t, collections.UUID, task.TaskTypeID)
		require.Equal(t, int32(2), task.PlanNumber)
	}
}

func TestClaimedTasksAreNeverRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.taskType(t, "collections", nil)
	w.taskType(t, "welcome", nil)
	var ids []uuid.UUID
	for i := range 2 {
		ids = append(ids, w.syncWith(t, fmt.Sprint("C-", i), "collections", nil).Customer.UUID)
	}
	w.Clock.Advance(time.Minute)
	dialer := w.dialer()
	claims := w.claim(t, dialer, 10).Claims
	require.Len(t, claims, 2)
	_, err := w.Renew(t.Context(), dialer, schedule.RenewCallTaskInput{ID: claims[0].Task.ID(), CallStarted: val(true)})
	require.NoError(t, err)
	for i := range ids {
		r := w.syncWith(t, fmt.Sprint("C-", i), "welcome", nil)
		require.Equal(t, 6, r.ExistingTasksRemoved)
		require.Len(t, w.tasks(t, r.Customer.UUID, calling.Claimed, calling.InProgress), 1)
	}
	require.Equal(t, calling.InProgress, w.task(t, claims[0].Task.UUID).State)
	require.Equal(t, calling.Claimed, w.task(t, claims[1].Task.UUID).State)

	// The leases end; nothing of the old plan returns to the queue.
	w.Clock.Advance(10 * time.Minute)
	require.NoError(t, w.Reap(t.Context()))
	require.Equal(t, calling.Failed, w.task(t, claims[0].Task.UUID).State)
	require.Equal(t, calling.Expired, w.task(t, claims[1].Task.UUID).State)
	for _, id := range ids {
		active := w.active(t, id)
		for _, task := range w.tasks(t, id, calling.Pending) {
			require.Equal(t, active.UUID, task.ScheduleID)
			require.Equal(t, active.PlanNumber, task.PlanNumber)
		}
	}
}
