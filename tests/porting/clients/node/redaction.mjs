// SPDX-License-Identifier: MIT
// What of a server's text may be shown: no secret, and nothing that controls a terminal. (`_redaction.py`)
//
// A server may repeat a secret in any spelling: percent-encoded, as JSON inside JSON, with HTML entities, in several of
// these at once, cut off, or broken into lines. So text and secrets are decoded until nothing changes, and compared
// without blanks, and again on letters and digits alone. Eight characters of a secret in a row are enough to drop the
// text.

import { UNPRINTABLE } from "./validation.mjs";

// Characters. Searching a long text for secrets takes too long.
const MAX_SEARCHED = 4000;
const MAX_SHOWN = 300;
// Secrets that are searched for, and characters of all of them. A response has four, and a header field has no room for
// more characters.
const MAX_SECRETS = 50;
const MAX_SECRET = 65_536;
// Characters of a secret in a row that must not be shown. A shorter secret is hidden where it is a word.
export const RUN = 8;
// More layers of encoding than any server adds by mistake.
const MAX_LAYERS = 20;
const REDACTED = "[redacted]";

/** Replace everything that controls a terminal with spaces: one line. */
export const withoutControls = (text) => text.replace(new RegExp(UNPRINTABLE, "gu"), " ");

/** Make untrusted text safe to print: one short line without control characters. */
export const sanitized = (text) => Array.from(withoutControls(text)).slice(0, MAX_SHOWN).join("");

/**
 * Return the text, sanitized, if it has no part of a secret; else "[redacted]". What a secret has in common with a
 * shared value, such as the client id, is no part of it. Returns null for a non-string, and for text that is too long
 * to search. @param {string[]} secrets @param {string[]} shared
 */
export function redacted(text, secrets, shared = []) {
  if (typeof text !== "string" || text.length === 0 || Array.from(text).length > MAX_SEARCHED) return null;
  const decoded = decode(text);
  const length = secrets.reduce((sum, secret) => sum + secret.length, 0);
  if (decoded === null || secrets.length > MAX_SECRETS || length > MAX_SECRET) return REDACTED;
  // Decoding may take the first characters of a secret that follows a "\\" or a "%" for a part of an escape.
  const runs = new Set([...runsOf(solid(decoded)), ...runsOf(solid(text))]);
  for (const value of shared) for (const run of runsOf(solid(value))) runs.delete(run);
  for (const secret of secrets) {
    const plain = decode(secret) || secret;
    const compared = solid(plain);
    for (const form of new Set([compared, solid(secret)])) {
      for (const run of runsOf(form)) if (runs.has(run)) return REDACTED;
    }
    if (compared.length > 0 && compared.length < RUN) {
      text = text.replace(asWord(secret), REDACTED);
      if (asWord(plain).test(decode(text) ?? plain)) return REDACTED;
    }
  }
  return sanitized(text);
}

/**
 * Whether a text contains the whole of a secret, also in escapes. A "+" counts as a blank, as in a form. True if it has
 * too many layers of escapes, or if there are too many secrets. @param {string} text @param {string[]} secrets
 */
export function contains(text, secrets) {
  const decoded = decode(text);
  if (decoded === null || secrets.length > MAX_SECRETS) return true;
  const compared = (form) => solid(form).replaceAll("+", "");
  const searched = compared(text + decoded);
  return secrets.some((secret) => [secret, decode(secret) || secret].some((form) => searched.includes(compared(form))));
}

// The entities of HTML for ASCII. Servers escape what has a meaning in HTML, and some escape all punctuation.
const ENTITIES = new Map(Object.entries({
  excl: "!", quot: '"', num: "#", dollar: "$", percnt: "%", amp: "&", apos: "'", lpar: "(", rpar: ")", ast: "*",
  midast: "*", plus: "+", comma: ",", period: ".", sol: "/", colon: ":", semi: ";", lt: "<", equals: "=", gt: ">",
  quest: "?", commat: "@", lsqb: "[", lbrack: "[", bsol: "\\", rsqb: "]", rbrack: "]", hat: "^", lowbar: "_",
  grave: "`", lcub: "{", lbrace: "{", verbar: "|", vert: "|", rcub: "}", rbrace: "}", nbsp: " ", tab: "\t",
  newline: "\n",
}));
const ENTITY = /&(?:#(\d{1,7});?|#x([0-9a-f]{1,6});?|([a-z]+);|(amp|lt|gt|quot|nbsp))/gi;
// A backslash escape of JSON or of a programming language, with all the backslashes before it.
const ESCAPE = /\\+(?:u([0-9a-f]{4})|x([0-9a-f]{2})|([^]?))/gi;

/** Undo every encoding, until nothing changes. Returns null if there are too many layers. */
function decode(text) {
  for (let layer = 0; layer < MAX_LAYERS; layer += 1) {
    const before = text;
    text = text.replace(/%(?:25)+/g, "%").replace(/(?:%[0-9a-f]{2})+/gi, (bytes) =>
      Buffer.from(bytes.replaceAll("%", ""), "hex").toString());
    text = text.replace(/&(?:amp;|#0*38;|#x0*26;)+/gi, "&").replace(ENTITY, unescaped);
    text = text.replace(/<w?br\s*\/?>/gi, " ").replace(ESCAPE, (_, unicode, byte, other) => {
      if (unicode ?? byte) return String.fromCharCode(parseInt(unicode ?? byte, 16));
      return "abfnrtv0".includes(other) ? " " : other;
    });
    if (text === before) return text;
  }
  return null;
}

function unescaped(entity, decimal, hexadecimal, name, bare) {
  if (decimal || hexadecimal) {
    const point = decimal ? Number(decimal) : parseInt(hexadecimal, 16);
    return point > 0 && point <= 0x10ffff ? String.fromCodePoint(point) : "\ufffd";
  }
  return ENTITIES.get((name ?? bare).toLowerCase()) ?? entity;
}

const solid = (text) => text.toLowerCase().replace(/[\s\x1c-\x1f\x85]/g, "");

function* runsOf(solidText) {
  for (const form of [solidText, solidText.replace(/[^0-9a-z]/g, "")]) {
    for (let start = 0; start + RUN <= form.length; start += 1) yield form.slice(start, start + RUN);
  }
}

// A hyphen or a full stop inside a word does not end it: `code` is not a word in `device-code`.
const WORD = "[\\p{L}\\p{N}_]";
const asWord = (secret) => {
  const literal = Array.from(secret, (each) => `\\u{${each.codePointAt(0).toString(16)}}`).join("");
  return new RegExp(`(?<!${WORD}|-)(?<!${WORD}\\.)${literal}(?!${WORD}|-|\\.${WORD})`, "giu");
};
