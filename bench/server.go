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

// server is the program under measurement, as a process of its own.
type server struct {
	cmd     *exec.Cmd
	address string
	key     string
	client  *http.Client
	ended   chan error
	// started is how long the process took from its start to its first ready answer.
	started time.Duration
}

// buildServer compiles the program into dir.
func buildServer(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "caseload")
	out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, "caseload").CombinedOutput()
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

// startServer starts the program on the database and waits until it is ready. Its log goes to a file in dir.
func startServer(ctx context.Context, program, dir, databaseURL, key string, environ []string) (*server, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("find a free port: %w", err)
	}
	s := &server{address: listener.Addr().String(), key: key, client: &http.Client{Timeout: 2 * time.Minute}, ended: make(chan error, 1)}
	if err := listener.Close(); err != nil {
		return nil, fmt.Errorf("find a free port: %w", err)
	}
	log, err := os.Create(filepath.Join(dir, "server.log"))
	if err != nil {
		return nil, fmt.Errorf("open log of server: %w", err)
	}
	defer log.Close() //nolint:errcheck // the process has its own handle
	s.cmd = exec.CommandContext(ctx, program, "serve")
	s.cmd.Env = append(clean(os.Environ()), limits...)
	s.cmd.Env = append(s.cmd.Env, "DATABASE_URL="+databaseURL, "CASELOAD_DATA_DIR="+dir, "CASELOAD_LISTEN="+s.address)
	s.cmd.Env = append(s.cmd.Env, environ...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	begun := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	go func() { s.ended <- s.cmd.Wait() }()
	for {
		if _, err := s.get(ctx, "/readyz"); err == nil {
			s.started = time.Since(begun)
			return s, nil
		}
		select {
		case err := <-s.ended:
			text, _ := os.ReadFile(log.Name())
			return nil, fmt.Errorf("start server: %w\n%s", errors.Join(errors.New("it ended"), err), text)
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), s.stop())
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

// stop lets the server drain.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop server: %w", err)
	}
	select {
	case <-s.ended:
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

// cpu is the processor time that the server has used so far; false where there is no /proc.
func (s *server) cpu() (time.Duration, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0, false
	}
	// The name of the program, in parentheses, may hold spaces.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0, false
	}
	user, err1 := strconv.Atoi(fields[11])
	sys, err2 := strconv.Atoi(fields[12])
	return time.Duration(user+sys) * tick, err1 == nil && err2 == nil
}

// resetPeak makes memory's peak start anew, where the kernel allows it.
func (s *server) resetPeak() {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.cmd.Process.Pid), []byte("5"), 0)
}

// memory is the server's resident memory now and at its peak since resetPeak, in bytes; zero where there is no /proc.
func (s *server) memory() (now, peak int64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		kib, _ := strconv.ParseInt(fields[1], 10, 64)
		switch fields[0] {
		case "VmRSS:":
			now = kib << 10
		case "VmHWM:":
			peak = kib << 10
		}
	}
	return now, peak
}
