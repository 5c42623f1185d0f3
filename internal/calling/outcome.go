package calling

// CallOutcome is how a call ended.
type CallOutcome string

// The outcomes of a call.
const (
	Conversation      CallOutcome = "CONVERSATION"
	NoAnswer          CallOutcome = "NO_ANSWER"
	Busy              CallOutcome = "BUSY"
	Voicemail         CallOutcome = "VOICEMAIL"
	NotInService      CallOutcome = "NOT_IN_SERVICE"
	WrongNumber       CallOutcome = "WRONG_NUMBER"
	Refused           CallOutcome = "REFUSED"
	CallbackRequested CallOutcome = "CALLBACK_REQUESTED"
	DNCRequested      CallOutcome = "DNC_REQUESTED"
	PromiseToPay      CallOutcome = "PROMISE_TO_PAY"
)

// CallOutcomes lists the outcomes in the order of their constants.
var CallOutcomes = []CallOutcome{
	Conversation, NoAnswer, Busy, Voicemail, NotInService, WrongNumber, Refused, CallbackRequested, DNCRequested, PromiseToPay,
}

// Consequences is what follows from an outcome.
type Consequences struct {
	// CountsForFrequency: the call reached the dialed number and so counts towards seven in seven days.
	// Ringing without an answer and voicemail count; busy and not in service do not (12 CFR 1006.14(b)(3)(ii)).
	CountsForFrequency bool
	// IsConversation: the seven days after a conversation begin (12 CFR 1006.14(b)(2)(i)(B)).
	IsConversation bool
	// Final is the state that the task ends in.
	Final CallTaskState
	// BlocksPhone: this number must not be dialed for this customer again.
	BlocksPhone bool
	// DoNotCall: the customer revoked consent, which takes effect at once, and pending tasks are removed.
	DoNotCall bool
	// Replan: the customer's pending tasks are replaced by a new plan, since the rules now allow other times.
	Replan bool
}

// consequences is the whole table; an outcome without a row does not exist.
//
// A callback request is no exception from any rule: it is recorded as a consent, which then
// lifts the frequency limits as the law has it ([Consent]).
var consequences = map[CallOutcome]Consequences{
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

// Consequences returns what follows from the outcome. A value that is no outcome, such as "" for a
// call still under way, counts and changes nothing: the strict side.
func (o CallOutcome) Consequences() Consequences {
	if c, ok := consequences[o]; ok {
		return c
	}
	return Consequences{CountsForFrequency: true}
}
