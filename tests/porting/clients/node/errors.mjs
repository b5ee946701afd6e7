// SPDX-License-Identifier: MIT
// Everything that is raised on purpose: one class, and a kind for each thing that a caller can do next.
// (`exceptions.py`)
//
// The parts of what happened are properties, null where nothing is known. None of them holds a secret: whoever puts a
// server's text into an error has taken the secrets out of it.

const TRY_LATER = "Try again later.";
const LOG_IN = "Log in again.";

/** @type {Map<string, {meaning: string, nextStep?: string, retryable?: boolean}>} */
const KINDS = new Map(Object.entries({
  transport: {
    meaning: "There was no answer from the server",
    nextStep: "Check what stands between here and the server: the address, certificates.",
    retryable: true,
  },
  rate_limited: { meaning: "The server is limiting requests", retryable: true },
  server_error: {
    meaning: "The server failed or refused the request",
    nextStep: "Look up the code in the documentation of the OAuth server.",
  },
  authorization_pending: { meaning: "The user has not answered yet", retryable: true },
  slow_down: { meaning: "The user has not answered yet, and the server is asked too often", retryable: true },
  invalid_grant: { meaning: "The login has ended", nextStep: LOG_IN },
  access_denied: { meaning: "The login was denied", nextStep: LOG_IN },
  expired_token: { meaning: "The code has expired before it was confirmed", nextStep: LOG_IN },
  cancelled: { meaning: "The login was cancelled", nextStep: LOG_IN },
  invalid_client: {
    meaning: "The server does not accept this OAuth client",
    nextStep: 'Check the client id and secret, and that the client is of the type "TVs and Limited Input devices".',
  },
  unauthorized_client: {
    meaning: "The token belongs to another OAuth client",
    nextStep: "Use the client id and secret with which the token was made, or log in again.",
  },
  token_file: {
    meaning: "The token file cannot be used",
    nextStep: "Check the path, the permissions and the disk; move away what is no token file, and log in again.",
  },
  token_file_not_found: { meaning: "There is no token file here", nextStep: "Log in to make one, or check the path." },
  malformed: {
    meaning: "The server's answer makes no sense",
    nextStep: "Check that nothing between here and the server, such as a captive portal, answers in its place.",
  },
}));

// The error in the body decides, not the status: servers disagree about statuses. A Map, for a server may send any
// word, and every object of JavaScript has a "constructor".
/** @type {Map<string, string>} OAuth error code -> kind */
export const ERROR_KINDS = new Map([
  ["authorization_pending", "authorization_pending"],
  ["slow_down", "slow_down"],
  ["access_denied", "access_denied"],
  ["expired_token", "expired_token"],
  ["invalid_grant", "invalid_grant"],
  ["invalid_client", "invalid_client"],
  ["deleted_client", "invalid_client"],
  ["unauthorized_client", "unauthorized_client"],
  ["rate_limit_exceeded", "rate_limited"],
]);

export class OAuthError extends Error {
  /**
   * @param {string} kind one of KINDS
   * @param {object} [parts]
   * @param {string} [parts.problem] what happened, where the kind alone does not say it
   * @param {?string} [parts.error] as the server sent it, and so the description
   * @param {?string} [parts.errorDescription]
   * @param {?number} [parts.status] of the HTTP answer
   * @param {?number} [parts.retryAfter] seconds for which the server asked to be left alone
   * @param {?boolean} [parts.retryable] whether the same call may succeed later with nothing changed
   * @param {boolean} [parts.sent] transport: whether the request may have reached the server
   * @param {?number} [parts.interval] slow_down: the server's own
   * @param {?string} [parts.key] malformed, token_file: the wrong entry
   * @param {string} [parts.path] token_file
   */
  constructor(kind, parts = {}) {
    super();
    const { meaning, nextStep = TRY_LATER, retryable = false } = KINDS.get(kind);
    this.name = "OAuthError";
    this.kind = kind;
    this.error = parts.error ?? null;
    this.errorDescription = parts.errorDescription ?? null;
    this.status = parts.status ?? null;
    this.retryAfter = parts.retryAfter ?? null;
    this.retryable = parts.retryable ?? retryable;
    this.sent = parts.sent ?? true;
    this.interval = parts.interval ?? null;
    this.key = parts.key ?? null;
    this.path = parts.path ?? null;

    const codes = [this.error, this.status && `HTTP ${this.status}`].filter(Boolean).join(", ");
    this.message = [
      this.path && `${this.path}: `,
      parts.problem ?? meaning,
      codes && ` (${codes})`,
      this.errorDescription && `: "${this.errorDescription.replace(/\.+$/, "")}"`,
      ".",
      this.retryAfter && ` The server asks to wait ${Math.round(this.retryAfter)} s.`,
      ` ${this.retryable ? TRY_LATER : nextStep}`,
    ].filter(Boolean).join("");
  }
}
