//go:build !linux

package dbtest

import (
	"os"
	"path/filepath"
)

// sharedFolder is where the server of all test programs lives.
func sharedFolder(name string) string { return filepath.Join(os.TempDir(), name) }
