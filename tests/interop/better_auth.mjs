// SPDX-License-Identifier: MIT
// Better Auth with its OAuth provider and its store in memory, on a free port of 127.0.0.1. Run it in the folder that has
// node_modules. Prints the port. GET /clients lists the clients; POST /advance?seconds=60 advances its clock. Its pages
// are left to programs, so POST /decide?user_code=X&how=approve does what a page would do.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

let ahead = 0;
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...time) {
    if (time.length > 0) super(...time);
    else super(RealDate.now() + ahead);
  }
  static now() {
    return RealDate.now() + ahead;
  }
};

const { resolve } = createRequire(`${process.cwd()}/`);
const load = (name) => import(pathToFileURL(resolve(name)));
const { betterAuth } = await load("better-auth");
const { memoryAdapter } = await load("better-auth/adapters/memory");
const { toNodeHandler } = await load("better-auth/node");
const { oauthDeviceAuthorization, oauthProvider } = await load("@better-auth/oauth-provider");

const server = createServer();
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const url = `http://127.0.0.1:${server.address().port}`;

const models = ["user", "session", "account", "verification", "deviceCode"];
models.push("oauthClient", "oauthRefreshToken", "oauthAccessToken", "oauthConsent", "oauthResource");
const auth = betterAuth({
  baseURL: url,
  secret: "fake-secret-of-32-characters-or-more",
  database: memoryAdapter(Object.fromEntries(models.map((model) => [model, []]))),
  emailAndPassword: { enabled: true },
  logger: { disabled: true },
  plugins: [
    oauthProvider({
      consentPage: "/consent", disableJwtPlugin: true, loginPage: "/login", scopes: ["openid", "offline_access"],
    }),
    oauthDeviceAuthorization({ verificationUri: "/device" }),
  ],
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
});
const user = { name: "user", email: "user@example.org", password: "fake-password" };
const { headers } = await auth.api.signUpEmail({ body: user, returnHeaders: true });
const cookie = headers.getSetCookie().map((each) => each.split(";")[0]).join("; ");

const clients = {};
for (const [way, method] of [["post", "client_secret_post"], ["basic", "client_secret_basic"], ["none", "none"]]) {
  const body = {
    client_name: way,
    grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
    redirect_uris: ["https://example.org/"],
    scope: "openid offline_access",
    token_endpoint_auth_method: method,
    type: way === "none" ? "native" : "web",
  };
  const client = await auth.api.adminCreateOAuthClient({ body, headers: new Headers({ cookie }) });
  clients[way] = [client.client_id, client.client_secret ?? ""];
}

async function decide(userCode, how) {
  const sent = { headers: { cookie, "content-type": "application/json", origin: url } };
  await auth.handler(new Request(`${url}/api/auth/device?user_code=${userCode}`, sent));
  const body = JSON.stringify({ userCode });
  const decided = new Request(`${url}/api/auth/device/${how}`, { ...sent, method: "POST", body });
  return (await auth.handler(decided)).status;
}

const respond = toNodeHandler(auth);
server.on("request", async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, url);
  if (pathname === "/advance") ahead += 1000 * Number(searchParams.get("seconds"));
  else if (pathname === "/clients") response.write(JSON.stringify(clients));
  else if (pathname === "/decide") response.statusCode = await decide(searchParams.get("user_code"), searchParams.get("how"));
  else return respond(request, response);
  return response.end();
});
console.log(server.address().port);
