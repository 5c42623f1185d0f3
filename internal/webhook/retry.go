package webhook

import (
	"strings"
	"time"
)

// The rules of delivery; docs/webhooks.md has them for receivers.
const (
	// firstWait doubles with every attempt up to longestWait; up to a quarter is added at random, so that the
	// longest of all is an hour.
	firstWait   = 10 * time.Second
	longestWait = 48 * time.Minute
	// giveUpAfter is how long after its event a delivery is still attempted.
	giveUpAfter = 24 * time.Hour
	// disableAfter is how long an endpoint may fail without a success.
	disableAfter = 72 * time.Hour
	// An endpoint of which a whole batch failed is paused for a tenth of the time it has been failing.
	shortestPause = 10 * time.Second
	longestPause  = 5 * time.Minute
)

// wait is how long to wait after the given number of attempts; random is in [0, 1).
func wait(attempts int32, random float64) time.Duration {
	// Nine doublings are beyond the longest; more would overflow.
	d := min(firstWait<<min(max(attempts, 1)-1, 9), longestWait)
	return d + time.Duration(random*float64(d)/4)
}

// pause is for how long an endpoint is paused that has failed since a time.
func pause(since, now time.Time) time.Duration {
	return min(max(now.Sub(since)/10, shortestPause), longestPause)
}

// isHopeless reports whether an endpoint has failed for so long that it is to be disabled.
func (e *Endpoint) isHopeless(now time.Time) bool {
	return e.FailingSince != nil && now.Sub(*e.FailingSince) >= disableAfter
}

// outcome is how an attempt went.
type outcome struct {
	// begun reports that a request was sent; a delivery without one is released as it was.
	begun bool
	// broken reports that this server aborted the attempt, which says nothing of the endpoint.
	broken bool
	// status is 0 without an answer.
	status int
	// failure is "" for a success.
	failure Failure
}

// isSuccess and isFailure report what an attempt says of its endpoint; one that was not begun, or was aborted,
// says nothing.
func (o outcome) isSuccess() bool { return o.begun && !o.broken && o.failure == "" }
func (o outcome) isFailure() bool { return o.begun && !o.broken && o.failure != "" }

// label is the outcome for metrics.
func (o outcome) label() string {
	switch {
	case o.broken:
		return "broken_off"
	case o.failure == "":
		return "delivered"
	}
	return strings.ToLower(string(o.failure))
}

// settle sets the result of an attempt, and when the next one is.
func (d *Delivery) settle(o outcome, now time.Time, random float64) {
	switch {
	case !o.begun && d.Attempts == 1:
		// Back to its place in the queue.
		d.Attempts, d.NextAttemptAt = 0, &d.CreatedAt
		return
	case !o.begun:
		d.Attempts, d.NextAttemptAt = d.Attempts-1, &now
		return
	case o.broken:
		d.NextAttemptAt = &now
		return
	}
	d.LastStatusCode, d.LastFailure = nil, nil
	if o.status != 0 {
		d.LastStatusCode = new(int32(o.status))
	}
	if o.isSuccess() {
		d.State, d.DeliveredAt, d.NextAttemptAt = Delivered, &now, nil
		return
	}
	d.LastFailure = &o.failure
	next := now.Add(wait(d.Attempts, random))
	if o.failure == FailureGone || next.After(d.CreatedAt.Add(giveUpAfter)) {
		d.State, d.NextAttemptAt = Failed, nil
		return
	}
	d.NextAttemptAt = &next
}

// isExpired reports whether it is too late for a first or another attempt.
func (d *Delivery) isExpired(now time.Time) bool { return !now.Before(d.CreatedAt.Add(giveUpAfter)) }

// expire ends a delivery for which it is too late; the attempt that was counted did not begin.
func (d *Delivery) expire() {
	d.Attempts--
	d.State, d.NextAttemptAt = Failed, nil
	if d.LastFailure == nil {
		d.LastFailure = new(FailureExpired)
	}
}
