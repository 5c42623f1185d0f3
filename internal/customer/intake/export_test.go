package intake

import "caseload/internal/fault"

// The statements whose plans are tested.
var (
	LookUpSQL       = lookUpSQL
	LeftSQL         = leftSQL
	LockAccountsSQL = lockAccountsSQL
	KnownSQL        = knownSQL
	AboveSQL        = aboveSQL
)

// DecodeCreateRow reads a line as the binding of the kind does.
func DecodeCreateRow(text []byte) (*CreateRow, fault.UserErrors) {
	in, row := CreateRows.Decode(text)
	return in, row.UserErrors
}

// DecodeUpsertRow reads a line as the binding of the kind does.
func DecodeUpsertRow(text []byte) (*UpsertRow, fault.UserErrors) {
	in, row := UpsertRows.Decode(text)
	return in, row.UserErrors
}
