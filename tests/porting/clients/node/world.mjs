// SPDX-License-Identifier: MIT
// What the rest is handed in order to touch the world: two clocks, a sleep, dice and the network. Times are seconds.

import { post } from "./transport.mjs";

// A timer of more than 24 days fires at once; whoever sleeps looks at the clock afterwards.
const LONGEST_SLEEP = 24 * 3600;

/** @typedef {typeof WORLD} World */
export const WORLD = Object.freeze({
  now: () => Date.now() / 1000,
  monotonic: () => performance.now() / 1000,
  // Node's timers may fire a millisecond early.
  sleep: (seconds) =>
    new Promise((wake) => setTimeout(wake, Math.ceil(Math.min(seconds, LONGEST_SLEEP) * 1000) + 1)),
  random: Math.random,
  post,
});
