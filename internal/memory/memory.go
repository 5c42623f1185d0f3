// Package memory chooses how the garbage collector uses the memory that the process is given.
package memory

import (
	"math"
	"runtime/debug"
)

const (
	// percent is how much garbage may gather, relative to what is in use, before it is collected. Nested answers make
	// much short-lived garbage: with 200 it is collected half as often as by Go's own 100. docs/performance.md has the
	// measured trade.
	percent = 200
	// percentWhenSmall is for processes whose limit is below small: there the memory is worth more than the time.
	percentWhenSmall = 100
	small            = 256 << 20
	// least is the lowest limit that is chosen: below it the collector would run all the time for nothing.
	least = 48 << 20
)

// Given is the memory that a process is given, in bytes; zero stands for what is not known or has no limit.
type Given struct {
	// Limit is the lowest limit of the control groups that the process is in.
	Limit int64
	// Total is the memory of the machine.
	Total int64
}

// Wish is what the environment says about memory. Each wins over what would be chosen.
type Wish struct {
	// Limit is CASELOAD_MEMORY_LIMIT in bytes; zero when it is not set.
	Limit int64
	// GoLimit and GoPercent tell that GOMEMLIMIT and GOGC are set, which Go has read by itself.
	GoLimit, GoPercent bool
}

// Settings are what the collector is told; a negative number leaves it as it is.
type Settings struct {
	// Limit is the soft limit of the memory that Go manages, in bytes: towards it garbage is collected more often.
	// It does not count the program itself, nor a PostgreSQL that the server has started.
	Limit int64
	// Percent is that of GOGC.
	Percent int
}

// Choose returns the settings. Of a control group's limit a fifth is left for what Go does not count, of a machine's
// memory half for the others on it.
func Choose(w Wish, g Given) Settings {
	s := Settings{Limit: -1, Percent: -1}
	limit := int64(math.MaxInt64)
	switch {
	case w.Limit > 0:
		limit = w.Limit
	case g.Limit > 0 && (g.Total == 0 || g.Limit < g.Total):
		limit = max(g.Limit/5*4, least)
	case g.Total > 0:
		limit = max(g.Total/2, least)
	}
	if !w.GoLimit && limit != math.MaxInt64 {
		s.Limit = limit
	}
	if !w.GoPercent {
		s.Percent = percent
		if limit < small {
			s.Percent = percentWhenSmall
		}
	}
	return s
}

// Apply tells the collector of this process. It may be called again.
func (s Settings) Apply() {
	if s.Limit >= 0 {
		debug.SetMemoryLimit(s.Limit)
	}
	if s.Percent >= 0 {
		debug.SetGCPercent(s.Percent)
	}
}
