// SPDX-License-Identifier: MIT
// Device authorization polling (RFC 8628 3.5). (`device.py`)
//
// `DevicePoll` is the schedule; `poll` is a loop over it. The caller passes the time, on a monotonic clock in seconds.

import { OAuthError } from "./errors.mjs";

// RFC 8628 3.5: "the interval MUST be increased by 5 seconds for this and all subsequent requests".
const SLOW_DOWN = 5;
// Seconds. RFC 8628 3.5 recommends exponential backoff after a failure, but a user who has confirmed should not wait
// long: from here on, the interval grows by half.
const MAX_BACKOFF = 60;
// Captive portals and inspecting proxies respond in the server's place for a while. So many strange responses in a row
// are no accident.
const MAX_STRANGE = 10;
// Statuses that say that this URL does not take polls at all.
const WRONG_URL = new Set([404, 405, 410, 415]);
// Seconds by which a sleep may end late: a poll that was due at the deadline is still sent.
const LATE = 0.25;
// Seconds between two checks of `cancelled`.
const CANCEL_CHECK = 0.25;

/**
 * The schedule of one login. Wait for `delay()` seconds and poll. If that throws, pass the error to `failed()` and
 * repeat.
 */
export class DevicePoll {
  #nextPoll;
  // The interval that the server asked for, without the backoff after failures.
  #serverInterval;
  // How long the server asked to wait, if that is longer than the code is valid.
  #retryAfter = null;
  #strange = 0;

  /**
   * `sent` and `received` are when the code was requested and came: it expires relative to the request. The first poll
   * is due one interval after the response: no user is faster.
   */
  constructor(code, sent, received = sent) {
    this.interval = code.interval;
    this.deadline = sent + code.expires_in;
    this.#nextPoll = received + this.interval;
    this.#serverInterval = this.interval;
  }

  /** The seconds until the next poll, 0 if it is due. Throws if the code expires first. */
  delay(now) {
    if (this.#nextPoll <= this.deadline && now <= this.deadline + LATE) return Math.max(0, this.#nextPoll - now);
    if (this.#retryAfter === null || now > this.deadline) throw new OAuthError("expired_token");
    throw new OAuthError("expired_token", {
      problem: "The server asks to wait longer than the code is valid",
      retryAfter: this.#retryAfter,
      advice: "Wait, then log in again to get a new code.",
    });
  }

  /** Record the error of a poll and schedule the next one. Throws an error that ends the login again. */
  failed(error, now) {
    this.#strange = isStrange(error) ? this.#strange + 1 : 0;
    if (error.type === "slow_down") {
      this.interval = Math.max(this.interval + SLOW_DOWN, error.interval ?? 0);
      this.#serverInterval = this.interval;
    } else if (this.#strange > 0 ? this.#strange === MAX_STRANGE : !error.retryable) throw error;
    else if (this.#strange === 0 && error.type !== "authorization_pending") {
      const longest = Math.max(MAX_BACKOFF, 1.5 * this.interval);
      this.interval = Math.max(this.interval, Math.min(2 * this.interval, longest));
    }
    const asked = error.retryAfter ?? 0;
    const earliest = now + Math.max(this.#serverInterval, asked);
    this.#nextPoll = Math.max(earliest, Math.min(now + this.interval, this.deadline));
    this.#retryAfter = now + asked > this.deadline ? asked : null;
  }
}

/** Whether the response probably did not come from the server. */
function isStrange({ type, status, hasToken, isUntrusted }) {
  return isUntrusted || (type === "malformed" && !hasToken && !WRONG_URL.has(status));
}

/**
 * Call `ask` on schedule until it returns a token. The first success ends the loop: some servers revoke the login if
 * its code is used again.
 * @template T
 * @param {() => Promise<T>} ask
 * @param {DevicePoll} schedule
 * @param {{monotonic: () => number, sleep: (seconds: number) => Promise<void>}} clock
 * @param {?() => boolean} cancelled
 */
export async function poll(ask, schedule, { monotonic, sleep }, cancelled = null) {
  for (;;) {
    const delay = schedule.delay(monotonic());
    if (cancelled?.()) throw new OAuthError("cancelled");
    if (delay > 0) {
      await sleep(cancelled ? Math.min(delay, CANCEL_CHECK) : delay);
      continue;
    }
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof OAuthError)) throw error;
      schedule.failed(error, monotonic());
    }
  }
}
