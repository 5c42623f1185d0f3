package customer

import (
	"context"

	"github.com/google/uuid"

	"caseload/internal/db"
	"caseload/internal/viewer"
)

// RetireFunc ends what is planned for customers who are not to be called any more: deleted, merged into another,
// or marked so. It runs in the transaction that does it, under the customers' locks; why is a sentence for people,
// without personal data. An error rolls the transaction back.
type RetireFunc func(ctx context.Context, tx *db.Tx, v *viewer.Viewer, customers []uuid.UUID, why string) error

// MergeFunc moves what belongs to duplicates to the survivor. It runs in the transaction of the merge, under the
// locks of all of them, after the plans of the duplicates were retired. Loans that the survivor lacked are its
// own by then. Of a loan that both have, with the same external id, the duplicate's row still stands and is
// removed afterwards: whatever points to it has to point to the survivor's. What was done is added to moves.
type MergeFunc func(ctx context.Context, tx *db.Tx, v *viewer.Viewer, from []uuid.UUID, into uuid.UUID, moves *Moves) error

// Moves counts what a merge did with what belonged to the duplicates, for the audit log.
type Moves struct {
	// Moved belongs to the survivor now. The names are those of what changed of it.
	Moved Tally
	// Kept stays with the duplicates: the survivor has the same, or no place for it.
	Kept Tally
	// Removed was deleted: the survivor has a row about the same.
	Removed Tally
}

// Tally counts rows by what they are.
type Tally map[string]int64

// Add counts n rows more; 0 leaves no trace.
func (t *Tally) Add(name string, n int64) {
	if n == 0 {
		return
	}
	if *t == nil {
		*t = Tally{}
	}
	(*t)[name] += n
}

// OnRetire registers what has to end with a customer. Register before the first request.
func (s *Service) OnRetire(f RetireFunc) { s.retire = append(s.retire, f) }

// OnMerge registers what has to move in a merge. Register before the first request.
func (s *Service) OnMerge(f MergeFunc) { s.merge = append(s.merge, f) }

// Retire ends what is planned for customers, by all that was registered with [Service.OnRetire]. The caller holds their locks;
// why is a sentence for people.
func (s *Service) Retire(ctx context.Context, tx *db.Tx, v *viewer.Viewer, customers []uuid.UUID, why string) error {
	if len(customers) == 0 {
		return nil
	}
	for _, f := range s.retire {
		if err := f(ctx, tx, v, customers, why); err != nil {
			return err
		}
	}
	return nil
}

// MoveBelongings moves what other packages hold of duplicates to the survivor, by all that was registered with
// [Service.OnMerge]. The caller holds the locks of all of them.
func (s *Service) MoveBelongings(ctx context.Context, tx *db.Tx, v *viewer.Viewer, from []uuid.UUID, into uuid.UUID, moves *Moves) error {
	for _, f := range s.merge {
		if err := f(ctx, tx, v, from, into, moves); err != nil {
			return err
		}
	}
	return nil
}
