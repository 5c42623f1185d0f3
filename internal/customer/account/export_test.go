package account

// The statements whose plans are tested.
const (
	LockAwaitingSQL   = lockAwaitingSQL
	ResolveHoldersSQL = resolveHoldersSQL
	ResolveCardsSQL   = resolveCardsSQL
)
