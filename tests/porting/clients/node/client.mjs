// SPDX-License-Identifier: MIT
// The driver of this port, as ../../DRIVER.md wants it: what is asked for by the environment is passed on to the port,
// and what comes of it is said in one line of JSON.

import process, { argv, env, stderr, stdin, stdout } from "node:process";

import { OAuthCredentials } from "./credentials.mjs";
import { asciiJson, jsonObject } from "./json.mjs";
import { visible } from "./kinds.mjs";
import { hasLocks } from "./lock.mjs";
import { endpoints, GOOGLE, verificationLink, YOUTUBE } from "./protocol.mjs";
import { checkPlace } from "./storage.mjs";
import { RefreshingToken } from "./token.mjs";
import { post } from "./transport.mjs";
import { answer, told } from "./vectors.mjs";
import { WORLD } from "./world.mjs";

const say = (value) => stdout.write(`${asciiJson(value)}\n`);
const warn = (words) => stderr.write(`${visible(words)}\n`);

function credentials() {
  const likes = { youtube: YOUTUBE, google: GOOGLE, rfc: {} }[env.OAUTH_SERVER];
  return new OAuthCredentials(env.OAUTH_CLIENT_ID, env.OAUTH_CLIENT_SECRET, {
    endpoints: endpoints({
      ...likes,
      deviceCodeUrl: env.OAUTH_DEVICE_CODE_URL,
      tokenUrl: env.OAUTH_TOKEN_URL,
      revokeUrl: env.OAUTH_REVOKE_URL,
    }),
    scope: env.OAUTH_SCOPE,
    world: {
      ...WORLD,
      post: (url, form, headers) => post(url, form, headers, { timeout: Number(env.OAUTH_TIMEOUT) }),
    },
  });
}

function held() {
  if (env.OAUTH_TOKEN_FILE) return RefreshingToken.load(credentials(), env.OAUTH_TOKEN_FILE, { warn });
  return new RefreshingToken(credentials(), jsonObject(Buffer.from(env.OAUTH_TOKEN)), { warn });
}

const shown = async (token) => ({ authorization: await token.asAuth(), token: token.asDict() });

const COMMANDS = {
  async login() {
    const client = credentials();
    if (env.OAUTH_TOKEN_FILE) checkPlace(env.OAUTH_TOKEN_FILE);
    const code = await client.getCode();
    warn(`Go to ${verificationLink(code)}`);
    warn(`and confirm there that the code is ${code.user_code}`);
    const token = new RefreshingToken(client, await client.waitForToken(code), { warn });
    if (env.OAUTH_TOKEN_FILE) await token.keepIn(env.OAUTH_TOKEN_FILE);
    return shown(token);
  },

  token: (token = held()) => shown(token),

  async refresh(token = held()) {
    await token.refresh();
    return shown(token);
  },

  async revoke() {
    await credentials().revokeToken(held().asDict().refresh_token);
    return { revoked: true };
  },
};

/** What is said of one command: what came of it, or what was raised. */
async function outcome(command, ...token) {
  try {
    return await COMMANDS[command](...token);
  } catch (error) {
    const raised = told(error);
    warn(error.message);
    return raised;
  }
}

const LOG_IN = new Set(["invalid_grant", "access_denied", "expired_token", "token_file_not_found", "cancelled"]);

function exitStatus({ raises, retryable }) {
  if (!raises) return 0;
  if (raises === "rate_limited" || retryable) return 3;
  return LOG_IN.has(raises) ? 1 : 2;
}

async function* lines() {
  let rest = "";
  for await (const chunk of stdin.setEncoding("utf8")) {
    const whole = (rest + chunk).split("\n");
    rest = whole.pop();
    yield* whole;
  }
  if (rest) yield rest;
}

async function vectors() {
  for await (const line of lines()) {
    const { id, kind, given } = JSON.parse(line);
    say({ id, answer: await answer(kind, given) });
  }
}

async function keep() {
  const token = held();
  for await (const line of lines()) {
    const [command, times] = line.trim().split(" ");
    const all = Array.from({ length: Number(times ?? 1) }, () => outcome(command, token));
    const answers = await Promise.all(all);
    say(times === undefined ? answers[0] : answers);
  }
}

// A temporary file has a fixed name, and so is cleaned up by the next process, only under the lock.
const NEED_LOCKS = [
  "concurrency/two-processes-one-refresh", "concurrency/six-processes-at-once", "file/killed-in-the-middle-of-a-save",
];

async function skips() {
  const reason = "Node has no file locks of its own, and there is no flock(1) here";
  say(hasLocks() ? {} : Object.fromEntries(NEED_LOCKS.map((id) => [id, reason])));
}

async function one(command) {
  const said = await outcome(command);
  say(said);
  process.exitCode = exitStatus(said);
}

const [, , command] = argv;
const run = { __proto__: null, vectors, keep, skips }[command];
if (run) await run();
else if (Object.hasOwn(COMMANDS, command)) await one(command);
else {
  warn("usage: node client.mjs skips | vectors | login | token | refresh | revoke | keep");
  process.exitCode = 2;
}
