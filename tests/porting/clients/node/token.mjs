// SPDX-License-Identifier: MIT
// A token that refreshes itself when its header is read. (`token.py`)

import { FileStore } from "./file-store.mjs";
import { loadToken, Refresher } from "./refresher.mjs";
import { snapshot } from "./snapshot.mjs";
import { State } from "./state.mjs";

const asStore = (store) => (typeof store === "string" ? new FileStore(store) : store);

export class RefreshingToken {
  #refresher;

  /**
   * @param {import("./credentials.mjs").OAuthCredentials} credentials
   * @param {object} raw the six values; throws a `FieldError` for an invalid one
   * @param {{warn?: (text: string) => void}} [options] `warn` gets what went wrong while the token can be used
   */
  constructor(credentials, raw, { warn = (text) => process.emitWarning(text) } = {}) {
    const { now, monotonic } = credentials.system;
    this.#refresher = new Refresher(new State(snapshot(now(), monotonic(), raw)), null, credentials, warn);
  }

  /**
   * Load the token in a file, or in another store, and keep it fresh there from now on.
   * @param {string | import("./store.mjs").TokenStore} store
   */
  static async load(credentials, store, options) {
    const keptIn = asStore(store);
    const token = new RefreshingToken(credentials, await loadToken(keptIn, credentials.system), options);
    token.#refresher.store = keptIn;
    token.#refresher.state.lastRead = token.#refresher.state.snapshot.token;
    return token;
  }

  /** Return the current values, as a copy. Never refreshes. */
  asDict() {
    return { ...this.#refresher.state.snapshot.token };
  }

  /** Return the value of an Authorization header (RFC 6750 2.1). May refresh the token first. */
  async asAuth() {
    await this.#refresher.ensureValid();
    return this.#refresher.state.snapshot.authorization;
  }

  /**
   * Get another access token, even if this one has not expired: for use after a 401. Pass what the server rejected, the
   * access token or the Authorization header: if it was refreshed since, nothing is sent.
   */
  async refresh(rejected = null) {
    await this.#refresher.refresh(rejected);
  }

  /** Refresh the token if it expires in fewer seconds, at most half its lifetime: for a timer of your own. */
  async refreshAhead(seconds) {
    await this.#refresher.ensureValid({ ahead: seconds, rejected: null });
  }

  /** Save a new login in a file, or in another store, and keep it fresh there. @param {string | object} store */
  async keepIn(store) {
    await this.#refresher.keepIn(asStore(store));
  }
}
