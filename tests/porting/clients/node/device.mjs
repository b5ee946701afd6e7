// SPDX-License-Identifier: MIT
// When to ask whether the user has confirmed: the polling of RFC 8628 3.5. (`device.py`)
//
// `DevicePoll` is the schedule; `poll` is the loop. Both live on a monotonic clock, in seconds, that is handed in.

import { OAuthError } from "./errors.mjs";

// RFC 8628 3.5: "the interval MUST be increased by 5 seconds for this and all subsequent requests".
const SLOW_DOWN = 5;
// RFC 8628 3.5 recommends exponential backoff after a failure; a user who has confirmed should not wait for minutes.
const LONGEST_BACKOFF = 60;
// How long a cancelled login goes unnoticed at most, in seconds.
const ATTENTION = 0.25;

/** The schedule of one login: `wait`, ask, and if that throws, `failed`; again, until it does not throw. */
export class DevicePoll {
  #next;

  /** `sent` is when the code was requested. The first poll comes one interval later: no user can be faster. */
  constructor(code, sent) {
    this.interval = code.interval;
    this.deadline = sent + code.expires_in;
    this.#next = sent + this.interval;
  }

  /** The seconds to wait before the next poll, 0 if it is due. Throws if the code will not live until then. */
  wait(now) {
    if (Math.max(now, this.#next) > this.deadline) throw new OAuthError("expired_token");
    return Math.max(0, this.#next - now);
  }

  /** Take what a poll threw. Throws it again if it ends the login. */
  failed(error, now) {
    if (error.kind === "slow_down") this.interval = Math.max(this.interval + SLOW_DOWN, error.interval ?? 0);
    else if (!error.retryable) throw error;
    else if (error.kind !== "authorization_pending") {
      this.interval = Math.max(this.interval, Math.min(2 * this.interval, LONGEST_BACKOFF));
    }
    this.#next = now + Math.max(this.interval, error.retryAfter ?? 0);
  }
}

/**
 * Ask until there is a token. The first success ends the loop: there are servers that end the login if its code is used
 * again.
 * @template T
 * @param {() => Promise<T>} ask
 * @param {DevicePoll} schedule
 * @param {{monotonic: () => number, sleep: (seconds: number) => Promise<void>}} clock
 * @param {?() => boolean} cancelled
 */
export async function poll(ask, schedule, { monotonic, sleep }, cancelled = null) {
  for (;;) {
    const left = schedule.wait(monotonic());
    if (cancelled?.()) throw new OAuthError("cancelled");
    if (left > 0) {
      await sleep(cancelled ? Math.min(left, ATTENTION) : left);
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
