package schedule_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/calling"
	"caseload/internal/civil"
	"caseload/internal/dbtest"
	"caseload/internal/fault"
	"caseload/internal/relay"
	"caseload/internal/schedule"
)

func uuidOf(n byte) uuid.UUID { return uuid.UUID{15: n, 6: 0x70, 8: 0x80} }

func TestTaskTypeFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	typ := w.taskType(t, "collections", nil)
	require.Equal(t, calling.Default(), withoutTimes(typ.Policy()))
	type number struct {
		name      string
		field     func(*schedule.Cadence) *graphql.Omittable[*int32]
		low, high int32
		stored    func(*schedule.TaskType) int32
	}
	for _, n := range []number{
		{"maxAttempts", func(c *schedule.Cadence) *graphql.Omittable[*int32] { return &c.MaxAttempts }, 1, 50, func(t *schedule.TaskType) int32 { return t.MaxAttempts }},
		{"maxAttemptsPerDay", func(c *schedule.Cadence) *graphql.Omittable[*int32] { return &c.MaxAttemptsPerDay }, 1, 7, func(t *schedule.TaskType) int32 { return t.MaxAttemptsPerDay }},
		{"minIntervalMinutes", func(c *schedule.Cadence) *graphql.Omittable[*int32] { return &c.MinIntervalMinutes }, 15, 10080, func(t *schedule.TaskType) int32 { return t.MinIntervalMinutes }},
		{"horizonDays", func(c *schedule.Cadence) *graphql.Omittable[*int32] { return &c.HorizonDays }, 1, 90, func(t *schedule.TaskType) int32 { return t.HorizonDays }},
		{"jitterMinutes", func(c *schedule.Cadence) *graphql.Omittable[*int32] { return &c.JitterMinutes }, 0, 240, func(t *schedule.TaskType) int32 { return t.JitterMinutes }},
		{"endGuardMinutes", func(c *schedule.Cadence) *graphql.Omittable[*int32] { return &c.EndGuardMinutes }, 0, 60, func(t *schedule.TaskType) int32 { return t.EndGuardMinutes }},
		{"perPhone24hLimit", func(c *schedule.Cadence) *graphql.Omittable[*int32] { return &c.PerPhone24hLimit }, 1, 20, func(t *schedule.TaskType) int32 { return t.PerPhone24hLimit }},
		{"priority", func(c *schedule.Cadence) *graphql.Omittable[*int32] { return &c.Priority }, 1, 9, func(t *schedule.TaskType) int32 { return t.Priority }},
	} {
		update := func(v graphql.Omittable[*int32]) (*schedule.TaskType, error) {
			var in schedule.UpdateTaskTypeInput
			*n.field(&in.Cadence) = v
			in.ID = typ.ID()
			return w.UpdateTaskType(t.Context(), w.Viewer, in)
		}
		for _, v := range []int32{n.low, n.high} {
			got, err := update(val(v))
			require.NoError(t, err, n.name)
			require.Equal(t, v, n.stored(got), n.name)
			found, err := schedule.TaskTypes.ByID(t.Context(), w.Pool, w.Viewer.Scope(), typ.UUID)
			require.NoError(t, err)
			require.Equal(t, v, n.stored(found), n.name)
			require.Equal(t, got.Version, found.Version, n.name)
		}
		for _, v := range []int32{n.low - 1, n.high + 1, -1 << 31, 1<<31 - 1} {
			_, err := update(val(v))
			require.Equal(t, []string{"OUT_OF_RANGE input." + n.name}, refused(t, err), n.name)
		}
		_, err := update(null[int32]())
		require.Equal(t, []string{"REQUIRED input." + n.name}, refused(t, err), n.name)
	}
	at := func(text string) civil.LocalTime { return clock(t, text) }
	for want, in := range map[string]schedule.Cadence{
		"REQUIRED input.purpose":                      {Purpose: null[calling.CallPurpose]()},
		"REQUIRED input.windowFrom":                   {WindowFrom: null[civil.LocalTime]()},
		"REQUIRED input.windowTo":                     {WindowTo: null[civil.LocalTime]()},
		"REQUIRED input.skipHolidays":                 {SkipHolidays: null[bool]()},
		"REQUIRED input.regulationF":                  {RegulationF: null[calling.RegulationFMode]()},
		"REQUIRED input.onExhausted":                  {OnExhausted: null[calling.OnExhausted]()},
		"REQUIRED input.quietBehavior":                {QuietBehavior: null[calling.QuietBehavior]()},
		"REQUIRED input.days":                         {Days: graphql.OmittableOf[[]calling.Weekday](nil)},
		"REQUIRED input.preferredTimes":               {PreferredTimes: graphql.OmittableOf[[]civil.LocalTime](nil)},
		"INVALID input.days":                          {Days: list[calling.Weekday]()},
		"NOT_ALLOWED input.windowFrom":                {WindowFrom: val(at("07:00"))},
		"INVALID input.windowFrom":                    {WindowFrom: val(at("20:00")), WindowTo: val(at("19:00"))},
		"OUT_OF_RANGE input.preferredTimes.1":         {PreferredTimes: list(at("09:00"), at("21:30"))},
		"DUPLICATE_INPUT_ITEM input.preferredTimes.1": {PreferredTimes: list(at("09:00"), at("09:00"))},
	} {
		_, err := w.UpdateTaskType(t.Context(), w.Viewer, schedule.UpdateTaskTypeInput{ID: typ.ID(), Cadence: in})
		require.Equal(t, []string{want}, refused(t, err))
	}
	full := schedule.UpdateTaskTypeInput{Description: val("What it is for"), Cadence: schedule.Cadence{
		Purpose: val(calling.Solicitation), Days: list(calling.AllWeekdays[:5]...), WindowFrom: val(at("09:00")), WindowTo: val(at("18:00")),
		PreferredTimes: list(at("09:30"), at("17:00")), SkipHolidays: val(true), RegulationF: val(calling.RegFWarn),
		OnExhausted: val(calling.ExhaustedEmitEvent), QuietBehavior: val(calling.QuietAbort),
	}}
	full.ID = typ.ID()
	got, err := w.UpdateTaskType(t.Context(), w.Viewer, full)
	require.NoError(t, err)
	found, err := schedule.TaskTypes.ByID(t.Context(), w.Pool, w.Viewer.Scope(), typ.UUID)
	require.NoError(t, err)
	require.Equal(t, got.Policy(), found.Policy())
	require.Len(t, found.Preferred, 2)
	require.Equal(t, "What it is for", *found.Description)
	all := w.Dump(t)
	for _, same := range []schedule.UpdateTaskTypeInput{full, {}} {
		same.ID = typ.ID()
		again, err := w.UpdateTaskType(t.Context(), w.Viewer, same)
		require.NoError(t, err)
		require.Equal(t, found.Version, again.Version)
	}
	require.Equal(t, all, w.Dump(t), "what changes nothing writes nothing")
	got, err = w.UpdateTaskType(t.Context(), w.Viewer, schedule.UpdateTaskTypeInput{ID: typ.ID(), Description: null[string](), Cadence: schedule.Cadence{PreferredTimes: list[civil.LocalTime]()}})
	require.NoError(t, err)
	require.Nil(t, got.Description)
	require.Empty(t, got.Preferred)

	_, err = w.UpdateTaskType(t.Context(), w.Viewer, schedule.UpdateTaskTypeInput{ID: typ.ID(), ExpectedVersion: val(got.Version - 1), Description: val(strings.Repeat("x", 1001)), Cadence: schedule.Cadence{Priority: val[int32](0)}})
	require.Equal(t, []string{"STALE_VERSION input.expectedVersion", "TOO_LONG input.description", "OUT_OF_RANGE input.priority"}, refused(t, err))
	full.ID = relay.ID{Prefix: "tt", UUID: uuid.New()}
	_, err = w.UpdateTaskType(t.Context(), w.Viewer, full)
	require.Equal(t, []string{"NOT_FOUND input.id"}, refused(t, err))
	full.ID = typ.ID()
	_, err = w.UpdateTaskType(t.Context(), dbtest.NewViewer(uuidOf(9)), full)
	require.Equal(t, []string{"NOT_FOUND input.id"}, refused(t, err))
}

func withoutTimes(p calling.Policy) calling.Policy {
	p.PreferredTimes = nil
	return p
}

func TestTaskTypeNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	typ := w.taskType(t, "a-b_9", nil)
	for name, want := range map[string]string{
		"": "BLANK", "Upper": "INVALID", "9x": "INVALID", "with space": "INVALID", strings.Repeat("a", 65): "TOO_LONG", "a-b_9": "TAKEN",
	} {
		_, err := w.CreateTaskType(t.Context(), w.Viewer, schedule.CreateTaskTypeInput{Name: name, Purpose: calling.Collection})
		require.Equal(t, []string{want + " input.name"}, refused(t, err), name)
	}
	_, err := w.CreateTaskType(t.Context(), w.Viewer, schedule.CreateTaskTypeInput{Name: "other", Purpose: "MARKETING", Cadence: schedule.Cadence{Priority: val[int32](10)}})
	require.Equal(t, []string{"OUT_OF_RANGE input.priority", "INVALID input.purpose"}, refused(t, err))
	_, err = w.CreateTaskType(t.Context(), dbtest.NewViewer(uuidOf(9)), schedule.CreateTaskTypeInput{Name: "a-b_9", Purpose: calling.Collection})
	require.NoError(t, err, "names are each organization's own")
	found, err := schedule.FindTaskType(t.Context(), w.Pool, w.Viewer.Scope(), "a-b_9")
	require.NoError(t, err)
	require.Equal(t, typ.UUID, found.UUID)
	_, err = w.ArchiveTaskType(t.Context(), dbtest.NewViewer(uuidOf(8)), schedule.ArchiveTaskTypeInput{ID: typ.ID()})
	require.Equal(t, []string{"NOT_FOUND input.id"}, refused(t, err))
}

func TestConcurrentUpdatesOfATaskType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	typ := w.taskType(t, "collections", nil)
	var group sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 8 {
		group.Go(func() {
			_, err := w.UpdateTaskType(context.Background(), w.Viewer, schedule.UpdateTaskTypeInput{ID: typ.ID(), ExpectedVersion: val[int32](1), Cadence: schedule.Cadence{Priority: val(int32(i%4 + 1))}})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
				return
			}
			if errs, ok := fault.AsUserErrors(err); !ok || errs[0].Code != fault.StaleVersion {
				t.Errorf("want a stale version, got %v", err)
			}
		})
	}
	group.Wait()
	require.Equal(t, 1, won)
	require.Equal(t, 2, get[int](t, w, "SELECT version FROM task_types"))
	require.Equal(t, 1, get[int](t, w, "SELECT count(*) FROM audit_entries WHERE action = 'task_type.updated'"))
}
