// SPDX-License-Identifier: MIT
// An OAuth client and what it asks a server for: `protocol` said over a `session`. (`credentials.py`)

import { DevicePoll, poll } from "./device.mjs";
import { check, credential, printable } from "./kinds.mjs";
import * as protocol from "./protocol.mjs";
import { send, withRetries } from "./session.mjs";
import { WORLD } from "./world.mjs";

export class OAuthCredentials {
  // Private fields are shown by no console.
  #client;
  #world;
  // The last device code and when it was asked for, on the monotonic clock: its life counts from there.
  #asked = { deviceCode: "", sent: 0 };

  /**
   * @param {string} clientId
   * @param {string} clientSecret
   * @param {{endpoints?: protocol.Endpoints, scope?: string, world?: import("./world.mjs").World}} [options]
   */
  constructor(clientId, clientSecret, options = {}) {
    const { endpoints = protocol.YOUTUBE, scope = protocol.OAUTH_SCOPE, world = WORLD } = options;
    this.#client = {
      id: check("client_id", clientId, credential),
      secret: check("client_secret", clientSecret, credential),
    };
    this.endpoints = endpoints;
    this.scope = check("scope", scope, printable);
    this.#world = world;
  }

  /** The world that it lives in: its tokens live there, too. */
  get world() {
    return this.#world;
  }

  /** Ask for a code for the user. In passing trouble it is tried three times. */
  async getCode() {
    const request = protocol.codeRequest(this.endpoints, this.#client, this.scope);
    return withRetries(async () => {
      const sent = this.#world.monotonic();
      const code = protocol.parseCode(request, await this.#send(request));
      this.#asked = { deviceCode: code.device_code, sent };
      return code;
    }, false, this.#world);
  }

  /** Ask once whether the user has confirmed. */
  async tokenFromCode(deviceCode) {
    const request = protocol.tokenRequest(this.endpoints, this.#client, deviceCode);
    const sent = this.#world.now();
    return protocol.parseToken(request, await this.#send(request), sent, this.scope);
  }

  /** Ask until the user has confirmed, at the server's pace, through passing troubles. */
  async waitForToken(code, { cancelled = null } = {}) {
    const known = this.#asked.deviceCode === code.device_code;
    const schedule = new DevicePoll(code, known ? this.#asked.sent : this.#world.monotonic());
    return poll(() => this.tokenFromCode(code.device_code), schedule, this.#world, cancelled);
  }

  /** Ask for a new access token. In passing trouble it is tried three times. */
  async refreshToken(refreshToken) {
    const request = protocol.refreshRequest(this.endpoints, this.#client, refreshToken);
    return withRetries(async () => {
      const sent = this.#world.now();
      return protocol.parseRefresh(request, await this.#send(request), sent);
    }, !this.endpoints.rotatesRefreshTokens, this.#world);
  }

  /** End a login, by its refresh token or an access token of it. In passing trouble it is tried three times. */
  async revokeToken(token) {
    const request = protocol.revokeRequest(this.endpoints, this.#client, token);
    return withRetries(
      async () => protocol.parseRevocation(request, await this.#send(request)), false, this.#world,
    );
  }

  #send(request) {
    return send(this.#world.post, request, this.#world.now);
  }
}
