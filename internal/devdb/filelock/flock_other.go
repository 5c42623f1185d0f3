//go:build !unix || solaris || aix

package filelock

import (
	"errors"
	"fmt"
	"os"
)

func lock(file *os.File, _ mode, _ bool) error {
	return fmt.Errorf("lock %s: %w", file.Name(), errors.ErrUnsupported)
}
