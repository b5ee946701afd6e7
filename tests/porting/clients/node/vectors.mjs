// SPDX-License-Identifier: MIT
// The results of this port for the vectors.
//
// Nothing is sent, and nothing waits. Node's HTTP gets a socket that responds by itself, and the clocks are fake.
// Everything between those two is the port as it is.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";

import { OAuthCredentials } from "./credentials.mjs";
import { cycleResult, decideResult } from "./cycle-vectors.mjs";
import { described, NOW, TOKEN } from "./described.mjs";
import { covers, secondsLeft } from "./expiry.mjs";
import { asciiJson } from "./json.mjs";
import { endpoints, GOOGLE, OAUTH_SCOPE, verificationLink, YOUTUBE } from "./protocol.mjs";
import { snapshot } from "./snapshot.mjs";
import { RefreshingToken } from "./token.mjs";
import { post } from "./transport.mjs";
import { FieldError } from "./validation.mjs";

/** Return the result of one vector. Throws a `RangeError` for an unknown kind. */
export async function resultOf(kind, given) {
  if (!Object.hasOwn(KINDS, kind)) throw new RangeError(`unknown kind of vectors: ${kind}`);
  try {
    return await KINDS[kind](given);
  } catch (error) {
    return described(error);
  }
}

// ---- the defaults of the vectors (vectors/README.md has the same table)

const RFC = {
  device_code_url: "https://auth.example/device",
  token_url: "https://auth.example/token",
  revoke_url: "https://auth.example/revoke",
};
const CODE = {
  device_code: "AH-1Ng",
  user_code: "GQVQ-JKEC",
  expires_in: 1800,
  interval: 5,
  verification_url: "https://www.google.com/device",
};
const SUCCESS = {
  device_authorization: { json: CODE },
  token: { json: { access_token: "ya29.new", refresh_token: "1//new" } },
  refresh: { json: { access_token: "ya29.new" } },
  revocation: {},
};

/** The text of a string, or of a list of strings and `{"repeat": string, "times": n}`. */
function textOf(value) {
  if (Array.isArray(value)) return value.map(textOf).join("");
  return typeof value === "string" ? value : value.repeat.repeat(value.times);
}

function bytesOf(given) {
  if ("json" in given) return Buffer.from(asciiJson(given.json));
  return "base64" in given ? Buffer.from(given.base64, "base64") : Buffer.from(textOf(given.text ?? ""));
}

// ---- a fake network and fake clocks

/** Replaces `SYSTEM`: each request gets the next of `responses`, and then `defaultResponse`. */
class FakeSystem {
  waits = [];
  requests = [];
  sentAt = [];
  #wall;
  #steady = 0;
  #responses;
  #defaultResponse;

  constructor(responses, defaultResponse, { wall = NOW, jitter = 0.5 } = {}) {
    this.#responses = [...responses];
    this.#defaultResponse = defaultResponse;
    this.#wall = wall;
    this.random = () => jitter;
  }

  now = () => this.#wall;
  monotonic = () => this.#steady;
  sleep = async (seconds) => {
    this.waits.push(rounded(seconds));
    this.advance(seconds);
  };

  advance(seconds) {
    this.#wall += seconds;
    this.#steady += seconds;
  }

  post = (url, form, headers) => {
    this.sentAt.push(rounded(this.#steady));
    const response = this.#responses.shift() ?? this.#defaultResponse;
    const moveClocks = () => {
      this.advance(response.duration ?? 0);
      this.#wall += response.clock_change ?? 0;
    };
    const createConnection = (_, done) => {
      const code = { unreachable: "ECONNREFUSED", untrusted: "SELF_SIGNED_CERT_IN_CHAIN" }[response.failure];
      if (!code) {
        return new FakeSocket(response, moveClocks, (request) => this.requests.push({ url, ...request }));
      }
      moveClocks();
      return done(Object.assign(new Error(), { code }));
    };
    return post(url, form, headers, { createConnection });
  };
}

/** A connection that takes a whole request, and then has the response to read. */
class FakeSocket extends Duplex {
  #response;
  #moveClocks;
  #record;
  #received = "";

  constructor(response, moveClocks, record) {
    super();
    this.#response = response;
    this.#moveClocks = moveClocks;
    this.#record = record;
  }

  _read() {}

  _write(chunk, _, done) {
    if (chunk.length > 0) this.#receive(chunk);
    done();
  }

  #receive(chunk) {
    if (!this.#received) this.emit("connect") || this.emit("secureConnect");
    this.#received += chunk.toString("latin1");
    const [head, body] = this.#received.split("\r\n\r\n");
    const [line, ...lines] = head.split("\r\n");
    const headers = new Map(lines.map((each) => /^(.*?): (.*)$/.exec(each).slice(1)));
    const header = (name) => [...headers].find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1] ?? null;
    if (body?.length !== Number(header("content-length"))) return;
    this.#record({ line, header, body });
    this.#moveClocks();
    if (this.#response.failure !== "no_response") this.#respond();
    else this.destroy(Object.assign(new Error(), { code: "ETIMEDOUT" }));
  }

  #respond() {
    const body = bytesOf(this.#response);
    const headers = { "Content-Type": "application/json", "Content-Length": body.length, ...this.#response.headers };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    this.push(Buffer.from(`HTTP/1.1 ${this.#response.status ?? 200} \r\n${lines.join("")}\r\n`, "latin1"));
    this.push(body);
    this.push(null);
  }
}

const rounded = (seconds) => Math.round(seconds * 1000) / 1000;

function endpointsOf(given = "rfc") {
  if (given === "youtube") return YOUTUBE;
  if (given === "google") return GOOGLE;
  const raw = given === "rfc" ? RFC : given;
  return endpoints({
    deviceCodeUrl: raw.device_code_url,
    tokenUrl: raw.token_url,
    revokeUrl: raw.revoke_url,
    clientAuthentication: raw.client_authentication,
    deviceGrant: raw.device_grant,
    deviceCodeParameter: raw.device_code_parameter,
    authenticateEverywhere: raw.authenticate_everywhere,
    rotatesRefreshTokens: raw.rotates_refresh_tokens,
    isGoogle: raw.is_google,
  });
}

function credentialsOf({ client_id = "the-id", client_secret = "the-secret", scope = OAUTH_SCOPE, ...given }, system) {
  const { parameters } = given;
  const options = { endpoints: endpointsOf(given.endpoints), scope, parameters, system };
  return new OAuthCredentials(client_id, client_secret, options);
}

async function call(name, given, system) {
  const credentials = credentialsOf(given, system);
  const { device_code = "AH-1Ng", token = "1//held" } = given;
  if (name === "device_authorization") return credentials.getCode();
  if (name === "token") return credentials.tokenFromCode(device_code);
  if (name === "refresh") return credentials.refreshToken(token);
  return (await credentials.revokeToken(token)) ?? null;
}

async function outcomeOf(work) {
  try {
    await work;
    return "success";
  } catch (error) {
    return described(error);
  }
}

// ---- one function for each kind of vector

const parsed = (given) =>
  call(given.call, given, new FakeSystem([given, given, given], {}, { wall: given.requested_at }));

const KINDS = {
  responses: parsed,
  "error-responses": parsed,
  "invalid-fields": parsed,

  async requests(given) {
    const system = new FakeSystem([], SUCCESS[given.call]);
    await call(given.call, given, system);
    const [{ url, line, header, body }] = system.requests;
    if ("header" in given) return header(given.header);
    const [method, path] = line.split(" ");
    return {
      [method.toLowerCase()]: `${url.split(":")[0]}://${header("host")}${path}`,
      form: body.split("&").sort(),
    };
  },

  endpoints(given) {
    endpointsOf({ ...RFC, ...given });
    return "accepted";
  },

  async "malformed-responses"(given) {
    try {
      return await parsed(given);
    } catch (error) {
      const { key, ...parts } = described(error);
      return parts;
    }
  },

  async redaction(given) {
    const name = given.field ?? "error_description";
    const body = { ...given.beside, error: "invalid_scope", [name]: textOf(given.server_text) };
    try {
      return await parsed({ call: "refresh", ...given, status: 400, json: body });
    } catch (error) {
      return described(error)[name] ?? null;
    }
  },

  "expiry-times"({ loaded_at, now, ...given }) {
    const { fresh, valid } = snapshot(...loaded_at, { ...TOKEN, ...given });
    return { expiring: !covers(fresh, ...now), seconds_left: rounded(secondsLeft(valid, ...now)) };
  },

  async "polling-times"(given) {
    const { expires_in, interval, ...code } = CODE;
    const response = { json: { ...code, ...given.code }, duration: given.code_duration };
    const system = new FakeSystem([response, ...given.responses], SUCCESS.token);
    const credentials = credentialsOf(given, system);
    const shown = await credentials.getCode();
    system.advance(given.polling_delay ?? 0);
    const outcome = await outcomeOf(credentials.waitForToken(shown));
    return { polls: system.sentAt.slice(1), ended_at: rounded(system.monotonic()), outcome };
  },

  async retries(given) {
    const system = new FakeSystem(given.responses, SUCCESS[given.call], given);
    const outcome = await outcomeOf(call(given.call, given, system));
    return { waits: system.waits, outcome };
  },

  async refresh({ token: values, ...given }) {
    const system = new FakeSystem(given.responses, {}, { wall: given.requested_at });
    const token = new RefreshingToken(credentialsOf(given, system), { ...TOKEN, ...values });
    const outcome = await outcomeOf(token.refresh());
    return { ...(outcome === "success" ? {} : outcome), token: token.asDict() };
  },

  async "token-files"(given) {
    const folder = mkdtempSync(join(tmpdir(), "vectors-"));
    const path = join(folder, "oauth.json");
    try {
      if ("read" in given) {
        writeFileSync(path, bytesOf(given.read));
        return (await RefreshingToken.load(credentialsOf({}, new FakeSystem([], {})), path)).asDict();
      }
      await new RefreshingToken(credentialsOf({}, new FakeSystem([], {})), given.write).keepIn(path);
      return readFileSync(path, "utf8");
    } finally {
      rmSync(folder, { recursive: true });
    }
  },

  decide: decideResult,
  "cycle-asking": cycleResult,
  "cycle-adopting": cycleResult,
  "cycle-locking": cycleResult,
  "cycle-saving": cycleResult,

  "verification-links": (given) => verificationLink({ ...CODE, verification_url: "https://a.example/d", ...given }),

  "authorization-header"(given) {
    // Loaded long before it expires, so that nothing is sent.
    const system = new FakeSystem([], {}, { wall: NOW - TOKEN.expires_in });
    return new RefreshingToken(credentialsOf({}, system), { ...TOKEN, ...given }).asAuth();
  },
};
