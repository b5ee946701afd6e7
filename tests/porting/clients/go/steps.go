// SPDX-License-Identifier: MIT

// The words of the refresh cycle: the steps that it takes, and what happened at each. (`_steps.py`)

package main

import "math"

// A step is what to do next.
type step interface{}

type (
	// lockStep: take the store's lock, and keep it until the cycle ends. The event has `until`, `taken` or an error.
	lockStep struct{ timeout float64 }
	// readStep: read the store. The event has `text`, or an error.
	readStep struct{}
	// replaceStep: compare and swap; nil is no token. The event has `swapped`, or an error.
	replaceStep struct {
		before *string
		after  string
	}
	// askStep: send a refresh, `tries` times at most within `seconds`. The event has `response`, or an error.
	askStep struct {
		refreshToken string
		tries        int
		seconds      float64
	}
	// waitStep: let time pass.
	waitStep struct{ seconds float64 }
	// warnStep: warn the caller. Always the last step of a cycle.
	warnStep struct {
		err         *OAuthError
		consequence string
	}
)

// An event is what happened, and when on both clocks. Only what the step asked for is set.
type event struct {
	wall, monotonic float64
	err             *OAuthError // why the step failed
	taken           bool        // another process kept the lock; with an error, this process itself has it
	until           float64     // until when the lock is held (monotonic)
	text            *string     // what is in the store; nil: no token
	swapped         bool        // the text in the store was replaced
	response        object      // to a refresh: at least `access_token` and `expires_in`
}

func eventAt(wall, monotonic float64) event {
	return event{wall: wall, monotonic: monotonic, until: math.Inf(1)}
}

// A Goal is what a caller wants: by default, a fresh token.
type Goal struct {
	// Seconds that must be left, if that is more than fresh; at most half the lifetime counts.
	ahead float64
	// An access token that the server rejected: any other one will do, and neither backoff nor refusal keeps from asking.
	rejected *string
}
