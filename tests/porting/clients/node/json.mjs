// SPDX-License-Identifier: MIT
// JSON as RFC 8259 has it. `JSON.parse` is strict, and reads numbers of a million digits and lists of any depth in no
// time; all that it lacks is an eye for keys that come twice. (`kinds.json_object`, and Python's `json.dumps`)

import { EntryError, isObject } from "./kinds.mjs";

/** Read a JSON object in UTF-8. A byte order mark is an error, unless it may be `marked`. Quotes nothing of it. */
export function jsonObject(bytes, { marked = false } = {}) {
  let document, value;
  try {
    document = new TextDecoder("utf-8", { fatal: true, ignoreBOM: !marked }).decode(bytes);
  } catch {
    throw new EntryError("is not UTF-8");
  }
  try {
    value = JSON.parse(document);
  } catch {
    throw new EntryError("is not JSON");
  }
  if (!isObject(value)) throw new EntryError("is not a JSON object");
  refuseKeysTwice(document);
  return value;
}

// Of JSON that was read before: a text with a colon behind it is a key of the object that was opened last.
function refuseKeysTwice(document) {
  const open = [];
  for (const [mark, text, colon] of document.matchAll(/("[^"\\]*(?:\\.[^"\\]*)*")[ \t\r\n]*(:?)|[{}[\]]/g)) {
    if (mark === "{" || mark === "[") open.push(new Set());
    else if (mark === "}" || mark === "]") open.pop();
    else if (colon) {
      const key = JSON.parse(text), keys = open.at(-1);
      if (keys.has(key)) throw new EntryError("has a key twice");
      keys.add(key);
    }
  }
}

/** Write JSON in ASCII. */
export function asciiJson(value, indent = 0) {
  const escaped = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value, null, indent).replace(/[\u007f-\uffff]/g, escaped);
}
