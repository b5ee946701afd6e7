// SPDX-License-Identifier: MIT
// What a value must be: the checks that everything from outside passes once, and is trusted afterwards. (`kinds.py`)
//
// A kind is a function that takes a server's value, a file's or a caller's, and answers it or throws an `EntryError`
// with the reason. It never quotes the value, which may be a secret. In JavaScript, `$` without the flag m is the very
// end of a text, and `\d` is ASCII.

// Ten years: no server means more.
const LONGEST = 10 * 365 * 24 * 3600;
// The year 5138: today in milliseconds lies beyond it.
const LATEST = 1e11;

/** A value is not what it must be; `key` names it, where it has a name. */
export class EntryError extends Error {
  constructor(reason, key = null) {
    super(key === null ? reason : `${key} ${reason}`);
    this.reason = reason;
    this.key = key;
  }
}

/** Any text. */
export function text(value) {
  if (typeof value !== "string") throw new EntryError("is not text");
  return value;
}

// Control and format characters, halves of characters, private and undefined ones, and all separators but the space.
const UNPRINTABLE = /(?! )[\p{C}\p{Z}]/u;

/** Text with something to see in it, and nothing that drives a terminal. */
export function printable(value) {
  if (/^ *$/.test(text(value)) || UNPRINTABLE.test(value)) throw new EntryError("is not printable text");
  return value;
}

/** The same text with a space for all that drives a terminal: one line. */
export const visible = (said) => said.replace(new RegExp(UNPRINTABLE, "gu"), " ");

/** A link that a browser may be sent to: http or https, no `file:` and no `javascript:`. */
export function webLink(value) {
  if (!/^https?:\/\/[^/?#\s]\S*$/i.test(printable(value))) throw new EntryError("is not a web link");
  return value;
}

/** Text that fits into a header and a form: visible ASCII, not empty (RFC 6749 appendix A). */
export function credential(value) {
  if (!/^[!-~]+$/.test(text(value))) throw new EntryError("is not visible ASCII");
  return value;
}

/** `Bearer`, in any case: the one type of token that we know how to send (RFC 6749 7.1, RFC 6750). */
export function bearer(value) {
  if (text(value).toLowerCase() !== "bearer") throw new EntryError("is not Bearer");
  return "Bearer";
}

/** A time to live or to wait, from 1 s to ten years. Servers write `3599`, `3599.7` and `"3599"`. */
export function seconds(value) {
  const number = typeof value === "string" && /^\d{1,9}$/.test(value) ? Number(value) : value;
  if (typeof number !== "number") throw new EntryError("is not a number of seconds");
  if (!(number >= 1 && number <= LONGEST)) throw new EntryError("is out of range");
  return Math.trunc(number);
}

/** A time to live as it is kept: whole seconds, 0 where nobody knows it. */
export const lifetime = (value) => whole(value, LONGEST);

/** A time on the wall clock: whole seconds since 1970. */
export const epoch = (value) => whole(value, LATEST);

function whole(value, most) {
  if (!Number.isInteger(value)) throw new EntryError("is not a whole number");
  if (value < 0 || value > most) throw new EntryError("is out of range");
  return value;
}

/** Pass one value through its kind. */
export function check(name, value, kind) {
  try {
    return kind(value);
  } catch (error) {
    throw error instanceof EntryError ? new EntryError(error.reason, name) : error;
  }
}

/** Take one entry, which has to be there unless there is a default; null counts as missing. */
export function entry(raw, key, kind, otherwise = null) {
  const value = raw[key] ?? null;
  if (value !== null) return check(key, value, kind);
  if (otherwise === null) throw new EntryError("is missing", key);
  return otherwise;
}

/**
 * @typedef {{scope: string, token_type: string, access_token: string, refresh_token: string, expires_at: number,
 *   expires_in: number}} TokenDict
 */

/** Make a whole token, in the order of the seed's files; other keys are ignored. @returns {TokenDict} */
export function tokenDict(raw) {
  return {
    scope: entry(raw, "scope", text),
    token_type: entry(raw, "token_type", bearer),
    access_token: entry(raw, "access_token", credential),
    refresh_token: entry(raw, "refresh_token", credential),
    expires_at: entry(raw, "expires_at", epoch),
    expires_in: entry(raw, "expires_in", lifetime),
  };
}

/** Whether a piece of decoded JSON is an object. @returns {value is Record<string, unknown>} */
export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
