//go:build unix && !solaris && !aix

package devdb

import (
	"fmt"
	"os"
	"strings"
)

// logLimit is where a log is set aside at the next start; one older log is kept.
const logLimit = 8 << 20

// openLog returns the log to append to and where this run's part begins.
func openLog(h home) (_ *os.File, begin int64, err error) {
	if st, err := os.Stat(h.log()); err == nil && st.Size() > logLimit {
		if err := os.Rename(h.log(), h.log()+".1"); err != nil {
			return nil, 0, fmt.Errorf("set old log aside: %w", err)
		}
	}
	file, err := os.OpenFile(h.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("open log: %w", err)
	}
	st, err := file.Stat()
	if err == nil {
		err = h.as.own(h.log())
	}
	if err != nil {
		_ = file.Close()
		return nil, 0, fmt.Errorf("open log: %w", err)
	}
	return file, st.Size(), nil
}

func logSince(h home, begin int64) string {
	text, err := os.ReadFile(h.log())
	if err != nil || int64(len(text)) < begin {
		return ""
	}
	return string(text[begin:])
}

func lastLines(text string) string {
	const count = 10
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return "  " + strings.Join(lines[max(0, len(lines)-count):], "\n  ")
}

// startFailure is a start that PostgreSQL itself gave up.
type startFailure struct {
	cause error
	log   string
	path  string
}

func (f *startFailure) Error() string {
	return fmt.Sprintf("%v\nthe end of %s:\n%s\n%s", f.cause, f.path, lastLines(f.log), f.advice())
}

func (f *startFailure) Unwrap() error { return f.cause }

// The log speaks English: see environment and initialise.
func (f *startFailure) portTaken() bool {
	return strings.Contains(f.log, "could not bind") || strings.Contains(f.log, "could not create any TCP/IP sockets")
}

// memoryHeld is what a killed postmaster's last children cause until they notice and end.
func (f *startFailure) memoryHeld() bool {
	return strings.Contains(f.log, "pre-existing shared memory block")
}

// passing reports whether another attempt may succeed.
func (f *startFailure) passing(portIsGiven bool) bool {
	return f.memoryHeld() || f.portTaken() && !portIsGiven
}

func (f *startFailure) reason() string {
	if f.memoryHeld() {
		return "processes of an earlier run are still ending"
	}
	return "the port was taken in the meantime"
}

func (f *startFailure) advice() string {
	switch {
	case f.portTaken():
		return "Another program uses the port: stop it or choose another port."
	case strings.Contains(f.log, "No space left"):
		return "The disk is full: make room and start again."
	default:
		return "If the data is damaged, begin anew with `make db/reset`; or set DATABASE_URL to a PostgreSQL server of yours."
	}
}
