package observe_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/observe"
)

func TestTracingWithoutEndpointGoesNowhere(t *testing.T) {
	t.Parallel()
	provider, shutdown, err := observe.Tracing(t.Context(), "", "1.0.0")
	require.NoError(t, err)
	_, span := provider.Tracer("test").Start(t.Context(), "query")
	require.False(t, span.IsRecording())
	require.NoError(t, shutdown(t.Context()))
}

func TestTracingRefusesWhatIsNoURL(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{"collector:4318", "ftp://collector", "http://", "http://user:hunter2@%zz"} {
		_, _, err := observe.Tracing(t.Context(), endpoint, "1.0.0")
		require.ErrorContains(t, err, "set up tracing")
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestTracingSendsToTheCollector(t *testing.T) {
	t.Parallel()
	type delivery struct {
		path string
		body []byte
	}
	deliveries := make(chan delivery, 1)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			deliveries <- delivery{r.URL.Path, body}
		}
	}))
	t.Cleanup(collector.Close)
	provider, shutdown, err := observe.Tracing(t.Context(), collector.URL, "1.2.3")
	require.NoError(t, err)
	_, span := provider.Tracer("test").Start(t.Context(), "query")
	span.End()
	require.NoError(t, shutdown(t.Context()))
	sent := <-deliveries
	require.Equal(t, "/v1/traces", sent.path)
	require.Contains(t, string(sent.body), "caseload")
	require.Contains(t, string(sent.body), "1.2.3")
}
