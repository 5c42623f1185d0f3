package customer

import (
	"context"
	"fmt"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/lib/pq"
	"github.com/nyaruka/phonenumbers"

	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/input"
	"caseload/internal/viewer"
)

// LineTypeOf returns the kind of line of a number.
func LineTypeOf(line input.Line) LineType { return lineTypes[line] }

var lineTypes = map[input.Line]LineType{
	phonenumbers.FIXED_LINE: "LANDLINE", phonenumbers.MOBILE: "MOBILE", phonenumbers.FIXED_LINE_OR_MOBILE: "UNKNOWN",
	phonenumbers.TOLL_FREE: "TOLL_FREE", phonenumbers.PREMIUM_RATE: "PREMIUM", phonenumbers.SHARED_COST: "SHARED_COST",
	phonenumbers.VOIP: "NON_FIXED_VOIP", phonenumbers.PERSONAL_NUMBER: "PERSONAL", phonenumbers.PAGER: "PAGER",
	phonenumbers.UAN: "UAN", phonenumbers.VOICEMAIL: "VOICEMAIL",
}

// MergePhone applies the number of the primary phone: absent keeps, null removes the phone. A number that was blocked under
// another label is blocked as the primary one too.
func (r *Record) MergePhone(c *fault.Check, field string, in graphql.Omittable[*string]) {
	switch number := in.Value(); {
	case !in.IsSet() || number != nil && r.Phone != nil && *number == r.Phone.Number:
	case number == nil:
		r.Phone = nil
	default:
		if e164, line := input.Phone(c.At(field), *number); e164 != "" && (r.Phone == nil || r.Phone.Number != e164) {
			r.Phone = r.primaryPhone(e164, LineTypeOf(line))
		}
	}
}

// primaryPhone makes the primary phone of a number that is not that of the record's.
func (r *Record) primaryPhone(number string, line LineType) *Phone {
	if stored := r.stored.Phone; stored != nil && stored.Number == number {
		// An earlier row of the same batch removed the stored number: it comes back as it was.
		known := *stored
		return &known
	}
	p := &Phone{Label: Primary, Number: number, LineType: line}
	for _, other := range r.otherPhones {
		// A block belongs to the number, under whatever label it was found wrong: a new number has none.
		if other.Number == number && other.BlockedAt != nil {
			p.BlockedAt, p.BlockedReason = other.BlockedAt, other.BlockedReason
		}
	}
	return p
}

// BlockPhone marks the customer's phones of this number as not to be called, and reports whether one was not marked
// yet. The caller holds the customer's lock. Safe to repeat.
func BlockPhone(ctx context.Context, tx *db.Tx, v *viewer.Viewer, customerID uuid.UUID, number, reason string) (bool, error) {
	n, err := tx.Exec(ctx, `
		WITH blocked AS (
			UPDATE customer_phones SET blocked_at = $4, blocked_reason = $5, updated_at = $4
			WHERE organization_id = $1 AND customer_id = $2 AND number = $3 AND blocked_at IS NULL RETURNING 1)
		UPDATE customers SET version = version + 1, updated_at = $4, updated_by = $6
		WHERE organization_id = $1 AND id = $2 AND EXISTS (SELECT FROM blocked)`,
		v.OrganizationID, customerID, number, tx.Now, reason, v.ActorText())
	if err != nil {
		return false, fmt.Errorf("block phone: %w", err)
	}
	return n > 0, nil
}

// leftBlocksSQL blocks phones, $2, whose numbers were found wrong under the name of a duplicate that kept them.
const leftBlocksSQL = `
	UPDATE customer_phones p SET blocked_at = x.blocked_at, blocked_reason = x.blocked_reason
	FROM customers d JOIN customer_phones x ON x.organization_id = d.organization_id AND x.customer_id = d.id AND x.blocked_at IS NOT NULL
	WHERE p.organization_id = $1 AND p.id = ANY($2) AND p.blocked_at IS NULL
		AND d.organization_id = $1 AND d.merged_into_id = p.customer_id AND x.number = p.number`

// takeLeftBlocks gives phones that were just written the blocks that [leftBlocksSQL] finds, and returns how many it blocked.
// It executes nothing where no number is new.
func takeLeftBlocks(ctx context.Context, tx *db.Tx, s db.Scope, phones []*Phone) (int64, error) {
	var free []uuid.UUID
	for _, p := range phones {
		if p.BlockedAt == nil {
			free = append(free, p.UUID)
		}
	}
	if len(free) == 0 {
		return 0, nil
	}
	return tx.Exec(ctx, leftBlocksSQL, s.OrganizationID, pq.Array(free))
}
