// SPDX-License-Identifier: MIT
// The errors of this port: one class, and a name for each action that is open to the caller. (`exceptions.py`)
//
// Details are properties, null if they are not known. They never hold a secret: text from a server is redacted before
// it gets here.

const TRY_LATER = "Try again later.";
const LOG_IN_AGAIN = "Log in again.";

/** @type {Map<string, {summary: string, advice?: string, retryable?: boolean}>} */
const ERRORS = new Map(Object.entries({
  transport: {
    summary: "No response from the server",
    advice: "Check the connection: URL, certificates.",
    retryable: true,
  },
  rate_limited: { summary: "The server is limiting requests", retryable: true },
  server_error: {
    summary: "The server failed or rejected the request",
    advice: "Look up the error code in the documentation of the OAuth server.",
  },
  authorization_pending: { summary: "The user has not responded yet", retryable: true },
  slow_down: { summary: "The user has not responded yet, and the polls come too often", retryable: true },
  invalid_grant: { summary: "The login has ended", advice: LOG_IN_AGAIN },
  access_denied: { summary: "The login was denied", advice: "Log in again, and approve the request this time." },
  expired_token: {
    summary: "The code expired before it was confirmed",
    advice: "Log in again to get a new code.",
  },
  cancelled: { summary: "The login was cancelled", advice: "Log in again to get a new code." },
  invalid_client: {
    summary: "The server does not accept this OAuth client",
    advice: "Check the client id and secret, and how the client authenticates: post, basic or none.",
  },
  unauthorized_client: {
    summary: "The token belongs to another OAuth client",
    advice: "Use the client id and secret that the token was obtained with, or log in again.",
  },
  no_valid_token: { summary: "There is no valid token" },
  token_store: {
    summary: "The token store cannot be used",
    advice: "Check the store. If it holds something else, move that away and log in again.",
  },
  token_file: {
    summary: "The token file cannot be used",
    advice:
      "Check the path, the permissions and the disk. If the file is something else, move it away and log in again.",
  },
  token_file_not_found: {
    summary: "There is no token file here",
    advice: "Log in to create one, or check the path.",
  },
  malformed: {
    summary: "The server's response is malformed",
    advice:
      "Check that nothing between this machine and the server, such as a captive portal, responds in its place. If " +
      "nothing does, report it to the operator of the server.",
  },
}));

// OAuth error code -> name (RFC 6749 5.2, RFC 8628 3.5). The status does not matter: servers disagree about statuses.
// A Map, because a server may send any word, and every JavaScript object has a "constructor".
/** @type {Map<string, string>} */
export const ERROR_NAMES = new Map([
  ["authorization_pending", "authorization_pending"],
  ["slow_down", "slow_down"],
  ["access_denied", "access_denied"],
  ["expired_token", "expired_token"],
  ["invalid_grant", "invalid_grant"],
  ["invalid_client", "invalid_client"],
  ["deleted_client", "invalid_client"], // Google's
  ["unauthorized_client", "unauthorized_client"],
  ["rate_limit_exceeded", "rate_limited"], // Google's
  // Entra ID; the first one OpenAM, too
  ["authorization_declined", "access_denied"],
  ["code_expired", "expired_token"],
  ["bad_verification_code", "invalid_grant"],
  ["interaction_required", "invalid_grant"],
  ["consent_required", "invalid_grant"],
  ["login_required", "invalid_grant"],
  // GitHub
  ["token_expired", "expired_token"],
  ["incorrect_device_code", "invalid_grant"],
  ["invalid device code", "invalid_grant"],
  ["Invalid refresh token", "invalid_grant"],
  ["invalid client", "invalid_client"],
  ["invalid client secret", "invalid_client"],
  ["bad_refresh_token", "invalid_grant"],
  ["incorrect_client_credentials", "invalid_client"],
  // other servers
  ["disabled_client", "invalid_client"],
]);

export class OAuthError extends Error {
  #details;

  /**
   * @param {string} type a key of ERRORS
   * @param {object} [details]
   * @param {string} [details.problem] what went wrong, as a sentence without a full stop
   * @param {?string} [details.error] the OAuth error code that the server sent
   * @param {?string} [details.errorDescription] the server's own explanation, redacted
   * @param {?number} [details.status] of the HTTP response
   * @param {?number} [details.retryAfter] the seconds that the server asked to wait
   * @param {?boolean} [details.retryable] whether the same call may succeed later with nothing changed
   * @param {boolean} [details.isUntrusted] transport: whether the certificate is not trusted
   * @param {boolean} [details.sent] transport: whether the request may have reached the server
   * @param {boolean} [details.isLost] server_error: whether the server may have acted on the request all the same
   * @param {boolean} [details.hasToken] malformed: whether a token came with it
   * @param {?string} [details.errorUri] the page at which the server explains the error, redacted
   * @param {string} [details.advice] what to do, if that is not what the type says
   * @param {?number} [details.interval] slow_down: the interval that the server asks for
   * @param {?string} [details.key] malformed, token_store, token_file: what is missing or invalid
   * @param {string} [details.path] token_file
   * @param {?string} [details.refreshToken] malformed: the new refresh token of a response that is malformed otherwise
   */
  constructor(type, details = {}) {
    super();
    this.#details = details;
    const { summary, advice = TRY_LATER, retryable = false } = ERRORS.get(type);
    this.name = "OAuthError";
    this.type = type;
    this.error = details.error ?? null;
    this.errorDescription = details.errorDescription ?? null;
    this.status = details.status ?? null;
    this.retryAfter = details.retryAfter ?? null;
    this.retryable = details.retryable ?? retryable;
    this.sent = details.sent ?? true;
    this.interval = details.interval ?? null;
    this.key = details.key ?? null;
    this.path = details.path ?? null;
    // A secret, which no console prints.
    Object.defineProperty(this, "refreshToken", { value: details.refreshToken ?? null, writable: true });
    this.errorUri = details.errorUri ?? null;
    this.hasToken = details.hasToken ?? false;
    this.isUntrusted = details.isUntrusted ?? false;
    // Whether the server may have acted on the request although its response did not arrive.
    this.isLost = type === "transport" ? this.sent : details.isLost ?? false;

    const codes = [this.error, this.status && `HTTP ${this.status}`].filter(Boolean).join(", ");
    this.message = [
      this.path && `${this.path}: `,
      details.problem ?? summary,
      codes && ` (${codes})`,
      this.errorDescription && `: "${this.errorDescription.replace(/[ .]+$/, "")}"`,
      ".",
      this.errorUri && ` The server refers to <${this.errorUri}>.`,
      this.retryAfter && ` The server asks to wait ${Math.round(this.retryAfter)} s.`,
      ` ${this.retryable ? TRY_LATER : details.advice ?? advice}`,
    ].filter(Boolean).join("");
  }

  /** Return the same error with other details, and perhaps of another type. */
  with(changes, type = this.type) {
    return new OAuthError(type, { ...this.#details, ...changes });
  }
}
