package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// pgbench runs scripts of hand-written SQL: what the server's figures are divided by.
type pgbench struct {
	program string
	dir     string
	env     []string
}

const pgbenchHint = "pgbench is missing: it comes with PostgreSQL's server programs (Debian: `apt-get install postgresql`; macOS: `brew install postgresql@17`)"

func newPgbench(databaseURL, dir string) (*pgbench, error) {
	program, err := exec.LookPath("pgbench")
	if err != nil {
		// Debian keeps the programs of each version apart.
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench")
		if len(found) == 0 {
			return nil, errors.New(pgbenchHint)
		}
		program = found[len(found)-1]
	}
	u, err := url.Parse(databaseURL)
	if err != nil {
		return nil, errors.New("read address of database: it is not a URL")
	}
	password, _ := u.User.Password()
	p := &pgbench{program: program, dir: dir}
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "PG") {
			p.env = append(p.env, e)
		}
	}
	p.env = append(p.env, "PGHOST="+u.Hostname(), "PGPORT="+u.Port(), "PGUSER="+u.User.Username(), "PGPASSWORD="+password, "PGDATABASE="+strings.TrimPrefix(u.Path, "/"))
	if mode := u.Query().Get("sslmode"); mode != "" {
		p.env = append(p.env, "PGSSLMODE="+mode)
	}
	return p, nil
}

// run runs a script with so many clients and prepared statements: for whole seconds, as pgbench knows no
// others, or a few times when less than a second is asked for.
func (p *pgbench) run(ctx context.Context, script string, variables map[string]string, clients int, d time.Duration) (*sample, error) {
	folder, err := os.MkdirTemp(p.dir, "pgbench")
	if err != nil {
		return nil, fmt.Errorf("make folder for pgbench: %w", err)
	}
	defer os.RemoveAll(folder) //nolint:errcheck // the whole folder goes at the end
	file := filepath.Join(folder, "script.sql")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		return nil, fmt.Errorf("write script: %w", err)
	}
	length := "--transactions=2"
	if d >= time.Second {
		length = "--time=" + strconv.Itoa(int(d/time.Second))
	}
	args := []string{"--no-vacuum", "--protocol=prepared", "--client=" + strconv.Itoa(clients), "--jobs=" + strconv.Itoa(min(clients, 2)),
		length, "--file=" + file, "--log", "--log-prefix=" + filepath.Join(folder, "log"),
		"--random-seed=" + strconv.FormatUint(uint64(rand.Uint32()), 10)}
	for name, value := range variables {
		args = append(args, "--define="+name+"="+value)
	}
	cmd := exec.CommandContext(ctx, p.program, args...)
	cmd.Env = p.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("run pgbench: %w\n%s", err, out)
	}
	if strings.Contains(string(out), "aborted") {
		return nil, fmt.Errorf("run pgbench: a client was aborted\n%s", out)
	}
	return p.read(folder, string(out))
}

// read reads the rate from what pgbench printed and the latencies from its logs.
func (p *pgbench) read(folder, printed string) (*sample, error) {
	logs, err := filepath.Glob(filepath.Join(folder, "log.*"))
	if err != nil {
		return nil, fmt.Errorf("find logs of pgbench: %w", err)
	}
	var all []time.Duration
	for _, log := range logs {
		f, err := os.Open(log)
		if err != nil {
			return nil, fmt.Errorf("read log of pgbench: %w", err)
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			fields := strings.Fields(lines.Text())
			if len(fields) < 3 {
				continue
			}
			us, err := strconv.Atoi(fields[2])
			if err != nil {
				continue
			}
			all = append(all, time.Duration(us)*time.Microsecond)
		}
		_ = f.Close()
		if err := lines.Err(); err != nil {
			return nil, fmt.Errorf("read log of pgbench: %w", err)
		}
	}
	s := &sample{}
	s.latencies(all, time.Second)
	_, text, _ := strings.Cut(printed, "tps = ")
	number, _, _ := strings.Cut(text, " ")
	if s.perSecond, err = strconv.ParseFloat(number, 64); err != nil {
		return nil, fmt.Errorf("read the rate of pgbench: %w\n%s", err, printed)
	}
	return s, nil
}
