// SPDX-License-Identifier: MIT
// What this port answers to a vector: its own functions are asked, and what they say is put into neutral words.
//
// Nothing is sent and nobody waits. Node's HTTP is handed a socket that answers by itself, and the clock is moved by
// hand. All between those two is the port as it is.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";

import { OAuthCredentials } from "./credentials.mjs";
import { OAuthError } from "./errors.mjs";
import { isOpen, secondsLeft } from "./expiry.mjs";
import { since } from "./held.mjs";
import { asciiJson } from "./json.mjs";
import { EntryError } from "./kinds.mjs";
import { endpoints, GOOGLE, verificationLink, YOUTUBE } from "./protocol.mjs";
import { readToken } from "./storage.mjs";
import { RefreshingToken } from "./token.mjs";
import { post } from "./transport.mjs";

/** Answer one vector. Throws a `RangeError` on a kind that is not known here. */
export async function answer(kind, given) {
  if (!Object.hasOwn(ANSWERS, kind)) throw new RangeError(`there are no vectors of the kind ${kind} here`);
  try {
    return await ANSWERS[kind](given);
  } catch (error) {
    return told(error);
  }
}

/** An error in neutral words: its kind, and the parts that are known. */
export function told(error) {
  if (error instanceof EntryError) return { raises: "invalid_argument" };
  if (!(error instanceof OAuthError)) throw error;
  const { kind, status, interval, key, retryable } = error;
  const telling = ["server_error", "transport"].includes(kind) || (kind === "token_file" && retryable);
  const parts = {
    raises: kind,
    error: error.error,
    error_description: error.errorDescription,
    status,
    retry_after: error.retryAfter,
    retryable: telling ? retryable : null,
    interval,
    key,
  };
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== null));
}

// ---- what a vector does not give (vectors/README.md has the same table)

const NOON = 1_700_000_000;
const RFC = {
  device_code_url: "https://auth.example/device",
  token_url: "https://auth.example/token",
  revoke_url: "https://auth.example/revoke",
};
const HELD = {
  scope: "music",
  token_type: "Bearer",
  access_token: "ya29.old",
  refresh_token: "1//old",
  expires_at: NOON,
  expires_in: 3599,
};
const CODE = {
  device_code: "AH-1Ng",
  user_code: "GQVQ-JKEC",
  expires_in: 1800,
  interval: 5,
  verification_url: "https://www.google.com/device",
};
const GOOD = {
  code: { json: CODE },
  token: { json: { access_token: "ya29.new", refresh_token: "1//new" } },
  refresh: { json: { access_token: "ya29.new" } },
  revoke: {},
};

/** A text, or a list of texts and of `{"repeat": text, "times": n}`. */
function pieces(value) {
  if (Array.isArray(value)) return value.map(pieces).join("");
  return typeof value === "string" ? value : value.repeat.repeat(value.times);
}

function bytes(given) {
  if ("json" in given) return Buffer.from(asciiJson(given.json));
  return "base64" in given ? Buffer.from(given.base64, "base64") : Buffer.from(pieces(given.text ?? ""));
}

// ---- a network and a clock in hand

/** A world where each request meets what it is to meet, and then what is good. */
class World {
  waits = [];
  requests = [];
  askedAt = [];
  #wall;
  #steady = 0;
  #meets;
  #good;

  constructor(meets, good, { wall = NOON, dice = 0.5 } = {}) {
    this.#meets = [...meets];
    this.#good = good;
    this.#wall = wall;
    this.random = () => dice;
  }

  now = () => this.#wall;
  monotonic = () => this.#steady;
  sleep = async (seconds) => {
    this.waits.push(rounded(seconds));
    this.passBy(seconds);
  };

  passBy(seconds) {
    this.#wall += seconds;
    this.#steady += seconds;
  }

  post = (url, form, headers) => {
    this.askedAt.push(rounded(this.#steady));
    const meets = this.#meets.shift() ?? this.#good;
    const happens = () => {
      this.passBy(meets.takes ?? 0);
      this.#wall += meets.clock_set_by ?? 0;
    };
    const createConnection = (_, done) => {
      if (meets.fault !== "unreachable") {
        return new Socket(meets, happens, (request) => this.requests.push({ url, ...request }));
      }
      happens();
      return done(Object.assign(new Error(), { code: "ECONNREFUSED" }));
    };
    return post(url, form, headers, { createConnection });
  };
}

/** A connection to nobody: it takes a whole request, and says what comes back. */
class Socket extends Duplex {
  #meets;
  #happens;
  #record;
  #received = "";

  constructor(meets, happens, record) {
    super();
    this.#meets = meets;
    this.#happens = happens;
    this.#record = record;
  }

  _read() {}

  _write(chunk, _, done) {
    if (chunk.length > 0) this.#take(chunk);
    done();
  }

  #take(chunk) {
    if (!this.#received) this.emit("connect") || this.emit("secureConnect");
    this.#received += chunk.toString("latin1");
    const [head, body] = this.#received.split("\r\n\r\n");
    const [line, ...lines] = head.split("\r\n");
    const headers = new Map(lines.map((each) => /^(.*?): (.*)$/.exec(each).slice(1)));
    const header = (name) => [...headers].find(([key]) => key.toLowerCase() === name)?.[1] ?? null;
    if (body?.length !== Number(header("content-length"))) return;
    this.#record({ line, header, body });
    this.#happens();
    if (this.#meets.fault === "silent") this.destroy(Object.assign(new Error(), { code: "ETIMEDOUT" }));
    else this.#answer();
  }

  #answer() {
    const body = bytes(this.#meets);
    const headers = { "Content-Type": "application/json", "Content-Length": body.length, ...this.#meets.headers };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    this.push(Buffer.from(`HTTP/1.1 ${this.#meets.status ?? 200} \r\n${lines.join("")}\r\n`, "latin1"));
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
    deviceGrant: raw.device_grant,
    deviceCodeParameter: raw.device_code_parameter,
    authenticateEverywhere: raw.authenticate_everywhere,
    rotatesRefreshTokens: raw.rotates_refresh_tokens,
  });
}

function clientOf({ client_id = "the-id", client_secret = "the-secret", scope, ...given }, world) {
  return new OAuthCredentials(client_id, client_secret, { endpoints: endpointsOf(given.endpoints), scope, world });
}

async function call(name, given, world) {
  const client = clientOf(given, world);
  const { device_code = "AH-1Ng", token = "1//held" } = given;
  if (name === "code") return client.getCode();
  if (name === "token") return client.tokenFromCode(device_code);
  if (name === "refresh") return client.refreshToken(token);
  return (await client.revokeToken(token)) ?? null;
}

/** How something ended. */
async function endOf(work) {
  try {
    await work;
    return "good";
  } catch (error) {
    return told(error);
  }
}

// ---- one function for each kind of vector

const answered = (given) => call(given.to, given, new World([given, given, given], {}, { wall: given.sent }));

const ANSWERS = {
  answers: answered,
  refusals: answered,
  entries: answered,

  async requests(given) {
    const world = new World([], GOOD[given.call]);
    await call(given.call, given, world);
    const [{ url, line, header, body }] = world.requests;
    if ("show" in given) return header(given.show);
    const [method, path] = line.split(" ");
    return {
      [method.toLowerCase()]: `${url.split(":")[0]}://${header("host")}${path}`,
      fields: body.split("&").sort(),
    };
  },

  endpoints(given) {
    endpointsOf({ ...RFC, ...given });
    return "accepted";
  },

  async bodies(given) {
    try {
      return await answered(given);
    } catch (error) {
      const { key, ...parts } = told(error);
      return parts;
    }
  },

  async shown(given) {
    const saidIn = given.in ?? "error_description";
    const refusal = { error: "invalid_scope", [saidIn]: given.said };
    try {
      return await answered({ to: "refresh", ...given, status: 400, json: refusal });
    } catch (error) {
      return told(error)[saidIn];
    }
  },

  expiry({ read, now, ...given }) {
    const held = since(...read, { ...HELD, ...given });
    return { expiring: !isOpen(held.fresh, ...now), seconds_left: rounded(secondsLeft(held.life, ...now)) };
  },

  async polling(given) {
    const { expires_in, interval, ...code } = CODE;
    const world = new World(
      [{ json: { ...code, ...given.code }, takes: given.code_takes }, ...given.meets], GOOD.token,
    );
    const client = clientOf(given, world);
    const shown = await client.getCode();
    world.passBy(given.read_for ?? 0);
    const end = await endOf(client.waitForToken(shown));
    return { polls: world.askedAt.slice(1), ended: rounded(world.monotonic()), end };
  },

  async retries(given) {
    const world = new World(given.meets, GOOD[given.call], given);
    const end = await endOf(call(given.call, given, world));
    return { waits: world.waits, end };
  },

  async renewal(given) {
    const world = new World(given.meets, {}, { wall: given.sent });
    const token = new RefreshingToken(clientOf(given, world), { ...HELD, ...given.held });
    const end = await endOf(token.refresh());
    return { ...(end === "good" ? {} : end), token: token.asDict() };
  },

  async files(given) {
    const folder = mkdtempSync(join(tmpdir(), "vectors-"));
    const path = join(folder, "oauth.json");
    try {
      if ("read" in given) {
        writeFileSync(path, bytes(given.read));
        return readToken(path);
      }
      await new RefreshingToken(clientOf({}, new World([], {})), given.write).keepIn(path);
      return readFileSync(path, "utf8");
    } finally {
      rmSync(folder, { recursive: true });
    }
  },

  links: (given) => verificationLink({ ...CODE, verification_url: "https://a.example/d", ...given }),

  authorization(given) {
    // Read long before it expires: nothing is asked for.
    const world = new World([], {}, { wall: NOON - HELD.expires_in });
    return new RefreshingToken(clientOf({}, world), { ...HELD, ...given }).asAuth();
  },
};
