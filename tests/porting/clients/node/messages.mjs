// SPDX-License-Identifier: MIT
// A request and its answer as values, and what an answer means that is no success. (`messages.py`)

import { ERROR_KINDS, OAuthError } from "./errors.mjs";
import { entry, EntryError, isObject, seconds, visible } from "./kinds.mjs";

/**
 * A form to be sent by POST. The form holds secrets and is not shown.
 * @typedef {{url: string, form: Record<string, string>}} Request
 *
 * What came back. `body` is decoded JSON, or null where it was none.
 * @typedef {{status: number, body: unknown, contentType: string, retryAfter: ?number}} Answer
 */

// Passing troubles of a server that come with an OAuth error code (RFC 6749 4.1.2.1; the last one is Google's).
const PASSING_ERRORS = new Set(["server_error", "temporarily_unavailable", "internal_failure"]);
const PUBLIC = new Set(["client_id", "scope", "grant_type"]);

/** Throw what a refusal means. A success is status 200 and no error: a token inside a 500 is none. */
export function raiseRefusal(/** @type {Request} */ request, /** @type {Answer} */ answer) {
  const { status, retryAfter } = answer;
  const body = isObject(answer.body) ? answer.body : {};
  if (status >= 300 && status < 400) {
    const problem = "The server redirects, and secrets do not follow";
    throw new OAuthError("transport", { problem, status, retryable: false });
  }
  if (status === 200 && (body.error ?? null) === null) return;
  // Google's quota errors are {"error_code": "rate_limit_exceeded"}
  const code = body.error ?? body.error_code ?? null;
  const name = typeof code === "string" ? code : ""; // Google's gateways put an object there
  const passing = status === 408 || status >= 500 || PASSING_ERRORS.has(name);
  const kind = ERROR_KINDS.get(name) ?? (status === 429 ? "rate_limited" : passing || name ? "server_error" : null);
  if (kind === null) {
    throw malformed(answer, "is neither a success nor an OAuth error", code === null ? null : "error");
  }
  throw new OAuthError(kind, {
    error: showable(name, request),
    errorDescription: showable(body.error_description, request),
    status,
    retryAfter,
    retryable: kind === "server_error" ? passing : null,
    interval: kind === "slow_down" ? intervalOf(body) : null,
  });
}

function intervalOf(body) {
  try {
    return entry(body, "interval", seconds);
  } catch (error) {
    if (error instanceof EntryError) return null;
    throw error;
  }
}

/** Make the error for an answer, known by its status and type, that has a problem. */
export function malformed(/** @type {Answer} */ { status, contentType }, what, key = null) {
  return new OAuthError("malformed", { problem: `The answer (HTTP ${status}, ${contentType}) ${what}`, key, status });
}

/**
 * Read a Retry-After header (RFC 9110 10.2.3) as seconds, null if it is none. A date counts from the answer's own Date
 * header, or else from `now` (UNIX epoch), which a wrong clock may tell.
 */
export function parseRetryAfter(value, date, now) {
  if (/^\d{1,9}$/.test(value)) return Number(value);
  const until = parseDate(value);
  return until === null ? null : Math.max(0, until - (parseDate(date) ?? now));
}

// RFC 9110 5.6.7 has three formats. `Date.parse` reads them, and "-7", and much else.
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

/** Make it fit for an error: without the secrets of the request, plain or percent-encoded. Null if it is no text. */
export function showable(said, /** @type {Request} */ request) {
  if (typeof said !== "string" || !said) return null;
  const secrets = Object.entries(request.form).filter(([key]) => !PUBLIC.has(key)).map(([, value]) => value);
  secrets.sort((one, other) => other.length - one.length); // one may be a part of another
  const spellings = (unit) => `(?:\\x${hex(unit)}|%${hex(unit)})`;
  const redact = (words, secret) =>
    words.replace(new RegExp(Array.from(secret, spellings).join(""), "gi"), "[redacted]");
  return Array.from(visible(secrets.reduce(redact, said))).slice(0, 300).join("");
}

const hex = (unit) => unit.charCodeAt(0).toString(16).padStart(2, "0");
