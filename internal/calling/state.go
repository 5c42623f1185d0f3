package calling

import "slices"

// CallTaskState is the state of a call task; the transitions are drawn in the comment of package schedule.
type CallTaskState string

// The states of a call task.
const (
	Pending    CallTaskState = "PENDING"
	Claimed    CallTaskState = "CLAIMED"
	InProgress CallTaskState = "IN_PROGRESS"
	Completed  CallTaskState = "COMPLETED"
	Failed     CallTaskState = "FAILED"
	Cancelled  CallTaskState = "CANCELLED"
	Expired    CallTaskState = "EXPIRED"
	Skipped    CallTaskState = "SKIPPED"
)

// CallTaskStates lists the states in the order of a task's life.
var CallTaskStates = []CallTaskState{Pending, Claimed, InProgress, Completed, Failed, Cancelled, Expired, Skipped}

// IsFinal reports whether a task in this state never changes again.
func (s CallTaskState) IsFinal() bool { return len(s.Next()) == 0 }

// Next returns the states that may follow s, none for a final or unknown state.
func (s CallTaskState) Next() []CallTaskState {
	switch s {
	case Pending:
		return []CallTaskState{Claimed, Cancelled, Expired, Skipped}
	case Claimed:
		// Back to PENDING when the lease runs out before the call began.
		return []CallTaskState{InProgress, Pending, Completed, Failed, Cancelled, Expired, Skipped}
	case InProgress:
		// A call that began may have reached the consumer. A dialer that vanished gives FAILED, never
		// PENDING: a second call must not rest on the guess that there was no first.
		return []CallTaskState{Completed, Failed}
	case Completed, Failed, Cancelled, Expired, Skipped:
	}
	return nil
}

// MayBecome reports whether a task in state s may go to state next.
func (s CallTaskState) MayBecome(next CallTaskState) bool { return slices.Contains(s.Next(), next) }
