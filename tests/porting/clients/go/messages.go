// SPDX-License-Identifier: MIT

// Requests and responses as values, and the error that a response means. (`_messages.py`)

package main

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// What a request asks for.
const (
	deviceCodeKind  = "device code"
	deviceGrantKind = "device grant"
	refreshKind     = "refresh"
	revocationKind  = "revocation"
)

// A Client is an OAuth client.
type Client struct{ ID, secret string }

// A Request is a form to be sent by POST. basic is the client to be sent by HTTP Basic.
type Request struct {
	url          string
	form         map[string]string
	basic        *Client
	kind         string
	isGoogle     bool
	clientSecret string // not to be shown, even if it is not sent
}

// String keeps the secrets of a request out of logs.
func (r Request) String() string { return "[request]" }

// GoString does the same for %#v.
func (r Request) GoString() string { return "[request]" }

// A Response has the decoded body, nil if it is not a JSON object. location is where a redirect leads to, redacted.
type Response struct {
	status       int
	body         object
	isJSON       bool
	contentType  string
	retryAfter   *float64
	isEmpty      bool
	hasChallenge bool // a WWW-Authenticate header
	location     string
}

func set(names ...string) map[string]bool {
	members := make(map[string]bool, len(names))
	for _, name := range names {
		members[name] = true
	}
	return members
}

var (
	// OAuth error codes that mean a transient failure of the server (RFC 6749 4.1.2.1; the last one is Google's).
	transientCodes = set("server_error", "temporarily_unavailable", "internal_failure")
	// Fields of a form that are not secret.
	publicFields = set("client_id", "scope", "grant_type", "audience", "resource", "response_type")
	// The RFCs' own words. A secret that begins with `client-secret` has them in common with many sentences.
	publicWords = []string{"client_secret", "client_assertion", "device_code", "refresh_token", "access_token"}
	// The keys of a response whose values are secret.
	secretKey = regexp.MustCompile(`(?i)(token|secret|password|assertion|device_?code)$`)
)

// Error code -> the kinds of request that it answers. As the answer to any other it says nothing that we know.
var answers = map[string]map[string]bool{
	"authorization_pending":  set(deviceGrantKind),
	"slow_down":              set(deviceGrantKind),
	"access_denied":          set(deviceGrantKind),
	"authorization_declined": set(deviceGrantKind),
	"expired_token":          set(deviceGrantKind),
	"code_expired":           set(deviceGrantKind),
	"token_expired":          set(deviceGrantKind),
	"bad_verification_code":  set(deviceGrantKind),
	"incorrect_device_code":  set(deviceGrantKind),
	"invalid device code":    set(deviceGrantKind),
	"Invalid refresh token":  set(refreshKind),
	"bad_refresh_token":      set(refreshKind),
	"interaction_required":   set(refreshKind),
	"consent_required":       set(refreshKind),
	"login_required":         set(refreshKind),
	"invalid_grant":          set(deviceGrantKind, refreshKind),
}

type words struct{ problem, advice string }

var notForDevices = words{
	"The server does not let this OAuth client log in with a device code",
	"Enable the device authorization grant for this client. If the client is public, send no client secret.",
}

// What an error means, and what to do, where the request makes it something else than its name says.
var meaningIn = map[string]words{
	deviceCodeKind + " unauthorized_client":  notForDevices,
	deviceGrantKind + " unauthorized_client": notForDevices,
	deviceGrantKind + " invalid_grant": {
		"The server does not know this device code, or it was already used", "Log in again to get a new code.",
	},
}

// What Google's servers add to an error.
var googleAdvice = map[string]string{
	"invalid_grant": "Log in again. Google ends a login when the user revokes it, after 6 months without use, and " +
		`after 7 days while the consent screen of the OAuth app is in "Testing".`,
	"invalid_client": `Check the client id and secret, that the client is of the type "TVs and Limited Input devices", ` +
		"and that the YouTube Data API is enabled in its project.",
}

// headersOf returns the header fields that a request needs.
func headersOf(request Request) map[string]string {
	if request.basic == nil {
		return map[string]string{}
	}
	// RFC 6749 2.3.1: both are form-encoded before they become a user name and a password.
	pair := url.QueryEscape(request.basic.ID) + ":" + url.QueryEscape(request.basic.secret)
	return map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))}
}

// shown is what may be shown of a server's text: no secret of the request, and none of the response's body.
func shown(request Request, value any, body object) string {
	text, _ := value.(string)
	open := publicWords
	for name, value := range request.form {
		if publicFields[name] {
			open = append(open, value)
		}
	}
	return redacted(text, secretsOf(request, body), open)
}

// isSecretIn says whether a text has a whole secret of the request or of the response's body. Short ones do not count.
func isSecretIn(request Request, text string, body object) bool {
	var secrets []string
	for _, each := range secretsOf(request, body) {
		if len(each) >= runLength {
			secrets = append(secrets, each)
		}
	}
	return contains(text, secrets...)
}

func secretsOf(request Request, body object) []string {
	secrets := []string{request.clientSecret}
	for name, value := range request.form {
		if !publicFields[name] {
			secrets = append(secrets, value)
		}
	}
	if request.basic != nil {
		secrets = append(secrets, strings.Fields(headersOf(request)["Authorization"])[1])
	}
	return append(secrets, secretsIn("", body)...)
}

// secretsIn returns the texts below a key that is that of a secret. A response is not deep: `jsonObject` saw to that.
func secretsIn(key string, value any) (found []string) {
	switch value := value.(type) {
	case string:
		if secretKey.MatchString(key) {
			found = append(found, value)
		}
	case []any:
		for _, each := range value {
			found = append(found, secretsIn(key, each)...)
		}
	case object:
		for name, each := range value {
			if secretKey.MatchString(key) {
				name = key
			}
			found = append(found, secretsIn(name, each)...)
		}
	}
	return found
}

// errorIn returns the error that a response means, or nil. Success is status 200 without an error: a token in a 500 is
// not accepted.
func errorIn(request Request, response Response) *OAuthError {
	status, body := response.status, response.body
	if status >= 300 && status < 400 {
		target := ""
		if response.location != "" {
			target = " to <" + response.location + ">"
		}
		redirect := failure("transport", OAuthError{
			Problem: "The server sent a redirect" + target + ", which is never followed with secrets", Status: status,
		})
		redirect.Retryable = false
		return redirect
	}
	if wrapped, ok := body["error"].(object); ok { // Google's gateways
		if code, ok := wrapped["status"].(string); ok {
			body = object{"error": code, "message": wrapped["message"], "error_code": body["error_code"]}
		}
	}
	code := body["error"]
	// RFC 7009 2.2: a revocation is confirmed by the status alone. Some servers send 204.
	if code == nil && (status == 200 || request.kind == revocationKind && status >= 200 && status < 300) {
		return nil
	}
	name := codeIn(body)
	isTransient := status == 408 || status >= 500 || transientCodes[name]
	kind, known := errorNames[name]
	if kinds, limited := answers[name]; limited && !kinds[request.kind] {
		known = false
	}
	switch {
	case known:
	case status == 429:
		kind = "rate_limited"
	case isTransient || name != "":
		kind = "server_error"
	case code == nil:
		kind = withoutCode(request, response)
	default:
		kind = ""
	}
	if kind == "" {
		key := ""
		if code != nil {
			key = "error"
		}
		return malformed(response, "is neither a success nor an OAuth error", key)
	}
	explanation := body["error_description"]
	if (explanation == nil || explanation == "") && (body["message"] != name || code == name) {
		explanation = body["message"]
	}
	said := meaningIn[request.kind+" "+kind]
	if request.isGoogle && said.advice == "" {
		said.advice = googleAdvice[kind]
	}
	parts := OAuthError{
		Problem:     said.problem,
		Advice:      said.advice,
		Code:        shown(request, name, body),
		Description: shown(request, explanation, body),
		URI:         shown(request, body["error_uri"], body),
		Status:      status,
		RetryAfter:  response.retryAfter,
	}
	if kind == "server_error" {
		parts.Retryable = isTransient
		// By 500, 501 and 503 the server itself says that it did not act on the request. Any other 5xx, such as 502, 504 and
		// Cloudflare's 520 to 524, comes from a gateway, and the server behind it may have acted.
		mayBeDone := status == 408 || status >= 500 && status != 500 && status != 501 && status != 503
		parts.isLost = request.kind == refreshKind && mayBeDone
	}
	if kind == "slow_down" {
		parts.Interval = optional(body, "interval", wireSeconds, 0)
		if parts.Interval > maxInterval { // it would end the login unconfirmed
			parts.Interval = 0
		}
	}
	return failure(kind, parts)
}

// codeIn returns the error code. Google's quota errors have `error_code`.
// Twitch has codes as `message`.
func codeIn(body object) string {
	for _, key := range []string{"error", "error_code", "message"} {
		text, _ := body[key].(string)
		if _, known := errorNames[text]; known {
			return text
		}
	}
	for _, key := range []string{"error", "error_code"} {
		if text, ok := body[key].(string); ok {
			return text
		}
	}
	return ""
}

// withoutCode returns what a response without an error code means; "": nothing that we know.
func withoutCode(request Request, response Response) string {
	switch {
	case request.isGoogle: // Google always sends a code, so something else responded
		return ""
	case response.status == 401 && (response.hasChallenge || response.isEmpty || response.isJSON):
		return "invalid_client"
	case response.status == 400 && response.isEmpty && request.kind == refreshKind: // glewlwyd
		return "invalid_grant"
	}
	return ""
}

// malformed returns the error for a response, identified by its status and content type, that has this problem.
func malformed(response Response, what, key string) *OAuthError {
	return failure("malformed", OAuthError{
		Problem:  fmt.Sprintf("The response (HTTP %d, %s) %s", response.status, response.contentType, what),
		Key:      key,
		Status:   response.status,
		HasToken: response.body["access_token"] != nil || response.body["refresh_token"] != nil,
	})
}
