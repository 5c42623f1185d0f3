package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"

	"caseload/internal/outbound"
	"caseload/internal/pii"
)

// maxAnswer is how much of a response is read and discarded: a short one lets its connection be used again.
const maxAnswer = 4 << 10

// post makes one attempt. Nothing of the answer is kept but its status.
func (c *Deliverer) post(ctx context.Context, url string, d *Delivery, secrets []pii.Secret) outcome {
	tryCtx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(tryCtx, http.MethodPost, url, bytes.NewReader(d.Payload))
	if err != nil {
		// The URL was checked when it was stored, perhaps by rules that are stricter now.
		return outcome{begun: true, failure: FailureUnreachable}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Caseload")
	req.Header.Set(HeaderEvent, d.Event.Name())
	req.Header.Set(HeaderDelivery, d.ID().String())
	req.Header.Set(HeaderSignature, sign(secrets, d.Payload, c.now()))
	resp, err := c.http.Do(req)
	if err != nil {
		return outcome{begun: true, broken: ctx.Err() != nil, failure: failureOf(err)}
	}
	defer func() { _ = resp.Body.Close() }()
	// The status counts, whatever becomes of the body.
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
	o := outcome{begun: true, status: resp.StatusCode}
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
	case code == http.StatusGone:
		o.failure = FailureGone
	case code >= 300 && code < 400:
		o.failure = FailureRedirect
	default:
		o.failure = FailureStatus
	}
	return o
}

// failureOf returns the failure of a request without a response.
func failureOf(err error) Failure {
	var certificate *tls.CertificateVerificationError
	var network net.Error
	switch {
	case errors.Is(err, outbound.ErrPrivateAddress):
		return FailurePrivateAddress
	case errors.As(err, &certificate):
		return FailureCertificate
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return FailureTimeout
	}
	return FailureUnreachable
}
