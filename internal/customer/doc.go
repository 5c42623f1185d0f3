// Package customer holds consumers and what belongs to them: identifiers, phones, addresses, sections and loans.
//
// [Record] is a customer with what is written with it, as stored and as it shall be. Whatever changes customers locks their
// records, merges what was sent into them, and calls [Service.Save], which writes them with the audit entries and events. A
// [Section] is declared once for all of that. Accounts are in package account, which customer imports; what source systems send
// is read by package intake, and duplicates are merged by package merging: both import customer.
package customer
