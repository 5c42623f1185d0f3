// Package merging merges customers who are the same person: the survivor gets what the duplicates have, and the duplicates
// are marked as deleted. docs/merging.md says what becomes of each thing. Imports run from merging to customer, never back.
package merging
