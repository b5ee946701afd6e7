// SPDX-License-Identifier: MIT
// The results of this port for the vectors of the refresh cycle: a transcript is played to the real `Cycle`.

import { Cycle, decide } from "./cycle.mjs";
import { described, madeFrom, NOW, TOKEN } from "./described.mjs";
import { OAuthError } from "./errors.mjs";
import { changed, snapshot } from "./snapshot.mjs";
import { NO_BACKOFF, parseTokenText, State, tokenText } from "./state.mjs";
import { event, FRESH } from "./steps.mjs";

// Both clocks at the beginning.
const CLOCKS = [NOW, 1000];

// Tokens are written as what differs from the default token.
const tokenOf = (changes) => ({ ...TOKEN, ...changes });
const changesOf = (token) => Object.fromEntries(Object.entries(token).filter(([key, value]) => value !== TOKEN[key]));

function inputOf({ now: clocks = CLOCKS, store: hasStore = true, goal, remembered = {} }) {
  const now = event(clocks[0], clocks[1]);
  return { now, hasStore, goal: { ...FRESH, ...goal }, state: stateOf(remembered, now, hasStore) };
}

function stateOf({ token, loaded_at, unsaved, new_login, ...given }, now, hasStore) {
  const [wall, monotonic] = loaded_at ?? [now.wall, now.monotonic];
  const ours = snapshot(wall, monotonic, tokenOf(token));
  const seen = "seen" in given ? given.seen && tokenOf(given.seen) : hasStore ? ours.token : null;
  const state = new State(ours, { seen, isDirty: unsaved, isNewLogin: new_login });
  state.superseded = given.superseded ?? [];
  state.alternative = given.other ? snapshot(now.wall, now.monotonic, tokenOf(given.other)) : null;
  state.error = given.error ? madeFrom(given.error) : null;
  state.refused = given.refused ?? null;
  state.serverBackoff = { ...NO_BACKOFF, ...given.server_backoff };
  state.storeBackoff = { ...NO_BACKOFF, ...given.store_backoff };
  state.lookedAt = given.looked_at ?? -Infinity;
  return state;
}

/** What is remembered, without what has its default. */
function rememberedOf(state, hasStore) {
  const remembered = { token: changesOf(state.snapshot.token) };
  if (hasStore && state.isDifferent) remembered.seen = state.lastRead && changesOf(state.lastRead);
  if (hasStore && state.isDirty) remembered.unsaved = true;
  if (hasStore && state.isNewLogin) remembered.new_login = true;
  if (hasStore && state.superseded.length > 0) remembered.superseded = state.superseded;
  if (state.alternative) remembered.other = changesOf(state.alternative.token);
  if (state.error) remembered.error = described(state.error);
  if (state.refused !== null) remembered.refused = state.refused;
  for (const [name, { failures, until }] of [["server", state.serverBackoff], ["store", state.storeBackoff]]) {
    if (until !== -Infinity) remembered[`${name}_backoff`] = { failures, until: rounded(until) };
  }
  if (state.lookedAt !== -Infinity) remembered.looked_at = rounded(state.lookedAt);
  return remembered;
}

const rounded = (seconds) => Math.round(seconds * 1000) / 1000;

/** The token that a text in a store means, without its defaults; the text itself if it is not a token. */
function inStore(text) {
  try {
    return text && changesOf(parseTokenText(text));
  } catch {
    return text;
  }
}

function asList(step) {
  switch (step.name) {
    case "lock": return ["lock", step.timeout];
    case "ask": return ["ask", step.refreshToken, step.tries, rounded(step.seconds)];
    case "replace": return ["replace", inStore(step.before), inStore(step.after)];
    case "wait": return ["wait", step.seconds];
    case "warn": return ["warn", described(step.error)];
    default: return [step.name];
  }
}

/** The event after a step; does what the caller does meanwhile. */
function eventAfter(step, now, given, state) {
  const seconds = given.took ?? (step.name === "wait" ? step.seconds : 0);
  const wall = now.wall + seconds + (given.clock_change ?? 0), monotonic = now.monotonic + seconds;
  if (given.set_meanwhile) state.setByHand(changed(state.snapshot, wall, monotonic, given.set_meanwhile));
  const { found = null } = given;
  return event(wall, monotonic, {
    error: given.failed ? madeFrom(given.failed) : null,
    taken: given.taken ?? false,
    until: given.locked_until ?? Infinity,
    text: found === null || typeof found === "string" ? found : tokenText(tokenOf(found)),
    swapped: given.replaced ?? false,
    response: given.response ?? {},
  });
}

export function cycleResult({ call = "refresh", rotates = true, events, ...given }) {
  const { now: start, hasStore, goal, state } = inputOf(given);
  const steps = new Cycle(state, start, { rotates, hasStore, goal })[call]();
  const taken = [];
  let now = start, outcome = "unfinished";
  try {
    let next = steps.next();
    for (const each of [...events, null]) {
      if (next.done || next.value.name === "warn") outcome = "success";
      if (next.done) break;
      taken.push(asList(next.value));
      if (each === null) break;
      now = eventAfter(next.value, now, each, state);
      next = steps.next(now);
    }
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error;
    outcome = described(error);
  }
  return { steps: taken, outcome, remembered: rememberedOf(state, hasStore) };
}

export function decideResult(given) {
  const { now, hasStore, goal, state } = inputOf(given);
  return decide(state, goal, now, hasStore);
}
