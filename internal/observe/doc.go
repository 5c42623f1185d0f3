// Package observe lets operators see what the server does: logs, metrics, traces and health.
//
// None of it may hold personal data. Logs are redacted by key and by shape ([NewLogger]); labels of
// metrics come from closed or bounded sets ([Metrics]); spans carry neither documents nor variables
// ([Operations]); health answers name what failed but not why ([Health]).
package observe
