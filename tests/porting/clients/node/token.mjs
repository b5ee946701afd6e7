// SPDX-License-Identifier: MIT
// A token that is kept fresh, in memory and in its file, among all tasks and processes that hold it. (`token.py`,
// `upkeep.py`; and `turns.py`, which is one promise here.)
//
// A round: take the turn among tasks and the lock among processes; adopt what somebody else has put into the file; if
// that is not fresh, refresh; save. A round that fails leaves memory and file as they were.

import { resolve } from "node:path";

import { OAuthError } from "./errors.mjs";
import { isOpen } from "./expiry.mjs";
import { renewed, since } from "./held.mjs";
import { locked } from "./lock.mjs";
import { readToken, writeToken } from "./storage.mjs";

// Seconds to leave a server, or a disk, alone after each failure in a row.
const PAUSES = [1, 2, 4, 8, 16, 32, 60];
// Seconds to wait for the lock: while the old token lives; and after that, longer than three tries of 30 s take.
const SHORT_WAIT = 10;
const LONG_WAIT = 100;

export class RefreshingToken {
  /** @type {import("./held.mjs").Held} */
  #held;
  #credentials;
  #world;
  #warn;
  /** @type {?string} */
  #path = null;
  // What the file had in it when it was last read or written.
  #onDisk = null;
  #isUnsaved = false;
  /** @type {?Promise<void>} the round that is under way */
  #turn = null;
  /** @type {?{refreshToken: string, error: OAuthError}} what the server called the end of the login */
  #refused = null;
  #refreshing;
  #saving;

  /**
   * @param {import("./credentials.mjs").OAuthCredentials} credentials
   * @param {object} raw the six values; throws an `EntryError` on an unfit one
   * @param {{warn?: (words: string) => void}} [options] `warn` is told what went wrong while the token can be used
   */
  constructor(credentials, raw, { warn = (words) => process.emitWarning(words) } = {}) {
    this.#credentials = credentials;
    this.#world = credentials.world;
    this.#warn = warn;
    this.#held = since(this.#world.now(), this.#world.monotonic(), raw);
    this.#refreshing = new Patience(this.#world.monotonic);
    this.#saving = new Patience(this.#world.monotonic);
  }

  /** Read a token file, and keep the token fresh in it from now on. */
  static load(credentials, path, options) {
    const onDisk = readToken(path);
    const token = new RefreshingToken(credentials, onDisk, options);
    token.#path = resolve(path);
    token.#onDisk = onDisk;
    return token;
  }

  /** The values that are held, without refreshing them. */
  asDict() {
    return { ...this.#held.token };
  }

  /** The value of an Authorization header (RFC 6750 2.1) that can be used: refreshed if it is due. */
  async asAuth() {
    await this.#tend(false);
    return this.#held.auth;
  }

  /** Get another access token, whatever the clock says: for a caller who got a 401. */
  async refresh() {
    await this.#tend(true);
  }

  /** Write a new login to its file from now on; if that fails, warn, and try again in later rounds. */
  async keepIn(path) {
    this.#path = resolve(path);
    try {
      await locked(path, this.#world, (alone) => this.#save(alone));
    } catch (error) {
      this.#putOff(error);
    }
  }

  /** Leave a token that can be used, or throw an `OAuthError`; with `now`, leave another one than there was. */
  async #tend(now) {
    const before = this.#held;
    if (!now && !this.#isDue()) return;
    try {
      for (let isMine = false; !isMine;) {
        isMine = this.#turn === null;
        this.#turn ??= this.#round(now).finally(() => { this.#turn = null; });
        await this.#turn;
        // A turn that was not ours may have been about something else, such as a save.
        if (!now || !same(this.#held, before)) break;
      }
    } catch (error) {
      if (now || !error.retryable || !this.#isInside(this.#held.life)) throw error;
      if (error.kind === "token_file") this.#warn(`${error.message} Until then the old access token is used.`);
    }
  }

  #isInside(window) {
    return isOpen(window, this.#world.now(), this.#world.monotonic());
  }

  #isDue() {
    if (this.#isInside(this.#held.fresh)) return this.#isUnsaved && this.#refreshing.isOver() && this.#saving.isOver();
    return this.#refreshing.isOver() || !this.#isInside(this.#held.life);
  }

  async #round(now) {
    const before = this.#held;
    const wait = this.#isInside(before.life) ? SHORT_WAIT : LONG_WAIT;
    try {
      if (this.#path === null) await this.#work(now, before, false);
      else await locked(this.#path, this.#world, (alone) => this.#work(now, before, alone), wait);
    } catch (error) {
      if (error.retryable) this.#refreshing.tryLater(error.retryAfter);
      throw error;
    }
    this.#refreshing.reset();
  }

  async #work(now, before, alone) {
    const trouble = this.#path === null ? null : this.#adopt();
    if (!this.#isInside(this.#held.fresh) || (now && same(this.#held, before))) {
      this.#held = await this.#refreshed();
      this.#isUnsaved = this.#path !== null;
    }
    if (this.#isUnsaved) this.#save(alone, trouble);
  }

  #save(alone, trouble = null) {
    try {
      if (trouble) throw trouble; // whatever the file is now, it is not ours to replace
      writeToken(this.#path, this.#held.token, alone);
      this.#onDisk = this.#held.token;
      this.#isUnsaved = false;
      this.#saving.reset();
    } catch (error) {
      this.#putOff(error);
    }
  }

  #putOff(error) {
    if (error.kind !== "token_file") throw error;
    if (this.#saving.failures === 0) {
      this.#warn(`${error.message} The token is used, and kept in memory until it can be saved.`);
    }
    this.#isUnsaved = true;
    this.#saving.tryLater();
  }

  /** Hold what is in the file if that is news; answers what is wrong with the file. @returns {?OAuthError} */
  #adopt() {
    let found;
    try {
      found = readToken(this.#path);
    } catch (error) {
      if (!(error instanceof OAuthError)) throw error;
      return error.kind === "token_file_not_found" ? null : error;
    }
    // A file that we never saw may well be older than what we hold.
    const isNews = this.#onDisk !== null && Object.keys(found).some((key) => found[key] !== this.#onDisk[key]);
    this.#onDisk = found;
    if (isNews) {
      this.#held = since(this.#world.now(), this.#world.monotonic(), found);
      this.#isUnsaved = false;
    }
    return null;
  }

  async #refreshed() {
    const refreshToken = this.#held.token.refresh_token;
    if (this.#refused?.refreshToken === refreshToken) throw this.#refused.error;
    const wall = this.#world.now(), monotonic = this.#world.monotonic();
    try {
      return renewed(this.#held, wall, monotonic, await this.#credentials.refreshToken(refreshToken));
    } catch (error) {
      if (error.kind === "invalid_grant") this.#refused = { refreshToken, error };
      throw error;
    }
  }
}

const same = (one, other) => one.token.access_token === other.token.access_token;

/** When something that failed may be tried again: after a pause that grows, or as long as a server asked for. */
class Patience {
  #monotonic;
  #until = 0;
  failures = 0;

  constructor(monotonic) {
    this.#monotonic = monotonic;
  }

  reset() {
    this.failures = 0;
  }

  isOver() {
    return this.failures === 0 || this.#monotonic() >= this.#until;
  }

  tryLater(retryAfter = null) {
    const pause = PAUSES[Math.min(this.failures, PAUSES.length - 1)];
    this.failures += 1;
    this.#until = this.#monotonic() + Math.max(pause, retryAfter ?? 0);
  }
}
