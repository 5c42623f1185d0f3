package customer

import (
	"context"
	"fmt"

	"caseload/internal/db"
)

// A source system may name a customer before it sends it: as a parent, as the holder of an account or as the owner
// of a card. The name is stored, and linked to the customer by the transaction that creates it. Of two concurrent transactions
// neither would do that: one finds no customer of that name, the other finds no name stored. So both take an advisory lock
// before they look.
const (
	arriveSQL = `SELECT pg_advisory_xact_lock_shared(hashtextextended('arrivals of ' || CAST($1 AS text), 0))`
	awaitSQL  = `SELECT pg_advisory_xact_lock(hashtextextended('arrivals of ' || CAST($1 AS text), 0))`
)

// ArrivalLock is the mode in which a transaction takes the lock of [LockArrivals]; a later mode is stronger.
type ArrivalLock int

const (
	// NoArrivalLock is for a transaction that creates no identifier and stores no name of an unknown customer: all that it names
	// is known, or was stored before, so that the transaction which creates that customer finds the name.
	NoArrivalLock ArrivalLock = iota
	// SharedArrivalLock is for transactions that create identifiers: many at once.
	SharedArrivalLock
	// ExclusiveArrivalLock is for a transaction that stores the name of a customer who is not known, or sets the parent of a
	// customer that may have children: one at a time, without shared locks beside it.
	ExclusiveArrivalLock
)

// LockArrivals takes the organization's advisory lock of arriving customers until the transaction ends. It comes before any
// lock of a row. Look up who is known, call it in the mode that this needs, and look up again: the first answer may be
// outdated.
func LockArrivals(ctx context.Context, tx *db.Tx, s db.Scope, need ArrivalLock) error {
	query := arriveSQL
	switch need {
	case NoArrivalLock:
		return nil
	case ExclusiveArrivalLock:
		query = awaitSQL
	}
	if _, err := tx.Exec(ctx, query, s.OrganizationID); err != nil {
		return fmt.Errorf("wait for arriving customers: %w", err)
	}
	return nil
}
