package observe

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// readBacklog bounds how long a scrape waits for the database.
const readBacklog = 2 * time.Second

// Backlog is the bulk operations of all organizations that are under way or waiting.
type Backlog struct {
	// Open counts them by state.
	Open map[string]int
	// Waiting is the longest time for which one has been runnable and not leased; 0 when there is none.
	Waiting time.Duration
}

// WatchBacklog adds gauges of bulk operations, read at each scrape: every process reports those of all. Call it once.
func (m *Metrics) WatchBacklog(read func(ctx context.Context) (Backlog, error)) error {
	if m == nil {
		return nil
	}
	return m.registry.Register(&backlog{
		read:    read,
		open:    prometheus.NewDesc(namespace+"_bulk_operations_open", "Bulk operations under way or waiting, by state, of all processes.", []string{"state"}, nil),
		waiting: prometheus.NewDesc(namespace+"_bulk_oldest_waiting_seconds", "For how long a bulk operation has waited that nobody works on, though it is its turn.", nil, nil),
	})
}

type backlog struct {
	read          func(ctx context.Context) (Backlog, error)
	open, waiting *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (b *backlog) Describe(to chan<- *prometheus.Desc) { to <- b.open; to <- b.waiting }

// Collect implements prometheus.Collector. After an error it sends no values, so that an alert on missing ones fires.
func (b *backlog) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), readBacklog)
	defer cancel()
	now, err := b.read(ctx)
	if err != nil {
		to <- prometheus.NewInvalidMetric(b.open, err)
		return
	}
	for state, n := range now.Open {
		to <- prometheus.MustNewConstMetric(b.open, prometheus.GaugeValue, float64(n), state)
	}
	to <- prometheus.MustNewConstMetric(b.waiting, prometheus.GaugeValue, now.Waiting.Seconds())
}
