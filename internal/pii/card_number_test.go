package pii_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/pii"
)

func TestHoldsCardNumber(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"4111111111111111", "4111 1111 1111 1111", " 4111-1111-1111-1111\t", "4111\u00a01111\u00a01111\u00a01111", "4111.1111.1111.1111", "4111–1111–1111–1111",
		"378282246310005", "4222222222222", "6304000000000000000", "card 4111 1111 1111 1111, expires soon", "pan:4111111111111111",
	} {
		require.True(t, pii.HoldsCardNumber(text), text)
	}
	for _, text := range []string{
		"", "4111111111111112", "411111111111", "41111111111111111111", "DDA", "42c57311-25f9-4501-b9db-e78afa73c0e3",
		"x4111111111111111", "4111111111111111a", "2023-01-01T08:00:00Z", "1234 5678",
	} {
		require.False(t, pii.HoldsCardNumber(text), text)
	}
	for range 20_000 {
		id := uuid.New().String()
		require.False(t, pii.HoldsCardNumber(id), id)
	}
}
