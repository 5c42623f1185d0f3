package calling

import "io"

// Outcome is how a call ended.
type Outcome string

// The outcomes of a call.
const (
	Conversation      Outcome = "CONVERSATION"
	NoAnswer          Outcome = "NO_ANSWER"
	Busy              Outcome = "BUSY"
	Voicemail         Outcome = "VOICEMAIL"
	NotInService      Outcome = "NOT_IN_SERVICE"
	WrongNumber       Outcome = "WRONG_NUMBER"
	Refused           Outcome = "REFUSED"
	CallbackRequested Outcome = "CALLBACK_REQUESTED"
	DNCRequested      Outcome = "DNC_REQUESTED"
	PromiseToPay      Outcome = "PROMISE_TO_PAY"
)

// Outcomes lists the outcomes in the order of their constants.
var Outcomes = []Outcome{
	Conversation, NoAnswer, Busy, Voicemail, NotInService, WrongNumber, Refused, CallbackRequested, DNCRequested, PromiseToPay,
}

// IsValid reports whether o is an outcome.
func (o Outcome) IsValid() bool { _, ok := consequences[o]; return ok }

// MarshalGQL writes the enum CallOutcome.
func (o Outcome) MarshalGQL(w io.Writer) { marshalEnum(w, o) }

// UnmarshalGQL reads the enum CallOutcome.
func (o *Outcome) UnmarshalGQL(v any) error { return unmarshalEnum(o, v, Outcomes) }

// Consequences is what an outcome brings about.
type Consequences struct {
	// CountsForFrequency: the call reached the dialed number and so counts towards seven in seven days.
	// Ringing without an answer and voicemail count; busy and not in service do not (12 CFR 1006.14(b)(3)(ii)).
	CountsForFrequency bool
	// IsConversation: the seven days after a conversation begin (12 CFR 1006.14(b)(2)(i)(B)).
	IsConversation bool
	// Final is the state that the task ends in.
	Final State
	// BlocksPhone: this number must not be dialed for this customer again.
	BlocksPhone bool
	// DoNotCall: the customer revoked consent, which takes effect at once, and pending tasks are removed.
	DoNotCall bool
	// Replan: the customer's pending tasks are planned anew, since the rules now allow other times.
	Replan bool
}

// consequences is the whole table; an outcome without a row does not exist.
//
// A callback request is no exception from any rule: whoever takes it records a consent, which then
// lifts the frequency limits as the law has it ([Consent]).
var consequences = map[Outcome]Consequences{
	Conversation:      {CountsForFrequency: true, IsConversation: true, Final: Completed, Replan: true},
	NoAnswer:          {CountsForFrequency: true, Final: Completed},
	Busy:              {Final: Completed},
	Voicemail:         {CountsForFrequency: true, Final: Completed},
	NotInService:      {Final: Failed, BlocksPhone: true, Replan: true},
	WrongNumber:       {CountsForFrequency: true, Final: Failed, BlocksPhone: true, Replan: true},
	Refused:           {CountsForFrequency: true, IsConversation: true, Final: Completed, Replan: true},
	CallbackRequested: {CountsForFrequency: true, IsConversation: true, Final: Completed, Replan: true},
	DNCRequested:      {CountsForFrequency: true, IsConversation: true, Final: Completed, DoNotCall: true},
	PromiseToPay:      {CountsForFrequency: true, IsConversation: true, Final: Completed, Replan: true},
}

// Consequences returns what the outcome brings about. A value that is no outcome, such as "" for a
// call still under way, counts and changes nothing: the strict side.
func (o Outcome) Consequences() Consequences {
	if c, ok := consequences[o]; ok {
		return c
	}
	return Consequences{CountsForFrequency: true}
}
