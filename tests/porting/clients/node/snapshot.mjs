// SPDX-License-Identifier: MIT
// An immutable snapshot of a token and its validity. The caller passes the time. (`_snapshot.py`)

import { freshness, validity } from "./expiry.mjs";
import { field, storedSeconds, text, tokenDict, visibleAscii } from "./validation.mjs";

/**
 * A token as read or received at the given wall-clock and monotonic time. It is never changed, only replaced as a
 * whole.
 * @typedef {import("./expiry.mjs").Validity} Validity
 * @typedef {{token: import("./validation.mjs").TokenDict, authorization: string, valid: Validity, fresh: Validity}}
 *   Snapshot
 */

/**
 * Validate the values of a token, and take a snapshot of it; with the validity, if that is known.
 * @param {Validity} [known] @returns {Snapshot}
 */
export function snapshot(wall, monotonic, raw, known) {
  const token = tokenDict(raw);
  const valid = known ?? validity(token.expires_at, token.expires_in, wall, monotonic);
  const authorization = `${token.token_type} ${token.access_token}`;
  return { token, authorization, valid, fresh: freshness(valid, token.expires_in) };
}

/**
 * Return a token with values set by hand. Those that say nothing about the time do not start it anew.
 * @returns {Snapshot}
 */
export function changed(old, wall, monotonic, values) {
  const token = { ...old.token, ...values };
  const startsAnew = ["access_token", "expires_at", "expires_in"].some((key) => key in values);
  return startsAnew ? snapshot(wall, monotonic, token) : snapshot(wall, monotonic, token, old.valid);
}

/**
 * Return a token with the new values of a refresh response: always an access token and its lifetime. The clocks are
 * those at the request. @param {Snapshot} old @returns {Snapshot}
 */
export function refreshed(old, wall, monotonic, response) {
  // Required here: the merge below would silently keep the old one.
  field(response, "access_token", visibleAscii);
  const expires_at = Math.floor(wall) + field(response, "expires_in", storedSeconds);
  const merged = { ...old.token, ...response, expires_at };
  return snapshot(wall, monotonic, { ...merged, scope: field(merged, "scope", text) || old.token.scope });
}
