// SPDX-License-Identifier: MIT

// An immutable snapshot of a token and its validity. The caller passes the time. (`_snapshot.py`)

package main

import "math"

// A Snapshot is a token as read or received at a given time. It is never changed, only replaced as a whole.
type Snapshot struct {
	token        Token
	valid, fresh validity
}

func (s *Snapshot) authorization() string { return s.token.TokenType + " " + s.token.AccessToken }

// snapshotOf takes a snapshot of a validated token.
func snapshotOf(token Token, wall, monotonic float64) *Snapshot {
	valid := validityOf(token.ExpiresAt, token.ExpiresIn, wall, monotonic)
	return &Snapshot{token, valid, valid.freshness(token.ExpiresIn)}
}

// changed returns a token with values set by hand. Those that say nothing about the time do not start it anew.
func changed(old *Snapshot, wall, monotonic float64, values object) (*Snapshot, *FieldError) {
	raw := old.token.object()
	for key, value := range values {
		raw[key] = value
	}
	token, err := tokenOf(raw)
	if err != nil {
		return nil, err
	}
	for _, key := range []string{"access_token", "expires_at", "expires_in"} {
		if _, ok := values[key]; ok {
			return snapshotOf(token, wall, monotonic), nil
		}
	}
	return &Snapshot{token, old.valid, old.valid.freshness(token.ExpiresIn)}, nil
}

// refreshed returns a token with the new values of a refresh response: always an access token and its lifetime. The
// clocks are those at the request.
func refreshed(old *Snapshot, wall, monotonic float64, response object) (*Snapshot, *FieldError) {
	f := &fields{raw: response}
	// Required here: the merge below would silently keep the old one.
	required(f, "access_token", visibleASCII)
	expiresIn := required(f, "expires_in", storedSeconds)
	if f.err != nil {
		return nil, f.err
	}
	raw := old.token.object()
	for key, value := range response {
		raw[key] = value
	}
	raw["expires_at"] = int64(math.Floor(wall)) + expiresIn
	scope, err := validate("scope", raw["scope"], text)
	if err != nil {
		return nil, err
	}
	raw["scope"] = orElse(scope, old.token.Scope)
	token, err := tokenOf(raw)
	if err != nil {
		return nil, err
	}
	return snapshotOf(token, wall, monotonic), nil
}
