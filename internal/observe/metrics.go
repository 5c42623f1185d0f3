package observe

import (
	"database/sql"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
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

	operationDuration, loaderBatchSize, jobDuration                                                *prometheus.HistogramVec
	operationCost, operationStatements, lendingDuration, webhookDuration                           prometheus.Observer
	operationErrors, subscriptionEvents, rootFields, jobs, lendingCalls, webhookAttempts, bulkRows *prometheus.CounterVec
	operationsInFlight                                                                             *prometheus.GaugeVec
}

// NewMetrics returns metrics that include those of the Go runtime and of the process.
func NewMetrics() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), names: names{seen: map[string]struct{}{}}, knownCodes: map[fault.Code]struct{}{}}
	for _, info := range fault.Codes {
		m.knownCodes[info.Code] = struct{}{}
	}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	register := promauto.With(m.registry)
	counter := func(subsystem, name, help string, labels ...string) *prometheus.CounterVec {
		return register.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, labels)
	}
	histogram := func(subsystem, name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return register.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help, Buckets: buckets}, labels)
	}
	m.operationDuration = histogram("graphql", "operation_duration_seconds", "Time from the start of an operation to its result, or to the end of a subscription.",
		[]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 60}, "operation", "type", "outcome")
	m.operationErrors = counter("graphql", "errors_total", "Errors in results, by code; requests refused before they ran included.", "code")
	m.operationCost = histogram("graphql", "operation_cost_points", "Cost of an operation in points.",
		[]float64{1, 3, 10, 30, 100, 300, 1000, 3000, 10_000}).WithLabelValues()
	m.operationsInFlight = register.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Subsystem: "graphql", Name: "operations_in_flight", Help: "Operations that run now, by type."}, []string{"type"})
	m.operationStatements = histogram("graphql", "operation_statements", "SQL statements of one result.",
		[]float64{0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128}).WithLabelValues()
	m.subscriptionEvents = counter("graphql", "subscription_events_total", "Results sent to subscriptions.", "operation")
	m.rootFields = counter("", "root_fields_total", "Root fields of queries, by what answered them: a compiled read, or the generated executor.", "path")
	m.loaderBatchSize = histogram("loader", "batch_size", "Keys of one loader batch.",
		[]float64{1, 2, 5, 10, 25, 50, 100, 250, 500}, "loader")
	m.jobs = counter("", "jobs_total", "Attempts to run a job, by kind and outcome.", "kind", "outcome")
	m.jobDuration = histogram("", "job_duration_seconds", "Time of one attempt to run a job.",
		[]float64{.01, .05, .1, .5, 1, 5, 15, 60, 300, 1800}, "kind")
	m.lendingCalls = counter("lending", "calls_total", "Calls to the lending system, by outcome.", "outcome")
	m.lendingDuration = histogram("lending", "call_duration_seconds", "Time of one call to the lending system.",
		[]float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30}).WithLabelValues()
	m.webhookAttempts = counter("webhook", "attempts_total", "Attempts to deliver to webhook endpoints, by outcome.", "outcome")
	m.webhookDuration = histogram("webhook", "attempt_duration_seconds", "Time of one attempt to deliver.",
		[]float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10}).WithLabelValues()
	m.bulkRows = counter("bulk", "rows_total", "Rows of bulk operations that have their outcome, by kind and action.", "kind", "action")
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
		// The name is only in the text of a description.
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
		// A collector that fails must not hide the others.
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

// codeLabel returns a code of the closed list, or OTHER.
func (m *Metrics) codeLabel(code fault.Code) string {
	if _, known := m.knownCodes[code]; known {
		return string(code)
	}
	return otherCode
}
