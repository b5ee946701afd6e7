// SPDX-License-Identifier: MIT
// The refresh cycle: every decision about keeping one token fresh, in memory and in its store. The essay in `_cycle.py`
// explains it.
//
// This module decides, and `refresher` carries out. A cycle yields what to do, a step, and is sent what happened, an
// event, together with the time on both clocks. No clock, no task, no store, no server.

import { OAuthError } from "./errors.mjs";
import { covers, secondsLeft } from "./expiry.mjs";
import { refreshed, snapshot } from "./snapshot.mjs";
import { afterFailure, parseTokenText, tokenText } from "./state.mjs";
import { ask, FRESH, lock, read, replace, wait, warn } from "./steps.mjs";
import { FieldError } from "./validation.mjs";

// Seconds for a whole request, its retries included.
const TIMEOUT = 30;
// Seconds to wait for the lock once the token has expired: longer than another process's request and its save.
const LOCK_WAIT = 40;
// Seconds to keep looking at a store that cannot be read, because another program may be writing it; and between looks.
export const READ_PATIENCE = 1;
export const READ_INTERVAL = 0.1;
// How many such looks at most: a test may have stopped the clock.
const READS = 20;
// Seconds between two looks for something newer, after a failure.
const LOOK_INTERVAL = 1;
// Seconds before the token expires at which a request gives up, so that there is time to use the token.
const RESERVE = 2;
// How often a request is sent at most, where it is safe to send it again; and how often a compare-and-swap is tried.
const TRIES = 3;
const SWAPS = 5;

/** @typedef {import("./steps.mjs").Event} Event */
/** @typedef {import("./state.mjs").State} State */

// ---- decisions

/**
 * Decide what a caller that wants the token has to do first.
 * @param {State} state @param {Event} now @returns {"return" | "save" | "look" | "raise" | "refresh"}
 */
export function decide(state, goal, now, hasStore) {
  if (isEnough(state.snapshot, goal, now)) {
    return hasStore && state.isDirty && now.monotonic >= state.storeBackoff.until ? "save" : "return";
  }
  if (goal.rejected !== null) return "refresh";
  const isValid = covers(state.snapshot.valid, now.wall, now.monotonic);
  const isRefused = state.refused === state.candidate.token.refresh_token;
  const isBlocked = now.monotonic < state.serverBackoff.until && (isValid || state.error !== null);
  if (!isBlocked && !isRefused) return "refresh";
  if (isValid && !isRefused) return "return";
  return hasStore && now.monotonic >= state.lookedAt + LOOK_INTERVAL ? "look" : "raise";
}

function isEnough({ token, valid, fresh }, { ahead, rejected }, { wall, monotonic }) {
  const left = secondsLeft(valid, wall, monotonic);
  if (rejected !== null) return token.access_token !== rejected && left > 0;
  if (!token.refresh_token) return left > 0;
  return covers(fresh, wall, monotonic) && left >= Math.min(ahead, token.expires_in / 2 || ahead);
}

const isOfStore = (error) => error.type.startsWith("token_");

/** One pass through the cycle, by one task. `refresh`, `save`, `store` and `look` yield the steps. */
export class Cycle {
  #state;
  #now;
  #rotates;
  #hasStore;
  #goal;
  // What was last read from the store; when the lock was taken, and until when it is held (monotonic).
  /** @type {?string} */
  #text = null;
  #lockedAt;
  #until = Infinity;
  #warning = null;
  // Whether the token had to be waited for, and why the last read gave none.
  #hasWaited = false;
  /** @type {?OAuthError} */
  #unreadable = null;

  /** @param {State} state @param {Event} now */
  constructor(state, now, { rotates, hasStore, goal = FRESH }) {
    this.#state = state;
    this.#now = now;
    this.#rotates = rotates;
    this.#hasStore = hasStore;
    this.#goal = goal;
    this.#lockedAt = now.monotonic;
  }

  // ---- the four ways through

  /** Refresh the token. Throws if that leaves no token for the goal. */
  *refresh() {
    try {
      yield* this.#refresh();
      // The machine slept, or the clock was set, during the request. The whole cycle again: the save may have released
      // the lock, as that of a file does, and another process may have refreshed.
      if (!this.#isValid() && this.#goal.rejected === null) yield* this.#refresh();
      if (!this.#isValid()) {
        throw new OAuthError("no_valid_token", { problem: "The new token expired before it arrived", retryable: true });
      }
    } catch (error) {
      if (!(error instanceof OAuthError)) throw error;
      const mustLogIn = error.type === "invalid_grant";
      const isNews = !mustLogIn && this.#backOff(error);
      if (mustLogIn || this.#goal.rejected !== null || !this.#isValid()) {
        // It is not shown, so the next failed save warns.
        if (this.#warning) this.#state.storeBackoff = { ...this.#state.storeBackoff, failures: 0 };
        throw error;
      }
      // While the token is valid, a transient failure of the server needs no warning.
      if (!this.#warning && isNews && (isOfStore(error) || !error.retryable)) {
        this.#warning = warn(error, "The old access token stays in use until it expires.");
      }
    }
    if (this.#warning) yield this.#warning;
  }

  /** Save the token, if the lock is free. Never throws an `OAuthError`. */
  *save() {
    const state = this.#state;
    this.#now = yield lock(0);
    if (this.#now.taken) {
      state.storeBackoff = { ...state.storeBackoff, until: this.#now.monotonic + LOOK_INTERVAL };
      return;
    }
    const problem = this.#now.error ?? (yield* this.#reload());
    if (state.isDirty) yield* this.#save(problem);
    if (this.#warning) yield this.#warning;
  }

  /** Save the token because the caller says so, also over what is not a token. */
  *store() {
    const state = this.#state;
    const locked = this.#now = yield lock(LOCK_WAIT);
    if (locked.taken || locked.error) throw locked.error ?? taken();
    let problem = yield* this.#reload();
    if (this.#now.error === null && (problem !== null || state.isDifferent)) {
      state.clean = state.lastRead; // also what was made by the constructor
      problem = yield* this.#swap();
    }
    if (problem !== null) throw problem;
  }

  /** Adopt a newer token from the store, without the lock. */
  *look() {
    this.#state.lookedAt = this.#now.monotonic;
    this.#now = yield read();
    if (this.#now.error === null) this.#reconcile();
  }

  // ---- the steps of a refresh

  *#refresh() {
    const state = this.#state;
    let problem = null;
    for (const maySave of this.#hasStore ? [true, false] : []) {
      const mustWait = this.#goal.rejected !== null || !this.#isValid();
      this.#now = yield lock(mustWait ? LOCK_WAIT : 0);
      if (this.#now.taken) {
        if (mustWait) throw this.#now.error ?? taken();
        // Another process is refreshing. Trying again at each read would make readers wait for a remote store.
        state.serverBackoff = { ...state.serverBackoff, until: this.#now.monotonic + LOOK_INTERVAL };
        return;
      }
      this.#lockedAt = this.#now.monotonic;
      this.#until = this.#now.until;
      problem = this.#now.error ?? (yield* this.#reload());
      // Another process may have used our refresh token.
      if (problem !== null && this.#rotates) throw problem.with({ retryable: true });
      if (!maySave || problem !== null || !(state.isDirty || this.#hasWaited)) break;
      // Before the request, which may fail: the current refresh token may be in memory only.
      const isSaved = !state.isDirty || (yield* this.#save(null));
      if (!isSaved && this.#unreadable === null) break;
      if (isEnough(state.snapshot, this.#goal, this.#now)) return;
      // The save may have released the lock, as that of a file does; or another program is writing, and what was locked
      // is no longer there: lock and read once more.
    }
    let failure = null;
    if (!isEnough(this.#state.snapshot, this.#goal, this.#now)) failure = yield* this.#ask(problem === null);
    if (this.#hasStore && this.#state.isDirty) yield* this.#save(problem);
    if (failure !== null) throw failure;
  }

  /** Read the store and adopt what is newer. Returns what is wrong with the store, or null. */
  *#reload(patience = READ_PATIENCE) {
    const giveUpAt = this.#now.monotonic + patience;
    this.#hasWaited = false;
    for (let reads = 0; reads < READS; reads += 1) {
      this.#now = yield read();
      this.#unreadable = this.#now.error ?? this.#reconcile();
      if (this.#unreadable === null || this.#now.monotonic >= giveUpAt) break;
      this.#now = yield wait(READ_INTERVAL);
      this.#hasWaited = true;
    }
    return this.#unreadable;
  }

  /** @returns {?OAuthError} */
  #reconcile() {
    const state = this.#state;
    const { text, wall, monotonic } = this.#now;
    this.#text = text;
    if (text === null) {
      if (state.lastRead === null || state.isNewLogin) return null;
      return new OAuthError("token_store", { problem: "The token has disappeared from the store" });
    }
    try {
      state.reconcile(snapshot(wall, monotonic, parseTokenText(text)), this.#now, this.#goal.rejected);
      if (!state.isDirty) this.#warning = null; // what an earlier save could not save is no longer in use
    } catch (error) {
      if (error instanceof OAuthError) return error;
      throw error;
    }
    return null;
  }

  /**
   * Ask the server; once more if the refresh token was refused and another one turned up. Returns the error of a
   * response that is malformed except for its new refresh token, which is to be saved first; or null.
   */
  *#ask(mayLook, mayRepeat = true) {
    const state = this.#state;
    const ours = state.snapshot;
    const refreshToken = state.candidate.token.refresh_token;
    if (this.#goal.rejected === null && state.refused === refreshToken && state.error) throw state.error;
    let error;
    if (refreshToken) {
      const { tries, seconds } = this.#allowance();
      if (tries === 0) return null;
      this.#checkLease(seconds);
      const sent = this.#now;
      this.#now = yield ask(refreshToken, tries, seconds);
      error = this.#now.error ?? this.#remember(sent, refreshToken);
    } else {
      error = noRefreshToken();
    }
    if (error === null || state.rotate(this.#now, refreshToken, error)) return error;
    if (error.type !== "invalid_grant") throw error;
    if (this.#hasStore && mayLook) yield* this.#reload();
    if (state.snapshot !== ours && isEnough(state.snapshot, this.#goal, this.#now)) return null;
    // Not earlier: other tasks would tell their callers to log in again.
    if (state.candidate.token.refresh_token === refreshToken ? state.refuse(error) : mayRepeat) {
      return yield* this.#ask(mayLook, false);
    }
    throw error;
  }

  /** How many tries a refresh has, and how many seconds; none if the valid token is to be used up first. */
  #allowance() {
    const state = this.#state;
    const { wall, monotonic } = this.#now;
    const left = secondsLeft(state.snapshot.valid, wall, monotonic);
    if (left === 0 || this.#goal.rejected !== null) return { tries: TRIES, seconds: TIMEOUT };
    let seconds = 0;
    if (!this.#rotates) seconds = Math.min(TIMEOUT, left - RESERVE); // to give up early costs nothing
    else if (left >= TIMEOUT || state.serverBackoff.failures === 0) seconds = TIMEOUT;
    if (seconds > 0) return { tries: 1, seconds };
    state.serverBackoff = { ...state.serverBackoff, until: monotonic + left };
    return { tries: 0, seconds: 0 };
  }

  #checkLease(seconds) {
    // A request that outlives the lease may be the second one with the same refresh token.
    if (this.#until - this.#now.monotonic >= seconds) return;
    const isTooShort = this.#until - this.#lockedAt < seconds;
    const problem = isTooShort
      ? `The lock's lease is shorter than a request may take (${Math.round(seconds)} s)`
      : "The lock's lease would end before a request could finish";
    throw new OAuthError("token_store", { problem, retryable: !isTooShort });
  }

  /** Take the response. Returns what is wrong with it, or null. @returns {?OAuthError} */
  #remember(sent, refreshToken) {
    const state = this.#state;
    // The caller has set another one meanwhile: a new login.
    const { candidate } = state;
    if (candidate.token.refresh_token !== refreshToken) return null;
    const { wall, monotonic, response } = this.#now;
    try {
      state.supersede(refreshed(candidate, sent.wall, sent.monotonic, response), candidate);
    } catch (error) {
      if (!(error instanceof FieldError)) throw error;
      const problem = `The credentials returned no token: ${error.message}`;
      return new OAuthError("malformed", { problem, key: error.key });
    }
    state.responses += 1;
    // A server that repeats itself is not asked again at once.
    if (!covers(state.snapshot.fresh, wall, monotonic)) {
      state.serverBackoff = afterFailure(state.serverBackoff, monotonic);
    }
    return null;
  }

  /** Save the token, unless the store has a problem. Returns whether that worked; if not, a later cycle tries again. */
  *#save(storeProblem) {
    const state = this.#state;
    const problem = storeProblem ?? (yield* this.#swap());
    if (problem === null) {
      this.#warning = null; // an earlier save of this pass may have failed
      return true;
    }
    if (state.storeBackoff.failures === 0) {
      this.#warning = warn(problem, "The new token is in memory only until it can be saved.");
    }
    state.storeBackoff = afterFailure(state.storeBackoff, this.#now.monotonic);
    return false;
  }

  /** Compare and swap, until the store has the newer token. Returns the problem, or null. */
  *#swap() {
    const state = this.#state;
    for (let swaps = 0; swaps < SWAPS; swaps += 1) {
      const { token } = state.snapshot;
      const text = tokenText(token);
      this.#now = yield replace(this.#text, text);
      if (this.#now.swapped) {
        this.#text = text;
        state.savedAs(token);
        return null;
      }
      const failure = this.#now.error;
      // Another program may be writing; and after a failure, the store may have the token anyway.
      const problem = yield* this.#reload(failure === null ? READ_PATIENCE : 0);
      if (problem === null && !state.isDirty) return null;
      if (failure !== null || problem !== null) return failure ?? problem;
    }
    return new OAuthError("token_store", { problem: "The token in the store keeps changing", retryable: true });
  }

  // ---- shared

  #isValid() {
    return covers(this.#state.snapshot.valid, this.#now.wall, this.#now.monotonic);
  }

  /** Remember a failure. Returns whether the last refresh did not fail, or with another error. */
  #backOff(error) {
    const state = this.#state;
    const isNews = state.error?.type !== error.type;
    // Only another refresh token lifts a refusal.
    if (state.refused !== state.candidate.token.refresh_token) state.error = error;
    state.serverBackoff = afterFailure(state.serverBackoff, this.#now.monotonic, error.retryAfter);
    return isNews;
  }
}

function noRefreshToken() {
  const problem = "The server gave no refresh token, so the login ends when its access token expires";
  return new OAuthError("invalid_grant", { problem });
}

function taken() {
  const problem = `Another process has held the lock of the token for ${LOCK_WAIT} s`;
  return new OAuthError("token_store", { problem, retryable: true });
}
