// SPDX-License-Identifier: MIT

// The refresh cycle: every decision about keeping one token fresh, in memory and in its store. The essay in `_cycle.py`
// explains it.
//
// This file decides, and refresher.go carries out. Where Python's cycle yields a step and is sent an event, this one
// calls `do` with the step, which returns the event. No clock, no goroutine, no store, no server.

package main

import (
	"fmt"
	"math"
)

const (
	requestTimeout = 30  // Seconds for a whole request, its retries included.
	lockWait       = 40  // Seconds to wait for the lock once the token has expired: longer than a request and a save.
	lookAgain      = 1   // Seconds to keep looking at a store that cannot be read: another program may be writing it.
	pause          = 0.1 // Seconds between two such looks.
	mostReads      = 20  // How many such looks at most: a test may have stopped the clock.
	lookEvery      = 1   // Seconds between two looks for something newer, after a failure.
	reserve        = 2   // Seconds before the token expires at which a request gives up, so that there is time to use it.
	mostTries      = 3   // How often a request is sent at most, where it is safe to send it again.
	mostSwaps      = 5   // How often a compare-and-swap is tried.
)

// ---- decisions

// decide says what a caller that wants the token has to do first: return, save, look, raise or refresh.
func decide(state *State, goal Goal, now event, hasStore bool) string {
	if isEnough(state.snapshot, goal, now) {
		if hasStore && state.isUnsaved() && now.monotonic >= state.storeBackoff.until {
			return "save"
		}
		return "return"
	}
	if goal.rejected != nil {
		return "refresh"
	}
	isValid, isRefused := state.snapshot.valid.covers(now.wall, now.monotonic), state.isRefused()
	isBlocked := now.monotonic < state.serverBackoff.until && (isValid || state.err != nil)
	switch {
	case !isBlocked && !isRefused:
		return "refresh"
	case isValid && !isRefused:
		return "return"
	case hasStore && now.monotonic >= state.lookedAt+lookEvery:
		return "look"
	}
	return "raise"
}

func isEnough(s *Snapshot, goal Goal, now event) bool {
	left := s.valid.secondsLeft(now.wall, now.monotonic)
	if goal.rejected != nil {
		return s.token.AccessToken != *goal.rejected && left > 0
	}
	if s.token.RefreshToken == "" {
		return left > 0
	}
	ahead := goal.ahead
	if half := float64(s.token.ExpiresIn) / 2; half > 0 {
		ahead = math.Min(ahead, half)
	}
	return s.fresh.covers(now.wall, now.monotonic) && left >= ahead
}

// A Cycle is one pass, by one goroutine. `do` carries out a step and returns what happened.
type Cycle struct {
	state             *State
	now               event
	rotates, hasStore bool
	goal              Goal
	do                func(step) event
	text              *string // what was last read from the store
	lockedAt, until   float64 // when the lock was taken, and until when it is held (monotonic)
	warning           *warnStep
	hasWaited         bool        // whether the token had to be waited for
	unreadable        *OAuthError // why the last read gave none
}

func newCycle(state *State, now event, rotates, hasStore bool, goal Goal, do func(step) event) *Cycle {
	return &Cycle{
		state: state, now: now, rotates: rotates, hasStore: hasStore, goal: goal, do: do,
		lockedAt: now.monotonic, until: math.Inf(1),
	}
}

// ---- the four ways through

// refresh refreshes the token. Returns an error if that leaves no token for the goal.
func (c *Cycle) refresh() *OAuthError {
	err := c.refreshOnce()
	// The machine slept, or the clock was set, during the request. The whole cycle again: the save may have released the
	// lock, as that of a file does, and another process may have refreshed.
	if err == nil && !c.isValid() && c.goal.rejected == nil {
		err = c.refreshOnce()
	}
	if err == nil && !c.isValid() {
		err = failure("no_valid_token", OAuthError{Problem: "The new token expired before it arrived", Retryable: true})
	}
	if err != nil {
		mustLogIn := err.Name == "invalid_grant"
		isNews := !mustLogIn && c.backOff(err)
		if mustLogIn || c.goal.rejected != nil || !c.isValid() {
			if c.warning != nil { // it is not shown, so the next failed save warns
				c.state.storeBackoff.failures = 0
			}
			return err
		}
		// While the token is valid, a transient failure of the server needs no warning.
		if c.warning == nil && isNews && (isOfStore(err) || !err.Retryable) {
			c.warning = &warnStep{err, "The old access token stays in use until it expires."}
		}
	}
	c.warn()
	return nil
}

// save saves the token, if the lock is free. It never fails.
func (c *Cycle) save() *OAuthError {
	c.now = c.do(lockStep{0})
	if c.now.taken {
		c.state.storeBackoff.until = c.now.monotonic + lookEvery
		return nil
	}
	problem := c.now.err
	if problem == nil {
		problem = c.reload(lookAgain)
	}
	if c.state.isUnsaved() {
		c.saveUnless(problem)
	}
	c.warn()
	return nil
}

// store saves the token because the caller says so, also over what is not a token.
func (c *Cycle) store() *OAuthError {
	c.now = c.do(lockStep{lockWait})
	if c.now.err != nil {
		return c.now.err
	}
	if c.now.taken {
		return lockTaken()
	}
	problem := c.reload(lookAgain)
	if c.now.err == nil && (problem != nil || c.state.isDifferent()) {
		c.state.saved = c.state.seen // also what was made by hand
		problem = c.swap()
	}
	return problem
}

// look adopts a newer token from the store, without the lock. It never fails.
func (c *Cycle) look() *OAuthError {
	c.state.lookedAt = c.now.monotonic
	c.now = c.do(readStep{})
	if c.now.err == nil {
		c.settle()
	}
	return nil
}

// ---- the steps of a refresh

func (c *Cycle) refreshOnce() *OAuthError {
	var problem *OAuthError
	for locks := 0; c.hasStore && locks < 2; locks++ {
		mustWait := c.goal.rejected != nil || !c.isValid()
		timeout := 0.0
		if mustWait {
			timeout = lockWait
		}
		c.now = c.do(lockStep{timeout})
		if c.now.taken {
			switch {
			case !mustWait:
				// Another process is refreshing. If every caller tried the lock, each would wait for a remote store.
				c.state.serverBackoff.until = c.now.monotonic + lookEvery
				return nil
			case c.now.err != nil:
				return c.now.err
			}
			return lockTaken()
		}
		c.lockedAt, c.until = c.now.monotonic, c.now.until
		if problem = c.now.err; problem == nil {
			problem = c.reload(lookAgain)
		}
		if problem != nil && c.rotates { // another process may have used our refresh token
			retryable := *problem
			retryable.Retryable = true
			return &retryable
		}
		if locks > 0 || problem != nil || !c.state.isUnsaved() && !c.hasWaited {
			break
		}
		// Before the request, which may fail: the current refresh token may be in memory only.
		if c.state.isUnsaved() && !c.saveUnless(nil) && c.unreadable == nil {
			break
		}
		if isEnough(c.state.snapshot, c.goal, c.now) {
			return nil
		}
		// The save may have released the lock, as that of a file does; or another program is writing, and what was locked
		// is no longer there: lock and read once more.
	}
	var failed *OAuthError
	if !isEnough(c.state.snapshot, c.goal, c.now) {
		var isFinal bool
		if failed, isFinal = c.ask(problem == nil, true); isFinal {
			return failed
		}
	}
	if c.hasStore && c.state.isUnsaved() {
		c.saveUnless(problem)
	}
	return failed
}

// reload reads the store and adopts what is newer. Returns what is wrong with the store, or nil.
func (c *Cycle) reload(patience float64) *OAuthError {
	giveUpAt := c.now.monotonic + patience
	c.hasWaited = false
	for reads := 0; reads < mostReads; reads++ {
		c.now = c.do(readStep{})
		if c.unreadable = c.now.err; c.unreadable == nil {
			c.unreadable = c.settle()
		}
		if c.unreadable == nil || c.now.monotonic >= giveUpAt {
			break
		}
		c.now = c.do(waitStep{pause})
		c.hasWaited = true
	}
	return c.unreadable
}

func (c *Cycle) settle() *OAuthError {
	c.text = c.now.text
	if c.text == nil {
		if c.state.seen == nil || c.state.isNewLogin {
			return nil
		}
		return failure("token_store", OAuthError{Problem: "The token has disappeared from the store"})
	}
	token, err := parseTokenText(*c.text)
	if err != nil {
		return err
	}
	c.state.settle(snapshotOf(token, c.now.wall, c.now.monotonic), c.now, c.goal.rejected)
	if !c.state.isUnsaved() {
		c.warning = nil // what an earlier save could not save is no longer in use
	}
	return nil
}

// ask asks the server; once more if the refresh token was refused and another one turned up. An error that is not final
// is that of a response that is malformed except for its new refresh token, which is to be saved first.
func (c *Cycle) ask(mayLook, mayRepeat bool) (err *OAuthError, isFinal bool) {
	state, ours := c.state, c.state.snapshot
	refreshToken := state.candidate().token.RefreshToken
	if c.goal.rejected == nil && state.isRefused() && state.err != nil {
		return state.err, true
	}
	if refreshToken == "" {
		problem := "The server gave no refresh token, so the login ends when its access token expires"
		err = failure("invalid_grant", OAuthError{Problem: problem})
	} else {
		tries, seconds := c.allowance()
		if tries == 0 {
			return nil, false
		}
		if err := c.checkLease(seconds); err != nil {
			return err, true
		}
		sent := c.now
		c.now = c.do(askStep{refreshToken, tries, seconds})
		if err = c.now.err; err == nil {
			err = c.remember(sent, refreshToken)
		}
	}
	if err == nil || state.rotate(c.now, refreshToken, err) {
		return err, false
	}
	if err.Name != "invalid_grant" {
		return err, true
	}
	if c.hasStore && mayLook {
		c.reload(lookAgain)
	}
	if state.snapshot != ours && isEnough(state.snapshot, c.goal, c.now) {
		return nil, false
	}
	if state.candidate().token.RefreshToken == refreshToken {
		mayRepeat = state.refuse(err) // not earlier: other callers would be told to log in again
	}
	if mayRepeat {
		return c.ask(mayLook, false)
	}
	return err, true
}

// allowance says how many tries a refresh has, and how many seconds; none if the valid token is to be used up first.
func (c *Cycle) allowance() (int, float64) {
	left := c.state.snapshot.valid.secondsLeft(c.now.wall, c.now.monotonic)
	if left == 0 || c.goal.rejected != nil {
		return mostTries, requestTimeout
	}
	seconds := 0.0
	if !c.rotates {
		seconds = math.Min(requestTimeout, left-reserve) // to give up early costs nothing
	} else if left >= requestTimeout || c.state.serverBackoff.failures == 0 {
		seconds = requestTimeout
	}
	if seconds > 0 {
		return 1, seconds
	}
	c.state.serverBackoff.until = c.now.monotonic + left
	return 0, 0
}

// checkLease makes sure that a request does not outlive the lease: it may be the second one with its refresh token.
func (c *Cycle) checkLease(seconds float64) *OAuthError {
	if c.until-c.now.monotonic >= seconds {
		return nil
	}
	if c.until-c.lockedAt < seconds {
		problem := fmt.Sprintf("The lock's lease is shorter than a request may take (%.0f s)", seconds)
		return failure("token_store", OAuthError{Problem: problem})
	}
	problem := "The lock's lease would end before a request could finish"
	return failure("token_store", OAuthError{Problem: problem, Retryable: true})
}

// remember takes the response. Returns what is wrong with it, or nil.
func (c *Cycle) remember(sent event, refreshToken string) *OAuthError {
	// The caller has set another one meanwhile: a new login.
	candidate := c.state.candidate()
	if candidate.token.RefreshToken != refreshToken {
		return nil
	}
	snapshot, err := refreshed(candidate, sent.wall, sent.monotonic, c.now.response)
	if err != nil {
		return failure("malformed", OAuthError{Problem: "The credentials returned no token: " + err.Error(), Key: err.Key})
	}
	c.state.supersede(snapshot, candidate)
	c.state.responses++
	// A server that repeats itself is not asked again at once.
	if !snapshot.fresh.covers(c.now.wall, c.now.monotonic) {
		c.state.serverBackoff = c.state.serverBackoff.afterFailure(c.now.monotonic, nil)
	}
	return nil
}

// saveUnless saves the token, unless the store has a problem. It returns whether that worked; if not, a later cycle
// tries again.
func (c *Cycle) saveUnless(problem *OAuthError) bool {
	if problem == nil {
		problem = c.swap()
	}
	if problem == nil {
		c.warning = nil // an earlier save of this pass may have failed
		return true
	}
	if c.state.storeBackoff.failures == 0 {
		c.warning = &warnStep{problem, "The new token is in memory only until it can be saved."}
	}
	c.state.storeBackoff = c.state.storeBackoff.afterFailure(c.now.monotonic, nil)
	return false
}

// swap compares and swaps, until the store has the newer token. Returns the problem, or nil.
func (c *Cycle) swap() *OAuthError {
	for swaps := 0; swaps < mostSwaps; swaps++ {
		token := c.state.token()
		text := tokenText(*token)
		c.now = c.do(replaceStep{c.text, text})
		if c.now.swapped {
			c.text = &text
			c.state.savedAs(token)
			return nil
		}
		failed := c.now.err
		patience := float64(lookAgain)
		if failed != nil {
			patience = 0
		}
		problem := c.reload(patience) // another program may be writing; and the store may have the token anyway
		switch {
		case problem == nil && !c.state.isUnsaved():
			return nil
		case failed != nil:
			return failed
		case problem != nil:
			return problem
		}
	}
	return failure("token_store", OAuthError{Problem: "The token in the store keeps changing", Retryable: true})
}

// ---- shared

func (c *Cycle) isValid() bool { return c.state.snapshot.valid.covers(c.now.wall, c.now.monotonic) }

func (c *Cycle) warn() {
	if c.warning != nil {
		c.do(*c.warning)
	}
}

// backOff remembers a failure. Returns whether the last refresh did not fail, or with another error.
func (c *Cycle) backOff(err *OAuthError) bool {
	state := c.state
	isNews := state.err == nil || state.err.Name != err.Name
	if !state.isRefused() { // only another refresh token lifts a refusal
		state.err = err
	}
	state.serverBackoff = state.serverBackoff.afterFailure(c.now.monotonic, err.RetryAfter)
	return isNews
}

func isOfStore(err *OAuthError) bool { return err.Name == "token_store" || err.Name == "token_file" }

func lockTaken() *OAuthError {
	problem := fmt.Sprintf("Another process has held the lock of the token for %d s", lockWait)
	return failure("token_store", OAuthError{Problem: problem, Retryable: true})
}
