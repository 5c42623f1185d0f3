package observe

import (
	"database/sql"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"caseload/internal/fault"
)

const namespace = "caseload"

// otherCode labels errors whose code is not in the closed list.
const otherCode = "OTHER"

// Metrics are the server's Prometheus metrics, in a registry of their own. Its methods are safe for use
// by several goroutines; a nil *Metrics records nothing.
type Metrics struct {
	registry   *prometheus.Registry
	names      names
	knownCodes map[fault.Code]struct{}

	operationDuration   *prometheus.HistogramVec
	operationErrors     *prometheus.CounterVec
	operationCost       prometheus.Histogram
	operationsInFlight  *prometheus.GaugeVec
	operationStatements prometheus.Histogram
	subscriptionEvents  *prometheus.CounterVec
	rootFields          *prometheus.CounterVec
	loaderBatchSize     *prometheus.HistogramVec
	jobs                *prometheus.CounterVec
	jobDuration         *prometheus.HistogramVec
	lendingCalls        *prometheus.CounterVec
	lendingDuration     prometheus.Histogram
	webhookAttempts     *prometheus.CounterVec
	webhookDuration     prometheus.Histogram
	bulkRows            *prometheus.CounterVec
}

// NewMetrics returns metrics that include those of the Go runtime and of the process.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry:   prometheus.NewRegistry(),
		names:      names{seen: map[string]struct{}{}},
		knownCodes: map[fault.Code]struct{}{},

		operationDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: "graphql", Name: "operation_duration_seconds",
			Help:    "Time from the start of an operation to its result, or to the end of a subscription.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 60},
		}, []string{"operation", "type", "outcome"}),
		operationErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "graphql", Name: "errors_total",
			Help: "Errors in results, by code; requests refused before they ran included.",
		}, []string{"code"}),
		operationCost: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: "graphql", Name: "operation_cost_points",
			Help:    "Cost of an operation in points.",
			Buckets: []float64{1, 3, 10, 30, 100, 300, 1000, 3000, 10_000},
		}),
		operationsInFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: "graphql", Name: "operations_in_flight",
			Help: "Operations that run now, by type.",
		}, []string{"type"}),
		operationStatements: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: "graphql", Name: "operation_statements",
			Help:    "SQL statements of one result.",
			Buckets: []float64{0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128},
		}),
		subscriptionEvents: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "graphql", Name: "subscription_events_total",
			Help: "Results sent to subscriptions.",
		}, []string{"operation"}),
		rootFields: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "root_fields_total",
			Help: "Root fields of queries, by what answered them: a compiled read, or the generated executor.",
		}, []string{"path"}),
		loaderBatchSize: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: "loader", Name: "batch_size",
			Help:    "Keys of one loader batch.",
			Buckets: []float64{1, 2, 5, 10, 25, 50, 100, 250, 500},
		}, []string{"loader"}),
		jobs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "jobs_total",
			Help: "Attempts to run a job, by kind and outcome.",
		}, []string{"kind", "outcome"}),
		jobDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "job_duration_seconds",
			Help:    "Time of one attempt to run a job.",
			Buckets: []float64{.01, .05, .1, .5, 1, 5, 15, 60, 300, 1800},
		}, []string{"kind"}),
		lendingCalls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "lending", Name: "calls_total",
			Help: "Calls to the lending system, by outcome.",
		}, []string{"outcome"}),
		webhookAttempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "webhook", Name: "attempts_total",
			Help: "Attempts to deliver to webhook endpoints, by outcome.",
		}, []string{"outcome"}),
		webhookDuration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: "webhook", Name: "attempt_duration_seconds",
			Help:    "Time of one attempt to deliver.",
			Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
		bulkRows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "bulk", Name: "rows_total",
			Help: "Rows of bulk operations that have their outcome, by kind and action.",
		}, []string{"kind", "action"}),
		lendingDuration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: "lending", Name: "call_duration_seconds",
			Help:    "Time of one call to the lending system.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}),
	}
	for _, info := range fault.Codes {
		m.knownCodes[info.Code] = struct{}{}
	}
	m.registry.MustRegister(
		m.operationDuration, m.operationErrors, m.operationCost, m.operationsInFlight, m.operationStatements,
		m.subscriptionEvents, m.rootFields, m.loaderBatchSize, m.jobs, m.jobDuration, m.lendingCalls, m.lendingDuration,
		m.webhookAttempts, m.webhookDuration, m.bulkRows,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// Names returns the names of the server's own metrics that are registered by now, without those of the Go runtime, the process
// and the connection pools, in the order of the alphabet.
func (m *Metrics) Names() []string {
	described := make(chan *prometheus.Desc)
	go func() {
		defer close(described)
		m.registry.Describe(described)
	}()
	var all []string
	for d := range described {
		// A description tells its name in its text alone.
		if at := ownName.FindStringSubmatch(d.String()); at != nil {
			all = append(all, at[1])
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

var ownName = regexp.MustCompile(`fqName: "(` + namespace + `_\w+)"`)

// Handler serves the metrics in the Prometheus text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		// One collector that fails must not take the others' values along.
		ErrorHandling: promhttp.ContinueOnError,
		Registry:      m.registry,
	})
}

// WatchPool adds the statistics of a connection pool under the given name; each name once.
func (m *Metrics) WatchPool(name string, db *sql.DB) error {
	if m == nil {
		return nil
	}
	return m.registry.Register(collectors.NewDBStatsCollector(db, name))
}

// WatchConnections adds a gauge of open long-lived connections of one kind, such as "websocket"; each
// kind once.
func (m *Metrics) WatchConnections(kind string, open func() int) error {
	if m == nil {
		return nil
	}
	return m.registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "live_connections",
		Help:        "Connections that stay open, by kind.",
		ConstLabels: prometheus.Labels{"kind": kind},
	}, func() float64 { return float64(open()) }))
}

// RootField records which path answered a root field of a query: "compiled" or "generated".
func (m *Metrics) RootField(path string) {
	if m != nil {
		m.rootFields.WithLabelValues(path).Inc()
	}
}

// LoaderBatch records that a loader asked for size keys at once. The name must come from a fixed set.
func (m *Metrics) LoaderBatch(loader string, size int) {
	if m != nil {
		m.loaderBatchSize.WithLabelValues(loader).Observe(float64(size))
	}
}

// Job records one attempt to run a job. Kind and outcome must come from fixed sets.
func (m *Metrics) Job(kind, outcome string, took time.Duration) {
	if m != nil {
		m.jobs.WithLabelValues(kind, outcome).Inc()
		m.jobDuration.WithLabelValues(kind).Observe(took.Seconds())
	}
}

// LendingCall records one call to the lending system. The outcome must come from a fixed set.
func (m *Metrics) LendingCall(outcome string, took time.Duration) {
	if m != nil {
		m.lendingCalls.WithLabelValues(outcome).Inc()
		m.lendingDuration.Observe(took.Seconds())
	}
}

// WebhookAttempt records one attempt to deliver to a webhook endpoint. The outcome must come from a fixed set.
func (m *Metrics) WebhookAttempt(outcome string, took time.Duration) {
	if m != nil {
		m.webhookAttempts.WithLabelValues(outcome).Inc()
		m.webhookDuration.Observe(took.Seconds())
	}
}

// BulkRows records rows of bulk operations that have their outcome. Kind and action must come from fixed sets.
func (m *Metrics) BulkRows(kind, action string, rows int) {
	if m != nil {
		m.bulkRows.WithLabelValues(kind, action).Add(float64(rows))
	}
}

// codeLabel keeps the label within the closed list whatever a resolver put into an error.
func (m *Metrics) codeLabel(code fault.Code) string {
	if _, known := m.knownCodes[code]; known {
		return string(code)
	}
	return otherCode
}
