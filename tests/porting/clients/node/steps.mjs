// SPDX-License-Identifier: MIT
// The words of the refresh cycle: the steps that it takes, and what happened at each. (`_steps.py`)

/**
 * What to do next.
 * - `lock`: take the store's lock, and keep it until the cycle ends. The event has `until`, or an error.
 * - `read`: read the store. The event has `text`, or an error.
 * - `replace`: compare and swap. The event has `swapped`, or an error.
 * - `ask`: send a refresh, `tries` times at most within `seconds`. The event has `response`, or an error.
 * - `wait`: let time pass.
 * - `warn`: warn the caller. Always the last step of a cycle.
 * @typedef {{name: "lock", timeout: number}
 *   | {name: "read"}
 *   | {name: "replace", before: ?string, after: string}
 *   | {name: "ask", refreshToken: string, tries: number, seconds: number}
 *   | {name: "wait", seconds: number}
 *   | {name: "warn", error: import("./errors.mjs").OAuthError, consequence: string}} Step
 */
export const lock = (timeout) => ({ name: "lock", timeout });
export const read = () => ({ name: "read" });
export const replace = (before, after) => ({ name: "replace", before, after });
export const ask = (refreshToken, tries, seconds) => ({ name: "ask", refreshToken, tries, seconds });
export const wait = (seconds) => ({ name: "wait", seconds });
export const warn = (error, consequence) => ({ name: "warn", error, consequence });

/**
 * What happened, and when on both clocks. Only what the step asked for is set.
 * @typedef {object} Event
 * @property {number} wall
 * @property {number} monotonic
 * @property {?import("./errors.mjs").OAuthError} error why the step failed
 * @property {boolean} taken whether another process kept the lock; with an error, this task itself has it
 * @property {number} until until when the lock is held (monotonic)
 * @property {?string} text what is in the store; null: no token
 * @property {boolean} swapped whether the text in the store was replaced
 * @property {Record<string, unknown>} response to a refresh: at least `access_token` and `expires_in`
 */

/** @param {Partial<Event>} happened @returns {Event} */
export const event = (wall, monotonic, happened = {}) => ({
  wall, monotonic, error: null, taken: false, until: Infinity, text: null, swapped: false, response: {}, ...happened,
});

/**
 * What a caller wants: by default, a fresh token.
 * @typedef {object} Goal
 * @property {number} ahead seconds that must be left, if that is more than fresh; at most half the lifetime counts
 * @property {?string} rejected an access token that the server rejected: any other one will do, and neither backoff nor
 *   refusal keeps from asking
 */

/** @type {Goal} What reading an access token wants. */
export const FRESH = Object.freeze({ ahead: 0, rejected: null });
