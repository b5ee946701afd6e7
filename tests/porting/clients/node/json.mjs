// SPDX-License-Identifier: MIT
// Strict JSON (RFC 8259). `JSON.parse` is strict, and fast even for deep nesting; it only accepts an object that has a
// key twice, and a whole number of any length. (`_validation.json_object`, and Python's `json.dumps`)

import { FieldError, isObject } from "./validation.mjs";

// No number that we need is longer. In other languages, parsing n digits takes n squared steps.
const MAX_DIGITS = 20;

/** Parse a JSON object in UTF-8. Rejects a byte order mark unless `allowMark`. Errors never quote it. */
export function jsonObject(bytes, { allowMark = false } = {}) {
  let document, value;
  try {
    document = new TextDecoder("utf-8", { fatal: true, ignoreBOM: !allowMark }).decode(bytes);
  } catch {
    throw new FieldError("is not UTF-8");
  }
  try {
    value = JSON.parse(document);
  } catch {
    throw new FieldError("is not JSON");
  }
  if (!isObject(value)) throw new FieldError("is not a JSON object");
  checkTokens(document);
  return value;
}

// For valid JSON: a string that is followed by a colon is a key of the innermost open object.
function checkTokens(document) {
  const open = [], tokens = /("[^"\\]*(?:\\.[^"\\]*)*")[ \t\r\n]*(:?)|[{}[\]]|\d+(?=[\s,}\]])/g;
  for (const [mark, text, colon] of document.matchAll(tokens)) {
    if (mark === "{" || mark === "[") open.push(new Set());
    else if (mark === "}" || mark === "]") open.pop();
    else if (mark.length > MAX_DIGITS && !text) throw new FieldError("has a number that is too long");
    else if (colon) {
      const key = JSON.parse(text), keys = open.at(-1);
      if (keys.has(key)) throw new FieldError("has a key twice");
      keys.add(key);
    }
  }
}

/** Return a value as JSON in ASCII. */
export function asciiJson(value, indent = 0) {
  const escaped = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value, null, indent).replace(/[\u007f-\uffff]/g, escaped);
}
