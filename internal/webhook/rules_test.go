package webhook

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"caseload/internal/pii"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func TestWaitsGrowFromTenSecondsToAnHour(t *testing.T) {
	t.Parallel()
	want := []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second, 320 * time.Second, 640 * time.Second, 1280 * time.Second, 2560 * time.Second}
	for i, d := range want {
		require.Equal(t, d, wait(int32(i+1), 0))
	}
	for _, n := range []int32{10, 11, 100, 1 << 30} {
		require.Equal(t, longestWait, wait(n, 0))
	}
	require.Equal(t, time.Hour, wait(50, 1), "the longest with all of the jitter")
	require.Equal(t, 12500*time.Millisecond, wait(1, 1))
	require.Equal(t, firstWait, wait(0, 0))
	rapid.Check(t, func(t *rapid.T) {
		n, r := rapid.Int32Range(1, 1000).Draw(t, "attempts"), rapid.Float64Range(0, 1).Draw(t, "random")
		got := wait(n, r)
		require.GreaterOrEqual(t, got, 10*time.Second)
		require.LessOrEqual(t, got, time.Hour)
		require.GreaterOrEqual(t, wait(n+1, r), got)
	})
}

func TestPauseOfAFailingEndpoint(t *testing.T) {
	t.Parallel()
	for failing, want := range map[time.Duration]time.Duration{
		0: 10 * time.Second, time.Minute: 10 * time.Second, 10 * time.Minute: time.Minute, time.Hour: 5 * time.Minute, 72 * time.Hour: 5 * time.Minute,
	} {
		require.Equal(t, want, pause(noon.Add(-failing), noon), failing)
	}
}

// Whatever happens to a delivery, its columns fit the constraints of the table, and it ends within a day.
func TestEveryDeliveryEnds(t *testing.T) {
	t.Parallel()
	outcomes := []outcome{
		{}, {begun: true, broken: true, failure: FailureUnreachable}, {begun: true, status: 200}, {begun: true, status: 500, failure: FailureStatus},
		{begun: true, failure: FailureTimeout}, {begun: true, status: 410, failure: FailureGone},
	}
	rapid.Check(t, func(t *rapid.T) {
		now := noon
		d := &Delivery{State: Pending, NextAttemptAt: &now, CreatedAt: now}
		for d.State == Pending {
			if d.NextAttemptAt.After(now) {
				now = *d.NextAttemptAt
			}
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(10*time.Minute)).Draw(t, "late")))
			before := d.Attempts
			d.Attempts++
			if d.isExpired(now) {
				d.expire()
				require.Equal(t, before, d.Attempts, "no attempt was made")
				require.NotNil(t, d.LastFailure)
			} else {
				o := rapid.SampledFrom(outcomes).Draw(t, "outcome")
				began := now
				now = now.Add(time.Second)
				d.settle(o, now, rapid.Float64Range(0, 1).Draw(t, "random"))
				require.Less(t, began.Sub(d.CreatedAt), giveUpAfter, "no attempt begins later")
				if !o.begun {
					require.Equal(t, before, d.Attempts)
				}
			}
			require.Equal(t, d.State == Pending, d.NextAttemptAt != nil)
			require.Equal(t, d.State == Delivered, d.DeliveredAt != nil)
			require.Equal(t, d.State == Failed, d.State != Pending && d.LastFailure != nil)
		}
	})
}

func TestWhenAnEndpointIsDisabled(t *testing.T) {
	t.Parallel()
	since := noon.Add(-disableAfter)
	old, young := &Endpoint{FailingSince: &since}, &Endpoint{}
	require.Equal(t, DisabledFailing, tally{failures: 1, ended: 1}.disables(old, noon))
	require.Equal(t, DisabledFailing, tally{ended: 1}.disables(old, noon), "what expired was not even tried")
	require.Empty(t, tally{failures: 1, ended: 1}.disables(old, noon.Add(-1)), "not yet three days")
	require.Empty(t, tally{failures: 5}.disables(old, noon), "one failure after days without events")
	require.Empty(t, tally{failures: 5, ended: 5, successes: 1}.disables(old, noon), "not nothing but failures")
	require.Empty(t, tally{failures: 5, ended: 5}.disables(young, noon))
	require.Equal(t, DisabledGone, tally{failures: 1, gone: 1, successes: 4}.disables(young, noon))
}

func TestWireNames(t *testing.T) {
	t.Parallel()
	var wire []string
	for _, e := range EventTypes {
		wire = append(wire, e.Name())
	}
	require.Equal(t, []string{"customer.created", "customer.updated", "customer.deleted", "customer.merged", "schedule.synced", "ping"}, wire)
}

// The digest was computed by: printf '1772452800.{"a":1}' | openssl dgst -sha256 -hmac whsec_test
const knownDigest = "813bad9b54f8ec3dd6884dc89b44edf5faf1d7f1bf2f291537372d12c0e87036"

func TestSignatureIsAsDocumented(t *testing.T) {
	t.Parallel()
	require.Equal(t, "t=1772452800,v1="+knownDigest, sign([]pii.Secret{"whsec_test"}, []byte(`{"a":1}`), noon))
}

func TestVerify(t *testing.T) {
	t.Parallel()
	body := []byte(`{"id":"evt_1"}`)
	old, current := newSecret(), newSecret()
	require.Regexp(t, `^whsec_[a-z2-7]{52}$`, current.Reveal())
	header := sign([]pii.Secret{current, old}, body, noon)
	require.Equal(t, 2, strings.Count(header, "v1="))
	ok := func(secret pii.Secret, header string, body []byte, now time.Time) error {
		return Verify(secret.Reveal(), header, body, now, 5*time.Minute)
	}
	require.NoError(t, ok(current, header, body, noon))
	require.NoError(t, ok(old, header, body, noon), "during a rotation either one will do")
	require.NoError(t, ok(current, header, body, noon.Add(5*time.Minute)))
	require.NoError(t, ok(current, header, body, noon.Add(-5*time.Minute)), "the receiver's clock may be behind")
	require.NoError(t, ok(current, " "+strings.ReplaceAll(header, ",", ", ")+",v2=later", body, noon))

	require.ErrorIs(t, ok(current, header, body, noon.Add(5*time.Minute+time.Second)), ErrExpired)
	require.ErrorIs(t, ok(current, header, body, noon.Add(-6*time.Minute)), ErrExpired)
	require.ErrorIs(t, ok(newSecret(), header, body, noon), ErrForged)
	require.ErrorIs(t, ok("", header, body, noon), ErrForged)
	require.ErrorIs(t, ok(current, header, []byte(`{"id":"evt_2"}`), noon), ErrForged)
	require.ErrorIs(t, ok(current, header, nil, noon), ErrForged)
	moved := strings.Replace(header, "t=1772452800", "t=1772452801", 1)
	require.ErrorIs(t, ok(current, moved, body, noon), ErrForged, "the time is signed too")
	require.ErrorIs(t, ok(current, header[:len(header)-2], body, noon.Add(time.Hour)), ErrExpired, "the first signature is whole")
	for _, bad := range []string{"", "t=1772452800", "v1=00", "t=x,v1=00", "t=,v1=", "t=1772452800,v1=zz", "t=1772452800;v1=00", "v0=00,t=1772452800", "=,=,="} {
		require.ErrorIs(t, ok(current, bad, body, noon), ErrUnsigned, "%q", bad)
	}
	require.NotContains(t, fmt.Sprint(ok(current, moved, body, noon)), current.Reveal())
}

// Nothing that can be sent passes under a secret that the sender does not have.
func FuzzVerify(f *testing.F) {
	f.Add(sign([]pii.Secret{"whsec_fuzz"}, []byte("body"), noon), []byte("body"))
	f.Add("t=1772452800,v1=00,v1=", []byte{})
	f.Add("t=9223372036854775807,v1=00", []byte("x"))
	f.Add("t=-9223372036854775808,v1=,,t=1", []byte("x"))
	secret := newSecret()
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		require.Error(t, Verify(secret.Reveal(), header, body, noon, time.Hour))
	})
}
