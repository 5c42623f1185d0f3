package dbtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"

	"caseload/internal/devdb/filelock"
)

// How the server is shared. A folder per user holds everything; its name ends with the version of this
// arrangement.
//
//	users.lock   each test program holds a share of it until it ends, however it ends: the operating
//	             system then gives it back
//	start.lock   held while a program looks whether the server runs, and starts it
//	url          the server's address, while it runs
//	keeper       the program that runs the server (its source is the folder keeper beside this file)
//
// The first test program builds and starts the keeper as a process of its own. The keeper stops the server
// and itself when nobody has held a share of users.lock for a while (ten minutes, in CI ten seconds): the
// next run of tests finds it warm, and a person can look into the database of a failed test. The data
// stays in the folder for the next keeper. A killed keeper takes its server along, or leaves it to the next keeper to end.
type server struct {
	base *url.URL
	// use is held, and reachable, as long as the process lives.
	use *filelock.Lock
	// strategy is appended to the statement that clones.
	strategy string
}

// AddressVariable names the environment variable that brings a server of one's own.
const AddressVariable = "CASELOAD_TEST_DATABASE_URL"

// shared is the server of this process. It must be one for all tests of a program, which is what a
// package-level value is for.
var shared = sync.OnceValues(find)

func find() (*server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if address := os.Getenv(AddressVariable); address != "" {
		base, err := parse(address)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", AddressVariable, err)
		}
		return &server{base: base}, nil
	}
	idle := 10 * time.Minute
	if os.Getenv("CI") == "true" {
		idle = 10 * time.Second
	}
	s, err := join(ctx, sharedFolder(fmt.Sprintf("caseload-test-%d-v1", os.Getuid())), idle)
	if err != nil {
		return nil, fmt.Errorf("find a PostgreSQL for tests: %w\n(%s may name one to use instead)", err, AddressVariable)
	}
	return s, nil
}

// join takes a share of the server in dir, which is started when it does not run.
func join(ctx context.Context, dir string, idle time.Duration) (*server, error) {
	if err := ownFolder(dir); err != nil {
		return nil, err
	}
	start, err := filelock.Exclusive(filepath.Join(dir, "start.lock"))
	if err != nil {
		return nil, err
	}
	defer start.Release()
	// Waits while a keeper that has found nobody is shutting down.
	use, err := filelock.Shared(filepath.Join(dir, "users.lock"))
	if err != nil {
		return nil, err
	}
	address, err := running(ctx, dir)
	if err != nil {
		address, err = startKeeper(ctx, dir, idle)
	}
	if err != nil {
		use.Release()
		return nil, err
	}
	base, err := parse(address)
	if err != nil {
		use.Release()
		return nil, err
	}
	s := &server{base: base, use: use}
	if err := s.chooseStrategy(ctx); err != nil {
		use.Release()
		return nil, err
	}
	return s, nil
}

// chooseStrategy makes clones by copying files, which needs a checkpoint: three times as fast as by the log
// where a checkpoint need not reach the disk, as on our own server, and slower elsewhere. PostgreSQL 14 knows
// no other way and not the word.
func (s *server) chooseStrategy(ctx context.Context) error {
	db, err := sqlx.Open("postgres", s.base.String())
	if err != nil {
		return fmt.Errorf("open test server: %w", err)
	}
	defer db.Close() //nolint:errcheck // the query's error was looked at
	var version int
	if err := db.GetContext(ctx, &version, `SHOW server_version_num`); err != nil {
		return fmt.Errorf("read version of test server: %w", err)
	}
	if version >= 150000 {
		s.strategy = ` STRATEGY file_copy`
	}
	return nil
}

// ownFolder makes the folder, or makes sure that nobody else made it: everybody may write beside it.
// It is open to enter, since PostgreSQL may have to run as another user; the secrets in it are not.
func ownFolder(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make folder: %w", err)
	}
	st, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("read folder: %w", err)
	}
	if !st.IsDir() || !isOurs(st) {
		return fmt.Errorf("%s belongs to somebody else", dir)
	}
	return nil
}

// running returns the address of a server that answers.
func running(ctx context.Context, dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "url"))
	if err != nil {
		return "", err
	}
	address := strings.TrimSpace(string(text))
	db, err := sqlx.Open("postgres", address+"&connect_timeout=5")
	if err != nil {
		return "", err
	}
	defer db.Close() //nolint:errcheck // only a ping went through it
	return address, db.PingContext(ctx)
}

func startKeeper(ctx context.Context, dir string, idle time.Duration) (string, error) {
	program := filepath.Join(dir, "keeper")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "caseload/internal/dbtest/keeper")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program that keeps the test server: %w\n%s", err, out)
	}
	log, err := os.OpenFile(filepath.Join(dir, "keeper.log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return "", fmt.Errorf("open log: %w", err)
	}
	defer log.Close() //nolint:errcheck // the keeper writes it, not we
	// Not bound to ctx: it outlives this process. None of our descriptors goes along, or `go test`
	// would wait for the keeper before it calls the tests finished.
	keeper := exec.Command(program, "-dir", dir, "-idle", idle.String())
	keeper.Stderr = log
	keeper.SysProcAttr = detached()
	answer, err := keeper.StdoutPipe()
	if err != nil {
		return "", fmt.Errorf("start test server: %w", err)
	}
	if err := keeper.Start(); err != nil {
		return "", fmt.Errorf("start test server: %w", err)
	}
	line := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(answer).ReadString('\n')
		_, _ = io.Copy(io.Discard, answer)
		line <- strings.TrimSpace(text)
	}()
	select {
	case address := <-line:
		if address != "" {
			return address, keeper.Process.Release()
		}
		_ = keeper.Wait()
		text, _ := os.ReadFile(log.Name())
		return "", fmt.Errorf("start test server:\n%s", text)
	case <-ctx.Done():
		_ = keeper.Process.Kill()
		return "", fmt.Errorf("start test server: %w; see %s", context.Cause(ctx), log.Name())
	}
}
