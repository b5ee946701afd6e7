// SPDX-License-Identifier: MIT

// The results of this port for the vectors of the refresh cycle: a transcript is played to the real `Cycle`.

package main

import (
	"encoding/json"
	"math"
)

type backoffGiven struct {
	Failures int
	Until    *float64
}

func (b *backoffGiven) made() Backoff {
	if b == nil {
		return noBackoff
	}
	return Backoff{b.Failures, valueOr(b.Until, math.Inf(-1))}
}

type rememberedGiven struct {
	Token         json.RawMessage
	LoadedAt      []float64 `json:"loaded_at"`
	Seen          json.RawMessage
	Unsaved       bool
	NewLogin      bool `json:"new_login"`
	Superseded    []string
	Other         json.RawMessage
	Error         *errorGiven
	Refused       *string
	ServerBackoff *backoffGiven `json:"server_backoff"`
	StoreBackoff  *backoffGiven `json:"store_backoff"`
	LookedAt      *float64      `json:"looked_at"`
}

type eventGiven struct {
	LockedUntil  *float64 `json:"locked_until"`
	Taken        bool
	Found        json.RawMessage
	Response     json.RawMessage
	Replaced     bool
	Failed       *errorGiven
	Took         *float64
	ClockChange  float64 `json:"clock_change"`
	SetMeanwhile object  `json:"set_meanwhile"`
}

type cycleGiven struct {
	Call    string
	Rotates *bool
	Store   *bool
	Now     []float64
	Goal    struct {
		Ahead    float64
		Rejected *string
	}
	Remembered rememberedGiven
	Events     []eventGiven
}

// given returns what a vector begins with.
func (g cycleGiven) given() (state *State, goal Goal, now event, hasStore bool) {
	now = eventAt(startOfVectors, 1000)
	if g.Now != nil {
		now = eventAt(g.Now[0], g.Now[1])
	}
	hasStore = valueOr(g.Store, true)
	return g.Remembered.state(now, hasStore), Goal{g.Goal.Ahead, g.Goal.Rejected}, now, hasStore
}

// tokenGiven is written as what differs from the default token.
func tokenGiven(raw json.RawMessage) Token {
	token := defaultToken
	if raw != nil {
		must(raw, &token)
	}
	return token
}

func (r rememberedGiven) state(now event, hasStore bool) *State {
	loadedAt := r.LoadedAt
	if loadedAt == nil {
		loadedAt = []float64{now.wall, now.monotonic}
	}
	state := newState(snapshotOf(tokenGiven(r.Token), loadedAt[0], loadedAt[1]))
	switch {
	case r.Seen == nil && hasStore:
		state.seen = state.token()
	case r.Seen != nil && string(r.Seen) != "null":
		seen := tokenGiven(r.Seen)
		state.seen = &seen
	}
	if r.Unsaved {
		state.saved = nil
	}
	if r.Other != nil {
		state.other = snapshotOf(tokenGiven(r.Other), now.wall, now.monotonic)
	}
	state.isNewLogin, state.superseded, state.err, state.refused = r.NewLogin, r.Superseded, r.Error.made(), r.Refused
	state.serverBackoff, state.storeBackoff = r.ServerBackoff.made(), r.StoreBackoff.made()
	state.lookedAt = valueOr(r.LookedAt, math.Inf(-1))
	return state
}

func changesOf(token Token) object {
	changes, defaults := token.object(), defaultToken.object()
	for key, value := range defaults {
		if changes[key] == value {
			delete(changes, key)
		}
	}
	return changes
}

// rememberedOf returns what is remembered, without what has its default.
func rememberedOf(state *State, hasStore bool) object {
	remembered := object{"token": changesOf(*state.token())}
	if hasStore {
		if state.isDifferent() {
			remembered["seen"] = nil
			if state.seen != nil {
				remembered["seen"] = changesOf(*state.seen)
			}
		}
		for key, is := range map[string]bool{"unsaved": state.isUnsaved(), "new_login": state.isNewLogin} {
			if is {
				remembered[key] = true
			}
		}
		if len(state.superseded) > 0 {
			remembered["superseded"] = state.superseded
		}
	}
	if state.other != nil {
		remembered["other"] = changesOf(state.other.token)
	}
	if state.err != nil {
		remembered["error"] = described(state.err)
	}
	if state.refused != nil {
		remembered["refused"] = *state.refused
	}
	backoffs := map[string]Backoff{"server_backoff": state.serverBackoff, "store_backoff": state.storeBackoff}
	for key, backoff := range backoffs {
		if !math.IsInf(backoff.until, -1) {
			remembered[key] = object{"failures": backoff.failures, "until": rounded(backoff.until)}
		}
	}
	if !math.IsInf(state.lookedAt, -1) {
		remembered["looked_at"] = rounded(state.lookedAt)
	}
	return remembered
}

// inStore is the token that a text in a store means, without its defaults; the text itself if it is not a token.
func inStore(text *string) any {
	if text == nil {
		return nil
	}
	token, err := parseTokenText(*text)
	if err != nil {
		return *text
	}
	return changesOf(token)
}

func asList(next step) []any {
	switch next := next.(type) {
	case lockStep:
		return []any{"lock", next.timeout}
	case askStep:
		return []any{"ask", next.refreshToken, next.tries, rounded(next.seconds)}
	case replaceStep:
		return []any{"replace", inStore(next.before), inStore(&next.after)}
	case waitStep:
		return []any{"wait", next.seconds}
	case warnStep:
		return []any{"warn", described(next.err)}
	}
	return []any{"read"}
}

// eventAfter is the event after a step; it does what the caller does meanwhile.
func (e eventGiven) eventAfter(next step, now event, state *State) event {
	seconds := 0.0
	if wait, ok := next.(waitStep); ok {
		seconds = wait.seconds
	}
	seconds = valueOr(e.Took, seconds)
	happened := eventAt(now.wall+seconds+e.ClockChange, now.monotonic+seconds)
	if e.SetMeanwhile != nil {
		values := object{}
		for key, value := range e.SetMeanwhile {
			if number, ok := value.(float64); ok {
				value = int64(number)
			}
			values[key] = value
		}
		snapshot, err := changed(state.snapshot, happened.wall, happened.monotonic, values)
		if err != nil {
			panic(err)
		}
		state.setByHand(snapshot)
	}
	happened.err, happened.taken, happened.swapped = e.Failed.made(), e.Taken, e.Replaced
	happened.until = valueOr(e.LockedUntil, math.Inf(1))
	if e.Found != nil && string(e.Found) != "null" {
		text := ""
		if e.Found[0] == '"' {
			must(e.Found, &text)
		} else {
			text = tokenText(tokenGiven(e.Found))
		}
		happened.text = &text
	}
	if e.Response != nil {
		response, err := jsonObject(e.Response, false)
		if err != nil {
			panic(err)
		}
		happened.response = response
	}
	return happened
}

// unfinished ends a cycle whose events have run out.
type unfinished struct{}

func cycleResult(raw json.RawMessage) any {
	var given cycleGiven
	must(raw, &given)
	state, goal, now, hasStore := given.given()
	steps := []any{}
	do := func(next step) event {
		steps = append(steps, asList(next))
		if _, ok := next.(warnStep); ok {
			return now
		}
		if len(given.Events) == 0 {
			panic(unfinished{})
		}
		now = given.Events[0].eventAfter(next, now, state)
		given.Events = given.Events[1:]
		return now
	}
	cycle := newCycle(state, now, valueOr(given.Rotates, true), hasStore, goal, do)
	ways := map[string]func() *OAuthError{
		"": cycle.refresh, "refresh": cycle.refresh, "save": cycle.save, "store": cycle.store, "look": cycle.look,
	}
	outcome := outcomeOfWay(ways[given.Call])
	return object{"steps": steps, "outcome": outcome, "remembered": rememberedOf(state, hasStore)}
}

func outcomeOfWay(way func() *OAuthError) (outcome any) {
	defer func() {
		if ended := recover(); ended != nil {
			if _, ok := ended.(unfinished); !ok {
				panic(ended)
			}
			outcome = "unfinished"
		}
	}()
	if err := way(); err != nil {
		return described(err)
	}
	return "success"
}

func decideResult(raw json.RawMessage) any {
	var given cycleGiven
	must(raw, &given)
	state, goal, now, hasStore := given.given()
	return decide(state, goal, now, hasStore)
}
