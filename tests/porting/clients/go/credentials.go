// SPDX-License-Identifier: MIT

// An OAuth client: sends the requests of protocol.go. (`credentials.py`, `session.py`)

package main

import "math"

// The headers that ytmusicapi sends.
var standardHeaders = map[string]string{
	"User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:88.0) Gecko/20100101 Firefox/88.0 Cobalt/Version",
	"Accept":     "application/json",
}

// A System is everything that the rest needs to reach the world: two clocks, a sleep, random numbers and the network.
// Times are in seconds.
type System struct {
	Now, Monotonic, Random func() float64
	Sleep                  func(seconds float64)
	Post                   func(url string, form, headers map[string]string, seconds float64) (*reply, *OAuthError)
}

// Credentials are an OAuth client at a server.
type Credentials struct {
	endpoints  Endpoints
	client     Client
	scope      string
	parameters map[string]string
	system     System
	// The last device code, and the monotonic times of its request and of the response.
	lastCode       string
	sent, received float64
}

// newCredentials validates an OAuth client. parameters are the server's own for a device authorization request.
func newCredentials(
	at Endpoints, id, clientSecret, scope string, parameters map[string]string, system System,
) (*Credentials, *FieldError) {
	if err := at.check(); err != nil {
		return nil, err
	}
	if _, err := validate("client_id", id, clientName); err != nil {
		return nil, err
	}
	if at.ClientAuthentication != "none" || clientSecret != "" {
		if _, err := validate("client_secret", clientSecret, credential); err != nil {
			return nil, err
		}
	}
	if scope != "" {
		if _, err := validate("scope", scope, printable); err != nil {
			return nil, err
		}
	}
	if err := extraParameters(parameters); err != nil {
		return nil, &FieldError{err.Reason, "parameters"}
	}
	client := Client{id, clientSecret}
	return &Credentials{endpoints: at, client: client, scope: scope, parameters: parameters, system: system}, nil
}

// usual are the limits of a call that must not be repeated if its response was lost.
var usual = limits{mostTries, requestTimeout, false}

// getCode requests a code for the user. Tries up to three times on transient failures.
func (c *Credentials) getCode() (DeviceCode, error) {
	request := deviceAuthorizationRequest(c.endpoints, c.client, c.scope, c.parameters)
	return outcome(withRetries(c.system, usual, func(seconds float64) (DeviceCode, *OAuthError) {
		sent := c.system.Monotonic()
		response, err := c.send(request, seconds)
		if err != nil {
			return DeviceCode{}, err
		}
		code, err := parseDeviceAuthorization(request, response)
		c.lastCode, c.sent, c.received = code.DeviceCode, sent, c.system.Monotonic()
		return code, err
	}))
}

// tokenFromCode polls once for the token.
func (c *Credentials) tokenFromCode(deviceCode string) (Token, error) {
	request, invalid := tokenRequest(c.endpoints, c.client, deviceCode)
	if invalid != nil {
		return Token{}, invalid
	}
	return outcome(c.poll(request))
}

func (c *Credentials) poll(request Request) (Token, *OAuthError) {
	sent := c.system.Now()
	response, err := c.send(request, math.Inf(1))
	if err != nil {
		return Token{}, err
	}
	return parseToken(request, response, sent, c.scope)
}

// waitForToken polls until the user has confirmed, at the server's interval, retrying transient failures.
func (c *Credentials) waitForToken(code DeviceCode) (Token, error) {
	request, invalid := tokenRequest(c.endpoints, c.client, code.DeviceCode)
	if invalid != nil {
		return Token{}, invalid
	}
	sent, received := c.sent, c.received
	if c.lastCode != code.DeviceCode {
		sent = c.system.Monotonic()
		received = sent
	}
	schedule := newDevicePoll(code, sent, received)
	return outcome(poll(func() (Token, *OAuthError) { return c.poll(request) }, schedule, c.system))
}

// refreshToken requests a new access token, so often and so long at most.
func (c *Credentials) refreshToken(refreshToken string, tries int, seconds float64) (object, error) {
	request, invalid := refreshRequest(c.endpoints, c.client, refreshToken)
	if invalid != nil {
		return nil, invalid
	}
	limits := limits{tries, seconds, !c.endpoints.RotatesRefreshTokens}
	return outcome(withRetries(c.system, limits, func(left float64) (object, *OAuthError) {
		sent := c.system.Now()
		response, err := c.send(request, left)
		if err != nil {
			return nil, err
		}
		return parseRefresh(request, response, sent)
	}))
}

// revokeToken ends a login, given its refresh token or an access token. Tries up to three times on transient failures.
func (c *Credentials) revokeToken(token string) error {
	request, invalid := revocationRequest(c.endpoints, c.client, token)
	if invalid != nil {
		return invalid
	}
	_, err := outcome(withRetries(c.system, usual, func(seconds float64) (any, *OAuthError) {
		response, err := c.send(request, seconds)
		if err == nil {
			err = errorIn(request, response)
		}
		return nil, err
	}))
	return err
}

// send sends a request once, within so many seconds.
func (c *Credentials) send(request Request, seconds float64) (Response, *OAuthError) {
	headers := headersOf(request)
	for name, value := range standardHeaders {
		headers[name] = value
	}
	reply, err := c.system.Post(request.url, request.form, headers, math.Min(seconds, transportTimeout))
	if err != nil {
		return Response{}, err
	}
	body, invalid := jsonObject(reply.content, true)
	if invalid != nil {
		body = nil
	}
	return Response{
		status:       reply.status,
		body:         body,
		isJSON:       invalid == nil || invalid.Reason == notAnObject,
		contentType:  orElse(shown(request, reply.header.Get("Content-Type"), body), "no content type"),
		retryAfter:   parseRetryAfter(reply.header.Get("Retry-After"), reply.header.Get("Date"), c.system.Now()),
		isEmpty:      len(reply.content) == 0,
		hasChallenge: reply.header.Values("WWW-Authenticate") != nil,
		location:     shown(request, reply.header.Get("Location"), body),
	}, nil
}

// outcome makes an `error` of an OAuthError: a nil pointer in an interface is not nil.
func outcome[T any](value T, err *OAuthError) (T, error) {
	if err != nil {
		return value, err
	}
	return value, nil
}
