package calling

// CallRule names a calling rule, or a reason for which a plan leaves out a day.
type CallRule string

// The calling rules, in the order in which they are reported.
const (
	RuleDoNotCall                  CallRule = "DO_NOT_CALL"
	RuleNoPhone                    CallRule = "NO_PHONE"
	RulePhoneBlocked               CallRule = "PHONE_BLOCKED"
	RuleNoZone                     CallRule = "NO_ZONE"
	RuleFederalWindow              CallRule = "FEDERAL_WINDOW"
	RuleZoneConflict               CallRule = "ZONE_CONFLICT"
	RuleStateHoliday               CallRule = "STATE_HOLIDAY"
	RuleStateWindow                CallRule = "STATE_WINDOW"
	RuleConsumerInconvenientTime   CallRule = "CONSUMER_INCONVENIENT_TIME"
	RuleSevenInSeven               CallRule = "SEVEN_IN_SEVEN"
	RuleSevenDaysAfterConversation CallRule = "SEVEN_DAYS_AFTER_CONVERSATION"
	RuleMassachusettsWeekly        CallRule = "MASSACHUSETTS_WEEKLY"
	RuleRolling24H                 CallRule = "ROLLING_24H"
	RulePerPhone24H                CallRule = "PER_PHONE_24H"
	RuleDailyCap                   CallRule = "DAILY_CAP"
	RuleMinInterval                CallRule = "MIN_INTERVAL"
	RuleHoliday                    CallRule = "HOLIDAY"
	RuleTaskTypeWindow             CallRule = "TASK_TYPE_WINDOW"
)

// Reasons of a plan that are no rules: at that moment a call would be allowed.
const (
	ReasonMaxAttempts    CallRule = "MAX_ATTEMPTS"
	ReasonQuietTime      CallRule = "QUIET_TIME"
	ReasonPreferredTimes CallRule = "PREFERRED_TIMES"
)
