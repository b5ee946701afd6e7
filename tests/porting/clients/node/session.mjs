// SPDX-License-Identifier: MIT
// How a server is asked, and when it is asked again. Opens nothing itself: `post` is handed in. (`session.py`)

import { OAuthError } from "./errors.mjs";
import { EntryError } from "./kinds.mjs";
import { jsonObject } from "./json.mjs";
import { parseRetryAfter, showable } from "./messages.mjs";

// As ytmusicapi introduces itself.
const HEADERS = {
  "User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:88.0) Gecko/20100101 Firefox/88.0 Cobalt/Version",
  Accept: "application/json",
};

/**
 * Send a request once. @param {import("./messages.mjs").Request} request
 * @returns {Promise<import("./messages.mjs").Answer>}
 */
export async function send(post, request, now) {
  const { status, headers, content } = await post(request.url, request.form, HEADERS);
  const header = (name) => headers[name] ?? "";
  return {
    status,
    body: decoded(content),
    contentType: showable(header("content-type"), request) ?? "no content type",
    retryAfter: parseRetryAfter(header("retry-after"), header("date"), now()),
  };
}

function decoded(content) {
  try {
    return jsonObject(content);
  } catch (error) {
    if (error instanceof EntryError) return null;
    throw error;
  }
}

const TRIES = 3;
// Seconds before the second try; twice that before the third.
const FIRST_WAIT = 1;
// Nobody waits longer than this without being told.
const LONGEST_WAIT = 10;

/**
 * Ask up to three times where the server, or the way to it, is in passing trouble. What may have reached the server and
 * got no answer is asked again only if it is `repeatable`. `random` is `Math.random`, or as good.
 * @template T @param {() => Promise<T>} ask
 */
export async function withRetries(ask, repeatable, { sleep, random }) {
  for (let tries = 1, wait = FIRST_WAIT; ; tries += 1, wait *= 2) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof OAuthError) || tries === TRIES) throw error;
      // Clients that failed together must not come back together.
      const pause = error.retryAfter ?? wait * (0.9 + 0.2 * random());
      const unsafe = error.kind === "transport" && error.sent && !repeatable;
      if (!error.retryable || unsafe || pause > LONGEST_WAIT) throw error;
      await sleep(pause);
    }
  }
}
