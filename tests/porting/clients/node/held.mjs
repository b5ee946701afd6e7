// SPDX-License-Identifier: MIT
// The values of a token at one moment, and how long they count. Clocks are handed in. (`held.py`)

import * as expiry from "./expiry.mjs";
import { credential, entry, lifetime, text, tokenDict } from "./kinds.mjs";

/**
 * A token as it was read or received. It is never changed, only replaced as a whole.
 * @typedef {{token: import("./kinds.mjs").TokenDict, auth: string, life: expiry.Window, fresh: expiry.Window}} Held
 */

/** Check the values and count their life from one moment on both clocks. @returns {Held} */
export function since(wall, monotonic, raw) {
  const token = tokenDict(raw);
  const life = expiry.life(token.expires_at, token.expires_in, wall, monotonic);
  const auth = `${token.token_type} ${token.access_token}`;
  return { token, auth, life, fresh: expiry.fresh(life, token.expires_in) };
}

/**
 * Take over what the answer to a refresh has: new access, and from servers that rotate a new refresh token.
 * The clocks tell when it was asked for.
 * @param {Held} held @returns {Held}
 */
export function renewed(held, wall, monotonic, freshAccess) {
  entry(freshAccess, "access_token", credential);
  const expires_at = Math.floor(wall) + entry(freshAccess, "expires_in", lifetime);
  const all = { ...held.token, ...freshAccess, expires_at };
  return since(wall, monotonic, { ...all, scope: entry(all, "scope", text) || held.token.scope });
}
