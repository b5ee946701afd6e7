// SPDX-License-Identifier: MIT
// When to send a request again, and how long to wait before. The caller passes the time and the sleep. (`_retries.py`)

import { OAuthError } from "./errors.mjs";

const TRIES = 3;
// Seconds for a whole call, its retries included.
const TIMEOUT = 30;
// Seconds before the second try; twice that before the third.
const FIRST_WAIT = 1;
// Seconds. Never sleep longer than this inside a call: throw instead, with `retryAfter`.
const MAX_WAIT = 10;

/**
 * Call `ask` while it fails with a transient error, `tries` times at most within `seconds`. It gets the seconds that
 * are left. A request that may have reached the server, and got no response, is retried only if it is `repeatable`.
 * `random` is `Math.random`, or like it.
 * @template T
 * @param {(seconds: number) => Promise<T>} ask
 * @param {{sleep: (seconds: number) => Promise<void>, random: () => number, monotonic: () => number}} system
 * @param {{repeatable?: boolean, tries?: number, seconds?: number}} [options]
 */
export async function withRetries(ask, { sleep, random, monotonic }, options = {}) {
  const { repeatable = false, tries = TRIES, seconds = TIMEOUT } = options;
  const deadline = monotonic() + seconds;
  for (let tried = 1, wait = FIRST_WAIT; ; tried += 1, wait *= 2) {
    try {
      return await ask(deadline - monotonic());
    } catch (error) {
      if (!(error instanceof OAuthError) || tried === tries) throw error;
      // Jitter keeps a thousand clients that failed together from coming back together.
      const pause = error.retryAfter ?? wait * (0.9 + 0.2 * random());
      const isUnsafe = error.isLost && !repeatable;
      const isTooLong = pause > MAX_WAIT || monotonic() + pause >= deadline;
      if (!error.retryable || isUnsafe || isTooLong) throw error;
      await sleep(pause);
      if (monotonic() >= deadline) throw error; // it ended late
    }
  }
}

/**
 * Return the seconds that a Retry-After header (RFC 9110 10.2.3) asks to wait, or null. A date is relative to the
 * response's own Date header, or without one to `now` (UNIX time), which may be wrong.
 */
export function parseRetryAfter(value, date, now) {
  if (/^\d{1,9}$/.test(value)) return Number(value);
  const until = parseDate(value);
  return until === null ? null : Math.max(0, until - (parseDate(date) ?? now));
}

// RFC 9110 5.6.7 has three formats. `Date.parse` accepts them, but also "-7" and much else.
const DATES = [
  /^[A-Z]\w+, (?<day>\d\d)[ -](?<month>[A-Z]\w\w)[ -](?<year>\d{4}|\d\d) (?<time>\d\d:\d\d:\d\d) GMT$/,
  /^[A-Z]\w\w (?<month>[A-Z]\w\w) (?<day>[ \d]\d) (?<time>\d\d:\d\d:\d\d) (?<year>\d{4})$/,
];

function parseDate(value) {
  const parts = DATES.map((format) => format.exec(value)?.groups).find(Boolean);
  if (!parts) return null;
  const century = parts.year.length === 4 ? "" : parts.year < "69" ? "20" : "19";
  const date = Date.parse(`${parts.day.trim()} ${parts.month} ${century}${parts.year} ${parts.time} GMT`);
  return Number.isNaN(date) ? null : date / 1000;
}
