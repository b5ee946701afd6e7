// SPDX-License-Identifier: MIT
// Carries out the refresh cycle for one token, on its store, its server and the clocks. `cycle` decides.
// (`_refresher.py`; and `_single_flight.py`, which is one promise here.)

import { Cycle, decide, READ_PATIENCE, READ_INTERVAL } from "./cycle.mjs";
import { OAuthError } from "./errors.mjs";
import { covers } from "./expiry.mjs";
import { FileStore } from "./file-store.mjs";
import { afterFailure, parseTokenText, State } from "./state.mjs";
import { event, FRESH } from "./steps.mjs";

/** Keeps one token fresh for all tasks that share it, and in its store, if it has one. */
export class Refresher {
  #credentials;
  #system;
  #warn;
  /** @type {?Promise<void>} the cycle in progress: the single flight */
  #flight = null;

  /**
   * @param {State} state
   * @param {?import("./store.mjs").TokenStore} store
   * @param {import("./credentials.mjs").OAuthCredentials} credentials
   * @param {(text: string) => void} warn
   */
  constructor(state, store, credentials, warn) {
    this.state = state;
    this.store = store;
    this.#credentials = credentials;
    this.#system = credentials.system;
    this.#warn = warn;
  }

  // ---- what a token asks for

  /**
   * See to it that the token is valid and, if that can be had without an error, meets the goal. Throws if it has
   * expired and cannot be refreshed, and `invalid_grant` in any case.
   */
  async ensureValid(goal = FRESH) {
    for (;;) {
      const now = this.#now();
      const task = decide(this.state, goal, now, this.store !== null);
      if (task === "return") return;
      const isValid = covers(this.state.snapshot.valid, now.wall, now.monotonic);
      if (task === "save") {
        await this.#fly((cycle) => cycle.save(), { wait: false });
        return;
      }
      if (task === "refresh") {
        if ((await this.#fly((cycle) => cycle.refresh(), { goal, wait: !isValid })) || isValid) return;
        continue;
      }
      const before = this.state.snapshot;
      if (task === "look") await this.#fly((cycle) => cycle.look(), { wait: false });
      if (this.state.snapshot === before) throw located(this.store, this.state.error);
    }
  }

  /** Get another access token than the one rejected: by default, than the current one. */
  async refresh(rejected = null) {
    const { responses, snapshot } = this.state;
    const goal = { ...FRESH, rejected: rejected?.split(" ").at(-1) ?? snapshot.token.access_token };
    while (this.state.responses === responses) {
      if (decide(this.state, goal, this.#now(), false) === "return") return;
      if (await this.#fly((cycle) => cycle.refresh(), { goal, wait: true })) return;
    }
  }

  /**
   * Save a new login in a store, over whatever token is there, and keep it there from now on. If it cannot be saved,
   * warns, and saves it when the token is next used.
   */
  async keepIn(store) {
    await this.#flight?.catch(() => {});
    this.state = new State(this.state.snapshot, { isDirty: true, isNewLogin: true });
    this.store = store;
    try {
      await this.#fly((cycle) => cycle.store(), { wait: true });
    } catch (error) {
      if (!(error instanceof OAuthError)) throw error;
      this.state.storeBackoff = afterFailure(this.state.storeBackoff, this.#system.monotonic());
      this.#warn(`${error.message} The token is in memory only until it can be saved.`);
    }
  }

  // ---- tasks

  /**
   * Do the work, and return true. If a cycle is in progress, wait for it and share its error; or, without `wait`, do
   * not wait. Then return false.
   */
  async #fly(way, { goal = FRESH, wait }) {
    if (this.#flight !== null) {
      if (wait) await this.#flight;
      return false;
    }
    const known = { rotates: this.#rotates, hasStore: this.store !== null, goal };
    const cycle = new Cycle(this.state, this.#now(), known);
    this.#flight = this.#carryOut(way(cycle)).finally(() => { this.#flight = null; });
    await this.#flight;
    return true;
  }

  // ---- the steps of a cycle

  async #carryOut(steps) {
    /** @type {import("./store.mjs").Held[]} */
    const held = [];
    try {
      let next = steps.next();
      while (!next.done && next.value.name !== "warn") next = steps.next(await this.#do(next.value, held));
      if (!next.done) this.#warn(`${located(this.store, next.value.error).message} ${next.value.consequence}`);
    } catch (error) {
      throw located(this.store, error);
    } finally {
      for (const lock of held) await lock.release();
    }
  }

  /** @param {import("./steps.mjs").Step} step */
  async #do(step, held) {
    const happened = (what) => ({ ...this.#now(), ...what });
    try {
      switch (step.name) {
        case "wait":
          await this.#system.sleep(step.seconds);
          return happened();
        case "ask":
          // The refresh token in the file is about to become invalid: without room for the new one, the login would be
          // lost with this process.
          if (this.store instanceof FileStore && this.#rotates) this.store.prepare();
          return happened({ response: await this.#credentials.refreshToken(step.refreshToken, step) });
        case "read":
          return happened({ text: await this.store.read() });
        case "replace":
          return happened({ swapped: await this.store.replace(step.before, step.after) });
        case "lock": {
          while (held.length > 0) await held.pop().release();
          const lock = await this.store.lock(step.timeout);
          if (lock === null) return happened({ taken: true });
          held.push(lock);
          return happened({ until: lock.until });
        }
      }
    } catch (error) {
      if (error instanceof OAuthError) return happened({ error });
      if (step.name === "ask") throw error;
      const problem = `The token store failed with ${error.name}`; // its message may quote what it was given
      return happened({ error: new OAuthError("token_store", { problem, retryable: true }) });
    }
  }

  get #rotates() {
    return this.#credentials.endpoints.rotatesRefreshTokens;
  }

  #now() {
    return event(this.#system.now(), this.#system.monotonic());
  }
}

/** Name the file, if the store is one. */
function located(store, error) {
  const isFile = store instanceof FileStore && error.type === "token_store";
  return isFile ? error.with({ path: store.path }, "token_file") : error;
}

/** Return the token in a store. Throws if there is none: for a file, `token_file_not_found`. */
export async function loadToken(store, { monotonic, sleep }) {
  const giveUpAt = monotonic() + READ_PATIENCE;
  for (;;) {
    const text = await store.read();
    if (text === null) {
      throw store instanceof FileStore
        ? new OAuthError("token_file_not_found", { path: store.path })
        : new OAuthError("token_store", { problem: "There is no token in the store" });
    }
    try {
      return parseTokenText(text);
    } catch (error) {
      if (!(error instanceof OAuthError) || monotonic() >= giveUpAt) throw located(store, error);
    }
    await sleep(READ_INTERVAL); // another program may be writing it
  }
}
