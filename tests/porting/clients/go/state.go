// SPDX-License-Identifier: MIT

// What is remembered of one token between two refresh cycles, and which of two tokens is newer. (`_state.py`)

package main

import (
	"fmt"
	"math"
)

// Seconds to back off after the first, second, ... consecutive failure, and at most if the server asks for more.
var delays = []float64{1, 2, 4, 8, 16, 32, 60}

const maxDelay = 3600

// Refresh tokens: as many as a program that cannot save for days goes through.
const mostSuperseded = 100

// ---- the text in a store

// tokenText returns the text of a token for a store: that of ytmusicapi's file.
func tokenText(token Token) string {
	return fmt.Sprintf("{\n \"scope\": %s,\n \"token_type\": %s,\n \"access_token\": %s,\n \"refresh_token\": %s,\n"+
		" \"expires_at\": %d,\n \"expires_in\": %d\n}",
		asciiText(token.Scope), asciiText(token.TokenType), asciiText(token.AccessToken), asciiText(token.RefreshToken),
		token.ExpiresAt, token.ExpiresIn)
}

// parseTokenText parses the text of a token. The error quotes no value.
func parseTokenText(text string) (Token, *OAuthError) {
	raw, err := jsonObject([]byte(text), false)
	if err == nil {
		var token Token
		if token, err = tokenOf(raw); err == nil {
			return token, nil
		}
	}
	problem := "Not a token: it " + err.Error()
	if err.Key != "" {
		problem = "Not a token: " + err.Error()
	}
	return Token{}, failure("token_store", OAuthError{Problem: problem, Key: err.Key})
}

// ---- what is remembered

// A Backoff is a number of consecutive failures, and the monotonic time before which not to try again.
type Backoff struct {
	failures int
	until    float64
}

var noBackoff = Backoff{0, math.Inf(-1)}

// afterFailure is the backoff after one more failure. A server's Retry-After counts if it is longer.
func (b Backoff) afterFailure(monotonic float64, retryAfter *float64) Backoff {
	delay := delays[min(b.failures, len(delays)-1)]
	if retryAfter != nil {
		delay = math.Max(delay, math.Min(*retryAfter, maxDelay))
	}
	return Backoff{b.failures + 1, monotonic + delay}
}

func min(one, other int) int {
	if one < other {
		return one
	}
	return other
}

// A State is what is known of one token between two cycles.
type State struct {
	snapshot *Snapshot
	seen     *Token // the token last seen in the store; nil if there was none
	// The token that the store has, if it has ours: that very one, so that replacing the snapshot is enough to make it
	// unsaved.
	saved         *Token
	isNewLogin    bool        // a confirmed login that was never saved
	other         *Snapshot   // of a token in the store and one made by hand, the one that was not taken
	err           *OAuthError // why the last refresh failed; nil if it did not
	refused       *string     // the refresh token that the server refused
	superseded    []string    // the refresh tokens that ours replaced, the last ones
	responses     int         // how many refreshes succeeded
	serverBackoff Backoff     // after failed refreshes
	storeBackoff  Backoff     // after failed saves
	lookedAt      float64     // the monotonic time of the last look into the store after a failure
}

func newState(snapshot *Snapshot) *State {
	return &State{
		snapshot: snapshot, saved: &snapshot.token, serverBackoff: noBackoff, storeBackoff: noBackoff, lookedAt: math.Inf(-1),
	}
}

func (s *State) token() *Token { return &s.snapshot.token }

// isUnsaved says whether the token has to be saved.
func (s *State) isUnsaved() bool { return s.saved != s.token() }

// isDifferent says whether the token in the store has other values than ours.
func (s *State) isDifferent() bool { return s.seen == nil || *s.seen != *s.token() }

// isRefused says whether the server has refused the candidate, and there is no other one.
func (s *State) isRefused() bool {
	return s.refused != nil && *s.refused == s.candidate().token.RefreshToken
}

// supersede replaces the token by the one that comes after `replaced`: a response, or what the caller says.
func (s *State) supersede(snapshot, replaced *Snapshot) {
	if old := replaced.token.RefreshToken; old != "" && snapshot.token.RefreshToken != old {
		s.superseded = append(append([]string{}, s.superseded...), old)
		if extra := len(s.superseded) - mostSuperseded; extra > 0 {
			s.superseded = s.superseded[extra:]
		}
	}
	s.replace(snapshot)
}

// setByHand replaces the token by what the caller says. Another refresh token is a new login.
func (s *State) setByHand(snapshot *Snapshot) {
	if snapshot.token.RefreshToken != s.token().RefreshToken {
		s.isNewLogin = true
	}
	s.supersede(snapshot, s.snapshot)
}

// rotate keeps the new refresh token of a malformed response beside the old access token, and says whether it has one.
// `old` is the refresh token that was sent. The server may take it for stolen now.
func (s *State) rotate(now event, old string, err *OAuthError) bool {
	candidate := s.candidate()
	if err.refreshToken == nil || candidate.token.RefreshToken != old {
		return false
	}
	rotated, invalid := changed(candidate, now.wall, now.monotonic, object{"refresh_token": err.refreshToken()})
	if invalid != nil {
		return false
	}
	backoff := s.serverBackoff
	s.supersede(rotated, candidate)
	s.serverBackoff = backoff
	err.refreshToken = nil
	return true
}

// settle decides between our token and the one in the store, and takes the newer one.
func (s *State) settle(there *Snapshot, now event, rejected *string) {
	ours, isChanged := s.snapshot, s.isUnsaved()
	isFirstLook, isRefused := s.seen == nil, s.refused != nil && *s.refused == ours.token.RefreshToken
	if s.seen != nil && *s.seen == there.token {
		return
	}
	s.seen = &there.token
	if there.token == ours.token {
		s.savedAs(&ours.token)
		return
	}
	if s.isNewLogin && !isRefused {
		return
	}
	isSameLogin := there.token.RefreshToken == ours.token.RefreshToken
	other, isNewer, isSuperseded := s.other, false, false
	for _, each := range s.superseded {
		isSuperseded = isSuperseded || each == there.token.RefreshToken
	}
	switch {
	case isSameLogin && there.token.AccessToken == ours.token.AccessToken:
		isNewer = !isChanged // one of the two was edited by hand
	case isSameLogin:
		isFresher := there.fresh.covers(now.wall, now.monotonic) && !ours.fresh.covers(now.wall, now.monotonic)
		// In the same second, ours if it was changed.
		isLater := issuedAt(there) > issuedAt(ours) || issuedAt(there) == issuedAt(ours) && !isChanged
		isNewer = isLater || isFresher || rejected != nil && *rejected == ours.token.AccessToken
	case isFirstLook && !isRefused && !isSuperseded:
		isNewer = issuedAt(there) >= issuedAt(ours)
		other = there
		if isNewer {
			other = ours
		}
		s.other = other
	default:
		isNewer = !isSuperseded
	}
	if isNewer {
		if !isFirstLook {
			other = nil // the server has accepted what won, or there is a new login
		}
		s.replace(there)
		s.other, s.isNewLogin, s.storeBackoff = other, false, noBackoff
	}
	if isNewer || !isFirstLook { // a token made by hand is not written over the store's
		s.saved = &there.token
	}
}

// candidate is the token whose refresh token is to be sent: ours or, once that was refused, the other one.
func (s *State) candidate() *Snapshot {
	if s.other != nil && s.refused != nil && *s.refused == s.token().RefreshToken {
		return s.other
	}
	return s.snapshot
}

// refuse notes that the server refused the candidate. It returns whether there is another one.
func (s *State) refuse(err *OAuthError) bool {
	if s.candidate() != s.snapshot {
		s.other = nil
	}
	s.refused = &s.token().RefreshToken
	if s.other == nil {
		s.err = err
	}
	return s.other != nil
}

// savedAs notes that the store has these values now.
func (s *State) savedAs(token *Token) {
	s.seen, s.saved, s.storeBackoff = token, token, noBackoff
	// A login that was set meanwhile is still to be saved.
	s.isNewLogin = s.isNewLogin && token.RefreshToken != s.token().RefreshToken
}

func (s *State) replace(snapshot *Snapshot) {
	s.snapshot, s.err, s.refused, s.other, s.serverBackoff = snapshot, nil, nil, nil, noBackoff
}

// issuedAt assumes a lifetime of 3600 s if it is not known.
func issuedAt(s *Snapshot) int64 {
	if s.token.ExpiresIn == 0 {
		return s.token.ExpiresAt - 3600
	}
	return s.token.ExpiresAt - s.token.ExpiresIn
}
