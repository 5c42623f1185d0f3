//go:build unix && !solaris && !aix

package devdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// process is the running postmaster.
type process struct {
	cmd      *exec.Cmd
	done     chan struct{}
	err      error // set before done is closed
	stopping atomic.Bool
	once     sync.Once
}

// launch starts the postmaster as a child that does not outlive us where the system offers that.
func launch(h home, p programs, args []string, log *os.File) (*process, error) {
	// Not bound to a context: ending PostgreSQL is stop's business, and by SIGINT, not SIGKILL.
	cmd := h.as.command(context.Background(), h.path, p.postgres(), args...)
	cmd.Stdout, cmd.Stderr = log, log
	// A group of its own: Ctrl-C in a terminal reaches the whole foreground group, and PostgreSQL must
	// stay until the server has finished its requests.
	cmd.SysProcAttr.Setpgid = true
	dieWithParent(cmd.SysProcAttr)
	proc := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// Linux ends the child when the *thread* that made it ends. This goroutine keeps that thread
		// to itself until the child is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- fmt.Errorf("run %s: %w", p.postgres(), err)
			return
		}
		started <- nil
		proc.err = cmd.Wait()
		close(proc.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return proc, nil
}

// result says how the process ended; only after done.
func (p *process) result() error {
	if p.err == nil {
		return errors.New("exit status 0")
	}
	return p.err
}

// stop asks for a fast shutdown (SIGINT: roll back, write everything, end) and, when ctx ends first, for an
// immediate one (SIGQUIT: the next start replays the log).
func (p *process) stop(ctx context.Context) error {
	p.stopping.Store(true)
	p.once.Do(func() { _ = p.cmd.Process.Signal(syscall.SIGINT) })
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
	}
	_ = p.cmd.Process.Signal(syscall.SIGQUIT)
	select {
	case <-p.done:
		return fmt.Errorf("stop PostgreSQL: it was cut off and will recover at its next start: %w", context.Cause(ctx))
	case <-time.After(10 * time.Second):
		return fmt.Errorf("stop PostgreSQL: process %d does not end", p.cmd.Process.Pid)
	}
}
