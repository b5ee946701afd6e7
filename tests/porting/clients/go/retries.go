// SPDX-License-Identifier: MIT

// When to send a request again, and how long to wait before. The caller passes the time and the sleep. (`_retries.py`)

package main

import (
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	firstWait = 1 // Seconds before the second try; twice that before the third.
	// Seconds. Never sleep longer than this inside a call: return an error with the time to wait instead.
	maxWait = 10
)

// limits of a call: how often a request is sent at most, and within how many seconds. A request that may have reached
// the server, and got no response, is retried only if it is repeatable.
type limits struct {
	tries      int
	seconds    float64
	repeatable bool
}

// withRetries calls `ask` while it fails with a transient error. It gets the seconds that are left.
func withRetries[T any](system System, limits limits, ask func(seconds float64) (T, *OAuthError)) (T, *OAuthError) {
	deadline, wait := system.Monotonic()+limits.seconds, float64(firstWait)
	for tried := 1; ; tried, wait = tried+1, 2*wait {
		value, err := ask(deadline - system.Monotonic())
		if err == nil || tried == limits.tries {
			return value, err
		}
		// Jitter keeps a thousand clients that failed together from coming back together.
		pause := wait * (0.9 + 0.2*system.Random())
		if err.RetryAfter != nil {
			pause = *err.RetryAfter
		}
		isTooLong := pause > maxWait || system.Monotonic()+pause >= deadline
		if !err.Retryable || err.isLost && !limits.repeatable || isTooLong {
			return value, err
		}
		system.Sleep(pause)
		if system.Monotonic() >= deadline { // it ended late
			return value, err
		}
	}
}

// parseRetryAfter returns the seconds that a Retry-After header (RFC 9110 10.2.3) asks to wait, or nil. A date is
// relative to the response's own Date header, or without one to `now` (UNIX time), which may be wrong.
func parseRetryAfter(value, date string, now float64) *float64 {
	if value != "" && len(value) <= 9 && between('0', '9')(value) {
		seconds, _ := strconv.ParseFloat(value, 64)
		return &seconds
	}
	until, ok := parseDate(value)
	if !ok {
		return nil
	}
	if sent, ok := parseDate(date); ok {
		now = sent
	}
	seconds := math.Max(0, until-now)
	return &seconds
}

// parseDate reads the three formats of RFC 9110 5.6.7.
func parseDate(value string) (float64, bool) {
	formats := []string{"Mon, 02 Jan 2006 15:04:05 GMT", "Monday, 02-Jan-06 15:04:05 GMT", "Mon Jan _2 15:04:05 2006"}
	for _, format := range formats {
		if at, err := time.Parse(format, strings.TrimSpace(value)); err == nil {
			return float64(at.Unix()), true
		}
	}
	return 0, false
}
