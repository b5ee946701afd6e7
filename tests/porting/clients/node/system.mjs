// SPDX-License-Identifier: MIT
// Everything that the rest gets passed to reach the system: two clocks, a sleep, random numbers and the network.
// Times are in seconds.

import { post } from "./transport.mjs";

// A timer of more than 24 days fires at once. Whatever sleeps looks at the clock afterwards.
const LONGEST_SLEEP = 24 * 3600;

/** @typedef {typeof SYSTEM} System */
export const SYSTEM = Object.freeze({
  now: () => Date.now() / 1000,
  monotonic: () => performance.now() / 1000,
  // Node's timers may fire a millisecond early.
  sleep: (seconds) =>
    new Promise((wake) => setTimeout(wake, Math.ceil(Math.min(seconds, LONGEST_SLEEP) * 1000) + 1)),
  random: Math.random,
  post,
});
