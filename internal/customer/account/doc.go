// Package account holds the accounts, their holders and their payment cards, as source systems know them.
//
// An account names its holders and the owners of its cards by their ids in its source, also before those customers are
// known; [LockAwaiting] links them when they arrive. Package account knows customers by their ids alone, so that package
// customer can use it: writing a new id of a customer links accounts, a customer's account number can be revealed, and
// keys of accounts are resealed with all others. What source systems send of accounts is read and written by package
// intake.
package account
