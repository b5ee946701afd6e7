// SPDX-License-Identifier: MIT
// When a token ends: arithmetic on plain numbers, in seconds. No clock, no token. (`expiry.py`)
//
// Two clocks are asked, because each of them lies in its own way. The wall clock is what a file can hold, but it is set
// wrong, and set right, at any time. The monotonic clock never jumps, but it starts anew with every boot and sleeps
// while a laptop sleeps. The earlier of both ends a token.

// The seed: "credential expiration <= 1 min".
const MARGIN = 60;

/** How many seconds before its end a token is expiring. One that lives for a minute should not be so from birth. */
export const margin = (expiresIn) => (expiresIn > 0 ? Math.min(MARGIN, Math.floor(expiresIn / 2)) : MARGIN);

/**
 * From `opens` until before `closes` on the wall clock, and before `ends` on the monotonic one.
 * @typedef {{opens: number, closes: number, ends: number}} Window
 */

/** Whether both clocks are inside. @param {Window} window */
export const isOpen = (window, wall, monotonic) =>
  window.opens <= wall && wall < window.closes && monotonic < window.ends;

/** How long it stays open; 0 if it is not. @param {Window} window */
export const secondsLeft = (window, wall, monotonic) =>
  isOpen(window, wall, monotonic) ? Math.min(window.closes - wall, window.ends - monotonic) : 0;

/**
 * When a token lives that ends at `expiresAt` and has a life of `expiresIn` (0: unknown).
 * The clocks are read at one moment: when the token was asked for, or read from its file.
 * @returns {Window}
 */
export function life(expiresAt, expiresIn, wall, monotonic) {
  if (expiresIn <= 0) return { opens: -Infinity, closes: expiresAt, ends: monotonic + expiresAt - wall };
  // A token that claims to live longer than its whole life was stamped by a clock that was ahead.
  const ends = monotonic + Math.min(expiresAt - wall, expiresIn);
  return { opens: expiresAt - expiresIn, closes: expiresAt, ends };
}

/** When that token is not yet expiring. @param {Window} life @returns {Window} */
export function fresh({ opens, closes, ends }, expiresIn) {
  const early = margin(expiresIn);
  return { opens, closes: closes - early, ends: ends - early };
}
