package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// report makes the Markdown of all results.
func (b *bench) report(ctx context.Context, o options, cells []*cell) (string, error) {
	var w strings.Builder
	machine, err := b.machine(ctx)
	if err != nil {
		return "", err
	}
	w.WriteString(o.preamble(machine))
	w.WriteString("| ratio within the run | 1 client | 16 clients | target |\n|---|---:|---:|---:|\n")
	t := tally(cells)
	get, rate := t.get, t.rate
	row := func(name, one, many, target string) {
		if one != "–" || many != "–" {
			fmt.Fprintf(&w, "| %s | %s | %s | %s |\n", name, one, many, target)
		}
	}
	ratio := func(name, over, under, target string) {
		row(name, rate(over, under, 1), rate(over, under, concurrent), target)
	}
	figure := func(name string, clients int, format func(sample) string) string {
		if s, ok := get(name, clients); ok {
			return format(s)
		}
		return "–"
	}
	ratio("Q1, page of 50 customers with 8 edges, against one json_agg statement", pageHTTP, pageOne, "1.4 / 1.4")
	ratio("Q1 against one statement per edge", pageHTTP, pageMany, "")
	ratio("Q1 by the generated executor against one json_agg statement", pageSlow, pageOne, "0.35 / 0.35")
	ratio("Q1, compiled against generated", pageHTTP, pageSlow, "over 1")
	ratio("Q2, one customer with 8 edges, against one statement per edge", nestHTTP, nestMany, "0.8")
	ratio("Q2 against one json_agg statement", nestHTTP, nestOne, "")
	ratio("Q2 by the generated executor against one statement per edge", nestSlow, nestMany, "0.35")
	ratio("Q2, compiled against generated", nestHTTP, nestSlow, "over 1")
	ratio("Q3, page 1,000 of call tasks, against its statement", deepHTTP, deepOne, "0.75 / 0.8")
	ratio("Q3, page 1,000 against page 1", deepHTTP, firstHTTP, "0.95")
	ratio("Q3 by the generated executor against its statement", deepSlow, deepOne, "0.25 / 0.15")
	ratio("Q3, compiled against generated", deepHTTP, deepSlow, "over 1")
	ratio("W2, syncCustomerSchedule, against the same transaction", syncHTTP, syncOne, "– / 0.8")
	ratio("W2 against as few statements as it needs", syncHTTP, syncFew, "")
	statements := func(s sample) string { return fmt.Sprintf("%.2f", s.statements) }
	row("Q1, statements of a query", figure(pageHTTP, 1, statements), figure(pageHTTP, concurrent, statements), fmt.Sprintf("exactly %d", 1+edges))
	row("Q2, statements of a query", figure(nestHTTP, 1, statements), figure(nestHTTP, concurrent, statements), fmt.Sprintf("exactly %d", 1+edges))
	whole := func(s sample) string { return fmt.Sprintf("%.0f", s.statements) }
	row("W2, statements of a sync besides BEGIN and COMMIT", figure(syncHTTP, 1, whole), figure(syncHTTP, concurrent, whole), fmt.Sprintf("the script has %d", statementsOf(syncSQL)))
	if a, ok := get(nestHTTP, 1); ok {
		if b, ok := get(nestMany, 1); ok {
			row("latency that a level of nesting adds to its SQL (Q2, p50)", fmt.Sprintf("%.2f ms", float64(a.p50-b.p50)/float64(time.Millisecond)/levels), "–", "0.1 ms")
		}
	}
	memory := func(s sample) string {
		if s.rss == 0 {
			return "–"
		}
		return fmt.Sprintf("%d MB", s.rss>>20)
	}
	row("memory of the server while it answers Q1", figure(pageHTTP, 1, memory), figure(pageHTTP, concurrent, memory), "– / under 80 MB")
	row("start of `serve` on a migrated database", fmt.Sprintf("%.2f s", b.server.started.Seconds()), "–", "under 0.3 s")

	w.WriteString("\n| measured | clients | per second | p50 ms | p99 ms | server CPU ms each | statements each | peak RSS MB |\n|---|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, c := range cells {
		if len(c.samples) == 0 {
			continue
		}
		s := c.median()
		own := "– | – | –"
		if strings.Contains(c.name, " server") {
			own = fmt.Sprintf("%.2f | %.2f | %d", float64(s.cpu)/float64(time.Millisecond), s.statements, s.rss>>20)
		}
		perSecond := fmt.Sprintf("%.1f", s.perSecond)
		if c.name == bulkHTTP {
			perSecond = fmt.Sprintf("%.2f (%.0f rows)", s.perSecond, s.perSecond*float64(min(bulkRows, b.customers)))
		}
		fmt.Fprintf(&w, "| %s | %d | %s | %s | %s | %s |\n", c.name, c.clients, perSecond, brief(s.p50), brief(s.p99), own)
	}
	w.WriteString("\n")
	w.WriteString(b.writes.report())
	return w.String(), nil
}

// preamble says what the figures were taken on, and how.
func (o options) preamble(machine string) string {
	with := ""
	if len(o.environ) > 0 {
		with = ", the server with " + strings.Join(o.environ, " ")
	}
	return fmt.Sprintf("\n%s. %d customers with %d call tasks; medians of %d interleaved rounds of %v%s. The load generator, the server and PostgreSQL (fsync and synchronous_commit on) share the processors, so 16 clients show contention, not scaling. Ratios carry over to other machines; absolute figures do not.\n\n",
		machine, o.customers, o.customers*7, o.rounds, o.time, with)
}

// medians are the results of the cells that were measured, by [cell.String].
type medians map[string]sample

func tally(cells []*cell) medians {
	at := medians{}
	for _, c := range cells {
		if len(c.samples) > 0 {
			at[c.String()] = c.median()
		}
	}
	return at
}

func (m medians) get(name string, clients int) (sample, bool) {
	s, ok := m[(&cell{name: name, clients: clients}).String()]
	return s, ok
}

// rate is the quotient of two rates; a dash where one was not measured.
func (m medians) rate(over, under string, clients int) string {
	a, ok := m.get(over, clients)
	b, ok2 := m.get(under, clients)
	if !ok || !ok2 || b.perSecond == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", a.perSecond/b.perSecond)
}

// brief is a latency in milliseconds.
func brief(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond)) }

// machine says what the figures were taken on.
func (b *bench) machine(ctx context.Context) (string, error) {
	var version string
	if err := b.db.pool.Get(ctx, &version, "SELECT split_part(version(), ' ', 2)"); err != nil {
		return "", fmt.Errorf("read version of PostgreSQL: %w", err)
	}
	model := value("/proc/cpuinfo", "model name")
	if model == "" {
		model = "unknown processor"
	}
	memory := ""
	var kib int64
	if _, err := fmt.Sscanf(value("/proc/meminfo", "MemTotal"), "%d kB", &kib); err == nil {
		memory = fmt.Sprintf(", %d GB memory", (kib+1<<19)>>20)
	}
	return fmt.Sprintf("%s, %d processors%s, PostgreSQL %s, %s, %s/%s", model, runtime.NumCPU(), memory, version, runtime.Version(), runtime.GOOS, runtime.GOARCH), nil
}

// value reads what a file of /proc says of a name; empty where there is none.
func value(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if key, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
