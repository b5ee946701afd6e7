// SPDX-License-Identifier: MIT
// The certified server of the npm package oidc-provider, with its own pages and its own store in memory, on a free port
// of 127.0.0.1. Run it in the folder that has node_modules. Prints the port; POST /advance?seconds=60 advances its clock.

import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

let ahead = 0;
const now = Date.now;
Date.now = () => now() + ahead;

const found = createRequire(`${process.cwd()}/`).resolve("oidc-provider");
const { Provider, errors } = await import(pathToFileURL(found));

const server = createServer();
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const { port } = server.address();

const client = {
  redirect_uris: [],
  response_types: [],
  grant_types: ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
  token_endpoint_auth_method: "client_secret_post",
};
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    { ...client, client_id: "device", client_secret: "fake-secret" },
    { ...client, client_id: "another", client_secret: "fake-secret" },
  ],
  cookies: { keys: [randomBytes(16).toString("hex")] },
  features: { deviceFlow: { enabled: true }, revocation: { enabled: true } },
  rotateRefreshToken: process.argv[2] === "rotating",
});

// It has the error slow_down, but leaves it to its users when to send it: here, within the 5 seconds of RFC 8628 3.2.
const { find } = provider.DeviceCode;
const path = new AsyncLocalStorage();
const polls = new Map();
provider.DeviceCode.find = function paced(code, ...rest) {
  if (path.getStore() === "/token") {
    const before = polls.get(code) ?? 0;
    polls.set(code, Date.now());
    if (Date.now() - before < 5000) throw new errors.SlowDown();
  }
  return find.call(this, code, ...rest);
};

const respond = provider.callback();
server.on("request", (request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://127.0.0.1");
  if (pathname !== "/advance") return path.run(pathname, () => respond(request, response));
  ahead += 1000 * Number(searchParams.get("seconds"));
  return response.end();
});
console.log(port);
