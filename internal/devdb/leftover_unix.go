//go:build unix && !solaris && !aix

package devdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// endLeftover clears what a killed process left: a PostgreSQL that still runs (or is just ending), or the
// pid file of one that does not. The caller holds the folder's lock, so nobody else is using it.
func endLeftover(ctx context.Context, h home, log *slog.Logger) error {
	pidFile := filepath.Join(h.data(), "postmaster.pid")
	text, err := os.ReadFile(pidFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read pid file of an earlier run: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err == nil && pid > 1 && isPostmaster(ctx, pid, h.data()) {
		log.WarnContext(ctx, "stopping the PostgreSQL that an earlier run left behind", "pid", pid)
		if err := end(ctx, pid, h.data()); err != nil {
			return err
		}
	}
	// PostgreSQL itself refuses to start while any process has the number in this file, and numbers
	// are soon used again, above all in containers.
	if err := os.Remove(pidFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove pid file of an earlier run: %w", err)
	}
	return nil
}

func end(ctx context.Context, pid int, data string) error {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, 20 * time.Second}, {syscall.SIGQUIT, 10 * time.Second}} {
		if err := syscall.Kill(pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop PostgreSQL of an earlier run (process %d): %w", pid, err)
		}
		for deadline := time.Now().Add(step.wait); time.Now().Before(deadline); {
			if !isPostmaster(ctx, pid, data) {
				return nil
			}
			if err := pause(ctx, poll); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("stop PostgreSQL of an earlier run: process %d does not end", pid)
}

// isPostmaster reports whether the process is the PostgreSQL of this data, and not another one that has got
// its number. A dead process that nobody has waited for has no command line and does not count.
func isPostmaster(ctx context.Context, pid int, data string) bool {
	args, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err == nil {
		words := strings.Split(string(bytes.TrimRight(args, "\x00")), "\x00")
		return filepath.Base(words[0]) == "postgres" && slices.Contains(words, data)
	}
	if exists("/proc/self/cmdline") {
		return false
	}
	out, err := exec.CommandContext(ctx, "ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	line := string(out)
	program, _, _ := strings.Cut(line, " -D ")
	return err == nil && filepath.Base(program) == "postgres" && strings.Contains(line, " -D "+data+" ")
}
