package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// server is a program under measurement, as a process of its own, or as several with one parent.
type server struct {
	cmd     *exec.Cmd
	address string
	// key is that of Caseload; other programs have none, and no metrics either.
	key    string
	client *http.Client
	ended  chan error
	// started is how long the process took from its start to its first ready answer.
	started time.Duration
}

// buildServer compiles the program into dir.
func buildServer(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "caseload")
	out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "caseload").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build server: %w\n%s", err, out)
	}
	return path, nil
}

// limits are raised, as one caller sends all the load that a whole company would.
var limits = []string{
	"CASELOAD_LIMIT_COST=1000000", "CASELOAD_LIMIT_NODES=1000000",
	"CASELOAD_LIMIT_POINTS_PER_SECOND=1000000000", "CASELOAD_LIMIT_POINTS_BURST=1000000000",
	"CASELOAD_LIMIT_OPERATIONS_PER_SECOND=1000000000", "CASELOAD_LIMIT_OPERATIONS_BURST=1000000000",
	"CASELOAD_LIMIT_PRINCIPAL_IN_FLIGHT=1000", "CASELOAD_LIMIT_PROCESS_IN_FLIGHT=1000",
}

// startServer starts Caseload on the database in a role and waits until it is ready.
func startServer(ctx context.Context, program, dir, databaseURL, key, role string, environ []string) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, "serve", "--role="+role)
	cmd.Env = append(clean(os.Environ()), limits...)
	cmd.Env = append(cmd.Env, "DATABASE_URL="+databaseURL, "CASELOAD_DATA_DIR="+dir, "CASELOAD_LISTEN="+address)
	cmd.Env = append(cmd.Env, environ...)
	s := &server{cmd: cmd, address: address, key: key, client: &http.Client{Timeout: 2 * time.Minute}}
	return s, s.start(ctx, dir, func(ctx context.Context) error {
		_, err := s.get(ctx, "/readyz")
		return err
	})
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return address, nil
}

// start starts the process and waits until ready says nothing against it. Its log goes to a file in dir.
func (s *server) start(ctx context.Context, dir string, ready func(context.Context) error) error {
	log, err := os.CreateTemp(dir, "server-*.log")
	if err != nil {
		return fmt.Errorf("open log of server: %w", err)
	}
	defer log.Close() //nolint:errcheck // the process has its own handle
	s.cmd.Stdout, s.cmd.Stderr, s.ended = log, log, make(chan error, 1)
	begun := time.Now()
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start server: %w", err)
	}
	go func() { s.ended <- s.cmd.Wait() }()
	for {
		if ready(ctx) == nil {
			s.started = time.Since(begun)
			return nil
		}
		select {
		case err := <-s.ended:
			s.ended <- err
			text, _ := os.ReadFile(log.Name())
			return fmt.Errorf("start server: %w\n%s", errors.Join(errors.New("it ended"), err), text)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// clean leaves out what would change the server's behaviour.
func clean(environ []string) []string {
	var out []string
	for _, e := range environ {
		if !strings.HasPrefix(e, "CASELOAD_") && !strings.HasPrefix(e, "DATABASE_URL=") && !strings.HasPrefix(e, "OTEL_") {
			out = append(out, e)
		}
	}
	return out
}

// stop lets the server drain. It may be called again, and when it never started.
func (s *server) stop() error {
	if s.cmd.Process == nil {
		return nil
	}
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop server: %w", err)
	}
	select {
	case err := <-s.ended:
		s.ended <- err
		return nil
	case <-time.After(30 * time.Second):
		return errors.Join(errors.New("the server did not stop in 30 seconds"), s.cmd.Process.Kill())
	}
}

func (s *server) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("get %s: status %d", path, res.StatusCode)
	}
	return body, err
}

// statements returns the server's own counts: operations so far, and the statements that they ran.
func (s *server) statements(ctx context.Context) (operations, statements float64, err error) {
	if s.key == "" {
		return 0, 0, nil
	}
	text, err := s.get(ctx, "/metrics")
	if err != nil {
		return 0, 0, fmt.Errorf("read metrics: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		name := line[:strings.LastIndexByte(line, ' ')+1]
		n, err := strconv.ParseFloat(line[len(name):], 64)
		switch {
		case err != nil:
		case strings.HasPrefix(name, "caseload_graphql_operation_statements_sum"):
			statements += n
		case strings.HasPrefix(name, "caseload_graphql_operation_statements_count"):
			operations += n
		}
	}
	return operations, statements, nil
}

// tick is the unit of processor times in /proc; Linux has 100 a second on every architecture that Go knows.
const tick = 10 * time.Millisecond

// processes are the server's own and those that it has started.
func (s *server) processes() []int { return family(s.cmd.Process.Pid) }

// family is a process and those that it, and they, have started.
func family(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", all[i], all[i]))
		for _, word := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil {
				all = append(all, pid)
			}
		}
	}
	return all
}

// cpu is the processor time that the server has used so far; zero where there is no /proc.
func (s *server) cpu() time.Duration {
	ticks := 0
	for _, pid := range s.processes() {
		ticks += sum(stat(pid), 11, 12)
	}
	return time.Duration(ticks) * tick
}

// stat is what /proc says of a process, from its state on; nil where there is none.
func stat(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	// The name of the program, in parentheses, may hold spaces.
	return strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
}

func sum(fields []string, places ...int) int {
	total := 0
	for _, i := range places {
		if i < len(fields) {
			n, _ := strconv.Atoi(fields[i])
			total += n
		}
	}
	return total
}

// resetPeak makes memory's peak start anew, where the kernel allows it.
func (s *server) resetPeak() {
	for _, pid := range s.processes() {
		_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
	}
}

// peak is the server's peak of resident memory since resetPeak, in bytes; zero where there is no /proc.
func (s *server) peak() int64 {
	var sum int64
	for _, pid := range s.processes() {
		var kib int64
		if _, err := fmt.Sscanf(value(fmt.Sprintf("/proc/%d/status", pid), "VmHWM"), "%d kB", &kib); err == nil {
			sum += kib << 10
		}
	}
	return sum
}
