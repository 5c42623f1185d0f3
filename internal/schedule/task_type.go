package schedule

import (
	"database/sql/driver"
	"strconv"
	"time"

	"github.com/lib/pq"

	"caseload/internal/calling"
	"caseload/internal/civil"
	"caseload/internal/db"
	"caseload/internal/entity"
	"caseload/internal/pii"
	"caseload/internal/relay"
)

// TaskType is an organization's kind of call task: a cadence and its rules. Integrators name it as taskType.
type TaskType struct {
	entity.Row
	Name               string                  `db:"name" audit:"name"`
	Description        *string                 `db:"description"`
	Purpose            calling.CallPurpose     `db:"purpose" audit:"purpose"`
	MaxAttempts        int32                   `db:"max_attempts"`
	MaxAttemptsPerDay  int32                   `db:"max_attempts_per_day"`
	MinIntervalMinutes int32                   `db:"min_interval_minutes"`
	HorizonDays        int32                   `db:"horizon_days"`
	DaySet             calling.Weekdays        `db:"days"`
	WindowFrom         civil.LocalTime         `db:"window_from"`
	WindowTo           civil.LocalTime         `db:"window_to"`
	Preferred          LocalTimes              `db:"preferred_times"`
	SkipHolidays       bool                    `db:"skip_holidays"`
	JitterMinutes      int32                   `db:"jitter_minutes"`
	EndGuardMinutes    int32                   `db:"end_guard_minutes"`
	RegulationF        calling.RegulationFMode `db:"reg_f_mode"`
	PerPhone24hLimit   int32                   `db:"per_phone_24h_limit"`
	OnExhausted        calling.OnExhausted     `db:"on_exhausted"`
	QuietBehavior      calling.QuietBehavior   `db:"quiet_behavior"`
	Priority           int32                   `db:"priority"`
	ArchivedAt         *time.Time              `db:"archived_at"`
}

// TaskTypes declares the task types.
var TaskTypes = entity.New[TaskType]("task_types", "tt", "task type")

// ID returns the typed id.
func (t *TaskType) ID() relay.ID { return TaskTypes.ID(t) }

// Days returns the days of the week on which calls are made, Monday first.
func (t *TaskType) Days() []calling.Weekday { return t.DaySet.List() }

// PreferredTimes returns the times of the day that are tried first.
func (t *TaskType) PreferredTimes() []*civil.LocalTime {
	out := make([]*civil.LocalTime, len(t.Preferred))
	for i := range t.Preferred {
		out[i] = &t.Preferred[i]
	}
	return out
}

// Computed declares the fields that are not columns, for compiled reads.
func (*TaskType) Computed(*pii.Sealer) map[string]db.Computed {
	return map[string]db.Computed{"days": days("days"), "preferredTimes": {Columns: []string{"preferred_times"}, Value: func(cells [][]byte) (any, error) {
		var times LocalTimes
		if err := times.Scan(cells[0]); err != nil {
			return nil, err
		}
		out := make([]string, len(times))
		for i, t := range times {
			out[i] = t.String()
		}
		return out, nil
	}}}
}

// days is a column of [calling.Weekdays].
func days(column string) db.Computed {
	return db.Computed{Columns: []string{column}, Value: func(cells [][]byte) (any, error) {
		bits, err := strconv.ParseInt(string(cells[0]), 10, 64)
		if err != nil {
			return nil, err
		}
		var set calling.Weekdays
		if err := set.Scan(bits); err != nil {
			return nil, err
		}
		out := []string{}
		for _, day := range set.List() {
			out = append(out, string(day))
		}
		return out, nil
	}}
}

// Policy returns the cadence as the planner takes it.
func (t *TaskType) Policy() calling.Policy {
	return calling.Policy{
		Purpose: t.Purpose, MaxAttempts: int(t.MaxAttempts), MaxAttemptsPerDay: int(t.MaxAttemptsPerDay),
		MinIntervalMinutes: int(t.MinIntervalMinutes), HorizonDays: int(t.HorizonDays), Days: t.DaySet,
		Window: calling.Window{From: t.WindowFrom, To: t.WindowTo}, PreferredTimes: t.Preferred, SkipHolidays: t.SkipHolidays,
		JitterMinutes: int(t.JitterMinutes), RegF: t.RegulationF, PerPhone24hLimit: int(t.PerPhone24hLimit),
		OnExhausted: t.OnExhausted, QuietBehavior: t.QuietBehavior, Priority: int(t.Priority), EndGuardMinutes: int(t.EndGuardMinutes),
	}
}

// setPolicy stores a policy in the task type.
func (t *TaskType) setPolicy(p calling.Policy) {
	t.Purpose, t.MaxAttempts, t.MaxAttemptsPerDay = p.Purpose, int32(p.MaxAttempts), int32(p.MaxAttemptsPerDay)
	t.MinIntervalMinutes, t.HorizonDays, t.DaySet = int32(p.MinIntervalMinutes), int32(p.HorizonDays), p.Days
	t.WindowFrom, t.WindowTo, t.Preferred, t.SkipHolidays = p.Window.From, p.Window.To, p.PreferredTimes, p.SkipHolidays
	t.JitterMinutes, t.RegulationF, t.PerPhone24hLimit = int32(p.JitterMinutes), p.RegF, int32(p.PerPhone24hLimit)
	t.OnExhausted, t.QuietBehavior, t.Priority, t.EndGuardMinutes = p.OnExhausted, p.QuietBehavior, int32(p.Priority), int32(p.EndGuardMinutes)
}

// LocalTimes is a time[] column; it is never NULL.
type LocalTimes []civil.LocalTime

// PGType names the column's type.
func (LocalTimes) PGType() string { return "time[]" }

// Value implements driver.Valuer.
func (l LocalTimes) Value() (driver.Value, error) {
	texts := make([]string, len(l))
	for i, t := range l {
		texts[i] = t.String()
	}
	return pq.StringArray(texts).Value()
}

// Scan implements sql.Scanner.
func (l *LocalTimes) Scan(src any) error {
	var texts pq.StringArray
	if err := texts.Scan(src); err != nil {
		return err
	}
	out := make(LocalTimes, len(texts))
	for i, text := range texts {
		if err := out[i].Scan(text); err != nil {
			return err
		}
	}
	*l = out
	return nil
}
