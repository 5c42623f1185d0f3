// Package customer holds consumers and what belongs to them: identifiers, phones, addresses, sections and loans.
//
// [Record] is a customer with what is written with it, as stored and as it shall be; one lock, one merge and one write of
// records serve every way in. Accounts are in package account, which customer imports; what source systems send is taken by
// package intake, and duplicates are merged by package merging: both import customer.
package customer
