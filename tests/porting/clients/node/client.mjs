// SPDX-License-Identifier: MIT
// The driver of this port (see ../../DRIVER.md). It passes the environment on to the port, and prints one line of JSON.

import process, { argv, env, stderr, stdin, stdout } from "node:process";

import { OAuthCredentials } from "./credentials.mjs";
import { described } from "./described.mjs";
import { hasLocks } from "./file-lock.mjs";
import { FileStore } from "./file-store.mjs";
import { asciiJson, jsonObject } from "./json.mjs";
import { endpoints, GOOGLE, verificationLink, YOUTUBE } from "./protocol.mjs";
import { withoutControls } from "./redaction.mjs";
import { SYSTEM } from "./system.mjs";
import { RefreshingToken } from "./token.mjs";
import { post } from "./transport.mjs";
import { resultOf } from "./vectors.mjs";

const reply = (value) => stdout.write(`${asciiJson(value)}\n`);
const warn = (text) => stderr.write(`${withoutControls(text)}\n`);

function makeCredentials() {
  const profile = { youtube: YOUTUBE, google: GOOGLE, rfc: {} }[env.OAUTH_SERVER];
  return new OAuthCredentials(env.OAUTH_CLIENT_ID, env.OAUTH_CLIENT_SECRET, {
    endpoints: endpoints({
      ...profile,
      deviceCodeUrl: env.OAUTH_DEVICE_CODE_URL,
      tokenUrl: env.OAUTH_TOKEN_URL,
      revokeUrl: env.OAUTH_REVOKE_URL,
    }),
    scope: env.OAUTH_SCOPE,
    system: {
      ...SYSTEM,
      post: (url, form, headers, { timeout }) =>
        post(url, form, headers, { timeout: Math.min(Number(env.OAUTH_TIMEOUT), timeout ?? Infinity) }),
    },
  });
}

async function loadToken() {
  if (env.OAUTH_TOKEN_FILE) return RefreshingToken.load(makeCredentials(), env.OAUTH_TOKEN_FILE, { warn });
  return new RefreshingToken(makeCredentials(), jsonObject(Buffer.from(env.OAUTH_TOKEN)), { warn });
}

const asReply = async (token) => ({ authorization: await token.asAuth(), token: token.asDict() });

const COMMANDS = {
  async login() {
    const credentials = makeCredentials();
    if (env.OAUTH_TOKEN_FILE) new FileStore(env.OAUTH_TOKEN_FILE).checkWritable();
    const code = await credentials.getCode();
    warn(`Go to ${verificationLink(code)}`);
    warn(`and confirm there that the code is ${code.user_code}`);
    const token = new RefreshingToken(credentials, await credentials.waitForToken(code), { warn });
    if (env.OAUTH_TOKEN_FILE) await token.keepIn(env.OAUTH_TOKEN_FILE);
    return asReply(token);
  },

  token: async (token) => asReply(token ?? (await loadToken())),

  async refresh(loaded) {
    const token = loaded ?? (await loadToken());
    await token.refresh();
    return asReply(token);
  },

  async revoke() {
    await makeCredentials().revokeToken((await loadToken()).asDict().refresh_token);
    return { revoked: true };
  },
};

/** The reply to one command: its result, or the error that it raised. */
async function outcome(command, ...token) {
  try {
    return await COMMANDS[command](...token);
  } catch (error) {
    const raised = described(error);
    warn(error.message);
    return raised;
  }
}

const LOG_IN_AGAIN = new Set(["invalid_grant", "access_denied", "expired_token", "token_file_not_found", "cancelled"]);

function exitStatus({ raises, retryable }) {
  if (!raises) return 0;
  if (raises === "rate_limited" || retryable) return 3;
  return LOG_IN_AGAIN.has(raises) ? 1 : 2;
}

async function* lines() {
  let rest = "";
  for await (const chunk of stdin.setEncoding("utf8")) {
    const complete = (rest + chunk).split("\n");
    rest = complete.pop();
    yield* complete;
  }
  if (rest) yield rest;
}

async function vectors() {
  for await (const line of lines()) {
    const { id, kind, given } = JSON.parse(line);
    reply({ id, result: await resultOf(kind, given) });
  }
}

async function interactive() {
  const token = await loadToken();
  for await (const line of lines()) {
    const [command, count] = line.trim().split(" ");
    const replies = await Promise.all(Array.from({ length: Number(count ?? 1) }, () => outcome(command, token)));
    reply(count === undefined ? replies[0] : replies);
  }
}

// What a killed process leaves is removed only under the lock.
const NEED_LOCKS = [
  "concurrency/two-processes-one-refresh", "concurrency/six-processes-at-once",
  "concurrency/valid-token-is-returned-to-other-processes", "concurrency/two-refreshes-at-once",
  "concurrency/lock-taken-while-the-token-is-valid", "concurrency/lock-taken-until-its-holder-has-saved",
  "concurrency/lock-taken-for-too-long", "concurrency/two-ports-take-turns", "concurrency/two-ports-at-once",
  "file/killed-during-a-save",
];

async function skips() {
  const reason = "Node has no file locks of its own, and flock(1) is not available here";
  reply(hasLocks() ? {} : Object.fromEntries(NEED_LOCKS.map((id) => [id, reason])));
}

async function single(command) {
  const result = await outcome(command);
  reply(result);
  process.exitCode = exitStatus(result);
}

const [, , command] = argv;
const run = { __proto__: null, vectors, interactive, skips }[command];
if (run) await run();
else if (Object.hasOwn(COMMANDS, command)) await single(command);
else {
  warn("usage: node client.mjs skips | vectors | login | token | refresh | revoke | interactive");
  process.exitCode = 2;
}
