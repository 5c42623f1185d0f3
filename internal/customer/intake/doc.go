// Package intake creates and updates customers as source systems send them: createCustomers and bulkUpsertCustomers, by the
// API or from files, with their accounts and cards, and with parents and holders who may arrive later.
//
// A call is one batch: its rows are read and checked once, before the transaction; each try locks all customers and accounts that
// they name in one order (arrivals, customers, accounts), merges copies of the rows in memory in the order sent, and writes what
// changed in a fixed number of statements. Imports run from intake to customer and account, never back.
package intake
