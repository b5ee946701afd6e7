// SPDX-License-Identifier: MIT
// Validation of values that come from outside: from a server, a file or a caller. (`_validation.py`)
//
// A validator is a function that takes an untrusted value and returns it, converted if need be. It throws a
// `FieldError` with the reason, which never contains the value: it may be a secret. Past this module, values are
// trusted. In JavaScript, `$` without the flag m matches only at the very end, and `\d` is ASCII.

import { isIPv6 } from "node:net";

// Ten years, in seconds: longer is a mistake of the server.
const LONGEST = 10 * 365 * 24 * 3600;
// The year 5138, in UNIX time: catches timestamps in milliseconds.
const LATEST = 1e11;
// Characters; what is longer could not be loaded again, or would not fit into a header.
const LONGEST_TEXT = 2 ** 16;

/** A value is invalid; `key` is its name, if it has one. */
export class FieldError extends Error {
  constructor(reason, key = null) {
    super(key === null ? reason : `${key} ${reason}`);
    this.reason = reason;
    this.key = key;
  }
}

// ---- validators

/** Any text, short enough that a token file with several of them does not get too long to be read again. */
export function text(value) {
  if (typeof value !== "string") throw new FieldError("is not text");
  if (value.length > LONGEST_TEXT && Array.from(value).length > LONGEST_TEXT) throw new FieldError("is too long");
  return value;
}

// Control and format characters, lone surrogates, private and undefined characters, and all separators but the space.
export const UNPRINTABLE = /(?! )[\p{C}\p{Z}]/u;

/** Printable, non-blank text: no control characters. */
export function printable(value) {
  if (/^ *$/.test(text(value)) || UNPRINTABLE.test(value)) throw new FieldError("is not printable text");
  return value;
}

/** What a user has to type, unchanged: printable text of at most 100 characters. */
export function userCode(value) {
  if (Array.from(printable(value)).length > 100) throw new FieldError("is too long for a code");
  return value;
}

/** An access token, for a header: visible ASCII, not empty (RFC 6750 2.1). */
export function visibleAscii(value) {
  if (!/^[!-~]+$/.test(text(value))) throw new FieldError("is not visible ASCII");
  return value;
}

/** A refresh token as stored: as `secret`, or empty if the server gave none. */
export function optionalSecret(value) {
  if (!/^[ -~]*$/.test(text(value))) throw new FieldError("is not printable ASCII");
  return value;
}

/** A refresh token or a device code, for a form: printable ASCII, not empty (VSCHAR, RFC 6749 appendix A). */
export function secret(value) {
  if (text(value) === "") throw new FieldError("is empty");
  return optionalSecret(value);
}

/** A client id or secret: as `secret`. Blanks around it are a slip of copying. */
export function credential(value) {
  const trimmed = text(value).trim();
  if (trimmed !== value) throw new FieldError(trimmed ? "is surrounded by blanks or line breaks" : "is blank");
  return secret(value);
}

/** A client id: as `credential`. It may be shown, so it must not be Google's client secret, swapped with it. */
export function clientName(value) {
  if (text(value).startsWith("GOCSPX-")) throw new FieldError("looks like a client secret");
  return credential(value);
}

/** How a client authenticates (RFC 6749 2.3). @returns {"post" | "basic" | "none"} */
export function clientAuthentication(value) {
  if (!["post", "basic", "none"].includes(text(value))) throw new FieldError("is not post, basic or none");
  return value;
}

/** A server's own parameters for a device authorization request, which must not replace a standard one. */
export function extraParameters(value) {
  if (!isObject(value)) throw new FieldError("is not an object");
  const standard = ["client_id", "client_secret", "scope"].find((name) => Object.hasOwn(value, name));
  if (standard) throw new FieldError(`is not free to set ${standard}, a standard parameter`);
  Object.values(value).forEach(text);
  return { ...value };
}

/** `Bearer`, in any case and with blanks around it: the only token type supported (RFC 6749 7.1, RFC 6750). */
export function bearer(value) {
  if (text(value).trim().toLowerCase() !== "bearer") throw new FieldError("is not Bearer");
  return "Bearer";
}

/** A scope, as text; Twitch, Logto and Google's libraries have a list. */
export const scopeText = (value) => (Array.isArray(value) ? value.map(text).join(" ") : text(value));

/** A link that a browser may open: http or https, never `file:` or `javascript:`. */
export function webLink(value) {
  if (!/^https?:\/\/[^/?#\s]\S*$/i.test(printable(value))) throw new FieldError("is not a web link");
  return value;
}

// https to any host, http to this machine only; no user name, no fragment (RFC 3986 3).
const LABEL = "[a-z0-9_](?:[a-z0-9_-]*[a-z0-9])?";
const HOST = `${LABEL}(?:\\.${LABEL})*\\.?|\\[(?<ipv6>[0-9a-f:.]+)\\]`;
const BYTE = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const LOOPBACK = `localhost|127(?:\\.${BYTE}){3}|\\[::1\\]`;
const SAFE_URL = new RegExp(
  `^(?:https://(?:${HOST})|http://(?:${LOOPBACK}))(?::(?<port>\\d{1,5}))?(?:[/?][!-"$-~]*)?$`, "i",
);

/** A URL to which secrets may be sent: https, or http to this machine. */
export function safeUrl(value) {
  const parts = SAFE_URL.exec(text(value))?.groups;
  if (!parts || Number(parts.port ?? 0) > 65535 || (parts.ipv6 && !isIPv6(parts.ipv6))) {
    throw new FieldError("is not a valid endpoint: it is neither https nor http to this machine, or has more than " +
      "a host, a port, a path and a query");
  }
  return value;
}

/** A duration that a server sent, from 1 s to ten years. Servers write `3599`, `3599.7` and `"3599"`. */
export function wireSeconds(value) {
  const number = typeof value === "string" && /^\d{1,9}$/.test(value) ? Number(value) : value;
  if (typeof number !== "number") throw new FieldError("is not a number of seconds");
  if (!(number >= 1 && number <= LONGEST)) throw new FieldError("is out of range");
  return Math.trunc(number);
}

/** A lifetime as stored: whole seconds, 0 if unknown. */
export const storedSeconds = (value) => wholeNumber(value, LONGEST);

/** A time on the wall clock: whole seconds since 1970. */
export const unixTime = (value) => wholeNumber(value, LATEST);

// Programs store `1764230400.73`, and databases texts: ytmusicapi reads them.
function wholeNumber(value, maximum) {
  const number = typeof value === "string" && /^\d{1,20}$/.test(value) ? Number(value) : value;
  if (typeof number !== "number") throw new FieldError("is not a whole number");
  if (!(number >= 0 && number <= maximum)) throw new FieldError("is out of range");
  return Math.trunc(number);
}

// ---- fields of an object

/** Validate one value. */
export function validate(name, value, validator) {
  try {
    return validator(value);
  } catch (error) {
    throw error instanceof FieldError ? new FieldError(error.reason, name) : error;
  }
}

/** Return `raw[key]`, validated. A missing or null field gives the default, or throws without one. */
export function field(raw, key, validator, defaultValue = null) {
  const value = raw[key] ?? null;
  if (value !== null) return validate(key, value, validator);
  if (defaultValue === null) throw new FieldError("is missing", key);
  return defaultValue;
}

/** Return `raw[key]`, validated, or the default if it is missing or invalid. */
export function optional(raw, key, validator, defaultValue) {
  try {
    return validator(Object.hasOwn(raw, key) ? raw[key] : null);
  } catch (error) {
    if (error instanceof FieldError) return defaultValue;
    throw error;
  }
}

/**
 * @typedef {{scope: string, token_type: string, access_token: string, refresh_token: string, expires_at: number,
 *   expires_in: number}} TokenDict
 */

/**
 * Return an entire token, its keys in the order of ytmusicapi's files. Ignores other keys; a token without times is one
 * that has expired. @returns {TokenDict}
 */
export function tokenDict(raw) {
  for (const key of ["scope", "token_type", "access_token", "refresh_token"]) {
    if ((raw[key] ?? null) === null) throw new FieldError("is missing", key);
  }
  return {
    scope: field(raw, "scope", scopeText),
    token_type: field(raw, "token_type", bearer),
    access_token: field(raw, "access_token", visibleAscii),
    refresh_token: field(raw, "refresh_token", optionalSecret),
    expires_at: field(raw, "expires_at", unixTime, 0),
    expires_in: field(raw, "expires_in", storedSeconds, 0),
  };
}

/** Whether a decoded JSON value is an object. @returns {value is Record<string, unknown>} */
export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
