// SPDX-License-Identifier: MIT

// Carries out the refresh cycle for one token, on its store, its server and the clocks. cycle.go decides.
// (`_refresher.py` and `_single_flight.py`)

package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"
)

// A Refresher keeps one token fresh for all goroutines that share it, and in its store, if it has one.
type Refresher struct {
	// mutex guards everything below it. It is held while a cycle decides, and free while it does what was decided.
	mutex       sync.Mutex
	state       *State
	store       Store // nil: there is none
	credentials *Credentials
	warn        func(text string)
	flight      *flight // the cycle in progress
}

// A flight is one cycle, for all who wait for it.
type flight struct {
	done chan struct{}
	err  error
}

func newRefresher(state *State, store Store, credentials *Credentials, warn func(string)) *Refresher {
	return &Refresher{state: state, store: store, credentials: credentials, warn: warn}
}

func (r *Refresher) now() event {
	return eventAt(r.credentials.system.Now(), r.credentials.system.Monotonic())
}

// current returns the snapshot in use.
func (r *Refresher) current() *Snapshot {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.state.snapshot
}

// ---- what a token asks for

// ensure sees to it that the token is valid and, if that can be had without an error, meets the goal. Returns an error
// if it has expired and cannot be refreshed, and invalid_grant in any case.
func (r *Refresher) ensure(goal Goal) error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for {
		now := r.now()
		task := decide(r.state, goal, now, r.store != nil)
		isValid := r.state.snapshot.valid.covers(now.wall, now.monotonic)
		switch task {
		case "return":
			return nil
		case "save":
			_, err := r.fly((*Cycle).save, goal, false)
			return err
		case "refresh":
			if flown, err := r.fly((*Cycle).refresh, goal, !isValid); err != nil || flown || isValid {
				return err
			}
			continue
		}
		before := r.state.snapshot
		if task == "look" {
			if _, err := r.fly((*Cycle).look, goal, false); err != nil {
				return err
			}
		}
		if r.state.snapshot == before {
			return r.located(r.state.err)
		}
	}
}

// refresh gets another access token than the one rejected: by default, than the current one.
func (r *Refresher) refresh(rejected string) error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	responses := r.state.responses
	if rejected == "" {
		rejected = r.state.token().AccessToken
	}
	rejected = rejected[strings.LastIndex(rejected, " ")+1:]
	goal := Goal{rejected: &rejected}
	for r.state.responses == responses {
		if decide(r.state, goal, r.now(), false) == "return" {
			return nil
		}
		if flown, err := r.fly((*Cycle).refresh, goal, true); err != nil || flown {
			return err
		}
	}
	return nil
}

// keepIn saves a new login in a store, over whatever token is there, and keeps it there from now on. If it cannot be
// saved, warns, and saves it when the token is next used.
func (r *Refresher) keepIn(store Store) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for r.flight != nil {
		_, _ = r.fly(nil, Goal{}, true)
	}
	r.state = newState(r.state.snapshot)
	r.state.saved, r.state.isNewLogin = nil, true
	r.store = store
	if _, err := r.fly((*Cycle).store, Goal{}, true); err != nil {
		r.state.storeBackoff = r.state.storeBackoff.afterFailure(r.credentials.system.Monotonic(), nil)
		r.warn(err.Error() + " The token is in use, but in memory only until it can be saved.")
	}
}

// ---- goroutines

// fly makes a cycle, and returns true. If one is in progress, it waits for it and shares its error; or, without `wait`,
// does not wait. Then it returns false. The mutex is held before and after.
func (r *Refresher) fly(way func(*Cycle) *OAuthError, goal Goal, wait bool) (bool, error) {
	if inProgress := r.flight; inProgress != nil {
		if !wait {
			return false, nil
		}
		r.mutex.Unlock()
		<-inProgress.done
		r.mutex.Lock()
		return false, inProgress.err
	}
	ours := &flight{done: make(chan struct{})}
	r.flight = ours
	var held []*Held
	defer func() {
		for _, lock := range held {
			lock.release()
		}
		r.flight = nil
		close(ours.done)
	}()
	do := func(next step) event {
		r.mutex.Unlock()
		defer r.mutex.Lock()
		return r.carryOut(next, &held)
	}
	cycle := newCycle(r.state, r.now(), r.credentials.endpoints.RotatesRefreshTokens, r.store != nil, goal, do)
	if err := way(cycle); err != nil {
		ours.err = r.located(err)
	}
	return true, ours.err
}

// ---- the steps of a cycle

func (r *Refresher) carryOut(next step, held *[]*Held) event {
	var err error
	happened := eventAt(0, 0)
	switch next := next.(type) {
	case warnStep:
		r.warn(r.located(next.err).Error() + " " + next.consequence)
	case waitStep:
		r.credentials.system.Sleep(next.seconds)
	case askStep:
		// The refresh token in the file is about to become invalid: without room for the new one, the login would be lost
		// with this process.
		if file, ok := r.store.(*FileStore); ok && r.credentials.endpoints.RotatesRefreshTokens {
			err = file.prepare()
		}
		if err == nil {
			happened.response, err = r.credentials.refreshToken(next.refreshToken, next.tries, next.seconds)
		}
	case readStep:
		happened.text, err = r.store.read()
	case replaceStep:
		happened.swapped, err = r.store.replace(next.before, next.after)
	case lockStep:
		for ; len(*held) > 0; *held = (*held)[:len(*held)-1] {
			(*held)[len(*held)-1].release()
		}
		var lock *Held
		if lock, err = r.store.lock(next.timeout); lock != nil {
			*held = append(*held, lock)
			happened.until = lock.until
		} else {
			happened.taken = err == nil
		}
	}
	if err != nil && !errors.As(err, &happened.err) {
		problem := fmt.Sprintf("The token store failed with %T", err) // its message may quote what it was given
		happened.err = failure("token_store", OAuthError{Problem: problem, Retryable: true})
	}
	now := r.now()
	happened.wall, happened.monotonic = now.wall, now.monotonic
	return happened
}

// located names the file, if the store is one.
func (r *Refresher) located(err *OAuthError) *OAuthError { return located(r.store, err) }

func located(store Store, err *OAuthError) *OAuthError {
	if file, ok := store.(*FileStore); ok && err.Name == "token_store" {
		return err.as("token_file", file.path)
	}
	return err
}

// loadToken returns the token in a store, or an error if there is none: for a file, token_file_not_found.
func loadToken(store Store, system System) (Token, error) {
	giveUpAt := system.Monotonic() + lookAgain
	for {
		text, err := store.read()
		if err != nil {
			return Token{}, err
		}
		if text == nil {
			if file, ok := store.(*FileStore); ok {
				return Token{}, failure("token_file_not_found", OAuthError{Path: file.path})
			}
			return Token{}, failure("token_store", OAuthError{Problem: "There is no token in the store"})
		}
		token, invalid := parseTokenText(*text)
		if invalid == nil {
			return token, nil
		}
		if system.Monotonic() >= giveUpAt {
			return Token{}, located(store, invalid)
		}
		system.Sleep(pause) // another program may be writing it
	}
}
