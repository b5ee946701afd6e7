// SPDX-License-Identifier: MIT

// The errors of this port: one type, and a name for each thing that a caller can do next. (`exceptions.py`)

package main

import (
	"fmt"
	"math"
	"strings"
)

// An OAuthError has what is known of a failure; what is not known is empty. Nothing in it is secret, except
// `refreshToken`: text from a server is redacted before it gets here.
type OAuthError struct {
	Name        string
	Problem     string // what went wrong, as a sentence without a full stop
	Advice      string // what to do, if that is not what the name says
	Code        string // the OAuth error code that the server sent
	Description string // the server's own explanation
	URI         string // the page at which the server explains the error
	Status      int    // of the HTTP response
	RetryAfter  *float64
	Retryable   bool // whether the same call may succeed later with nothing changed
	Interval    int64
	Key         string // malformed, token_store, token_file: what is missing or invalid
	Path        string // token_file
	HasToken    bool   // malformed: a token came with it
	isUntrusted bool   // transport: whether the certificate is not trusted
	isLost      bool   // whether the server may have acted on the request although its response did not arrive
	// malformed: the new refresh token of a response that is malformed otherwise. A function does not print it.
	refreshToken func() string
}

type meaning struct {
	summary, advice string
	retryable       bool
}

const tryLater, logInAgain = "Try again later.", "Log in again."

var meanings = map[string]meaning{
	"transport":    {"No response from the server", "Check the connection: URL, certificates.", true},
	"rate_limited": {"The server is limiting requests", tryLater, true},
	"server_error": {
		"The server failed or rejected the request",
		"Look up the error code in the documentation of the OAuth server.", false,
	},
	"authorization_pending": {"The user has not responded yet", tryLater, true},
	"slow_down":             {"The user has not responded yet, and the polls come too often", tryLater, true},
	"invalid_grant":         {"The login has ended", logInAgain, false},
	"access_denied":         {"The login was denied", "Log in again, and approve the request this time.", false},
	"expired_token":         {"The code expired before it was confirmed", "Log in again to get a new code.", false},
	"cancelled":             {"The login was cancelled", "Log in again to get a new code.", false},
	"invalid_client": {
		"The server does not accept this OAuth client",
		"Check the client id and secret, and how the client authenticates: post, basic or none.", false,
	},
	"unauthorized_client": {
		"The token belongs to another OAuth client",
		"Use the client id and secret that the token was obtained with, or log in again.", false,
	},
	"no_valid_token": {"There is no valid token", tryLater, false},
	"token_store": {
		"The token store cannot be used",
		"Check the store. If it holds something else, move that away and log in again.", false,
	},
	"token_file": {
		"The token file cannot be used",
		"Check the path, the permissions and the disk. If the file is something else, move it away and log " +
			"in again.", false,
	},
	"token_file_not_found": {"There is no token file here", "Log in to create one, or check the path.", false},
	"malformed": {
		"The server's response is malformed",
		"Check that nothing between this machine and the server, such as a captive portal, responds in its " +
			"place.", false,
	},
}

// OAuth error code -> name (RFC 6749 5.2, RFC 8628 3.5). The status does not matter: servers disagree about statuses.
var errorNames = map[string]string{
	"authorization_pending": "authorization_pending",
	"slow_down":             "slow_down",
	"access_denied":         "access_denied",
	"expired_token":         "expired_token",
	"invalid_grant":         "invalid_grant",
	"invalid_client":        "invalid_client",
	"unauthorized_client":   "unauthorized_client",
	// Google
	"deleted_client":      "invalid_client",
	"rate_limit_exceeded": "rate_limited",
	// Entra ID; the first one OpenAM, too
	"authorization_declined": "access_denied",
	"code_expired":           "expired_token",
	"bad_verification_code":  "invalid_grant",
	"interaction_required":   "invalid_grant",
	"consent_required":       "invalid_grant",
	"login_required":         "invalid_grant",
	// GitHub
	"token_expired":                "expired_token",
	"incorrect_device_code":        "invalid_grant",
	"bad_refresh_token":            "invalid_grant",
	"incorrect_client_credentials": "invalid_client",
	// Twitch, which has codes as `message`
	"invalid device code":   "invalid_grant",
	"Invalid refresh token": "invalid_grant",
	"invalid client":        "invalid_client",
	"invalid client secret": "invalid_client",
	// other servers
	"disabled_client": "invalid_client",
}

// failure returns an error of that name. It is retryable if its name or its parts say so.
func failure(name string, parts OAuthError) *OAuthError {
	parts.Name = name
	parts.Retryable = parts.Retryable || meanings[name].retryable
	return &parts
}

// as returns the same error with another name and path.
func (e *OAuthError) as(name, path string) *OAuthError {
	other := *e
	other.Name, other.Path = name, path
	return &other
}

func (e *OAuthError) Error() string {
	var text strings.Builder
	if e.Path != "" {
		text.WriteString(e.Path + ": ")
	}
	text.WriteString(orElse(e.Problem, meanings[e.Name].summary))
	var codes []string
	if e.Code != "" {
		codes = append(codes, e.Code)
	}
	if e.Status != 0 {
		codes = append(codes, fmt.Sprintf("HTTP %d", e.Status))
	}
	if len(codes) > 0 {
		fmt.Fprintf(&text, " (%s)", strings.Join(codes, ", "))
	}
	if e.Description != "" {
		fmt.Fprintf(&text, ": %q", strings.TrimRight(e.Description, " ."))
	}
	text.WriteString(".")
	if e.URI != "" {
		fmt.Fprintf(&text, " The server refers to <%s>.", e.URI)
	}
	if e.RetryAfter != nil {
		fmt.Fprintf(&text, " The server asks to wait %d s.", int64(math.Round(*e.RetryAfter)))
	}
	if e.Retryable {
		return text.String() + " " + tryLater
	}
	return text.String() + " " + orElse(e.Advice, meanings[e.Name].advice)
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
