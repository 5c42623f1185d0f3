// Package calling decides when a consumer may be called, and plans calls: pure functions of a [Case] and a moment.
//
// # A case and two questions
//
// A company asks for a customer to be called. What kind of calls these are is a [Policy]: how many, how
// far apart, on which days. Where and when the law allows them is a [Calendar], compiled from rows of
// data that name their source: federal limits, hours of states, holidays, and the company's own
// windows, which can only be stricter. Where the consumer may be is a list of [civil.Zone] values, more than
// one when the address and the phone's area code disagree ([CandidateZones]). What happened so far is
// a [History]. Together they are a [Case].
//
// One table of rules answers two questions about a case. [Plan] returns in advance at which moments of the
// coming days calls may be made. [Eligibility] decides at the last moment whether this call may be made
// now, and if not, which rules forbid it, by what law, until when. A rule is a
// function of an instant that reports whether it denies and when its answer changes. A plan is nothing
// but the earliest moments that all rules let through, so no rule can be forgotten in one of the two.
// What counts is the answer when the call is given to a dialer, because a conversation, an inconvenient
// time or an opt-out may have come in between.
//
// The package does no I/O and has no clock but the one passed in; package schedule reads cases from the
// database and stores plans. A test checks what the package imports.
//
// # Time
//
// Windows are meant on the wall clock of the consumer and are turned into instants date by date, never
// by adding 24 hours. Where clocks change, the stricter reading holds: a window that opens
// at a time shown twice opens at the last, one that closes at such a time closes at the first; what a
// consumer named as inconvenient is widened instead. Instants are compared in whole seconds, windows
// and periods are half-open.
//
// # Frequencies
//
// Calls are counted for the person, no matter who in the company made them. Regulation F counts by debt and
// by local date; an attempt that names no debt counts for all, a task that names no debt is bound by
// all, and a call about several debts counts for each. The limits of states and the limit per phone
// are rolling. Daily caps follow the customer's date.
package calling
