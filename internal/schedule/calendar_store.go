package schedule

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"caseload/internal/audit"
	"caseload/internal/calling"
	"caseload/internal/civil"
	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/viewer"
)

// everywhere is how clients and tables name the whole country; the rules name it "".
const everywhere = "US"

// CallingWindow is a row of state_windows, the law, or of organization_windows.
type CallingWindow struct {
	State      string           `db:"state"`
	DaySet     calling.Weekdays `db:"days"`
	OnHolidays bool             `db:"on_holidays"`
	IsClosed   bool             `db:"is_closed"`
	OpensAt    *civil.LocalTime `db:"opens_at"`
	ClosesAt   *civil.LocalTime `db:"closes_at"`
	// PurposeNames are empty when the window is for all purposes.
	PurposeNames pq.StringArray `db:"purposes"`
	IsOwn        bool           `db:"is_own"`
	Source       string         `db:"source"`
	AsOf         civil.Date     `db:"as_of"`
}

// Days returns the days of the week, Monday first.
func (w *CallingWindow) Days() []calling.Weekday { return w.DaySet.List() }

// Purposes returns the purposes of the calls that the window is for.
func (w *CallingWindow) Purposes() []calling.CallPurpose {
	if len(w.PurposeNames) == 0 {
		return calling.CallPurposes
	}
	return w.appliesTo()
}

func (w *CallingWindow) appliesTo() []calling.CallPurpose {
	out := make([]calling.CallPurpose, len(w.PurposeNames))
	for i, name := range w.PurposeNames {
		out[i] = calling.CallPurpose(name)
	}
	return out
}

// rule returns the window as the rules take it.
func (w *CallingWindow) rule() calling.StateWindow {
	out := calling.StateWindow{State: ruleState(w.State), Weekdays: w.DaySet, Holiday: w.OnHolidays, Closed: w.IsClosed, AppliesTo: w.appliesTo(), Source: w.Source, AsOf: w.AsOf}
	if w.OpensAt != nil && w.ClosesAt != nil {
		out.From, out.To = *w.OpensAt, *w.ClosesAt
	}
	return out
}

// CallingHoliday is a holiday of the law or of the organization, as clients see it.
type CallingHoliday struct {
	State       string     `db:"state"`
	Date        civil.Date `db:"on_date"`
	Name        string     `db:"name"`
	ClosesCalls bool       `db:"closes_calls"`
	IsOwn       bool       `db:"is_own"`
	Source      string     `db:"source"`
	AsOf        civil.Date `db:"as_of"`
}

// windowsSQL reads the law and what the organization adds to it.
const windowsSQL = `
	SELECT state, days, on_holidays, is_closed, opens_at, closes_at, purposes, false AS is_own, source, as_of FROM state_windows
	UNION ALL
	SELECT state, days, on_holidays, is_closed, opens_at, closes_at, purposes, true, source, as_of FROM organization_windows WHERE organization_id = $1
	ORDER BY state, on_holidays, days, is_own`

const holidaysSQL = `
	SELECT state, on_date, name, closes_calls, false AS is_own, source, as_of FROM state_holidays WHERE on_date BETWEEN $2 AND $3
	UNION ALL
	SELECT state, on_date, name, closes_calls, true, source, as_of FROM organization_holidays WHERE organization_id = $1 AND on_date BETWEEN $2 AND $3
	ORDER BY on_date, state, is_own`

// calendarYears is how far around now the holidays of a compiled calendar reach.
const calendarYears = 2

// calendar returns the compiled law with the organization's own tightening.
func (s *Service) calendar(ctx context.Context, organizationID uuid.UUID) (*calling.Calendar, error) {
	return s.calendars.Get(ctx, organizationID, func(ctx context.Context) (*calling.Calendar, error) {
		rows, err := readWindows(ctx, s.pool, organizationID)
		if err != nil {
			return nil, err
		}
		windows := make([]calling.StateWindow, len(rows))
		for i, w := range rows {
			windows[i] = w.rule()
		}
		today := civil.DateIn(s.now(), time.UTC)
		found, err := readHolidays(ctx, s.pool, organizationID, today.AddDays(-calendarYears*366), today.AddDays(calendarYears*366))
		if err != nil {
			return nil, err
		}
		holidays := make([]calling.Holiday, len(found))
		for i, h := range found {
			holidays[i] = calling.Holiday{State: h.State, Date: h.Date, Name: h.Name, ClosesCalls: h.ClosesCalls, Source: h.Source, AsOf: h.AsOf}
		}
		return calling.NewCalendar(calling.FederalLimits(), windows, holidays)
	})
}

func readWindows(ctx context.Context, q db.Querier, organizationID uuid.UUID) ([]*CallingWindow, error) {
	// Not nil, which clients would see as null.
	rows := []*CallingWindow{}
	if err := q.Select(ctx, &rows, windowsSQL, organizationID); err != nil {
		return nil, fmt.Errorf("read calling windows: %w", err)
	}
	return rows, nil
}

func readHolidays(ctx context.Context, q db.Querier, organizationID uuid.UUID, from, to civil.Date) ([]*CallingHoliday, error) {
	// Not nil, which clients would see as null.
	rows := []*CallingHoliday{}
	if err := q.Select(ctx, &rows, holidaysSQL, organizationID, from, to); err != nil {
		return nil, fmt.Errorf("read holidays: %w", err)
	}
	return rows, nil
}

// CallingWindows returns the law and the organization's own windows, of one state or of all.
func (s *Service) CallingWindows(ctx context.Context, v *viewer.Viewer, state *string) ([]*CallingWindow, error) {
	rows, err := readWindows(ctx, s.pool, v.OrganizationID)
	return slices.DeleteFunc(rows, func(w *CallingWindow) bool { return !concerns(w.State, state) }), err
}

// concerns reports whether a window or holiday is one of a state; nil stands for all of them.
func concerns(of string, state *string) bool { return state == nil || of == *state || of == everywhere }

// holidaySpan bounds the days that one question about holidays may cover.
const holidaySpan = 5 * 366

// CallingHolidays returns the holidays from one day to another, of one state with the federal ones, or of all.
func (s *Service) CallingHolidays(ctx context.Context, v *viewer.Viewer, state *string, from, to *civil.Date) ([]*CallingHoliday, error) {
	first := civil.DateIn(s.now(), time.UTC)
	if from != nil {
		first = *from
	}
	last := first.AddDays(365)
	if to != nil {
		last = *to
	}
	if last.Before(first) || last.DaysSince(first) > holidaySpan {
		return nil, fault.New(fault.BadUserInput, "to must not be before from, nor more than five years after it.")
	}
	rows, err := readHolidays(ctx, s.pool, v.OrganizationID, first, last)
	return slices.DeleteFunc(rows, func(h *CallingHoliday) bool { return !concerns(h.State, state) }), err
}

// readState returns the code of a state, or of all of them; what is wrong is recorded at state.
func readState(c *fault.Check, text string) string {
	const maxState = 50
	state := input.Text(c.At("state"), text, maxState)
	if state != "" && state != everywhere && !customer.IsState(state) {
		c.At("state").Add(fault.Invalid, "Give the two-letter code of a state or territory, such as CA, or US for all.")
	}
	return state
}

// readDays returns the set of at least one day; what is wrong is recorded at days.
func readDays(c *fault.Check, days []calling.Weekday) calling.Weekdays {
	set, err := calling.WeekdaysOf(days...)
	if err != nil || set == calling.NoDays {
		c.At("days").Add(fault.Required, "Name at least one day of the week.")
	}
	return set
}

// TightenCallingWindow sets the organization's own hours for a state and days. Hours that would loosen the law are refused,
// although the law would be applied anyway. Safe to repeat.
func (s *Service) TightenCallingWindow(ctx context.Context, v *viewer.Viewer, in TightenCallingWindowInput) (*CallingWindow, error) {
	c := fault.NewCheck("input")
	row := &CallingWindow{State: readState(c, in.State), DaySet: readDays(c, in.Days), OnHolidays: input.Or(in.OnHolidays, false), IsClosed: input.Or(in.IsClosed, false),
		OpensAt: in.OpensAt.Value(), ClosesAt: in.ClosesAt.Value(), PurposeNames: pq.StringArray{}, IsOwn: true, Source: "the organization's own rule", AsOf: civil.DateIn(s.now(), time.UTC)}
	for _, p := range in.Purposes.Value() {
		row.PurposeNames = append(row.PurposeNames, string(p))
	}
	note := &row.Source
	input.ClearNote(c.At("note"), in.Note, 500, &note)
	if note != nil {
		row.Source = *note
	}
	switch {
	case row.IsClosed && (row.OpensAt != nil || row.ClosesAt != nil):
		c.At("isClosed").Add(fault.Invalid, "A closed day has no hours: leave opensAt and closesAt out.")
	case !row.IsClosed && (row.OpensAt == nil || row.ClosesAt == nil):
		c.At("opensAt").Add(fault.Required, "Give opensAt and closesAt, or isClosed: true.")
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	law, err := readWindows(ctx, s.pool, uuid.Nil)
	if err != nil {
		return nil, err
	}
	own := row.rule()
	if err := own.Validate(); err != nil {
		c.At("opensAt").Add(fault.Invalid, "%v.", err)
		return nil, c.Err()
	}
	federal := calling.FederalLimits()
	base := []calling.StateWindow{{Weekdays: calling.EveryDay, Holiday: own.Holiday, From: federal.Window.From, To: federal.Window.To, Source: federal.WindowCitation.Source}}
	for _, w := range law {
		base = append(base, w.rule())
	}
	for _, b := range base {
		if err := calling.Stricter(b, own); err != nil {
			c.Add(fault.NotAllowed, "%v.", err)
			return nil, c.Err()
		}
	}
	return db.InTx(ctx, s.pool, s.now(), func(tx *db.Tx) (*CallingWindow, error) {
		if _, err := tx.Exec(ctx, `
			INSERT INTO organization_windows AS w (organization_id, id, state, days, on_holidays, is_closed, opens_at, closes_at, purposes, source, as_of, created_at, created_by)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
			ON CONFLICT (organization_id, state, days, on_holidays) DO UPDATE SET
				is_closed = excluded.is_closed, opens_at = excluded.opens_at, closes_at = excluded.closes_at,
				purposes = excluded.purposes, source = excluded.source, as_of = excluded.as_of`,
			v.OrganizationID, db.NewID(), row.State, row.DaySet, row.OnHolidays, row.IsClosed, row.OpensAt, row.ClosesAt, row.PurposeNames, row.Source, row.AsOf, tx.Now, v.ActorText()); err != nil {
			return nil, db.Refused(err, "input")
		}
		return row, s.lawChanged(ctx, tx, v, "calling_window.tightened", map[string]any{"state": row.State, "days": row.DaySet.String(), "opensAt": row.OpensAt, "closesAt": row.ClosesAt, "isClosed": row.IsClosed})
	})
}

// AddCallingHoliday adds a day off for the organization. Safe to repeat.
func (s *Service) AddCallingHoliday(ctx context.Context, v *viewer.Viewer, in AddCallingHolidayInput) (*CallingHoliday, error) {
	c := fault.NewCheck("input")
	state := readState(c, in.State)
	name := input.Text(c.At("name"), in.Name, 255)
	if err := c.Err(); err != nil {
		return nil, err
	}
	h := &CallingHoliday{State: state, Date: in.Date, Name: name, ClosesCalls: input.Or(in.ClosesCalls, true), IsOwn: true, Source: "the organization's own rule", AsOf: civil.DateIn(s.now(), time.UTC)}
	return db.InTx(ctx, s.pool, s.now(), func(tx *db.Tx) (*CallingHoliday, error) {
		if _, err := tx.Exec(ctx, `
			INSERT INTO organization_holidays (organization_id, id, state, on_date, name, closes_calls, source, as_of, created_at, created_by)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
			ON CONFLICT (organization_id, state, on_date) DO UPDATE SET name = excluded.name, closes_calls = excluded.closes_calls`,
			v.OrganizationID, db.NewID(), h.State, h.Date, h.Name, h.ClosesCalls, h.Source, h.AsOf, tx.Now, v.ActorText()); err != nil {
			return nil, db.Refused(err, "input")
		}
		return h, s.lawChanged(ctx, tx, v, "calling_holiday.added", map[string]any{"state": h.State, "date": h.Date, "name": h.Name, "closesCalls": h.ClosesCalls})
	})
}

// lawChanged audits a change of the organization's rules and makes every process read them again.
func (s *Service) lawChanged(ctx context.Context, tx *db.Tx, v *viewer.Viewer, action string, fields map[string]any) error {
	tx.AfterCommit(func() { s.calendars.Changed(v.OrganizationID, v.OrganizationID, action, tx.Now) })
	return audit.Write(ctx, tx, v, audit.Change{Action: action, Target: organizationID(v), Fields: fields})
}

// LoadLaw writes the standard windows and holidays into their tables, for the years around a date. Rows
// that were changed or added by hand stay. Safe to repeat; the server does it at start.
func LoadLaw(ctx context.Context, pool *db.Pool, now time.Time) error {
	for _, w := range calling.StandardStateWindows() {
		purposes := pq.StringArray{}
		for _, p := range w.AppliesTo {
			purposes = append(purposes, string(p))
		}
		var from, to *civil.LocalTime
		if !w.Closed {
			from, to = &w.From, &w.To
		}
		if _, err := pool.Exec(ctx, `
			INSERT INTO state_windows (state, days, on_holidays, is_closed, opens_at, closes_at, purposes, source, as_of)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
			cmp.Or(w.State, everywhere), w.Weekdays, w.Holiday, w.Closed, from, to, purposes, w.Source, w.AsOf); err != nil {
			return fmt.Errorf("load state windows: %w", err)
		}
	}
	for _, h := range calling.StandardHolidays(now.Year()-1, now.Year()+calendarYears+1) {
		if _, err := pool.Exec(ctx, `
			INSERT INTO state_holidays (state, on_date, name, closes_calls, source, as_of)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
			cmp.Or(h.State, everywhere), h.Date, h.Name, h.ClosesCalls, h.Source, h.AsOf); err != nil {
			return fmt.Errorf("load holidays: %w", err)
		}
	}
	return nil
}

// ruleState returns the state of a row as the rules name it.
func ruleState(state string) string {
	if state == everywhere {
		return ""
	}
	return state
}
