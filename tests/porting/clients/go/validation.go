// SPDX-License-Identifier: MIT

// Validation of values that come from outside: from a server, a file or a caller. (`_validation.py`)
//
// A validator takes an untrusted value and returns it, converted if need be, or the reason why it is invalid. The
// reason never contains the value: it may be a secret. Past this file, values are trusted.

package main

import (
	"encoding/json"
	"math"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	longest = 10 * 365 * 24 * 3600 // Ten years, in seconds: longer is a mistake of the server.
	latest  = 1e11                 // The year 5138, in UNIX time: catches timestamps in milliseconds.
	// Characters; what is longer could not be loaded again, or would not fit into a header.
	longestText = 1 << 16
)

// A FieldError says that a value is invalid. Key is its name, if it has one.
type FieldError struct{ Reason, Key string }

func (e *FieldError) Error() string { return strings.TrimSpace(e.Key + " " + e.Reason) }

func invalid(reason string) *FieldError { return &FieldError{Reason: reason} }

type object = map[string]any

type validator[T any] func(value any) (T, *FieldError)

// ---- validators

// text is any text, short enough that a token file with several of them does not get too long to be read again.
func text(value any) (string, *FieldError) {
	text, ok := value.(string)
	switch {
	case !ok:
		return "", invalid("is not text")
	case utf8.RuneCountInString(text) > longestText:
		return "", invalid("is too long")
	}
	return text, nil
}

// matching makes a validator for text that has a property.
func matching(property func(string) bool, reason string) validator[string] {
	return func(value any) (string, *FieldError) {
		text, err := text(value)
		if err == nil && !property(text) {
			err = invalid(reason)
		}
		return text, err
	}
}

// unprintable is true for control and format characters, private and undefined characters, and all separators but the
// space.
func unprintable(sign rune) bool { return !unicode.IsPrint(sign) }

func between(first, last rune) func(string) bool {
	return func(text string) bool {
		return strings.IndexFunc(text, func(sign rune) bool { return sign < first || sign > last }) < 0
	}
}

var (
	// Printable, non-blank text: no control characters.
	printable = matching(func(text string) bool {
		return strings.Trim(text, " ") != "" && strings.IndexFunc(text, unprintable) < 0
	}, "is not printable text")
	// An access token, for a header: visible ASCII, not empty (RFC 6750 2.1).
	visibleASCII = matching(func(text string) bool {
		return text != "" && between('!', '~')(text)
	}, "is not visible ASCII")
	// A refresh token as stored: as `secret`, or empty if the server gave none.
	optionalSecret = matching(between(' ', '~'), "is not printable ASCII")
	// `Bearer`, in any case and with blanks around it: the only token type supported (RFC 6749 7.1, RFC 6750).
	isBearer = matching(func(text string) bool {
		return strings.EqualFold(strings.TrimSpace(text), "bearer")
	}, "is not Bearer")
	isLink = matching(regexp.MustCompile(`^(?i:https?)://[^/?#\s]\S*$`).MatchString, "is not a web link")
	// How a client authenticates (RFC 6749 2.3).
	clientAuthentication = matching(func(text string) bool {
		return text == "post" || text == "basic" || text == "none"
	}, "is not post, basic or none")
)

func bearer(value any) (string, *FieldError) {
	_, err := isBearer(value)
	return "Bearer", err
}

// userCode is what a user has to type, unchanged: printable text of at most 100 characters.
func userCode(value any) (string, *FieldError) {
	text, err := printable(value)
	if err == nil && utf8.RuneCountInString(text) > 100 {
		err = invalid("is too long for a code")
	}
	return text, err
}

// secret is a refresh token or a device code, for a form: printable ASCII, not empty (VSCHAR, RFC 6749 appendix A).
func secret(value any) (string, *FieldError) {
	if value == "" {
		return "", invalid("is empty")
	}
	return optionalSecret(value)
}

// credential is a client id or secret: as `secret`. Blanks around it are a slip of copying.
func credential(value any) (string, *FieldError) {
	text, err := text(value)
	if err != nil {
		return "", err
	}
	switch trimmed := strings.TrimSpace(text); trimmed {
	case text:
		return secret(text)
	case "":
		return "", invalid("is blank")
	default:
		return "", invalid("is surrounded by blanks or line breaks")
	}
}

// clientName is a client id: as `credential`. It may be shown, so it must not be Google's client secret, swapped with
// it.
func clientName(value any) (string, *FieldError) {
	if id, _ := value.(string); strings.HasPrefix(id, "GOCSPX-") {
		return "", invalid("looks like a client secret")
	}
	return credential(value)
}

// extraParameters are a server's own for a device authorization request, and must not replace a standard one.
func extraParameters(parameters map[string]string) *FieldError {
	for _, name := range []string{"client_id", "client_secret", "scope"} {
		if _, ok := parameters[name]; ok {
			return invalid("is not free to set " + name + ", a standard parameter")
		}
	}
	return nil
}

// scopeText is a scope, as text; Twitch, Logto and Google's libraries have a list.
func scopeText(value any) (string, *FieldError) {
	list, ok := value.([]any)
	if !ok {
		return text(value)
	}
	words := make([]string, len(list))
	for n, each := range list {
		word, err := text(each)
		if err != nil {
			return "", err
		}
		words[n] = word
	}
	return strings.Join(words, " "), nil
}

// webLink is a link that a browser may open: http or https, never `file:` or `javascript:`.
func webLink(value any) (string, *FieldError) {
	if text, err := printable(value); err != nil {
		return text, err
	}
	return isLink(value)
}

// https to any host, http to this machine only; no user name, no fragment (RFC 3986 3).
const label = `[a-z0-9_](?:[a-z0-9_-]*[a-z0-9])?`

var safe = regexp.MustCompile(`^(?i:https://(?:` + label + `(?:\.` + label + `)*\.?|\[([0-9a-f:.]+)\])` +
	`|http://(?:localhost|127(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}|\[::1\]))(?::(\d{1,5}))?(?:[/?][!-"$-~]*)?$`)

// safeURL is a URL to which secrets may be sent: https, or http to this machine.
func safeURL(value any) (string, *FieldError) {
	text, err := text(value)
	if err != nil {
		return "", err
	}
	parts := safe.FindStringSubmatch(text)
	if parts != nil {
		port, _ := strconv.Atoi(parts[2])
		_, bad := netip.ParseAddr(parts[1])
		if port <= 65535 && (parts[1] == "" || bad == nil) {
			return text, nil
		}
	}
	return "", invalid("is not a valid endpoint: it is neither https nor http to this machine, or has more than " +
		"a host, a port, a path and a query")
}

// number returns a JSON number, or a text of at most so many digits.
func number(value any, digits int) (float64, bool) {
	switch value := value.(type) {
	case json.Number:
		number, err := value.Float64()
		if err != nil { // 1e999 is a number, too
			number = math.Inf(1)
		}
		return number, true
	case int64:
		return float64(value), true
	case string:
		number, err := strconv.ParseUint(value, 10, 64)
		return float64(number), len(value) <= digits && between('0', '9')(value) && (err == nil || len(value) == digits)
	}
	return 0, false
}

func whole(value any, digits int, reason string, minimum, maximum float64) (int64, *FieldError) {
	number, ok := number(value, digits)
	if !ok {
		return 0, invalid(reason)
	}
	if number < minimum || number > maximum {
		return 0, invalid("is out of range")
	}
	return int64(number), nil
}

// wireSeconds is a duration that a server sent, from 1 s to ten years. Servers write `3599`, `3599.7` and `"3599"`.
func wireSeconds(value any) (int64, *FieldError) {
	return whole(value, 9, "is not a number of seconds", 1, longest)
}

// storedSeconds is a lifetime as stored: whole seconds, 0 if unknown. Programs store `3599.73`, and databases texts.
func storedSeconds(value any) (int64, *FieldError) {
	return whole(value, 20, "is not a whole number", 0, longest)
}

// unixTime is a time on the wall clock: whole seconds since 1970.
func unixTime(value any) (int64, *FieldError) {
	return whole(value, 20, "is not a whole number", 0, latest)
}

// ---- fields of an object

// validate names an invalid value.
func validate[T any](name string, value any, validator validator[T]) (T, *FieldError) {
	valid, err := validator(value)
	if err != nil {
		err = &FieldError{err.Reason, name}
	}
	return valid, err
}

// fields reads the values of an object. err is about the first one that is missing or invalid.
type fields struct {
	raw object
	err *FieldError
}

// required returns a field, validated. It must not be missing or null.
func required[T any](f *fields, key string, validator validator[T]) T {
	var valid T
	if f.raw[key] == nil {
		if f.err == nil {
			f.err = &FieldError{"is missing", key}
		}
		return valid
	}
	return otherwise(f, key, validator, valid)
}

// otherwise returns a field, validated, or the default if it is missing or null.
func otherwise[T any](f *fields, key string, validator validator[T], missing T) T {
	if f.err != nil || f.raw[key] == nil {
		return missing
	}
	valid, err := validate(key, f.raw[key], validator)
	f.err = err
	return valid
}

// optional returns a field, validated, or the default if it is missing or invalid.
func optional[T any](raw object, key string, validator validator[T], other T) T {
	if valid, err := validator(raw[key]); err == nil {
		return valid
	}
	return other
}

// A Token has six values, in the order of ytmusicapi's files.
type Token struct {
	Scope        string `json:"scope"`
	TokenType    string `json:"token_type"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresAt    int64  `json:"expires_at"`
	ExpiresIn    int64  `json:"expires_in"`
}

func (t Token) object() object {
	return object{
		"scope": t.Scope, "token_type": t.TokenType, "access_token": t.AccessToken, "refresh_token": t.RefreshToken,
		"expires_at": t.ExpiresAt, "expires_in": t.ExpiresIn,
	}
}

// String keeps the token out of logs.
func (t Token) String() string { return "[token]" }

// GoString does the same for %#v.
func (t Token) GoString() string { return "[token]" }

// tokenOf returns an entire token. It ignores other keys; a token without times is one that has expired.
func tokenOf(raw object) (Token, *FieldError) {
	for _, key := range []string{"scope", "token_type", "access_token", "refresh_token"} {
		if raw[key] == nil {
			return Token{}, &FieldError{"is missing", key}
		}
	}
	f := &fields{raw: raw}
	token := Token{
		Scope:        required(f, "scope", scopeText),
		TokenType:    required(f, "token_type", bearer),
		AccessToken:  required(f, "access_token", visibleASCII),
		RefreshToken: required(f, "refresh_token", optionalSecret),
		ExpiresAt:    otherwise(f, "expires_at", unixTime, 0),
		ExpiresIn:    otherwise(f, "expires_in", storedSeconds, 0),
	}
	return token, f.err
}
