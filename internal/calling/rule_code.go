package calling

import (
	"io"
	"slices"
)

// RuleCode names a calling rule, or a reason for which a plan leaves out a day.
type RuleCode string

// The calling rules, in the order in which they are reported.
const (
	RuleDoNotCall                  RuleCode = "DO_NOT_CALL"
	RuleNoPhone                    RuleCode = "NO_PHONE"
	RulePhoneBlocked               RuleCode = "PHONE_BLOCKED"
	RuleNoZone                     RuleCode = "NO_ZONE"
	RuleFederalWindow              RuleCode = "FEDERAL_WINDOW"
	RuleZoneConflict               RuleCode = "ZONE_CONFLICT"
	RuleStateHoliday               RuleCode = "STATE_HOLIDAY"
	RuleStateWindow                RuleCode = "STATE_WINDOW"
	RuleConsumerInconvenientTime   RuleCode = "CONSUMER_INCONVENIENT_TIME"
	RuleSevenInSeven               RuleCode = "SEVEN_IN_SEVEN"
	RuleSevenDaysAfterConversation RuleCode = "SEVEN_DAYS_AFTER_CONVERSATION"
	RuleMassachusettsWeekly        RuleCode = "MASSACHUSETTS_WEEKLY"
	RuleRolling24H                 RuleCode = "ROLLING_24H"
	RulePerPhone24H                RuleCode = "PER_PHONE_24H"
	RuleDailyCap                   RuleCode = "DAILY_CAP"
	RuleMinInterval                RuleCode = "MIN_INTERVAL"
	RuleHoliday                    RuleCode = "HOLIDAY"
	RuleTaskTypeWindow             RuleCode = "TASK_TYPE_WINDOW"
)

// Reasons of a plan that are no rules: at that moment a call would be allowed.
const (
	ReasonMaxAttempts    RuleCode = "MAX_ATTEMPTS"
	ReasonQuietTime      RuleCode = "QUIET_TIME"
	ReasonPreferredTimes RuleCode = "PREFERRED_TIMES"
)

// RuleCodes lists all codes, rules first.
var RuleCodes = []RuleCode{
	RuleDoNotCall, RuleNoPhone, RulePhoneBlocked, RuleNoZone, RuleFederalWindow, RuleZoneConflict, RuleStateHoliday,
	RuleStateWindow, RuleConsumerInconvenientTime, RuleSevenInSeven, RuleSevenDaysAfterConversation, RuleMassachusettsWeekly,
	RuleRolling24H, RulePerPhone24H, RuleDailyCap, RuleMinInterval, RuleHoliday, RuleTaskTypeWindow,
	ReasonMaxAttempts, ReasonQuietTime, ReasonPreferredTimes,
}

// IsValid reports whether c is a code.
func (c RuleCode) IsValid() bool { return slices.Contains(RuleCodes, c) }

// MarshalGQL writes the enum CallRule.
func (c RuleCode) MarshalGQL(w io.Writer) { marshalEnum(w, c) }

// UnmarshalGQL reads the enum CallRule.
func (c *RuleCode) UnmarshalGQL(v any) error { return unmarshalEnum(c, v, RuleCodes) }
