package customer

// The statements whose plans are tested.
const (
	LockKnownSQL  = lockKnownSQL
	LeftBlocksSQL = leftBlocksSQL
)
