//go:build !race

package toolcheck

// RaceEnabled reports whether the race detector, which makes everything ten times slower, is compiled in.
const RaceEnabled = false
