// SPDX-License-Identifier: MIT

// A token that refreshes itself when its header is read. (`token.py`)

package main

// A RefreshingToken may be shared by goroutines.
type RefreshingToken struct{ refresher *Refresher }

// newToken makes a token of its six values. `warn` gets what went wrong while the token can be used.
func newToken(credentials *Credentials, raw object, warn func(string)) (*RefreshingToken, *FieldError) {
	token, err := tokenOf(raw)
	if err != nil {
		return nil, err
	}
	snapshot := snapshotOf(token, credentials.system.Now(), credentials.system.Monotonic())
	return &RefreshingToken{newRefresher(newState(snapshot), nil, credentials, warn)}, nil
}

// load loads the token in a store, and keeps it fresh there from now on.
func load(credentials *Credentials, store Store, warn func(string)) (*RefreshingToken, error) {
	token, err := loadToken(store, credentials.system)
	if err != nil {
		return nil, err
	}
	state := newState(snapshotOf(token, credentials.system.Now(), credentials.system.Monotonic()))
	state.seen = state.token()
	return &RefreshingToken{newRefresher(state, store, credentials, warn)}, nil
}

// values returns the current values. Never refreshes.
func (t *RefreshingToken) values() Token { return t.refresher.current().token }

// authorization returns the value of an Authorization header (RFC 6750 2.1). May refresh the token first.
func (t *RefreshingToken) authorization() (string, error) {
	if err := t.refresher.ensure(Goal{}); err != nil {
		return "", err
	}
	return t.refresher.current().authorization(), nil
}

// refresh gets another access token, even if this one has not expired: for use after a 401. Pass what the server
// rejected, the access token or the Authorization header: if it was refreshed since, nothing is sent.
func (t *RefreshingToken) refresh(rejected string) error { return t.refresher.refresh(rejected) }

// keepIn saves a new login in a store, and keeps it fresh there.
func (t *RefreshingToken) keepIn(store Store) { t.refresher.keepIn(store) }
