package lending

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/sony/gobreaker/v2"

	"caseload/internal/outbound"
)

// get performs one exchange with its retries and returns the body of a 200 answer. A 404 is answered with
// the given kind and message.
func (s *session) get(ctx context.Context, path string, missing error, message string) ([]byte, error) {
	var last *Error
	body, err := backoff.Retry(ctx, func() ([]byte, error) {
		body, err := s.try(ctx, path, missing, message)
		if err == nil {
			return body, nil
		}
		last = err
		switch {
		case !err.again || err.RetryAfter > s.opts.MaxRetryAfter:
			return nil, backoff.Permanent(err)
		case err.RetryAfter > 0:
			return nil, errors.Join(err, &backoff.RetryAfterError{Duration: err.RetryAfter})
		}
		return nil, err
	}, backoff.WithBackOff(s.opts.Backoff()), backoff.WithMaxTries(s.opts.Tries), withinDeadline(ctx))
	if err == nil {
		return body, nil
	}
	return nil, last
}

// withinDeadline ends the retries when the next one could not begin in time, instead of sleeping up to the
// deadline to fail then.
func withinDeadline(ctx context.Context) backoff.RetryOption {
	deadline, _ := ctx.Deadline()
	return backoff.WithMaxElapsedTime(max(time.Until(deadline), 1))
}

// try performs one HTTP exchange, if the gate lets it through.
func (s *session) try(ctx context.Context, path string, missing error, message string) ([]byte, *Error) {
	if err := s.gate.slots.Acquire(ctx, 1); err != nil {
		return nil, unavailable(err, "Too many requests to the lending system are waiting already.")
	}
	defer s.gate.slots.Release(1)
	body, err := s.gate.breaker.Execute(func() ([]byte, error) {
		body, err := s.exchange(ctx, path, missing, message)
		if err != nil {
			return nil, err
		}
		return body, nil
	})
	var e *Error
	switch {
	case err == nil:
		return body, nil
	case errors.As(err, &e):
		return nil, e
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		e = unavailable(err, "The lending system failed several times in a row and is left alone for a while.")
		e.open, e.RetryAfter = true, s.opts.OpenFor
		return nil, e
	default:
		return nil, unavailable(err, "The lending system did not answer.")
	}
}

func (s *session) exchange(ctx context.Context, path string, missing error, message string) ([]byte, *Error) {
	tryCtx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(tryCtx, http.MethodGet, s.base+path, nil)
	if err != nil {
		return nil, refused(errors.New("make request for lending system"), "The lending system's configured URL is not allowed; configure it again.")
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "caseload")
	req.Header.Set("X-Request-Id", s.requestID)

	resp, err := s.http.Do(req)
	if err != nil {
		return nil, failure(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if e := statusFailure(resp, missing, message); e != nil {
		return nil, e
	}
	if e := checkHeader(resp); e != nil {
		return nil, e
	}
	tooLarge := refused(nil, fmt.Sprintf("The lending system's answer is larger than %d bytes.", MaxResponseBytes))
	if resp.ContentLength > MaxResponseBytes {
		return nil, tooLarge
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxResponseBytes+1))
	switch {
	case err != nil:
		return nil, failure(ctx, err)
	case len(body) > MaxResponseBytes:
		return nil, tooLarge
	}
	return body, nil
}

// failure sorts an exchange that brought no answer.
func failure(ctx context.Context, err error) *Error {
	// The wrapper's text is the URL, which holds the borrower's id.
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var certificate *tls.CertificateVerificationError
	err = loggable(err)
	switch {
	case errors.Is(err, outbound.ErrPrivateAddress):
		e := refused(err, "The lending system's address is not on the public internet, which is not allowed.")
		e.neutral = true
		return e
	case errors.As(err, &certificate):
		return unavailable(err, "The lending system's certificate is not valid.")
	case errors.Is(ctx.Err(), context.Canceled):
		e := unavailable(err, "The request was canceled.")
		e.neutral = true
		return e
	}
	e := unavailable(err, "The lending system did not answer, or broke off.")
	e.again = true
	return e
}

// loggable keeps the causes that are known to hold no part of an answer: net/http quotes malformed status
// lines and headers, and those may be anything.
func loggable(err error) error {
	var (
		operation   *net.OpError
		name        *net.DNSError
		certificate *tls.CertificateVerificationError
		timeout     net.Error
	)
	known := []error{outbound.ErrPrivateAddress, context.Canceled, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, http.ErrSchemeMismatch}
	if slices.ContainsFunc(known, func(k error) bool { return errors.Is(err, k) }) ||
		errors.As(err, &operation) || errors.As(err, &name) || errors.As(err, &certificate) ||
		errors.As(err, &timeout) && timeout.Timeout() {
		return err
	}
	return errors.New("http exchange failed")
}

// statusFailure sorts the answers that are not 200.
func statusFailure(resp *http.Response, missing error, message string) *Error {
	switch code := resp.StatusCode; {
	case code == http.StatusOK:
		return nil
	case code == http.StatusNotFound:
		// A wrong base URL answers 404 too, but with a web page.
		if isJSON(resp.Header) {
			return &Error{Kind: missing, Message: message}
		}
		return refused(nil, "The lending system's configured URL does not lead to its contract: the answer was 404 without JSON.")
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return refused(nil, "The lending system refused the configured key.")
	case code == http.StatusTooManyRequests:
		e := unavailable(nil, "The lending system is limiting our requests.")
		e.again, e.neutral, e.RetryAfter = true, true, retryAfter(resp.Header)
		return e
	case code == http.StatusBadGateway, code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout:
		e := unavailable(nil, fmt.Sprintf("The lending system answered with status %d.", code))
		e.again, e.RetryAfter = true, retryAfter(resp.Header)
		return e
	case code >= 500:
		return unavailable(nil, fmt.Sprintf("The lending system answered with status %d.", code))
	case code >= 300 && code < 400:
		return refused(nil, "The lending system answered with a redirect, which is not followed; configure the final URL.")
	default:
		return refused(nil, fmt.Sprintf("The lending system answered with status %d.", code))
	}
}

func isJSON(h http.Header) bool {
	media, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	charset := params["charset"]
	return err == nil && media == "application/json" && (charset == "" || strings.EqualFold(charset, "utf-8"))
}

func checkHeader(resp *http.Response) *Error {
	if encoding := resp.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return refused(nil, "The lending system's answer is compressed, which was not asked for.")
	}
	if !isJSON(resp.Header) {
		return refused(nil, "The lending system's answer is not application/json in UTF-8.")
	}
	return nil
}

// retryAfter reads seconds or an HTTP date; anything else, and the past, is zero.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}
