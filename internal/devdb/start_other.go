//go:build !unix || solaris || aix

package devdb

import (
	"context"
	"errors"
	"fmt"
	"runtime"
)

// Start is not offered on this operating system: it answers an error that says what to do instead.
func Start(context.Context, Options) (*Server, error) {
	return nil, fmt.Errorf("start own PostgreSQL on %s: %w; set DATABASE_URL to a PostgreSQL server of yours",
		runtime.GOOS, errors.ErrUnsupported)
}

// Remove is not offered on this operating system.
func Remove(context.Context, Options) error {
	return fmt.Errorf("remove own PostgreSQL's data on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func programDirs(context.Context) []string { return nil }
