// SPDX-License-Identifier: MIT
// The wire protocol, in pairs: a function that builds each request, and one that parses its response. (`protocol.py`)
//
// Pure. Follows RFC 6749 (OAuth 2.0), RFC 8628 (device grant) and RFC 7009 (revocation). Where a real server deviates,
// the line that handles it names the server.

import { isSecretIn, malformed, raiseForError, shown } from "./messages.mjs";
import { contains } from "./redaction.mjs";
import {
  bearer, clientAuthentication as anAuthentication, field, FieldError, isObject, optional, printable, safeUrl,
  scopeText, secret, userCode, validate, visibleAscii, webLink, wireSeconds,
} from "./validation.mjs";

/** @typedef {import("./messages.mjs").Request} Request @typedef {import("./messages.mjs").HttpResponse} HttpResponse */

export const OAUTH_SCOPE = "https://www.googleapis.com/auth/youtube";
const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code";
// Seconds that a token is valid, if the server does not say: Google's (RFC 6749 5.1 lets a server leave it out).
const ASSUMED_LIFETIME = 3600;
// Seconds that a device code is valid, if the server does not say. RFC 8628 3.2 requires it to.
const ASSUMED_CODE_LIFETIME = 900;
// Seconds between polls, if the server does not say (RFC 8628 3.2), or says what would end the login unconfirmed.
const INTERVAL = 5;
const MAX_INTERVAL = 300;

/**
 * The URLs of an OAuth server, how a client authenticates there, and how it deviates from RFC 8628. Throws a
 * `FieldError` for a URL that is neither https nor http to this machine.
 * @typedef {ReturnType<typeof endpoints>} Endpoints
 */
export function endpoints({
  deviceCodeUrl,
  tokenUrl,
  revokeUrl = null,
  // How the client authenticates (RFC 6749 2.3): "post" sends the secret in the form, "basic" by HTTP Basic, and "none"
  // sends no secret (a public client).
  clientAuthentication = "post",
  deviceGrant = DEVICE_GRANT,
  deviceCodeParameter = "device_code",
  // The client authenticates at every endpoint, not only the token endpoint (RFC 8628 3.1, RFC 7009 2.1).
  authenticateEverywhere = true,
  // A refresh may return a new refresh token and invalidate the old one. Such a server may take a second use of the old
  // one for token theft and revoke the login, so a refresh is not retried if its response was lost.
  rotatesRefreshTokens = true,
  // It is Google's server. Then errors come with Google's advice, and YouTube's scope is the default.
  isGoogle = false,
}) {
  validate("device_code_url", deviceCodeUrl, safeUrl);
  validate("token_url", tokenUrl, safeUrl);
  if (revokeUrl !== null) validate("revoke_url", revokeUrl, safeUrl);
  validate("client_authentication", clientAuthentication, anAuthentication);
  return Object.freeze({
    deviceCodeUrl, tokenUrl, revokeUrl, clientAuthentication, deviceGrant, deviceCodeParameter, authenticateEverywhere,
    rotatesRefreshTokens, isGoogle,
  });
}

/** The endpoints that ytmusicapi uses, proven with YouTube Music. */
export const YOUTUBE = endpoints({
  deviceCodeUrl: "https://www.youtube.com/o/oauth2/device/code",
  tokenUrl: "https://oauth2.googleapis.com/token",
  revokeUrl: "https://oauth2.googleapis.com/revoke",
  deviceGrant: "http://oauth.net/grant_type/device/1.0",
  deviceCodeParameter: "code",
  authenticateEverywhere: false,
  rotatesRefreshTokens: false,
  isGoogle: true,
});
/** The endpoints that Google documents for "TVs and Limited Input devices". */
export const GOOGLE = endpoints({
  deviceCodeUrl: "https://oauth2.googleapis.com/device/code",
  tokenUrl: "https://oauth2.googleapis.com/token",
  revokeUrl: "https://oauth2.googleapis.com/revoke",
  authenticateEverywhere: false,
  rotatesRefreshTokens: false,
  isGoogle: true,
});

/** An OAuth client. @typedef {{id: string, secret: string}} Client */

// ---- device authorization: RFC 8628 3.1, 3.2

/** `parameters` are the server's own. @param {Endpoints} at @param {Client} client @returns {Request} */
export function deviceAuthorizationRequest(at, client, scope, parameters = {}) {
  const form = { ...parameters, client_id: client.id, ...(scope ? { scope } : {}) };
  return request(at, "device code", at.deviceCodeUrl, form, client);
}

export function parseDeviceAuthorization(/** @type {Request} */ request, /** @type {HttpResponse} */ response) {
  return parse(request, response, (body) => {
    // RFC 8628 says verification_uri, Google verification_url.
    const isUrl = optional(body, "verification_url", webLink, "") || (body.verification_uri ?? null) === null;
    const link = isUrl && (body.verification_url ?? null) !== null ? "verification_url" : "verification_uri";
    const expires_in = optional(body, "expires_in", wireSeconds, ASSUMED_CODE_LIFETIME);
    const interval = optional(body, "interval", wireSeconds, INTERVAL);
    const code = {
      device_code: field(body, "device_code", secret),
      user_code: field(body, "user_code", userCode),
      expires_in,
      interval: interval <= Math.min(MAX_INTERVAL, expires_in / 2) ? interval : INTERVAL,
      verification_url: field(body, link, webLink),
    };
    // A link with the device code is not used: it becomes part of a browser's command line, which `ps` shows to all.
    const complete = optional(body, "verification_uri_complete", webLink, "");
    if (!complete || contains(complete, [code.device_code])) return code;
    return { ...code, verification_uri_complete: complete };
  });
}

/** The link at which the user confirms the code: `verification_uri_complete`, or one built from the code. */
export function verificationLink(code) {
  const page = field(code, "verification_url", webLink);
  if (code.verification_uri_complete) return field(code, "verification_uri_complete", webLink);
  const [, address, fragment] = /^([^#]*)(.*)$/.exec(page);
  const separator = address.includes("?") ? "&" : "?";
  return `${address}${separator}user_code=${encodeURIComponent(field(code, "user_code", printable))}${fragment}`;
}

// ---- token: RFC 8628 3.4, 3.5

/** Build a device access token request: the poll. @param {Endpoints} at @param {Client} client @returns {Request} */
export function tokenRequest(at, client, deviceCode) {
  const code = validate("device_code", deviceCode, secret);
  const form = { grant_type: at.deviceGrant, [at.deviceCodeParameter]: code };
  return request(at, "device grant", at.tokenUrl, form, client);
}

/**
 * `sent` is when the request was made (UNIX time); `scope` is the scope requested. The refresh token is empty if the
 * server gave none.
 */
export function parseToken(/** @type {Request} */ request, /** @type {HttpResponse} */ response, sent, scope) {
  return parse(request, response, (body) => {
    const hasOne = (body.refresh_token ?? "") !== "";
    return token(body, sent, scope, hasOne ? field(body, "refresh_token", secret) : "");
  });
}

// ---- refresh: RFC 6749 6

/** @param {Endpoints} at @param {Client} client @returns {Request} */
export function refreshRequest(at, client, refreshToken) {
  const form = { grant_type: "refresh_token", refresh_token: validate("refresh_token", refreshToken, secret) };
  return request(at, "refresh", at.tokenUrl, form, client);
}

/**
 * An entire token if the server rotated the refresh token. An empty scope means that the scope is unchanged. A
 * `malformed` error has the new refresh token, if the server sent one.
 */
export function parseRefresh(/** @type {Request} */ request, /** @type {HttpResponse} */ response, sent) {
  // RFC 6749 6: "if omitted is treated as equal to the scope originally granted", which only the token knows.
  return parse(request, response, (body) => {
    const refreshToken = optional(body, "refresh_token", secret, "");
    return refreshToken ? token(body, sent, "", refreshToken) : access(body, "");
  });
}

function access(body, scope) {
  return {
    access_token: field(body, "access_token", visibleAscii),
    expires_in: optional(body, "expires_in", wireSeconds, ASSUMED_LIFETIME),
    // RFC 6749 5.1: "OPTIONAL, if identical to the scope requested by the client".
    scope: optional(body, "scope", scopeText, scope),
    // RFC 6749 7.1: "The client MUST NOT use an access token if it does not understand the token type."
    token_type: field(body, "token_type", bearer, "Bearer"),
  };
}

function token(body, sent, scope, refresh_token) {
  const values = access(body, scope);
  return { ...values, expires_at: Math.floor(sent) + values.expires_in, refresh_token };
}

// ---- revocation: RFC 7009

/** @param {Endpoints} at @param {Client} client @returns {Request} */
export function revocationRequest(at, client, token) {
  if (at.revokeUrl === null) throw new FieldError("is missing, so the token cannot be revoked", "revoke_url");
  // No token_type_hint: some servers revoke nothing, with 200, if it is wrong.
  return request(at, "revocation", at.revokeUrl, { token: validate("token", token, secret) }, client);
}

/** RFC 7009 2.2: success is the status alone; but an `error` in the body counts as a failure. */
export const parseRevocation = raiseForError;

// ---- shared

/**
 * Add the client's authentication. RFC 6749 2.3: "MUST NOT use more than one authentication method".
 * @param {Endpoints} at @param {import("./messages.mjs").Kind} kind @param {Client} client @returns {Request}
 */
function request(at, kind, url, form, client) {
  const { clientAuthentication: way, isGoogle } = at;
  const isOpen = !at.authenticateEverywhere && (kind === "device code" || kind === "revocation");
  const made = { url, form, basic: null, kind, isGoogle, clientSecret: client.secret };
  if (isOpen) return made;
  if (way === "basic") return { ...made, basic: client };
  const proof = { client_id: client.id, ...(way === "post" ? { client_secret: client.secret } : {}) };
  return { ...made, form: { ...form, ...proof } };
}

/** Omit a scope that has a secret in it: a scope is shown. */
function withoutSecrets(request, body) {
  return isSecretIn(request, optional(body, "scope", scopeText, ""), body) ? { ...body, scope: null } : body;
}

function parse(request, response, build) {
  raiseForError(request, response);
  const { body } = response;
  if (!isObject(body)) throw malformed(response, "is not a JSON object");
  try {
    return build(withoutSecrets(request, body));
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    const type = error.key === "token_type" ? shown(request, body.token_type, body) : null;
    const what = `is invalid: ${error.message}${type ? `, but "${type}"` : ""}`;
    throw malformed(response, what, error.key, optional(body, "refresh_token", secret, "") || null);
  }
}
