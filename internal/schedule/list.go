package schedule

import (
	"caseload/internal/calling"
	"caseload/internal/db"
	"caseload/internal/relay"
)

// ScheduleFilter narrows a list of schedules.
type ScheduleFilter struct {
	Status    *relay.EnumFilter[ScheduleStatus] `filter:"status"`
	TaskType  *relay.IDFilter                   `filter:"task_type_id,tt"`
	Customer  *relay.IDFilter                   `filter:"customer_id,cust"`
	PlannedAt *relay.DateTimeFilter             `filter:"planned_at"`
	And       []*ScheduleFilter
	Or        []*ScheduleFilter
	Not       *ScheduleFilter
}

// CallTaskFilter narrows a list of call tasks.
type CallTaskFilter struct {
	State    *relay.EnumFilter[calling.CallTaskState] `filter:"state"`
	DueAt    *relay.DateTimeFilter                    `filter:"due_at"`
	TaskType *relay.IDFilter                          `filter:"task_type_id,tt"`
	Customer *relay.IDFilter                          `filter:"customer_id,cust"`
	And      []*CallTaskFilter
	Or       []*CallTaskFilter
	Not      *CallTaskFilter
}

// The filters of enums, named for GraphQL.
type (
	ScheduleStatusFilter = relay.EnumFilter[ScheduleStatus]
	CallTaskStateFilter  = relay.EnumFilter[calling.CallTaskState]
)

// Lists are the lists of this domain. They are made once, at start.
type Lists struct {
	TaskTypes         *relay.Spec[TaskType]
	Schedules         *relay.Spec[Schedule]
	CallTasks         *relay.Spec[CallTask]
	CallAttempts      *relay.Spec[CallAttempt]
	InconvenientTimes *relay.Spec[InconvenientTime]
}

// NewLists declares the lists.
func NewLists() Lists {
	return Lists{
		TaskTypes: &relay.Spec[TaskType]{
			Table: TaskTypes.Table, Default: db.By("created_at"),
			BaseFilter: func(raw map[string]any) db.Where {
				if raw["includeArchived"] == true {
					return db.Where{}
				}
				return db.Where{}.And("c.archived_at IS NULL")
			},
		},
		Schedules:         &relay.Spec[Schedule]{Table: Schedules, Default: db.By("created_at"), Filter: relay.FilterBy[ScheduleFilter](nil)},
		CallTasks:         &relay.Spec[CallTask]{Table: CallTasks, Default: db.By("due_at"), Filter: relay.FilterBy[CallTaskFilter](nil)},
		CallAttempts:      &relay.Spec[CallAttempt]{Table: CallAttempts, Default: db.By("occurred_at")},
		InconvenientTimes: &relay.Spec[InconvenientTime]{Table: InconvenientTimes, Default: db.By("created_at")},
	}
}
