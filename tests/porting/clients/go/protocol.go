// SPDX-License-Identifier: MIT

// The wire protocol, in pairs: a function that builds each request, and one that parses its response. (`protocol.py`)
//
// Pure. Follows RFC 6749 (OAuth 2.0), RFC 8628 (device grant) and RFC 7009 (revocation). Where a real server deviates,
// the line that handles it names the server.

package main

import (
	"fmt"
	"math"
	"net/url"
	"strings"
)

const (
	oauthScope  = "https://www.googleapis.com/auth/youtube"
	deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"
	// Seconds that a token is valid, if the server does not say: Google's (RFC 6749 5.1 lets a server leave it out).
	assumedLifetime = 3600
	// Seconds that a device code is valid, if the server does not say. RFC 8628 3.2 requires it to.
	assumedCodeLifetime = 900
	// Seconds between polls, if the server does not say (RFC 8628 3.2), or says what would end the login unconfirmed.
	defaultInterval = 5
	maxInterval     = 300
)

// Endpoints are the URLs of an OAuth server, how a client authenticates there, and how it deviates from RFC 8628.
type Endpoints struct {
	DeviceCodeURL string `json:"device_code_url"`
	TokenURL      string `json:"token_url"`
	RevokeURL     string `json:"revoke_url"` // "": there is none
	// How the client authenticates (RFC 6749 2.3): "post" sends the secret in the form, "basic" by HTTP Basic, and "none"
	// sends no secret (a public client).
	ClientAuthentication string `json:"client_authentication"`
	DeviceGrant          string `json:"device_grant"`
	DeviceCodeParameter  string `json:"device_code_parameter"`
	// The client authenticates at every endpoint, not only the token endpoint (RFC 8628 3.1, RFC 7009 2.1).
	AuthenticateEverywhere bool `json:"authenticate_everywhere"`
	// A refresh may return a new refresh token and invalidate the old one. Such a server may take a second use of the old
	// one for token theft and revoke the login, so a refresh is not retried if its response was lost.
	RotatesRefreshTokens bool `json:"rotates_refresh_tokens"`
	// It is Google's server. Then errors come with Google's advice.
	IsGoogle bool `json:"is_google"`
}

// rfc returns the endpoints of a server that follows the RFCs, without its URLs.
func rfc() Endpoints {
	return Endpoints{
		ClientAuthentication: "post", DeviceGrant: deviceGrant, DeviceCodeParameter: "device_code",
		AuthenticateEverywhere: true, RotatesRefreshTokens: true,
	}
}

// google returns the endpoints that Google documents for "TVs and Limited Input devices".
func google() Endpoints {
	at := rfc()
	at.DeviceCodeURL = "https://oauth2.googleapis.com/device/code"
	at.TokenURL = "https://oauth2.googleapis.com/token"
	at.RevokeURL = "https://oauth2.googleapis.com/revoke"
	at.AuthenticateEverywhere, at.RotatesRefreshTokens, at.IsGoogle = false, false, true
	return at
}

// youtube returns the endpoints that ytmusicapi uses, proven with YouTube Music.
func youtube() Endpoints {
	at := google()
	at.DeviceCodeURL = "https://www.youtube.com/o/oauth2/device/code"
	at.DeviceGrant, at.DeviceCodeParameter = "http://oauth.net/grant_type/device/1.0", "code"
	return at
}

// check returns an error for a URL that is neither https nor http to this machine.
func (at Endpoints) check() *FieldError {
	urls := []struct{ name, value string }{
		{"device_code_url", at.DeviceCodeURL}, {"token_url", at.TokenURL}, {"revoke_url", at.RevokeURL},
	}
	for _, each := range urls {
		if each.name == "revoke_url" && each.value == "" {
			continue
		}
		if _, err := validate(each.name, each.value, safeURL); err != nil {
			return err
		}
	}
	_, err := validate("client_authentication", at.ClientAuthentication, clientAuthentication)
	return err
}

// ---- device authorization: RFC 8628 3.1, 3.2

// A DeviceCode is what the user confirms.
type DeviceCode struct {
	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	ExpiresIn               int64  `json:"expires_in"`
	Interval                int64  `json:"interval"`
	VerificationURL         string `json:"verification_url"`
	VerificationURIComplete string `json:"verification_uri_complete,omitempty"`
}

func deviceAuthorizationRequest(at Endpoints, client Client, scope string, parameters map[string]string) Request {
	form := map[string]string{}
	for name, value := range parameters {
		form[name] = value
	}
	form["client_id"] = client.ID
	if scope != "" {
		form["scope"] = scope
	}
	return request(at, deviceCodeKind, at.DeviceCodeURL, form, client)
}

func parseDeviceAuthorization(request Request, response Response) (DeviceCode, *OAuthError) {
	return parse(request, response, func(body object) (DeviceCode, *FieldError) {
		// RFC 8628 says verification_uri, Google verification_url.
		link := "verification_url"
		if body["verification_uri"] != nil && optional(body, link, webLink, "") == "" || body[link] == nil {
			link = "verification_uri"
		}
		f := &fields{raw: body}
		code := DeviceCode{
			DeviceCode:              required(f, "device_code", secret),
			UserCode:                required(f, "user_code", userCode),
			ExpiresIn:               optional(body, "expires_in", wireSeconds, assumedCodeLifetime),
			Interval:                optional(body, "interval", wireSeconds, defaultInterval),
			VerificationURL:         required(f, link, webLink),
			VerificationURIComplete: optional(body, "verification_uri_complete", webLink, ""),
		}
		// A link with the device code is not used: it becomes part of a browser's command line, which `ps` shows to all.
		if contains(code.VerificationURIComplete, code.DeviceCode) {
			code.VerificationURIComplete = ""
		}
		if float64(code.Interval) > math.Min(maxInterval, float64(code.ExpiresIn)/2) {
			code.Interval = defaultInterval
		}
		return code, f.err
	})
}

// verificationLink is where the user confirms the code: `verification_uri_complete`, or a link built from the code.
func verificationLink(code DeviceCode) (string, *FieldError) {
	page, err := validate("verification_url", code.VerificationURL, webLink)
	if err != nil {
		return "", err
	}
	if code.VerificationURIComplete != "" {
		return validate("verification_uri_complete", code.VerificationURIComplete, webLink)
	}
	userCode, err := validate("user_code", code.UserCode, printable)
	address, fragment, hasFragment := strings.Cut(page, "#")
	if hasFragment {
		fragment = "#" + fragment
	}
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	escaped := strings.ReplaceAll(url.QueryEscape(userCode), "+", "%20")
	return address + separator + "user_code=" + escaped + fragment, err
}

// ---- token: RFC 8628 3.4, 3.5

// tokenRequest builds a device access token request: the poll.
func tokenRequest(at Endpoints, client Client, deviceCode string) (Request, *FieldError) {
	code, err := validate("device_code", deviceCode, secret)
	form := map[string]string{"grant_type": at.DeviceGrant, at.DeviceCodeParameter: code}
	return request(at, deviceGrantKind, at.TokenURL, form, client), err
}

// parseToken takes the time of the request (UNIX time) and the scope requested. The refresh token is empty if the
// server gave none.
func parseToken(request Request, response Response, sent float64, scope string) (Token, *OAuthError) {
	return parse(request, response, func(body object) (Token, *FieldError) {
		f, refreshToken := &fields{raw: body}, ""
		if body["refresh_token"] != nil && body["refresh_token"] != "" {
			refreshToken = required(f, "refresh_token", secret)
		}
		return issued(f, sent, scope, refreshToken), f.err
	})
}

// ---- refresh: RFC 6749 6

func refreshRequest(at Endpoints, client Client, refreshToken string) (Request, *FieldError) {
	token, err := validate("refresh_token", refreshToken, secret)
	form := map[string]string{"grant_type": "refresh_token", "refresh_token": token}
	return request(at, refreshKind, at.TokenURL, form, client), err
}

// parseRefresh returns an entire token if the server rotated the refresh token. An empty scope means that the scope is
// unchanged. A malformed error has the new refresh token, if the server sent one.
func parseRefresh(request Request, response Response, sent float64) (object, *OAuthError) {
	return parse(request, response, func(body object) (object, *FieldError) {
		f := &fields{raw: body}
		refreshToken := optional(body, "refresh_token", secret, "")
		// RFC 6749 6: "if omitted is treated as equal to the scope originally granted", which only the token knows.
		values := issued(f, sent, "", refreshToken).object()
		if refreshToken == "" {
			delete(values, "refresh_token")
			delete(values, "expires_at")
		}
		return values, f.err
	})
}

// issued reads a token response, in the order in which its first invalid key is told.
func issued(f *fields, sent float64, scope, refreshToken string) Token {
	token := Token{
		AccessToken: required(f, "access_token", visibleASCII),
		ExpiresIn:   optional(f.raw, "expires_in", wireSeconds, assumedLifetime),
		// RFC 6749 5.1: "OPTIONAL, if identical to the scope requested by the client".
		Scope: optional(f.raw, "scope", scopeText, scope),
		// RFC 6749 7.1: "The client MUST NOT use an access token if it does not understand the token type."
		TokenType:    otherwise(f, "token_type", bearer, "Bearer"),
		RefreshToken: refreshToken,
	}
	token.ExpiresAt = int64(math.Floor(sent)) + token.ExpiresIn
	return token
}

// ---- revocation: RFC 7009

func revocationRequest(at Endpoints, client Client, token string) (Request, *FieldError) {
	if at.RevokeURL == "" {
		return Request{}, &FieldError{"is missing, so the token cannot be revoked", "revoke_url"}
	}
	token, err := validate("token", token, secret)
	// No token_type_hint: some servers revoke nothing, with 200, if it is wrong.
	return request(at, revocationKind, at.RevokeURL, map[string]string{"token": token}, client), err
}

// ---- shared

// request adds the client's authentication. RFC 6749 2.3: "MUST NOT use more than one authentication method".
func request(at Endpoints, kind, url string, form map[string]string, client Client) Request {
	made := Request{url: url, form: form, kind: kind, isGoogle: at.IsGoogle, clientSecret: client.secret}
	if !at.AuthenticateEverywhere && (kind == deviceCodeKind || kind == revocationKind) {
		return made
	}
	if at.ClientAuthentication == "basic" {
		made.basic = &client
		return made
	}
	form["client_id"] = client.ID
	if at.ClientAuthentication == "post" {
		form["client_secret"] = client.secret
	}
	return made
}

// withoutSecrets omits a scope that has a secret in it: a scope is shown.
func withoutSecrets(request Request, body object) object {
	if !isSecretIn(request, optional(body, "scope", scopeText, ""), body) {
		return body
	}
	values := object{}
	for key, value := range body {
		if key != "scope" {
			values[key] = value
		}
	}
	return values
}

func parse[T any](request Request, response Response, build func(object) (T, *FieldError)) (T, *OAuthError) {
	var none T
	if err := errorIn(request, response); err != nil {
		return none, err
	}
	if response.body == nil {
		return none, malformed(response, "is not a JSON object", "")
	}
	value, err := build(withoutSecrets(request, response.body))
	if err == nil {
		return value, nil
	}
	what := "is invalid: " + err.Error()
	if kind := shown(request, response.body["token_type"], response.body); kind != "" && err.Key == "token_type" {
		what += fmt.Sprintf(", but %q", kind)
	}
	wrong := malformed(response, what, err.Key)
	if refreshToken := optional(response.body, "refresh_token", secret, ""); refreshToken != "" {
		wrong.refreshToken = func() string { return refreshToken }
	}
	return none, wrong
}
