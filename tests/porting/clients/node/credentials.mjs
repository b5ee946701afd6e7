// SPDX-License-Identifier: MIT
// An OAuth client: sends the requests of `protocol` over a `session`. (`credentials.py`)

import { DevicePoll, poll } from "./device.mjs";
import * as protocol from "./protocol.mjs";
import { withRetries } from "./retries.mjs";
import { send } from "./session.mjs";
import { SYSTEM } from "./system.mjs";
import { clientName, credential, extraParameters, printable, validate } from "./validation.mjs";

export class OAuthCredentials {
  // Private fields, which no console prints.
  #client;
  #system;
  // The last device code, and the monotonic times of its request and of the response.
  #lastCode = { deviceCode: "", sent: 0, received: 0 };

  /**
   * @param {string} clientId
   * @param {string} clientSecret
   * @param {{endpoints?: protocol.Endpoints, scope?: string, parameters?: Record<string, string>,
   *   system?: import("./system.mjs").System}} [options] `scope` is by default YouTube's at Google's endpoints, and
   *   none elsewhere; `parameters` are the server's own for a device authorization request
   */
  constructor(clientId, clientSecret, options = {}) {
    const { endpoints = protocol.YOUTUBE, parameters = {}, system = SYSTEM } = options;
    const { scope = endpoints.isGoogle ? protocol.OAUTH_SCOPE : "" } = options;
    const isPublic = endpoints.clientAuthentication === "none";
    this.#client = {
      id: validate("client_id", clientId, clientName),
      secret: isPublic && !clientSecret ? "" : validate("client_secret", clientSecret ?? "", credential),
    };
    this.endpoints = endpoints;
    this.scope = scope && validate("scope", scope, printable);
    this.parameters = validate("parameters", parameters, extraParameters);
    this.#system = system;
  }

  /** The clocks and the network that it uses; its tokens use the same. */
  get system() {
    return this.#system;
  }

  /** Request a code for the user. Tries up to three times on transient failures. */
  async getCode() {
    const request = protocol.deviceAuthorizationRequest(this.endpoints, this.#client, this.scope, this.parameters);
    return withRetries(async (seconds) => {
      const sent = this.#system.monotonic();
      const code = protocol.parseDeviceAuthorization(request, await this.#send(request, seconds));
      this.#lastCode = { deviceCode: code.device_code, sent, received: this.#system.monotonic() };
      return code;
    }, this.#system);
  }

  /** Poll once for the token. */
  async tokenFromCode(deviceCode) {
    const request = protocol.tokenRequest(this.endpoints, this.#client, deviceCode);
    const sent = this.#system.now();
    return protocol.parseToken(request, await this.#send(request), sent, this.scope);
  }

  /** Poll until the user has confirmed, at the server's interval, retrying transient failures. */
  async waitForToken(code, { cancelled = null } = {}) {
    const { deviceCode, sent, received } = this.#lastCode;
    const isLast = deviceCode === code.device_code;
    const schedule = isLast ? new DevicePoll(code, sent, received) : new DevicePoll(code, this.#system.monotonic());
    return poll(() => this.tokenFromCode(code.device_code), schedule, this.#system, cancelled);
  }

  /**
   * Request a new access token. Tries up to three times on transient failures; or as often, and as long, as it is told.
   * @param {{tries?: number, seconds?: number}} [limits]
   */
  async refreshToken(refreshToken, { tries, seconds } = {}) {
    const request = protocol.refreshRequest(this.endpoints, this.#client, refreshToken);
    return withRetries(async (left) => {
      const sent = this.#system.now();
      return protocol.parseRefresh(request, await this.#send(request, left), sent);
    }, this.#system, { repeatable: !this.endpoints.rotatesRefreshTokens, tries, seconds });
  }

  /** End a login, given its refresh token or an access token. Tries up to three times on transient failures. */
  async revokeToken(token) {
    const request = protocol.revocationRequest(this.endpoints, this.#client, token);
    return withRetries(
      async (seconds) => protocol.parseRevocation(request, await this.#send(request, seconds)), this.#system,
    );
  }

  /** @param {number} [seconds] for the whole request */
  #send(request, seconds) {
    return send(this.#system.post, request, this.#system.now, seconds);
  }
}
