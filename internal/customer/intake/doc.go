// Package intake creates and updates customers as source systems send them: createCustomers and bulkUpsertCustomers, by the
// API or from files, with their accounts and cards, and with parents and holders who may arrive later.
//
// A call is one batch: its rows are read and checked, all customers and accounts that it names are locked in one order
// (arrivals, customers, accounts), the rows are merged in memory in the order sent, and what changed is written in a fixed
// number of statements. Imports run from intake to customer and account, never back.
package intake
