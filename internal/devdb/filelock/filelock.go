// Package filelock holds locks between processes of one machine. The operating system drops a lock when
// its process ends in whatever way, so none is ever left over.
package filelock

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// ErrHeld says that another process holds the lock.
var ErrHeld = errors.New("lock is held by another process")

// Lock is a lock that this process holds until [Lock.Release] or until the process ends.
// Keep it reachable: a collected Lock is released.
type Lock struct{ file *os.File }

// Release gives the lock up. Safe to call twice and on nil.
func (l *Lock) Release() {
	if l == nil || l.file == nil {
		return
	}
	// Closing the only descriptor drops the lock; the file stays, since removing it would let two
	// processes hold locks on two files of one name.
	_ = l.file.Close()
	l.file = nil
}

// Note writes a line into the lock's file for a person or a process that finds it held; see [ReadNote].
// Only for exclusive locks.
func (l *Lock) Note(line string) error {
	if err := l.file.Truncate(0); err != nil {
		return fmt.Errorf("empty lock file: %w", err)
	}
	if _, err := l.file.WriteAt([]byte(line+"\n"), 0); err != nil {
		return fmt.Errorf("write lock file: %w", err)
	}
	return nil
}

// ReadNote returns what the holder of the lock at path wrote with [Lock.Note], empty when there is nothing.
func ReadNote(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// Exclusive waits until no other process holds the lock at path in any way and takes it.
func Exclusive(path string) (*Lock, error) { return take(path, exclusive, true) }

// TryExclusive is [Exclusive] that answers [ErrHeld] instead of waiting.
func TryExclusive(path string) (*Lock, error) { return take(path, exclusive, false) }

// Shared waits until no other process holds the lock at path exclusively and takes a share of it.
func Shared(path string) (*Lock, error) { return take(path, shared, true) }

type mode int

const (
	shared mode = iota
	exclusive
)

func take(path string, m mode, wait bool) (*Lock, error) {
	// Go opens with O_CLOEXEC, so a child process never inherits the lock.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	if err := lock(file, m, wait); err != nil {
		_ = file.Close()
		return nil, err
	}
	return &Lock{file: file}, nil
}
