// SPDX-License-Identifier: MIT

// HTTP: the only file that uses the network. Sends one form and returns the whole response, within limits on time and
// size. (`transport.py`, `_http.py`) It supports no proxies, and follows no redirect.

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

const (
	transportTimeout = 30      // Seconds for one whole request,
	connectTimeout   = 10      // and for its connection.
	grace            = 1       // Seconds that there always are to read a body after its headers.
	largestBody      = 1 << 20 // Bytes; an OAuth response has one or two thousand.
)

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// A reply is a whole HTTP response.
type reply struct {
	status  int
	header  http.Header
	content []byte
}

// post sends a form within so many seconds; a dialer replaces the network. Responses of any status are returned.
func post(address string, form, headers map[string]string, seconds float64, dial dialer) (*reply, *OAuthError) {
	// The default transport follows the environment's proxies, unpacks bodies and keeps connections.
	transport := &http.Transport{
		DisableCompression: true, DisableKeepAlives: true, MaxResponseHeaderBytes: 1 << 16,
		TLSHandshakeTimeout: connectTimeout * time.Second,
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
		DialContext:         (&net.Dialer{Timeout: connectTimeout * time.Second}).DialContext,
	}
	if dial != nil {
		transport.DialContext, transport.DialTLSContext = dial, dial
	}
	defer transport.CloseIdleConnections()
	values := url.Values{}
	for name, value := range form {
		values.Set(name, value)
	}
	// Not a context with a deadline: that cannot be moved when the headers have come.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	deadline := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	timer := time.AfterFunc(time.Until(deadline), cancel)
	defer timer.Stop()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(values.Encode()))
	if err != nil {
		return nil, failure("transport", OAuthError{Problem: "The URL cannot be used"})
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, noResponse(request.URL.Hostname(), err, sent.Load())
	}
	defer response.Body.Close()
	if left := time.Until(deadline); left < grace*time.Second && timer.Stop() {
		timer.Reset(grace * time.Second)
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, largestBody+1))
	status := response.StatusCode
	switch {
	case err == nil && len(content) <= largestBody:
		return &reply{status, response.Header, content}, nil
	case status == 408 || status >= 500: // only the status matters
		return &reply{status, response.Header, nil}, nil
	case isTimeout(err):
		return nil, noResponse(request.URL.Hostname(), err, true)
	case err == nil:
		return nil, failure("malformed", OAuthError{Problem: "The response is longer than 1 MiB", Status: status})
	case isCutShort(err):
		problem := "The connection was closed in the middle of the response"
		return nil, failure("transport", OAuthError{Problem: problem, isLost: true})
	}
	return nil, failure("malformed", OAuthError{Problem: "The response is not HTTP", Status: status})
}

// noResponse returns the error for a request without a response. Go's message may quote what the server sent.
func noResponse(host string, err error, sent bool) *OAuthError {
	problem := host + " cannot be reached"
	if isUntrusted, isRefused := certificateProblem(err); isRefused {
		refused := failure("transport", OAuthError{Problem: problem + ": " + err.Error(), isUntrusted: isUntrusted})
		refused.Retryable = false
		return refused
	}
	var operation *net.OpError
	switch {
	case isTimeout(err):
		problem = host + " did not respond in time"
	case sent && isCutShort(err):
		problem = host + " closed the connection"
	case errors.As(err, &operation):
		problem += ": " + operation.Err.Error()
	case sent:
		return failure("malformed", OAuthError{Problem: "The response is not HTTP"})
	}
	return failure("transport", OAuthError{Problem: problem, isLost: sent})
}

// certificateProblem says whether a certificate is not trusted, and whether it was refused at all: one that has expired
// is a mistake of a clock.
func certificateProblem(err error) (isUntrusted, isRefused bool) {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	isInvalid := errors.As(err, &invalid)
	isUntrusted = errors.As(err, &authority) || errors.As(err, &host) || isInvalid && invalid.Reason != x509.Expired
	return isUntrusted, isUntrusted || isInvalid
}

func isTimeout(err error) bool {
	var network net.Error
	return errors.Is(err, context.Canceled) || errors.As(err, &network) && network.Timeout()
}

// isCutShort says whether the connection was closed before the response was whole.
func isCutShort(err error) bool {
	var operation *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &operation)
}
