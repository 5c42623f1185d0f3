// Command keeper runs the PostgreSQL that test programs share, until nobody uses it; package dbtest says
// how. It prints the address on standard output when the server is ready, and nothing else there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"caseload/internal/devdb"
	"caseload/internal/devdb/filelock"
)

const look = time.Second

func main() {
	dir := flag.String("dir", "", "the folder that test programs share")
	idle := flag.Duration("idle", time.Minute, "how long to stay without users")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := keep(ctx, *dir, *idle); err != nil {
		fmt.Fprintln(os.Stderr, err)
		cancel()
		os.Exit(1)
	}
}

func keep(ctx context.Context, dir string, idle time.Duration) error {
	s, err := start(ctx, dir)
	if err != nil {
		return err
	}
	note := filepath.Join(dir, "url")
	// Without the rename a reader could see half an address.
	err = errors.Join(os.WriteFile(note+".new", []byte(s.URL()+"\n"), 0o600), os.Rename(note+".new", note))
	if err == nil {
		fmt.Println(s.URL())
		err = os.Stdout.Close()
	}
	var users *filelock.Lock
	if err == nil {
		users = awaitEnd(ctx, s, filepath.Join(dir, "users.lock"), idle)
	}
	// The lock is held until all is gone: a program that comes now waits, and then finds no server.
	defer users.Release()
	stopCtx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return errors.Join(err, os.Remove(note), s.Stop(stopCtx))
}

// start begins anew when the data cannot be started: it is written without safety and worth nothing.
func start(ctx context.Context, dir string) (*devdb.Server, error) {
	o := devdb.Options{Dir: dir, Fast: true, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	s, err := devdb.Start(ctx, o)
	// A keeper that was told to end may still be at it.
	for tries := 30; errors.Is(err, devdb.ErrInUse) && tries > 0; tries-- {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(look):
		}
		s, err = devdb.Start(ctx, o)
	}
	if err == nil || errors.Is(err, devdb.ErrInUse) || ctx.Err() != nil {
		return s, err
	}
	if e := devdb.Remove(ctx, o); e != nil {
		return nil, errors.Join(err, e)
	}
	return devdb.Start(ctx, o)
}

// awaitEnd returns when it is time to stop. The lock is held when that is because nobody has used the
// server for a while, nil otherwise.
func awaitEnd(ctx context.Context, s *devdb.Server, usersLock string, idle time.Duration) *filelock.Lock {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	lastUse := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.Done():
			return nil
		case <-ticker.C:
		}
		alone, err := filelock.TryExclusive(usersLock)
		if err != nil {
			lastUse = time.Now()
			continue
		}
		if time.Since(lastUse) > idle {
			return alone
		}
		alone.Release()
	}
}
