// SPDX-License-Identifier: MIT
// How a request is sent. Opens no socket itself: the caller passes `post`. (`session.py`)

import { jsonValue } from "./json.mjs";
import { headersOf, shown } from "./messages.mjs";
import { parseRetryAfter } from "./retries.mjs";
import { FieldError } from "./validation.mjs";

// The headers that ytmusicapi sends.
const HEADERS = {
  "User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:88.0) Gecko/20100101 Firefox/88.0 Cobalt/Version",
  Accept: "application/json",
};

/**
 * Send a request once, within `timeout` seconds. @param {import("./messages.mjs").Request} request
 * @returns {Promise<import("./messages.mjs").HttpResponse>}
 */
export async function send(post, request, now, timeout) {
  const sent = { ...HEADERS, ...headersOf(request) };
  const { status, headers, content } = await post(request.url, request.form, sent, { timeout });
  const header = (name) => headers[name] ?? "";
  const body = decoded(content);
  return {
    status,
    body,
    contentType: shown(request, header("content-type"), body) ?? "no content type",
    retryAfter: parseRetryAfter(header("retry-after"), header("date"), now()),
    isEmpty: content.length === 0,
    hasChallenge: "www-authenticate" in headers,
    location: shown(request, header("location"), body),
  };
}

function decoded(content) {
  try {
    return jsonValue(content, { allowMark: true });
  } catch (error) {
    if (error instanceof FieldError) return null;
    throw error;
  }
}
