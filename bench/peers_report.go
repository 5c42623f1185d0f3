package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// report makes the Markdown of a comparison.
func (p *peers) report(ctx context.Context, o options, cells []*cell) (string, error) {
	machine, err := p.bench.machine(ctx)
	if err != nil {
		return "", err
	}
	var w strings.Builder
	w.WriteString(o.preamble(machine))
	row := func(name string, one, many, target string) {
		if one != "–" || many != "–" {
			fmt.Fprintf(&w, "| %s | %s | %s | %s |\n", name, one, many, target)
		}
	}
	w.WriteString("| Caseload's requests per second against | 1 client | 16 clients | target |\n|---|---:|---:|---:|\n")
	t := tally(cells)
	for _, query := range []string{"Q1", "Q2", "Q3"} {
		var all []string
		for _, name := range peerNames {
			var own []string
			for _, processes := range peerProcesses {
				own = append(own, peerCell(query, name, processes))
			}
			all = append(all, own...)
			row(query+", "+name+", the better of 1 and 2 processes", t.against(query, own, 1), t.against(query, own, concurrent), "")
		}
		target := ""
		if query == "Q1" {
			target = "3 / 3"
		}
		row(query+", the best of all", t.against(query, all, 1), t.against(query, all, concurrent), target)
	}
	w.WriteString("\n| measured | clients | per second | p50 ms | p99 ms | server CPU ms each | statements each | peak RSS MB |\n|---|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, c := range cells {
		if len(c.samples) == 0 {
			continue
		}
		s := c.median()
		statements := "–"
		if s.statements > 0 {
			statements = fmt.Sprintf("%.2f", s.statements)
		}
		fmt.Fprintf(&w, "| %s | %d | %.1f | %s | %s | %.2f | %s | %d |\n", c.name, c.clients, s.perSecond, brief(s.p50), brief(s.p99),
			float64(s.cpu)/float64(time.Millisecond), statements, s.rss>>20)
	}
	w.WriteString("\n")
	return w.String(), nil
}

// against divides our rate by the best of others; a dash where one was not measured.
func (m medians) against(query string, others []string, clients int) string {
	best := ""
	for _, name := range others {
		s, ok := m.get(name, clients)
		if !ok {
			return "–"
		}
		if b, _ := m.get(best, clients); best == "" || s.perSecond > b.perSecond {
			best = name
		}
	}
	return m.rate(query+" Caseload", best, clients)
}
