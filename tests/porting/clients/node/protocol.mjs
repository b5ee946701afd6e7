// SPDX-License-Identifier: MIT
// What is said on the wire, in pairs: a function that builds a request, and one that reads its answer. (`protocol.py`)
//
// Pure. Follows RFC 6749 (OAuth 2.0), RFC 8628 (device grant) and RFC 7009 (revocation); where a real server does
// otherwise, the line that deals with it names the server.

import { isIPv6 } from "node:net";

import { bearer, check, credential, entry, EntryError, isObject, printable, seconds, text, webLink } from "./kinds.mjs";
import { malformed, raiseRefusal } from "./messages.mjs";

/** @typedef {import("./messages.mjs").Request} Request @typedef {import("./messages.mjs").Answer} Answer */

export const OAUTH_SCOPE = "https://www.googleapis.com/auth/youtube";
const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code";

// https to anywhere, http to this machine only; no user name, no fragment.
const LABEL = "[a-z0-9_](?:[a-z0-9_-]*[a-z0-9])?";
const BYTE = "(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)";
const ANYWHERE = `https://(?:${LABEL}(?:\\.${LABEL})*\\.?|\\[(?<ipv6>[0-9a-f:.]+)\\])`;
const HERE = `http://(?:localhost|127(?:\\.${BYTE}){3}|\\[::1\\])`;
const SAFE_URL = new RegExp(`^(?:${ANYWHERE}|${HERE})(?::(?<port>\\d{1,5}))?(?:[/?][!-"$-~]*)?$`, "i");

/**
 * Where an OAuth server listens, and in what it differs from RFC 8628. Throws an `EntryError` on an unsafe URL.
 * @typedef {ReturnType<typeof endpoints>} Endpoints
 */
export function endpoints({
  deviceCodeUrl,
  tokenUrl,
  revokeUrl = null,
  deviceGrant = DEVICE_GRANT,
  deviceCodeParameter = "device_code",
  // RFC 8628 3.1, RFC 7009 2.1: a confidential client shows its secret everywhere, not to the token endpoint alone.
  authenticateEverywhere = true,
  // Whether a refresh may be sent twice. A server that rotates can take the second one for theft and end the login.
  rotatesRefreshTokens = true,
}) {
  check("device_code_url", deviceCodeUrl, safeUrl);
  check("token_url", tokenUrl, safeUrl);
  if (revokeUrl !== null) check("revoke_url", revokeUrl, safeUrl);
  return Object.freeze({
    deviceCodeUrl, tokenUrl, revokeUrl, deviceGrant, deviceCodeParameter, authenticateEverywhere, rotatesRefreshTokens,
  });
}

function safeUrl(value) {
  const parts = SAFE_URL.exec(text(value))?.groups;
  if (!parts || Number(parts.port ?? 0) > 65535 || (parts.ipv6 && !isIPv6(parts.ipv6))) {
    throw new EntryError("is neither an https URL nor one to this machine (http://localhost, 127.0.0.1 or [::1])");
  }
  return value;
}

/** What ytmusicapi uses, and so what is proven with YouTube Music. */
export const YOUTUBE = endpoints({
  deviceCodeUrl: "https://www.youtube.com/o/oauth2/device/code",
  tokenUrl: "https://oauth2.googleapis.com/token",
  revokeUrl: "https://oauth2.googleapis.com/revoke",
  deviceGrant: "http://oauth.net/grant_type/device/1.0",
  deviceCodeParameter: "code",
  authenticateEverywhere: false,
  rotatesRefreshTokens: false,
});
/** What Google documents for "TVs and Limited Input devices". */
export const GOOGLE = endpoints({
  deviceCodeUrl: "https://oauth2.googleapis.com/device/code",
  tokenUrl: "https://oauth2.googleapis.com/token",
  revokeUrl: "https://oauth2.googleapis.com/revoke",
  authenticateEverywhere: false,
  rotatesRefreshTokens: false,
});

/** An OAuth client as it is known to its server. @typedef {{id: string, secret: string}} Client */

// ---- a code for the user: RFC 8628 3.1, 3.2

/** @param {Endpoints} at @param {Client} client @returns {Request} */
export function codeRequest(at, client, scope) {
  return { url: at.deviceCodeUrl, form: authenticated(at, { client_id: client.id, scope }, client) };
}

export function parseCode(/** @type {Request} */ request, /** @type {Answer} */ answer) {
  return parse(request, answer, (body) => {
    // RFC 8628 says verification_uri, Google verification_url.
    const link = (body.verification_url ?? null) === null ? "verification_uri" : "verification_url";
    const code = {
      device_code: entry(body, "device_code", credential),
      user_code: entry(body, "user_code", printable),
      expires_in: entry(body, "expires_in", seconds),
      // RFC 8628 3.2: "If no value is provided, clients MUST use 5 as the default."
      interval: entry(body, "interval", seconds, 5),
      verification_url: entry(body, link, webLink),
    };
    if ((body.verification_uri_complete ?? null) === null) return code;
    return { ...code, verification_uri_complete: entry(body, "verification_uri_complete", webLink) };
  });
}

/** The link on which the user confirms the code: the server's own with the code in it, or one made like it. */
export function verificationLink(code) {
  const page = entry(code, "verification_url", webLink);
  if (code.verification_uri_complete) return entry(code, "verification_uri_complete", webLink);
  const [, address, fragment] = /^([^#]*)(.*)$/.exec(page);
  const joint = address.includes("?") ? "&" : "?";
  return `${address}${joint}user_code=${encodeURIComponent(entry(code, "user_code", printable))}${fragment}`;
}

// ---- a token for the code: RFC 8628 3.4, 3.5

/** @param {Endpoints} at @param {Client} client @returns {Request} */
export function tokenRequest(at, client, deviceCode) {
  const form = { client_id: client.id, client_secret: client.secret, grant_type: at.deviceGrant };
  const code = check("device_code", deviceCode, credential);
  return { url: at.tokenUrl, form: { ...form, [at.deviceCodeParameter]: code } };
}

/** `sent` is the time of the request (UNIX epoch), `scope` what was asked for. */
export function parseToken(/** @type {Request} */ request, /** @type {Answer} */ answer, sent, scope) {
  return parse(request, answer, (body) => whole(body, sent, scope));
}

// ---- a new access token: RFC 6749 6

/** @param {Endpoints} at @param {Client} client @returns {Request} */
export function refreshRequest(at, client, refreshToken) {
  const form = { client_id: client.id, client_secret: client.secret, grant_type: "refresh_token" };
  return { url: at.tokenUrl, form: { ...form, refresh_token: check("refresh_token", refreshToken, credential) } };
}

/** As `parseToken`; it is a whole token if the server rotated. An empty scope is the one that the token has already. */
export function parseRefresh(/** @type {Request} */ request, /** @type {Answer} */ answer, sent) {
  // RFC 6749 6: "if omitted is treated as equal to the scope originally granted", which only the token knows.
  return parse(request, answer, (body) =>
    (body.refresh_token ?? null) === null ? access(body, "") : whole(body, sent, ""));
}

function access(body, scope) {
  return {
    access_token: entry(body, "access_token", credential),
    // RFC 6749 5.1 lets a server leave it out; an hour is what Google means.
    expires_in: entry(body, "expires_in", seconds, 3600),
    // RFC 6749 5.1: "OPTIONAL, if identical to the scope requested by the client".
    scope: entry(body, "scope", text, scope),
    token_type: entry(body, "token_type", bearer, "Bearer"),
  };
}

function whole(body, sent, scope) {
  const values = access(body, scope);
  const refresh_token = entry(body, "refresh_token", credential);
  return { ...values, expires_at: Math.floor(sent) + values.expires_in, refresh_token };
}

// ---- the end of a login: RFC 7009

/** @param {Endpoints} at @param {Client} client @returns {Request} */
export function revokeRequest(at, client, token) {
  if (at.revokeUrl === null) throw new EntryError("is missing: the token can't be revoked from here", "revoke_url");
  // No token_type_hint: there are servers that revoke nothing, with 200, when it is wrong.
  const form = { token: check("token", token, credential) };
  if (at.authenticateEverywhere) form.client_id = client.id;
  return { url: at.revokeUrl, form: authenticated(at, form, client) };
}

/** RFC 7009 2.2: the status tells, whatever the body is; unless it is an error all the same. */
export const parseRevocation = raiseRefusal;

// ---- what they have in common

const authenticated = (at, form, client) =>
  (at.authenticateEverywhere ? { ...form, client_secret: client.secret } : form);

function parse(request, answer, build) {
  raiseRefusal(request, answer);
  if (!isObject(answer.body)) throw malformed(answer, "is not a JSON object");
  try {
    return build(answer.body);
  } catch (error) {
    throw error instanceof EntryError ? malformed(answer, `is wrong: ${error.message}`, error.key) : error;
  }
}
