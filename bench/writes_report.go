package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// report makes the tables of the bulk writes; nothing where they were not measured.
func (w *writes) report() string {
	if w == nil || len(w.ways[0].samples[0]) == 0 {
		return ""
	}
	var out strings.Builder
	fmt.Fprintf(&out, "W1: %d customers, at first all new, then half of them with another e-mail address and street, then as they are.\n\n| rows a second against psql's COPY and merge |", w.people.count)
	head, line := "", "\n|---|"
	for _, p := range phases {
		head, line = head+" "+p.name+" |", line+"---:|"
	}
	out.WriteString(head + " target |" + line + "---:|\n")
	ratio := func(name, of, target string) {
		fmt.Fprintf(&out, "| %s |", name)
		for n := range phases {
			fmt.Fprintf(&out, " %.2f |", w.median(of, n).perSecond/w.median(viaSQL, n).perSecond)
		}
		fmt.Fprintf(&out, " %s |\n", target)
	}
	ratio("`bulkUpsertCustomers`, 1,000 rows a call, 1 client", viaMutation, "0.8")
	ratio("`bulkUpsertCustomers`, 2 clients", viaTwo, "")
	ratio("bulk operation from a file of JSON Lines", viaOperation, "1.3")
	out.WriteString("\n| rows a second; CPU ms for 1,000 rows, server + PostgreSQL; memory of the server before → at most |" + head + line + "\n")
	for _, v := range w.ways {
		fmt.Fprintf(&out, "| %s |", v.name)
		for n := range phases {
			s := w.median(v.name, n)
			if v.name == viaSQL {
				fmt.Fprintf(&out, " %.0f; %s |", s.perSecond, brief(s.sql))
			} else {
				fmt.Fprintf(&out, " %.0f; %s + %s; %d → %d MB |", s.perSecond, brief(s.cpu), brief(s.sql), s.before>>20, s.peak>>20)
			}
		}
		out.WriteString("\n")
	}
	fmt.Fprintf(&out, "\nUntil a worker took the bulk operation: %.1f s, which is in no rate.\n\n", w.median(viaOperation, 0).wait.Seconds())
	return out.String()
}

// median gathers the medians of a way in a phase.
func (w *writes) median(name string, n int) writeSample {
	i := slices.IndexFunc(w.ways, func(v *way) bool { return v.name == name })
	samples := w.ways[i].samples[n]
	return writeSample{
		perSecond: middle(samples, func(s *writeSample) float64 { return s.perSecond }),
		cpu:       middle(samples, func(s *writeSample) time.Duration { return s.cpu }),
		sql:       middle(samples, func(s *writeSample) time.Duration { return s.sql }),
		before:    middle(samples, func(s *writeSample) int64 { return s.before }), peak: middle(samples, func(s *writeSample) int64 { return s.peak }),
		wait: middle(samples, func(s *writeSample) time.Duration { return s.wait }),
	}
}
