package observe

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Tracing returns where spans go: with an endpoint to an OpenTelemetry collector by OTLP over HTTP,
// without one nowhere. An endpoint without a path means /v1/traces. The sampler is taken from
// OTEL_TRACES_SAMPLER, and samples everything that the caller's trace does unless that is set.
// Shutdown sends what is left and must be called before the program ends; the collector need not be
// up, neither now nor then.
func Tracing(ctx context.Context, endpoint, version string) (_ trace.TracerProvider, shutdown func(context.Context) error, _ error) {
	if endpoint == "" {
		return noop.NewTracerProvider(), func(context.Context) error { return nil }, nil
	}
	address, err := url.Parse(endpoint)
	if err != nil || address.Host == "" || (address.Scheme != "http" && address.Scheme != "https") {
		// The endpoint may hold a password and is not repeated.
		return nil, nil, errors.New("set up tracing: the endpoint must be an http or https URL")
	}
	if strings.Trim(address.Path, "/") == "" {
		address.Path = "/v1/traces"
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(address.String()))
	if err != nil {
		return nil, nil, fmt.Errorf("set up tracing: %w", err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		// Nothing is detected: host names and command lines say more about the machine than they help.
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", namespace),
			attribute.String("service.version", version),
		)),
	)
	return provider, provider.Shutdown, nil
}
