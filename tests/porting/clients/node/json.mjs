// SPDX-License-Identifier: MIT
// JSON (RFC 8259). `JSON.parse` is strict, and fast even for deep nesting and long numbers. Of a key that is there
// twice, the last one counts. (`_validation.json_object`, and Python's `json.dumps`)

import { FieldError, isObject } from "./validation.mjs";

/** Parse JSON in UTF-8. Rejects a byte order mark unless `allowMark`. Errors never quote it. */
export function jsonValue(bytes, { allowMark = false } = {}) {
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
  return value;
}

/** Parse a JSON object in UTF-8. */
export function jsonObject(bytes) {
  const value = jsonValue(bytes);
  if (!isObject(value)) throw new FieldError("is not a JSON object");
  return value;
}

/** Return a value as JSON in ASCII. */
export function asciiJson(value, indent = 0) {
  const escaped = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value, null, indent).replace(/[\u007f-\uffff]/g, escaped);
}
