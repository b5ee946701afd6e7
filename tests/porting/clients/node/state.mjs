// SPDX-License-Identifier: MIT
// What is remembered of one token between two refresh cycles, and which of two tokens is newer. (`_state.py`)

import { OAuthError } from "./errors.mjs";
import { covers } from "./expiry.mjs";
import { asciiJson, jsonObject } from "./json.mjs";
import { changed } from "./snapshot.mjs";
import { FieldError, tokenDict } from "./validation.mjs";

// Seconds to back off after the first, second, ... consecutive failure, and at most if the server asks for more.
const DELAYS = [1, 2, 4, 8, 16, 32, 60];
const MAX_DELAY = 3600;
// Refresh tokens: as many as a program that cannot save for days goes through.
const MOST_SUPERSEDED = 100;

/** @typedef {import("./snapshot.mjs").Snapshot} Snapshot */
/** @typedef {import("./validation.mjs").TokenDict} TokenDict */

// ---- the text in a store

/** Return the text of a token for a store: that of ytmusicapi's file. */
export const tokenText = (token) => asciiJson(token, 1);

/** Parse the text of a token. Throws a `token_store` error, which quotes no value. @returns {TokenDict} */
export function parseTokenText(text) {
  try {
    return tokenDict(jsonObject(Buffer.from(text)));
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    const problem = `Not a token: ${error.key ? "" : "it "}${error.message}`;
    throw new OAuthError("token_store", { problem, key: error.key });
  }
}

const isSame = (one, other) => other !== null && Object.keys(one).every((key) => one[key] === other[key]);

// ---- what is remembered

/**
 * Exponential backoff: consecutive failures, and the monotonic time before which not to try again.
 * @typedef {{failures: number, until: number}} Backoff
 */

/** @type {Backoff} */
export const NO_BACKOFF = Object.freeze({ failures: 0, until: -Infinity });

/** The backoff after one more failure. A server's `retryAfter` (seconds) counts if it is longer. @returns {Backoff} */
export function afterFailure({ failures }, monotonic, retryAfter = null) {
  const delay = DELAYS[Math.min(failures, DELAYS.length - 1)];
  return { failures: failures + 1, until: monotonic + Math.max(delay, Math.min(retryAfter ?? 0, MAX_DELAY)) };
}

/** What is known of one token between two cycles. */
export class State {
  /** @type {?Snapshot} of a token in the store and one made by the constructor, the one that was not taken */
  alternative = null;
  /** @type {?OAuthError} why the last refresh failed; null if it did not */
  error = null;
  /** @type {?string} the refresh token that the server refused */
  refused = null;
  /** @type {string[]} the refresh tokens that ours replaced, the last ones */
  superseded = [];
  /** how many refreshes succeeded */
  responses = 0;
  /** after failed refreshes */
  serverBackoff = NO_BACKOFF;
  /** after failed saves */
  storeBackoff = NO_BACKOFF;
  /** the monotonic time of the last look into the store after a failure */
  lookedAt = -Infinity;

  /**
   * @param {Snapshot} snapshot the token
   * @param {{seen?: ?TokenDict, isDirty?: boolean, isNewLogin?: boolean}} [known] the token last seen in the store;
   *   whether ours has to be saved; whether it is a confirmed login that was never saved
   */
  constructor(snapshot, { seen = null, isDirty = false, isNewLogin = false } = {}) {
    this.snapshot = snapshot;
    this.lastRead = seen;
    this.clean = isDirty ? null : snapshot.token;
    this.isNewLogin = isNewLogin;
  }

  /** Whether the token must be saved: its values are not those of `clean`. */
  get isDirty() {
    return this.snapshot.token !== this.clean;
  }

  /** The token whose refresh token is to be sent: ours or, once that was refused, the alternative. */
  get candidate() {
    return (this.refused === this.snapshot.token.refresh_token && this.alternative) || this.snapshot;
  }

  /** Replace the token with the successor of `replaced` (ours): a response, or values that the caller has set. */
  supersede(snapshot, replaced = this.snapshot) {
    const { refresh_token: old } = replaced.token;
    const isReplaced = old && snapshot.token.refresh_token !== old;
    if (isReplaced) this.superseded = [...this.superseded, old].slice(-MOST_SUPERSEDED);
    this.#replace(snapshot);
  }

  /** Replace the token with values that the caller has set. Another refresh token is a new login. */
  setByHand(snapshot) {
    this.isNewLogin ||= snapshot.token.refresh_token !== this.snapshot.token.refresh_token;
    this.supersede(snapshot);
  }

  /**
   * Keep the new refresh token of a malformed response beside the old access token. Returns whether it has one. `old`
   * is the refresh token that was sent. The server may take it for stolen now.
   */
  rotate({ wall, monotonic }, old, error) {
    const { refreshToken } = error;
    const { candidate, serverBackoff } = this;
    if (refreshToken === null || candidate.token.refresh_token !== old) return false;
    this.supersede(changed(candidate, wall, monotonic, { refresh_token: refreshToken }), candidate);
    this.serverBackoff = serverBackoff;
    error.refreshToken = null;
    return true;
  }

  /** Decide between our token and the one in the store, and take the newer one. @param {Snapshot} there */
  reconcile(there, { wall, monotonic }, rejected = null) {
    const { snapshot: ours, isDirty: isChanged } = this;
    const isFirstLook = this.lastRead === null, isRefused = this.refused === ours.token.refresh_token;
    if (isSame(there.token, this.lastRead)) return;
    this.lastRead = there.token;
    if (isSame(there.token, ours.token)) {
      this.savedAs(ours.token);
      return;
    }
    if (this.isNewLogin && !isRefused) return;
    const { refresh_token: refreshToken, access_token: accessToken } = there.token;
    const isSameLogin = refreshToken === ours.token.refresh_token;
    let isNewer;
    if (isSameLogin && accessToken === ours.token.access_token) {
      isNewer = !isChanged; // one of the two was edited by hand
    } else if (isSameLogin) {
      const isFresher = covers(there.fresh, wall, monotonic) && !covers(ours.fresh, wall, monotonic);
      // In the same second, ours if it was changed.
      const isLater = issuedAt(there) >= issuedAt(ours) + Number(isChanged);
      isNewer = isLater || isFresher || rejected === ours.token.access_token;
    } else if (isFirstLook && !isRefused && !this.superseded.includes(refreshToken)) {
      isNewer = issuedAt(there) >= issuedAt(ours);
      this.alternative = isNewer ? ours : there;
    } else {
      isNewer = !this.superseded.includes(refreshToken);
    }
    if (isNewer) {
      const alternative = isFirstLook ? this.alternative : null; // else the server has accepted what won
      this.#replace(there);
      this.alternative = alternative;
      this.isNewLogin = false;
      this.storeBackoff = NO_BACKOFF;
    }
    // A token made by the constructor is not written over the store's.
    if (isNewer || !isFirstLook) this.clean = there.token;
  }

  /** Note that the server refused the candidate. Returns whether there is another one. */
  refuse(error) {
    if (this.candidate !== this.snapshot) this.alternative = null;
    this.refused = this.snapshot.token.refresh_token;
    if (this.alternative === null) this.error = error;
    return this.alternative !== null;
  }

  /** Note that the store has these values now. */
  savedAs(token) {
    this.lastRead = token;
    this.clean = token;
    // A login that was set meanwhile is still to be saved.
    this.isNewLogin &&= token.refresh_token !== this.snapshot.token.refresh_token;
    this.storeBackoff = NO_BACKOFF;
  }

  /** Whether the token in the store has other values than ours. */
  get isDifferent() {
    return !isSame(this.snapshot.token, this.lastRead);
  }

  #replace(snapshot) {
    this.snapshot = snapshot;
    this.error = null;
    this.refused = null;
    this.alternative = null;
    this.serverBackoff = NO_BACKOFF;
  }
}

// A lifetime that is not known is assumed: 3600 s.
const issuedAt = ({ token }) => token.expires_at - (token.expires_in || 3600);
