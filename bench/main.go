// Bench measures the server against hand-written SQL on the same rows, as ratios within one run, and prints
// the table of docs/performance.md.
//
// It starts a PostgreSQL of its own in a temporary folder, with ordinary settings: fsync and
// synchronous_commit are on. BENCH_DATABASE_URL names an empty database to use instead. The server is the
// real program, as a process of its own; the load generator and pgbench share the processors with it, as
// they share them with PostgreSQL. With -peers it measures other GraphQL servers on the same tables instead.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// options are the command line.
type options struct {
	customers int
	rounds    int
	// time is how long each measurement takes.
	time  time.Duration
	only  string
	write bool
	// peers measures other servers beside ours, from their folder.
	peers string
	// rows are the customers that the bulk writes bring.
	rows int
	// environ is added to the server's environment.
	environ []string
}

func main() {
	var o options
	var quick bool
	var seconds int
	flag.IntVar(&o.customers, "customers", 100_000, "customers to load")
	flag.IntVar(&seconds, "seconds", 2, "seconds of each measurement")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds; the table shows medians")
	flag.StringVar(&o.only, "only", "", "what to measure, separated by commas, of Q1, Q2, Q3, W1, W2 and bulk; everything when empty")
	flag.IntVar(&o.rows, "rows", 100_000, "customers of the bulk writes, W1")
	flag.BoolVar(&quick, "quick", false, "a short run that shows whether everything works: its figures mean little")
	flag.BoolVar(&o.write, "out", false, "write the table into docs/performance.md and README.md of the current folder, between their marks")
	flag.StringVar(&o.peers, "peers", "", "measure the servers that are installed in this `folder`, bench/peers, beside ours instead; see make bench/peers")
	flag.Func("env", "`NAME=value` for the server, such as GOGC=400; may be repeated", func(e string) error {
		if !strings.Contains(e, "=") {
			return errors.New("want NAME=value")
		}
		o.environ = append(o.environ, e)
		return nil
	})
	flag.Parse()
	if quick {
		o.customers, o.rows, seconds, o.rounds = 5000, 2000, 1, 1
	}
	o.time = time.Duration(seconds) * time.Second
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, o, os.Getenv("BENCH_DATABASE_URL"), os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures and writes the table to out; progress tells how far it is.
func run(ctx context.Context, o options, databaseURL string, out, progress io.Writer) (err error) {
	if o.customers < 100 || o.time <= 0 || o.rounds < 1 || o.rows < 1 {
		return errors.New("give at least 100 customers, 1 second, 1 round and 1 row")
	}
	dir, err := os.MkdirTemp("", "caseload-bench")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// PostgreSQL may run as another user, who must be able to enter.
	if err := os.Chmod(dir, 0o755); err != nil {
		return fmt.Errorf("open folder: %w", err)
	}
	b, err := prepare(ctx, o, dir, databaseURL, progress)
	if b != nil {
		defer func() { err = errors.Join(err, b.close()) }()
	}
	if err != nil {
		return err
	}
	var cells []*cell
	report, begin, end := b.report, markBegin, markEnd
	if o.peers == "" {
		cells, err = b.cells(ctx)
		if err == nil && wanted(o.only, "W1") {
			b.writes, err = newWrites(b, o.rows, dir)
		}
	} else {
		var p *peers
		p, err = b.findPeers(o.peers, dir)
		defer func() { err = errors.Join(err, p.close()) }()
		if err == nil {
			cells, err = p.cells(ctx, progress)
		}
		report, begin, end = p.report, peersBegin, peersEnd
	}
	if err != nil {
		return err
	}
	for round := range o.rounds {
		for _, c := range cells {
			if !wanted(o.only, c.name) {
				continue
			}
			s, err := c.measure(ctx, c.clients, o.time)
			if err != nil {
				return fmt.Errorf("measure %s: %w", c, err)
			}
			c.samples = append(c.samples, s)
			say(progress, "round %d  %-32s %2d clients  %9.1f/s  p50 %v  p99 %v", round+1, c.name, c.clients, s.perSecond, brief(s.p50), brief(s.p99))
		}
	}
	// After all that reads: they fill the tables.
	for round := range o.rounds {
		if b.writes == nil {
			break
		}
		if err := b.writes.round(ctx, round, progress); err != nil {
			return err
		}
	}
	table, err := report(ctx, o, cells)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(out, table); err != nil {
		return fmt.Errorf("print table: %w", err)
	}
	if o.write {
		return errors.Join(insert(filepath.Join("docs", "performance.md"), begin, end, table), insert("README.md", begin, end, table))
	}
	return nil
}

func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }

// wanted reports whether a cell is among those of -only.
func wanted(only, name string) bool {
	if only == "" {
		return true
	}
	word, _, _ := strings.Cut(name, " ")
	for w := range strings.SplitSeq(only, ",") {
		if strings.EqualFold(strings.TrimSpace(w), word) {
			return true
		}
	}
	return false
}

// prepare fills a database and starts the server on it. What it returns beside an error is to be closed.
func prepare(ctx context.Context, o options, dir, databaseURL string, progress io.Writer) (*bench, error) {
	b := &bench{customers: o.customers}
	program, err := buildServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	if b.db, err = openDatabase(ctx, dir, databaseURL, io.Discard); err != nil {
		return nil, err
	}
	if b.pgbench, err = newPgbench(b.db.url, dir); err != nil {
		return b, err
	}
	begun := time.Now()
	key, err := b.db.organize(ctx)
	if err != nil {
		return b, err
	}
	if err := b.db.fill(ctx, o.customers); err != nil {
		return b, err
	}
	say(progress, "loaded %d customers in %v", o.customers, time.Since(begun).Round(time.Second))
	// The first start loads the law; the second is the one whose time counts.
	for range 2 {
		if b.server != nil {
			if err := b.server.stop(); err != nil {
				return b, err
			}
		}
		if b.server, err = startServer(ctx, program, dir, b.db.url, key, "all", o.environ); err != nil {
			return b, err
		}
	}
	if o.peers == "" {
		// It only answers: jobs are the work of the server that is measured.
		b.generated, err = startServer(ctx, program, dir, b.db.url, key, "api", append(slices.Clip(o.environ), "CASELOAD_COMPILED_READS=false"))
	}
	return b, err
}

func (b *bench) close() error {
	var errs []error
	for _, s := range []*server{b.server, b.generated} {
		if s != nil {
			errs = append(errs, s.stop())
		}
	}
	return errors.Join(append(errs, b.db.close())...)
}

// The marks between which -out writes, with peers and without.
const (
	markBegin  = "<!-- bench -->"
	markEnd    = "<!-- /bench -->"
	peersBegin = "<!-- bench/peers -->"
	peersEnd   = "<!-- /bench/peers -->"
)

// insert replaces what stands between the marks of a file.
func insert(path, begin, end, table string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	before, rest, ok := bytes.Cut(text, []byte(begin))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !ok || !closed {
		return fmt.Errorf("write table: %s lacks the marks %s and %s", path, begin, end)
	}
	text = bytes.Join([][]byte{before, []byte(begin + "\n" + table + end), after}, nil)
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}
