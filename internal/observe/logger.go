package observe

import (
	"io"
	"log/slog"
)

// NewLogger returns a logger that writes one JSON object per line and redacts personal data and
// secrets: every attribute whose name or group says that it holds some, at any depth, and every text
// that looks like a social security number, an email address or an API key. It is safe for use by
// several goroutines if w is.
func NewLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: new(redactor).attr}))
}
