// SPDX-License-Identifier: MIT

// The interface to storage: what a token store is. A token file is one, and has no privilege. (`store.py`)

package main

// A Store keeps one token, as text. Whatever error a method returns reaches the caller as a token_store error that
// names its type alone: its message may hold the token.
type Store interface {
	// read returns the text as it is now, without waiting for the lock; nil if there is no token.
	read() (*string, error)
	// replace compares and swaps: if the text is still `before` (nil: no token), make it `after`, durably. False, and
	// nothing is changed, if it is not.
	replace(before *string, after string) (bool, error)
	// lock keeps other processes from refreshing. Returns nil if another one has the lock for so many seconds.
	lock(seconds float64) (*Held, error)
}

// A Held lock. `until` is on the monotonic clock: the end of a lease, or infinity for a lock that is released when its
// holder dies, and for a store without locks. Where refresh tokens rotate, a lease is not enough.
type Held struct {
	until   float64
	release func()
}
