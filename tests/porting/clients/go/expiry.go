// SPDX-License-Identifier: MIT

// Token expiry, as arithmetic on seconds. The caller passes the time. (`_expiry.py`)
//
// Two clocks are used, because each can be wrong. Only the wall clock can be stored in a file, but it may be set wrong,
// and corrected, at any time. The monotonic clock never jumps, but it restarts at boot and stops while the machine is
// suspended. A token expires as soon as either clock says so.

package main

import "math"

const (
	maxMargin = 60 // Seconds. ytmusicapi: "credential expiration <= 1 min".
	tolerance = 10 // Seconds by which the clock of the machine that stored a token may be ahead of ours.
)

// refreshMargin is how many seconds before its end a token is due for a refresh: at most half its lifetime, so that a
// short-lived token is not due as soon as it is issued.
func refreshMargin(expiresIn int64) float64 {
	if expiresIn > 0 && expiresIn/2 < maxMargin {
		return float64(expiresIn / 2)
	}
	return maxMargin
}

// A validity lasts while notBefore <= wall < notAfter (UNIX time) and monotonic < deadline, all in seconds.
type validity struct{ notBefore, notAfter, deadline float64 }

// covers says whether both clocks are within the period.
func (v validity) covers(wall, monotonic float64) bool {
	return v.notBefore <= wall && wall < v.notAfter && monotonic < v.deadline
}

// secondsLeft is the time until the period ends; 0 outside it.
func (v validity) secondsLeft(wall, monotonic float64) float64 {
	if !v.covers(wall, monotonic) {
		return 0
	}
	return math.Min(v.notAfter-wall, v.deadline-monotonic)
}

// validityOf is when a token is valid that expires at expiresAt after expiresIn seconds (0: unknown). The clocks are
// read at one moment: that of the request, or that of reading the token.
func validityOf(expiresAt, expiresIn int64, wall, monotonic float64) validity {
	ends, lifetime := float64(expiresAt), float64(expiresIn)
	if expiresIn <= 0 {
		return validity{math.Inf(-1), ends, monotonic + ends - wall}
	}
	// More than `expiresIn` seconds left means that the clock was ahead when the token was stored.
	return validity{ends - lifetime - tolerance, ends, monotonic + math.Min(ends-wall, lifetime)}
}

// freshness is when a token of that validity is not yet due for a refresh.
func (v validity) freshness(expiresIn int64) validity {
	margin := refreshMargin(expiresIn)
	return validity{v.notBefore, v.notAfter - margin, v.deadline - margin}
}
