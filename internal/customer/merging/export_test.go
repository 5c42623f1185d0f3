package merging

// The statements whose plans are tested.
var (
	AccountsSQL    = accountsSQL
	AddressesSQL   = addressesSQL
	BlocksSQL      = blocksSQL
	CardsSQL       = cardsSQL
	ChildrenSQL    = childrenSQL
	HoldersSQL     = holdersSQL
	IdentifiersSQL = identifiersSQL
	KeptSQL        = keptSQL
	LoansSQL       = loansSQL
	LockHeldSQL    = lockHeldSQL
	LockMergeSQL   = lockMergeSQL
	MergedSQL      = mergedSQL
	PhonesSQL      = phonesSQL
	UpSQL          = upSQL
)
