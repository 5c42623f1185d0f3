package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// sample is one measurement of one cell.
type sample struct {
	count     int
	perSecond float64
	p50, p99  time.Duration
	// cpu is the server's processor time per request.
	cpu time.Duration
	// statements is how many the server ran per operation.
	statements float64
	// rss is the server's peak of resident memory in bytes.
	rss int64

	cpuBefore                          time.Duration
	operationsBefore, statementsBefore float64
}

// before notes the server's counters at the moment when counting begins.
func (s *sample) before(ctx context.Context, srv *server, begin time.Time) {
	select {
	case <-time.After(time.Until(begin)):
	case <-ctx.Done():
		return
	}
	srv.resetPeak()
	s.cpuBefore = srv.cpu()
	// An error comes back in after.
	s.operationsBefore, s.statementsBefore, _ = srv.statements(ctx)
}

func (s *sample) after(ctx context.Context, srv *server) error {
	cpu := srv.cpu()
	s.rss = srv.peak()
	operations, statements, err := srv.statements(ctx)
	if err != nil {
		return err
	}
	if s.count > 0 {
		s.cpu = (cpu - s.cpuBefore) / time.Duration(s.count)
	}
	if n := operations - s.operationsBefore; n > 0 {
		s.statements = (statements - s.statementsBefore) / n
	}
	return nil
}

func (s *sample) latencies(all []time.Duration, took time.Duration) {
	slices.Sort(all)
	s.count = len(all)
	if s.count == 0 {
		return
	}
	s.perSecond = float64(s.count) / took.Seconds()
	s.p50, s.p99 = all[s.count/2], all[s.count*99/100]
}

// cell is one thing that is measured, with its samples.
type cell struct {
	name    string
	clients int
	measure func(ctx context.Context, clients int, d time.Duration) (*sample, error)
	samples []*sample
}

func (c *cell) String() string { return fmt.Sprintf("%s, %d", c.name, c.clients) }

// median is the sample with the middle rate, with the medians of the other figures.
func (c *cell) median() sample {
	return sample{
		perSecond: middle(c.samples, func(s *sample) float64 { return s.perSecond }),
		p50:       middle(c.samples, func(s *sample) time.Duration { return s.p50 }), p99: middle(c.samples, func(s *sample) time.Duration { return s.p99 }),
		cpu: middle(c.samples, func(s *sample) time.Duration { return s.cpu }), statements: middle(c.samples, func(s *sample) float64 { return s.statements }),
		rss: middle(c.samples, func(s *sample) int64 { return s.rss }), count: middle(c.samples, func(s *sample) int { return s.count }),
	}
}

func middle[S any, V cmp.Ordered](samples []*S, of func(*S) V) V {
	values := make([]V, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	if len(values) == 0 {
		var none V
		return none
	}
	return values[len(values)/2]
}
