package schedule

import (
	"regexp"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/batch"
	"caseload/internal/calling"
	"caseload/internal/civil"
	"caseload/internal/customer"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/relay"
)

// SyncCustomerScheduleInput is one customer with the task type of the calls (seed 000, domain rules in docs/scheduling.md).
type SyncCustomerScheduleInput struct {
	customer.Fields
	TaskType string
	Sync     graphql.Omittable[*bool]
	// ExternalLoanIDs and ExternalLoanID are numbers of the lending system.
	ExternalLoanIDs graphql.Omittable[[]int64]
	ExternalLoanID  graphql.Omittable[*string]
}

// wantsLending reports whether the lending system is asked.
func (in *SyncCustomerScheduleInput) wantsLending() bool { return input.Or(in.Sync, false) }

// BulkSyncCustomerSchedulesInput is what bulkSyncCustomerSchedules needs.
type BulkSyncCustomerSchedulesInput struct {
	Customers   []*SyncCustomerScheduleInput
	ErrorPolicy batch.ErrorPolicy
}

// Cadence is the part of a task type's input that creating and changing share. Absent keeps what is
// stored, or the default.
type Cadence struct {
	Purpose            graphql.Omittable[*calling.CallPurpose]
	MaxAttempts        graphql.Omittable[*int32]
	MaxAttemptsPerDay  graphql.Omittable[*int32]
	MinIntervalMinutes graphql.Omittable[*int32]
	HorizonDays        graphql.Omittable[*int32]
	Days               graphql.Omittable[[]calling.Weekday]
	WindowFrom         graphql.Omittable[*civil.LocalTime]
	WindowTo           graphql.Omittable[*civil.LocalTime]
	PreferredTimes     graphql.Omittable[[]civil.LocalTime]
	SkipHolidays       graphql.Omittable[*bool]
	JitterMinutes      graphql.Omittable[*int32]
	EndGuardMinutes    graphql.Omittable[*int32]
	RegulationF        graphql.Omittable[*calling.RegulationFMode]
	PerPhone24hLimit   graphql.Omittable[*int32]
	OnExhausted        graphql.Omittable[*calling.OnExhausted]
	QuietBehavior      graphql.Omittable[*calling.QuietBehavior]
	Priority           graphql.Omittable[*int32]
}

// CreateTaskTypeInput is what createTaskType needs.
type CreateTaskTypeInput struct {
	Cadence
	Name        string
	Description graphql.Omittable[*string]
	Purpose     calling.CallPurpose
}

// UpdateTaskTypeInput is what updateTaskType needs.
type UpdateTaskTypeInput struct {
	Cadence
	ID              relay.ID
	ExpectedVersion graphql.Omittable[*int32]
	Description     graphql.Omittable[*string]
}

// maxTaskTypeName is in characters.
const maxTaskTypeName = 64

var taskTypeName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)

// apply merges the input into a policy; null is refused, as no rule of a cadence can be empty.
func (in *Cadence) apply(p *calling.Policy, c *fault.Check) {
	setInt(c, "maxAttempts", in.MaxAttempts, &p.MaxAttempts)
	setInt(c, "maxAttemptsPerDay", in.MaxAttemptsPerDay, &p.MaxAttemptsPerDay)
	setInt(c, "minIntervalMinutes", in.MinIntervalMinutes, &p.MinIntervalMinutes)
	setInt(c, "horizonDays", in.HorizonDays, &p.HorizonDays)
	setInt(c, "jitterMinutes", in.JitterMinutes, &p.JitterMinutes)
	setInt(c, "endGuardMinutes", in.EndGuardMinutes, &p.EndGuardMinutes)
	setInt(c, "perPhone24hLimit", in.PerPhone24hLimit, &p.PerPhone24hLimit)
	setInt(c, "priority", in.Priority, &p.Priority)
	set(c, "purpose", in.Purpose, &p.Purpose)
	set(c, "windowFrom", in.WindowFrom, &p.Window.From)
	set(c, "windowTo", in.WindowTo, &p.Window.To)
	set(c, "skipHolidays", in.SkipHolidays, &p.SkipHolidays)
	set(c, "regulationF", in.RegulationF, &p.RegF)
	set(c, "onExhausted", in.OnExhausted, &p.OnExhausted)
	set(c, "quietBehavior", in.QuietBehavior, &p.QuietBehavior)
	if in.PreferredTimes.IsSet() {
		if in.PreferredTimes.Value() == nil {
			c.At("preferredTimes").Add(fault.Required, "preferredTimes cannot be null; leave it out, or send an empty list.")
		} else {
			p.PreferredTimes = in.PreferredTimes.Value()
		}
	}
	if in.Days.IsSet() && in.Days.Value() == nil {
		c.At("days").Add(fault.Required, "days cannot be null; give a value, or leave it out.")
	} else if in.Days.IsSet() {
		days, err := calling.WeekdaysOf(in.Days.Value()...)
		if err != nil {
			c.At("days").Add(fault.Invalid, "%v", err)
			return
		}
		p.Days = days
	}
}

func set[T any](c *fault.Check, field string, in graphql.Omittable[*T], to *T) {
	if !in.IsSet() {
		return
	}
	if in.Value() == nil {
		c.At(field).Add(fault.Required, "%s cannot be null; give a value, or leave it out.", field)
		return
	}
	*to = *in.Value()
}

func setInt(c *fault.Check, field string, in graphql.Omittable[*int32], to *int) {
	n := int32(*to)
	set(c, field, in, &n)
	*to = int(n)
}

// ArchiveTaskTypeInput is what archiveTaskType needs.
type ArchiveTaskTypeInput struct{ ID relay.ID }

// TightenCallingWindowInput is what tightenCallingWindow needs.
type TightenCallingWindowInput struct {
	State      string
	Days       []calling.Weekday
	OnHolidays graphql.Omittable[*bool]
	IsClosed   graphql.Omittable[*bool]
	OpensAt    graphql.Omittable[*civil.LocalTime]
	ClosesAt   graphql.Omittable[*civil.LocalTime]
	Purposes   graphql.Omittable[[]calling.CallPurpose]
	Note       graphql.Omittable[*string]
}

// AddCallingHolidayInput is what addCallingHoliday needs.
type AddCallingHolidayInput struct {
	State       string
	Date        civil.Date
	Name        string
	ClosesCalls graphql.Omittable[*bool]
}

// CustomerRef names a customer by exactly one of two ways.
type CustomerRef struct {
	CustomerID  graphql.Omittable[*relay.ID]
	ReferenceID graphql.Omittable[*string]
}

// SchedulePreviewInput is what schedulePreview needs.
type SchedulePreviewInput struct {
	CustomerRef
	TaskType string
	At       graphql.Omittable[*time.Time]
}

// CallEligibilityInput is what callEligibility needs.
type CallEligibilityInput struct {
	CustomerRef
	TaskType string
	At       graphql.Omittable[*time.Time]
}

// ClaimCallTasksInput is what claimCallTasks needs.
type ClaimCallTasksInput struct {
	Limit        graphql.Omittable[*int32]
	LeaseSeconds graphql.Omittable[*int32]
	TaskTypes    graphql.Omittable[[]string]
}

// ClaimCallTaskInput is what claimCallTask needs.
type ClaimCallTaskInput struct {
	ID             relay.ID
	LeaseSeconds   graphql.Omittable[*int32]
	OverrideReason graphql.Omittable[*string]
}

// The bounds of a claim.
const (
	defaultClaim = 10
	maxClaim     = 100
	defaultLease = 120
	minLease     = 15
	maxLease     = 3600
)

func checkLease(c *fault.Check, in graphql.Omittable[*int32]) time.Duration {
	n := input.Or(in, defaultLease)
	if n < minLease || n > maxLease {
		c.At("leaseSeconds").Add(fault.OutOfRange, "A lease has %d to %d seconds.", minLease, maxLease)
	}
	return time.Duration(n) * time.Second
}

// RenewCallTaskInput is what renewCallTask needs.
type RenewCallTaskInput struct {
	ID           relay.ID
	LeaseSeconds graphql.Omittable[*int32]
	CallStarted  graphql.Omittable[*bool]
}

// CompleteCallTaskInput is what completeCallTask needs.
type CompleteCallTaskInput struct {
	ID         relay.ID
	Outcome    calling.CallOutcome
	StartedAt  graphql.Omittable[*time.Time]
	LoanIDs    graphql.Omittable[[]relay.ID]
	CallbackAt graphql.Omittable[*time.Time]
	Note       graphql.Omittable[*string]
}

// CancelCallTaskInput is what cancelCallTask needs.
type CancelCallTaskInput struct {
	ID     relay.ID
	Reason string
}

// RecordCallInput is what recordCall needs.
type RecordCallInput struct {
	CustomerRef
	Direction   calling.CallDirection
	PhoneNumber graphql.Omittable[*string]
	Outcome     calling.CallOutcome
	OccurredAt  graphql.Omittable[*time.Time]
	LoanIDs     graphql.Omittable[[]relay.ID]
}

// AddInconvenientTimeInput is what addInconvenientTime needs.
type AddInconvenientTimeInput struct {
	CustomerRef
	Days     []calling.Weekday
	StartsAt civil.LocalTime
	EndsAt   civil.LocalTime
	Note     graphql.Omittable[*string]
}

// RemoveInconvenientTimeInput is what removeInconvenientTime needs.
type RemoveInconvenientTimeInput struct{ ID relay.ID }
