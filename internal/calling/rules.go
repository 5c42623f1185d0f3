package calling

// rule is one reason not to call. Planning and dispatching read the same table, so a call is planned
// only for a moment at which, as far as is known by then, it will be made.
type rule struct {
	code CallRule
	// check reports whether the rule denies a call at an instant, and when that changes: for a denial the
	// first later instant that the rule allows, otherwise the first that it denies. never is neither.
	// Between the instant and the change the answer stays the same, which is what lets a search jump.
	check func(e *evaluation, at int64) (denied bool, change int64)
	// text and source explain a denial at the instant.
	text   func(e *evaluation, at int64) string
	source func(e *evaluation, at int64) string
	// needsZone: without a zone there is no local time to check.
	needsZone bool
	// window: the rule is about the hours of a day, not about what was done before.
	window bool
	// regF: the rule is a presumption of Regulation F, which a task type or a supervisor may lift.
	regF bool
}

// rules is the whole table, in the order of reports: what no waiting helps, the law, the company.
var rules = [...]rule{
	{code: RuleDoNotCall, check: (*evaluation).doNotCall, text: say("the customer asked not to be called"), source: doNotCallSource},
	{code: RuleNoPhone, check: (*evaluation).noPhone, text: say("the customer has no phone number"), source: none},
	{code: RulePhoneBlocked, check: (*evaluation).phoneBlocked, text: say("the phone number was found to be wrong or out of service"), source: none},
	{code: RuleNoZone, check: (*evaluation).noZone, text: say("the customer's time zone is unknown, so the local time is too"), source: federalSource},
	{code: RuleFederalWindow, check: (*evaluation).federalWindow, text: federalText, source: federalSource, needsZone: true, window: true},
	{code: RuleZoneConflict, check: (*evaluation).zoneConflict, text: conflictText, source: conflictSource, needsZone: true, window: true},
	{code: RuleStateHoliday, check: (*evaluation).stateHoliday, text: stateHolidayText, source: stateHolidaySource, needsZone: true, window: true},
	{code: RuleStateWindow, check: (*evaluation).stateWindow, text: stateText, source: stateSource, needsZone: true, window: true},
	{code: RuleConsumerInconvenientTime, check: (*evaluation).inconvenient, text: say("the customer named this time as inconvenient"), source: inconvenientSource, needsZone: true, window: true},
	{code: RuleSevenInSeven, check: (*evaluation).sevenInSeven, text: callsText, source: callsSource, needsZone: true, regF: true},
	{code: RuleSevenDaysAfterConversation, check: (*evaluation).afterConversation, text: conversationText, source: conversationSource, needsZone: true, regF: true},
	{code: RuleMassachusettsWeekly, check: (*evaluation).massachusetts, text: frequencyText(RuleMassachusettsWeekly), source: frequencySource(RuleMassachusettsWeekly)},
	{code: RuleRolling24H, check: (*evaluation).rolling24H, text: frequencyText(RuleRolling24H), source: frequencySource(RuleRolling24H)},
	{code: RulePerPhone24H, check: (*evaluation).perPhone24H, text: perPhoneText, source: company},
	{code: RuleDailyCap, check: (*evaluation).dailyCap, text: dailyText, source: company, needsZone: true},
	{code: RuleMinInterval, check: (*evaluation).minInterval, text: intervalText, source: company},
	{code: RuleHoliday, check: (*evaluation).skippedHoliday, text: holidayText, source: company, needsZone: true, window: true},
	{code: RuleTaskTypeWindow, check: (*evaluation).taskWindow, text: taskText, source: company, needsZone: true, window: true},
}
