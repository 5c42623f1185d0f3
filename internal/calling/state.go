package calling

import (
	"io"
	"slices"
)

// State is where a call task stands; doc.go has the picture.
type State string

// The states of a call task.
const (
	Pending    State = "PENDING"
	Claimed    State = "CLAIMED"
	InProgress State = "IN_PROGRESS"
	Completed  State = "COMPLETED"
	Failed     State = "FAILED"
	Cancelled  State = "CANCELLED"
	Expired    State = "EXPIRED"
	Skipped    State = "SKIPPED"
)

// States lists the states in the order of a task's life.
var States = []State{Pending, Claimed, InProgress, Completed, Failed, Cancelled, Expired, Skipped}

// IsValid reports whether s is a state.
func (s State) IsValid() bool { return slices.Contains(States, s) }

// MarshalGQL writes the enum CallTaskState.
func (s State) MarshalGQL(w io.Writer) { marshalEnum(w, s) }

// UnmarshalGQL reads the enum CallTaskState.
func (s *State) UnmarshalGQL(v any) error { return unmarshalEnum(s, v, States) }

// IsFinal reports whether a task in this state never changes again.
func (s State) IsFinal() bool { return len(s.Next()) == 0 }

// Next returns the states that may follow s, none for a final or unknown state.
func (s State) Next() []State {
	switch s {
	case Pending:
		return []State{Claimed, Cancelled, Expired, Skipped}
	case Claimed:
		// Back to PENDING when the lease runs out before the call began.
		return []State{InProgress, Pending, Completed, Failed, Cancelled, Expired, Skipped}
	case InProgress:
		// A call that began may have reached the consumer. A dialer that vanished gives FAILED, never
		// PENDING: a second call must not rest on the guess that there was no first.
		return []State{Completed, Failed}
	case Completed, Failed, Cancelled, Expired, Skipped:
	}
	return nil
}

// MayBecome reports whether a task in state s may go to state next.
func (s State) MayBecome(next State) bool { return slices.Contains(s.Next(), next) }
