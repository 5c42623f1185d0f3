package intake

// The statements whose plans are tested.
var (
	LookUpSQL       = lookUpSQL
	LeftSQL         = leftSQL
	LockAccountsSQL = lockAccountsSQL
	KnownSQL        = knownSQL
	AboveSQL        = aboveSQL
)
