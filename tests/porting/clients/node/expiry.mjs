// SPDX-License-Identifier: MIT
// Token expiry, as arithmetic on seconds. The caller passes the time. (`_expiry.py`)
//
// Two clocks are used, because each can be wrong. Only the wall clock can be stored in a file, but it may be set wrong,
// and corrected, at any time. The monotonic clock never jumps, but it restarts at boot and stops while the machine is
// suspended. A token expires as soon as either clock says so.

// Seconds. ytmusicapi: "credential expiration <= 1 min".
const REFRESH_MARGIN = 60;
// Seconds by which the clock of the machine that stored a token may be ahead of ours: such clocks are not wrong.
const CLOCK_SKEW = 10;

/**
 * How many seconds before its end a token is due for a refresh: at most half its lifetime, so that a short-lived token
 * is not due as soon as it is issued.
 */
export const refreshMargin = (expiresIn) =>
  (expiresIn > 0 ? Math.min(REFRESH_MARGIN, Math.floor(expiresIn / 2)) : REFRESH_MARGIN);

/**
 * Valid while notBefore <= wall < notAfter (UNIX time) and monotonic < deadline, all in seconds.
 * @typedef {{notBefore: number, notAfter: number, deadline: number}} Validity
 */

/** Whether both clocks are within the period. @param {Validity} period */
export const covers = (period, wall, monotonic) =>
  period.notBefore <= wall && wall < period.notAfter && monotonic < period.deadline;

/** The seconds until the period ends; 0 outside it. @param {Validity} period */
export const secondsLeft = (period, wall, monotonic) =>
  covers(period, wall, monotonic) ? Math.min(period.notAfter - wall, period.deadline - monotonic) : 0;

/**
 * When a token is valid that expires at `expiresAt` after `expiresIn` seconds (0: unknown). The clocks are read at one
 * moment: that of the request, or that of reading the token. @returns {Validity}
 */
export function validity(expiresAt, expiresIn, wall, monotonic) {
  if (expiresIn <= 0) return { notBefore: -Infinity, notAfter: expiresAt, deadline: monotonic + expiresAt - wall };
  // More than `expiresIn` seconds left means that the clock was ahead when the token was stored.
  const deadline = monotonic + Math.min(expiresAt - wall, expiresIn);
  return { notBefore: expiresAt - expiresIn - CLOCK_SKEW, notAfter: expiresAt, deadline };
}

/** When a token of that validity is not yet due for a refresh. @param {Validity} valid @returns {Validity} */
export function freshness({ notBefore, notAfter, deadline }, expiresIn) {
  const margin = refreshMargin(expiresIn);
  return { notBefore, notAfter: notAfter - margin, deadline: deadline - margin };
}
