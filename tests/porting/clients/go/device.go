// SPDX-License-Identifier: MIT

// Device authorization polling (RFC 8628 3.5). (`device.py`)
//
// `DevicePoll` is the schedule; `poll` is a loop over it. The caller passes the time, on a monotonic clock in seconds.

package main

import "math"

const (
	// RFC 8628 3.5: "the interval MUST be increased by 5 seconds for this and all subsequent requests".
	slowDown = 5
	// Seconds. RFC 8628 3.5 recommends exponential backoff after a failure, but a user who has confirmed should not wait
	// long: from here on, the interval grows by half.
	maxBackoff = 60
	// Captive portals and inspecting proxies respond in the server's place for a while. So many strange responses in a
	// row are no accident.
	maxStrange = 10
	// Seconds by which a sleep may end late: a poll that was due at the deadline is still sent.
	late = 0.25
)

// Statuses that say that this URL does not take polls at all.
var wrongURL = map[int]bool{404: true, 405: true, 410: true, 415: true}

// A DevicePoll is the schedule of one login. Wait for `delay` seconds and poll. If that fails, pass the error to
// `failed` and repeat.
type DevicePoll struct {
	interval, deadline, nextPoll float64
	serverInterval               float64  // the interval that the server asked for, without the backoff after failures
	retryAfter                   *float64 // how long the server asked to wait, if that is longer than the code is valid
	strange                      int
}

// newDevicePoll takes the times at which the code was requested and came: it expires relative to the request. The first
// poll is due one interval after the response: no user is faster.
func newDevicePoll(code DeviceCode, sent, received float64) *DevicePoll {
	interval := float64(code.Interval)
	deadline := sent + float64(code.ExpiresIn)
	return &DevicePoll{interval: interval, serverInterval: interval, deadline: deadline, nextPoll: received + interval}
}

// delay is the time until the next poll, 0 if it is due. Returns an error if the code expires first.
func (p *DevicePoll) delay(now float64) (float64, *OAuthError) {
	if p.nextPoll <= p.deadline && now <= p.deadline+late {
		return math.Max(0, p.nextPoll-now), nil
	}
	if p.retryAfter == nil || now > p.deadline {
		return 0, failure("expired_token", OAuthError{})
	}
	return 0, failure("expired_token", OAuthError{
		Problem:    "The server asks to wait longer than the code is valid",
		RetryAfter: p.retryAfter,
		Advice:     "Wait, then log in again to get a new code.",
	})
}

// failed records the error of a poll and schedules the next one. Returns an error that ends the login.
func (p *DevicePoll) failed(err *OAuthError, now float64) *OAuthError {
	isOdd := isStrange(err)
	p.strange++
	if !isOdd {
		p.strange = 0
	}
	switch {
	case err.Name == "slow_down":
		p.interval = math.Max(p.interval+slowDown, float64(err.Interval))
		p.serverInterval = p.interval
	case isOdd && p.strange == maxStrange, !isOdd && !err.Retryable:
		return err
	case !isOdd && err.Name != "authorization_pending":
		atMost := math.Max(maxBackoff, 1.5*p.interval)
		p.interval = math.Max(p.interval, math.Min(2*p.interval, atMost))
	}
	asked := valueOr(err.RetryAfter, 0)
	earliest := now + math.Max(p.serverInterval, asked)
	p.nextPoll = math.Max(earliest, math.Min(now+p.interval, p.deadline))
	p.retryAfter = nil
	if now+asked > p.deadline {
		p.retryAfter = &asked
	}
	return nil
}

// isStrange says whether the response probably did not come from the server.
func isStrange(err *OAuthError) bool {
	return err.isUntrusted || err.Name == "malformed" && !err.HasToken && !wrongURL[err.Status]
}

// poll calls `ask` on schedule until it returns a token. The first success ends the loop: some servers revoke the login
// if its code is used again.
func poll(ask func() (Token, *OAuthError), schedule *DevicePoll, system System) (Token, *OAuthError) {
	for {
		delay, err := schedule.delay(system.Monotonic())
		if err != nil {
			return Token{}, err
		}
		if delay > 0 {
			system.Sleep(delay)
			continue
		}
		token, err := ask()
		if err == nil {
			return token, nil
		}
		if err := schedule.failed(err, system.Monotonic()); err != nil {
			return Token{}, err
		}
	}
}
