package calling

import (
	"slices"
	"time"

	"caseload/internal/civil"
)

// Citation says where a legal value comes from and when it was last compared with its source.
type Citation struct {
	Source string
	AsOf   civil.Date
}

// LegalLimits are the numbers of the law that hold in every state, and the frequency limits of single
// states. They are values, not literals in rules, so that each carries its source, a change of law is
// a change of data, and a test can state a rule with other numbers.
type LegalLimits struct {
	// Window is when a consumer may be called at all, on the wall clock of the consumer's location.
	Window         Window
	WindowCitation Citation
	// ConflictCitation is why the window must hold in every zone in which the consumer may be.
	ConflictCitation Citation
	// InconvenientCitation is why times that the consumer named are closed.
	InconvenientCitation Citation
	// MaxCalls in CallDays consecutive local dates, about one debt.
	MaxCalls     int
	CallDays     int
	CallCitation Citation
	// ConversationDays without a call after a conversation, whose own date is the first of them.
	ConversationDays     int
	ConversationCitation Citation
	// ConsentDays is how long a direct prior consent lifts the two limits above; its date is the first.
	ConsentDays int
	// DoNotCallCitation is why a revoked consent ends all calls.
	DoNotCallCitation Citation
	// Frequencies are the rolling limits of single states.
	Frequencies []FrequencyLimit
}

// FrequencyLimit allows Max contacts in any Period, counted to the second and not by date: seven
// days are 168 hours, which is never looser than seven dates.
type FrequencyLimit struct {
	Code     CallRule
	States   []string
	Purposes []CallPurpose
	Max      int
	Period   time.Duration
	// Place limits the rule to phones of this kind, and the count to contacts there; "" is any phone.
	Place Place
	// PerDebt counts each debt by itself; otherwise all contacts with the person count.
	PerDebt bool
	// CountsMessages makes text messages count as calls do.
	CountsMessages bool
	Citation       Citation
}

func (l *FrequencyLimit) applies(state string, purpose CallPurpose, place Place) bool {
	return slices.Contains(l.States, state) && slices.Contains(l.Purposes, purpose) && (l.Place == "" || l.Place == place)
}

// FederalLimits returns the limits in force: Regulation F, the TCPA rules, and the frequency limits
// of Massachusetts, Florida and Oklahoma. The value is the caller's own.
func FederalLimits() LegalLimits {
	asOf := civil.MustDate(2025, time.April, 11)
	cite := func(source string) Citation { return Citation{source, asOf} }
	const (
		week  = 7 * 24 * time.Hour
		month = 30 * 24 * time.Hour
	)
	massachusetts := FrequencyLimit{
		Code: RuleMassachusettsWeekly, States: []string{"MA"}, Purposes: []CallPurpose{Collection},
		Max: 2, Period: week, Place: ResidenceOrCell, PerDebt: true, CountsMessages: true, Citation: cite("940 CMR 7.04(1)(f)"),
	}
	elsewhere := massachusetts
	elsewhere.Period, elsewhere.Place = month, Elsewhere
	return LegalLimits{
		Window:               Window{civil.MustLocalTime(8, 0), civil.MustLocalTime(21, 0)},
		WindowCitation:       cite("12 CFR 1006.6(b)(1)(i); 47 CFR 64.1200(c)(1)"),
		ConflictCitation:     cite("12 CFR part 1006, Supplement I, comment 6(b)(1)(i)-2"),
		InconvenientCitation: cite("12 CFR 1006.6(b)(1); Supplement I, comment 6(b)(1)-2"),
		MaxCalls:             7,
		CallDays:             7,
		CallCitation:         cite("12 CFR 1006.14(b)(2)(i)(A)"),
		ConversationDays:     7,
		ConversationCitation: cite("12 CFR 1006.14(b)(2)(i)(B)"),
		ConsentDays:          7,
		DoNotCallCitation:    cite("47 CFR 64.1200(a)(10), (d)"),
		Frequencies: []FrequencyLimit{
			massachusetts, elsewhere,
			{
				Code: RuleRolling24H, States: []string{"FL"}, Purposes: []CallPurpose{Solicitation},
				Max: 3, Period: 24 * time.Hour, Citation: cite("Fla. Stat. 501.616(6)(b)"),
			},
			{
				Code: RuleRolling24H, States: []string{"OK"}, Purposes: []CallPurpose{Solicitation},
				Max: 3, Period: 24 * time.Hour, Citation: cite("Okla. Stat. tit. 15, 775C.4"),
			},
		},
	}
}
