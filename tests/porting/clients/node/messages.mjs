// SPDX-License-Identifier: MIT
// Requests and responses as values, and the error that a response means. (`_messages.py`)

import { ERROR_NAMES, OAuthError } from "./errors.mjs";
import { contains, redacted, RUN } from "./redaction.mjs";
import { isObject, optional, wireSeconds } from "./validation.mjs";

/**
 * What a request asks for.
 * @typedef {"device code" | "device grant" | "refresh" | "revocation"} Kind
 *
 * A form to be sent by POST; `basic` is the client to be sent by HTTP Basic. Both hold secrets, so do not print them.
 * `clientSecret` must not be shown, even if it is not sent.
 * @typedef {{url: string, form: Record<string, string>, basic: ?{id: string, secret: string}, kind: Kind,
 *   isGoogle: boolean, clientSecret: string}} Request
 *
 * A response. `body` is decoded JSON, or null if it was not JSON; `hasChallenge` means a WWW-Authenticate header;
 * `location` is where a redirect leads to, redacted.
 * @typedef {{status: number, body: unknown, contentType: string, retryAfter: ?number, isEmpty: boolean,
 *   hasChallenge: boolean, location: ?string}} HttpResponse
 */

// OAuth error codes that mean a transient failure of the server (RFC 6749 4.1.2.1; the last one is Google's).
const TRANSIENT_CODES = new Set(["server_error", "temporarily_unavailable", "internal_failure"]);
// Statuses by which the server itself says that it did not act on the request. Any other 5xx, such as 502, 504 and
// Cloudflare's 520 to 524, comes from a gateway, and the server behind it may have acted.
const NOT_DONE = new Set([500, 501, 503]);
// Seconds. A longer interval would end the login unconfirmed.
const MAX_INTERVAL = 300;
// Fields of a form that are not secret.
const PUBLIC_FIELDS = new Set(["client_id", "scope", "grant_type", "audience", "resource", "response_type"]);
// The RFCs' own words. A secret that begins with `client-secret` has them in common with many sentences.
const PUBLIC_WORDS = ["client_secret", "client_assertion", "device_code", "refresh_token", "access_token"];
// The keys of a response whose values are secret.
const SECRET_KEY = /(token|secret|password|assertion|device_?code)$/i;

// Error code -> the kinds of request that it answers. As the answer to any other it says nothing that we know.
/** @type {Map<string, Kind[]>} */
const ANSWERS = new Map([
  ...[
    "authorization_pending", "slow_down", "access_denied", "authorization_declined", "expired_token", "code_expired",
    "token_expired", "bad_verification_code", "incorrect_device_code", "invalid device code",
  ].map((code) => /** @type {[string, Kind[]]} */ ([code, ["device grant"]])),
  ...["bad_refresh_token", "interaction_required", "consent_required", "login_required", "Invalid refresh token"].map(
    (code) => /** @type {[string, Kind[]]} */ ([code, ["refresh"]])),
  ["invalid_grant", ["device grant", "refresh"]],
]);

const NOT_FOR_DEVICES = {
  problem: "The server does not let this OAuth client log in with a device code",
  advice: "Enable the device authorization grant for this client. If the client is public, send no client secret.",
};
// What an error means, and what to do, where the request makes it something else than its name says.
const WORDS = new Map(Object.entries({
  "device code unauthorized_client": NOT_FOR_DEVICES,
  "device grant unauthorized_client": NOT_FOR_DEVICES,
  "device grant invalid_grant": {
    problem: "The server does not know this device code, or it was already used",
    advice: "Log in again to get a new code.",
  },
}));
// What Google's servers add to an error.
const GOOGLE_ADVICE = new Map(Object.entries({
  invalid_grant: "Log in again. Google ends a login when the user revokes it, after 6 months without use, and after " +
    '7 days while the consent screen of the OAuth app is in "Testing".',
  invalid_client: 'Check the client id and secret, that the client is of the type "TVs and Limited Input devices", ' +
    "and that the YouTube Data API is enabled in its project.",
}));

/** The header fields that a request needs. @param {Request} request @returns {Record<string, string>} */
export function headersOf({ basic }) {
  if (basic === null) return {};
  // RFC 6749 2.3.1: both are form-encoded before they become a user name and a password.
  const encoded = [basic.id, basic.secret].map((each) => new URLSearchParams({ "": each }).toString().slice(1));
  return { Authorization: `Basic ${Buffer.from(encoded.join(":")).toString("base64")}` };
}

/** What may be shown of a server's text: no secret of the request, and none of the response's body. */
export function shown(/** @type {Request} */ request, text, body = null) {
  const open = Object.entries(request.form).filter(([key]) => PUBLIC_FIELDS.has(key)).map(([, value]) => value);
  return redacted(text, secretsOf(request, body), [...PUBLIC_WORDS, ...open]);
}

/** Whether a text has a whole secret of the request or of the response's body. Short ones do not count. */
export function isSecretIn(/** @type {Request} */ request, text, body) {
  return contains(text, secretsOf(request, body).filter((each) => each.length >= RUN));
}

function secretsOf(request, body) {
  const secrets = Object.entries(request.form).filter(([key]) => !PUBLIC_FIELDS.has(key)).map(([, value]) => value);
  secrets.push(request.clientSecret);
  if (request.basic) secrets.push(headersOf(request).Authorization.split(" ")[1]);
  return [...secrets, ...secretsIn(body)];
}

function* secretsIn(body) {
  const rest = [["", body]]; // not recursive: a body may be of any depth
  while (rest.length > 0) {
    const [key, value] = rest.pop();
    if (typeof value === "string" && SECRET_KEY.test(key)) yield value;
    else if (Array.isArray(value)) rest.push(...value.map((each) => [key, each]));
    else if (isObject(value)) {
      rest.push(...Object.entries(value).map(([name, each]) => [SECRET_KEY.test(key) ? key : name, each]));
    }
  }
}

/** Throw the error that a response means. Success is status 200 without an error: a token in a 500 is not accepted. */
export function raiseForError(/** @type {Request} */ request, /** @type {HttpResponse} */ response) {
  const { status, retryAfter, location } = response;
  const body = isObject(response.body) ? response.body : {};
  if (status >= 300 && status < 400) {
    const target = location ? ` to <${location}>` : "";
    const problem = `The server sent a redirect${target}, which is never followed with secrets`;
    throw new OAuthError("transport", { problem, status, retryable: false });
  }
  const isWrapped = isObject(body.error) && typeof body.error.status === "string"; // Google's gateways
  const code = (isWrapped ? body.error.status : body.error) ?? null;
  const message = isWrapped ? body.error.message : body.message;
  // RFC 7009 2.2: a revocation is confirmed by the status alone. Some servers send 204.
  if (code === null && (status === 200 || (request.kind === "revocation" && status >= 200 && status < 300))) return;
  // Google's quota errors have `error_code`. Twitch has codes as `message`.
  const names = [code, body.error_code].filter((each) => typeof each === "string");
  const name = [...names, message].find((each) => ERROR_NAMES.has(each)) ?? names[0] ?? "";
  const isTransient = status === 408 || status >= 500 || TRANSIENT_CODES.has(name);
  let type = null;
  if (ERROR_NAMES.has(name) && (ANSWERS.get(name)?.includes(request.kind) ?? true)) type = ERROR_NAMES.get(name);
  else if (status === 429) type = "rate_limited";
  else if (isTransient || name) type = "server_error";
  else if (code === null) type = withoutCode(request, response);
  if (type === null) {
    throw malformed(response, "is neither a success nor an OAuth error", code === null ? null : "error");
  }
  const isFromGateway = status === 408 || (status >= 500 && !NOT_DONE.has(status));
  const interval = type === "slow_down" ? optional(body, "interval", wireSeconds, null) : null;
  const words = WORDS.get(`${request.kind} ${type}`);
  const explanation = message === name && code !== name ? null : message;
  throw new OAuthError(type, {
    problem: words?.problem,
    advice: words?.advice ?? (request.isGoogle ? GOOGLE_ADVICE.get(type) : undefined),
    error: shown(request, name, body),
    errorDescription: shown(request, body.error_description || explanation, body),
    errorUri: shown(request, body.error_uri, body),
    status,
    retryAfter,
    retryable: type === "server_error" ? isTransient : null,
    isLost: type === "server_error" && request.kind === "refresh" && isFromGateway,
    interval: interval !== null && interval <= MAX_INTERVAL ? interval : null,
  });
}

/** What a response without an error code means; null: nothing that we know. */
function withoutCode(request, { status, body, isEmpty, hasChallenge }) {
  if (request.isGoogle) return null; // Google always sends a code, so something else responded
  if (status === 401 && (hasChallenge || isEmpty || body !== null)) return "invalid_client";
  if (status === 400 && isEmpty && request.kind === "refresh") return "invalid_grant"; // glewlwyd
  return null;
}

/** Return the error for a response, identified by its status and content type, that has this problem. */
export function malformed(/** @type {HttpResponse} */ response, what, key = null, refreshToken = null) {
  const { status, contentType, body } = response;
  const problem = `The response (HTTP ${status}, ${contentType}) ${what}`;
  const hasToken = isObject(body) && ((body.access_token ?? null) !== null || (body.refresh_token ?? null) !== null);
  return new OAuthError("malformed", { problem, key, status, hasToken, refreshToken });
}
