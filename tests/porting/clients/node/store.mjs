// SPDX-License-Identifier: MIT
// The interface to storage: what a token store is. A token file is one, and has no privilege. (`store.py`)

/**
 * Where one token is kept, as text. Whatever a method throws reaches the caller as a `token_store` error that names its
 * kind alone: its message may hold the token.
 * @typedef {object} TokenStore
 * @property {() => ?string | Promise<?string>} read the text as it is now, without waiting for the lock; null if there
 *   is no token
 * @property {(before: ?string, after: string) => boolean | Promise<boolean>} replace compare and swap: if the text is
 *   still `before` (null: no token), make it `after`, durably. False, and nothing is changed, if it is not
 * @property {(timeout: number) => Promise<?Held>} lock keep other processes from refreshing. Null if another one has
 *   the lock for `timeout` seconds
 */

/**
 * A lock that is held. `until` is on the monotonic clock: the end of a lease, or Infinity for a lock that is released
 * when its holder dies, and for a store without locks. Where refresh tokens rotate, a lease is not enough.
 * @typedef {{until: number, release: () => void | Promise<void>}} Held
 */

export {};
