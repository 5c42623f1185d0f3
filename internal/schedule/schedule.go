package schedule

import (
	"errors"
	"time"

	"github.com/google/uuid"

	"caseload/internal/calling"
	"caseload/internal/civil"
	"caseload/internal/db"
	"caseload/internal/pii"
	"caseload/internal/relay"
)

// ScheduleStatus says whether a schedule is in force.
type ScheduleStatus string

// The statuses of a schedule.
const (
	Active     ScheduleStatus = "ACTIVE"
	Superseded ScheduleStatus = "SUPERSEDED"
	Exhausted  ScheduleStatus = "EXHAUSTED"
	Stopped    ScheduleStatus = "STOPPED"
)

// Schedule is a customer's plan of calls by one task type. One schedule of a customer is active at a time;
// a unique index sees to it.
type Schedule struct {
	db.Row
	CustomerID   uuid.UUID      `db:"customer_id"`
	TaskTypeID   uuid.UUID      `db:"task_type_id"`
	LoanID       *uuid.UUID     `db:"loan_id"`
	Status       ScheduleStatus `db:"status"`
	PlanNumber   int32          `db:"plan_number"`
	AttemptsMade int32          `db:"attempts_made"`
	TimeZone     string         `db:"time_zone"`
	PlannedAt    time.Time      `db:"planned_at"`
	PlannedUntil *time.Time     `db:"planned_until"`
	Version      int32          `db:"version"`
	CreatedAt    time.Time      `db:"created_at"`
	UpdatedAt    time.Time      `db:"updated_at"`
	CreatedBy    string         `db:"created_by"`
	UpdatedBy    string         `db:"updated_by"`
}

// Schedules declares the schedules.
var Schedules = db.NewTable[Schedule]("schedules", "sched")

// ID returns the typed id.
func (s *Schedule) ID() relay.ID { return relay.ID{Prefix: Schedules.Prefix(), UUID: s.UUID} }

// CallTask is one planned call.
type CallTask struct {
	db.Row
	CustomerID     uuid.UUID             `db:"customer_id"`
	ScheduleID     uuid.UUID             `db:"schedule_id"`
	TaskTypeID     uuid.UUID             `db:"task_type_id"`
	LoanID         *uuid.UUID            `db:"loan_id"`
	PlanNumber     int32                 `db:"plan_number"`
	AttemptNumber  int32                 `db:"attempt_number"`
	State          calling.CallTaskState `db:"state"`
	Priority       int32                 `db:"priority"`
	DueAt          time.Time             `db:"due_at"`
	DueLocal       calling.WallTime      `db:"due_local"`
	TimeZone       string                `db:"time_zone"`
	WindowEndsAt   time.Time             `db:"window_ends_at"`
	ClaimedBy      *string               `db:"claimed_by"`
	ClaimedAt      *time.Time            `db:"claimed_at"`
	LeaseExpiresAt *time.Time            `db:"lease_expires_at"`
	FinishedAt     *time.Time            `db:"finished_at"`
	Outcome        *calling.CallOutcome  `db:"outcome"`
	Note           *string               `db:"note"`
	SkipReason     *string               `db:"skip_reason"`
	OverrideReason *string               `db:"override_reason"`
	// DialedNumber is the number that the dialer was given; nil before the task is claimed.
	DialedNumber *string   `db:"dialed_number"`
	Version      int32     `db:"version"`
	CreatedAt    time.Time `db:"created_at"`
	UpdatedAt    time.Time `db:"updated_at"`
}

// CallTasks declares the call tasks.
var CallTasks = db.NewTable[CallTask]("call_tasks", "task")

// ID returns the typed id.
func (t *CallTask) ID() relay.ID { return relay.ID{Prefix: CallTasks.Prefix(), UUID: t.UUID} }

// Computed declares the fields that are not columns, for compiled reads.
func (*CallTask) Computed(*pii.Sealer) map[string]db.Computed {
	return map[string]db.Computed{"dueLocal": {Columns: []string{"due_local"}, Value: func(cells [][]byte) (any, error) {
		// A timestamp without zone, as [calling.WallTime] writes it: without its seconds.
		raw := cells[0]
		if len(raw) < 19 || raw[4] != '-' || raw[10] != ' ' || raw[13] != ':' {
			return nil, errors.New("write wall time: unexpected form")
		}
		return string(raw[:10]) + "T" + string(raw[11:16]) + ":00", nil
	}}}
}

// DueLocalText is DueLocal in the form 2026-03-09T08:30:00.
func (t *CallTask) DueLocalText() string { return t.DueLocal.String() }

// CallAttempt is a call that was really tried. Attempts outlive plans: the frequency rules count them.
type CallAttempt struct {
	db.Row
	CustomerID  uuid.UUID             `db:"customer_id"`
	TaskID      *uuid.UUID            `db:"task_id"`
	Direction   calling.CallDirection `db:"direction"`
	PhoneNumber string                `db:"phone_number"`
	Place       calling.Place         `db:"place"`
	LoanIDs     db.UUIDs              `db:"loan_ids"`
	Outcome     *calling.CallOutcome  `db:"outcome"`
	OccurredAt  time.Time             `db:"occurred_at"`
	CreatedAt   time.Time             `db:"created_at"`
	CreatedBy   string                `db:"created_by"`
}

// CallAttempts declares the call attempts.
var CallAttempts = db.NewTable[CallAttempt]("call_attempts", "call")

// ID returns the typed id.
func (a *CallAttempt) ID() relay.ID { return relay.ID{Prefix: CallAttempts.Prefix(), UUID: a.UUID} }

// attempt returns the attempt as the rules take it.
func (a *CallAttempt) attempt() calling.Attempt {
	out := calling.Attempt{At: a.OccurredAt, Direction: a.Direction, Phone: a.PhoneNumber, Place: a.Place, Debts: a.LoanIDs}
	if a.Outcome != nil {
		out.Outcome = *a.Outcome
	}
	return out
}

// InconvenientTime is a time of the week that a customer called inconvenient, as it is stored.
type InconvenientTime struct {
	db.Row
	CustomerID uuid.UUID        `db:"customer_id"`
	DaySet     calling.Weekdays `db:"days"`
	StartsAt   civil.LocalTime  `db:"starts_at"`
	EndsAt     civil.LocalTime  `db:"ends_at"`
	Note       *string          `db:"note"`
	CreatedAt  time.Time        `db:"created_at"`
	CreatedBy  string           `db:"created_by"`
}

// InconvenientTimes declares the inconvenient times.
var InconvenientTimes = db.NewTable[InconvenientTime]("inconvenient_times", "itime")

// ID returns the typed id.
func (i *InconvenientTime) ID() relay.ID {
	return relay.ID{Prefix: InconvenientTimes.Prefix(), UUID: i.UUID}
}

// Computed declares the fields that are not columns, for compiled reads.
func (*InconvenientTime) Computed(*pii.Sealer) map[string]db.Computed {
	return map[string]db.Computed{"days": days("days")}
}

// Days returns the days of the week, Monday first.
func (i *InconvenientTime) Days() []calling.Weekday { return i.DaySet.List() }
