package calling

import (
	"database/sql/driver"
	"fmt"
	"io"
	"strconv"
	"time"

	"caseload/internal/civil"
)

// WallTime is a date and a time on the wall clock, without a zone: a timestamp column.
type WallTime struct {
	Date  civil.Date
	Clock civil.LocalTime
}

const wallForm = "2006-01-02T15:04:05"

// String returns the form 2026-03-09T08:30:00.
func (w WallTime) String() string { return w.Date.String() + "T" + w.Clock.String() + ":00" }

// Value implements driver.Valuer.
func (w WallTime) Value() (driver.Value, error) { return w.String(), nil }

// PGType names the column's type.
func (WallTime) PGType() string { return "timestamp" }

// Scan implements sql.Scanner. lib/pq reads a timestamp as if it were UTC.
func (w *WallTime) Scan(src any) error {
	t, ok := src.(time.Time)
	if !ok {
		return fmt.Errorf("scan %T as wall time", src)
	}
	*w = WallTime{civil.DateIn(t, time.UTC), civil.LocalTimeIn(t, time.UTC)}
	return nil
}

// MarshalGQL writes the form 2026-03-09T08:30:00.
func (w WallTime) MarshalGQL(out io.Writer) { _, _ = io.WriteString(out, strconv.Quote(w.String())) }

// UnmarshalGQL reads the same form.
func (w *WallTime) UnmarshalGQL(v any) error {
	s, _ := v.(string)
	t, err := time.Parse(wallForm, s)
	if err != nil {
		return fmt.Errorf("a wall time has the form 2026-03-09T08:30:00")
	}
	return w.Scan(t)
}
