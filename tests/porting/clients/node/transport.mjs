// SPDX-License-Identifier: MIT
// The network: the only module that opens sockets. One form out, one whole answer back, in bounded time and space.
// (`transport.py`) It knows no proxies. Redirects are answers here: Node follows none.

import http from "node:http";
import https from "node:https";

import { OAuthError } from "./errors.mjs";

// Seconds: for one whole request, and for its connection.
const TIMEOUT = 30;
const CONNECT_TIMEOUT = 10;
// Bytes. An OAuth answer has a thousand or two.
const LARGEST_BODY = 2 ** 20;

/**
 * Send a form. An answer of any status is an answer.
 * @param {string} url one that `endpoints` has accepted
 * @param {object} [options]
 * @param {number} [options.timeout] seconds for the whole request
 * @param {any} [options.createConnection] opens the socket, in place of Node's own (see `http.request`)
 * @returns {Promise<{status: number, headers: Record<string, string>, content: Buffer}>}
 */
export function post(url, form, headers, { timeout = TIMEOUT, createConnection } = {}) {
  // Not by `new URL`, which changes what it reads.
  const [, scheme, host, port, path] = /^(https?):\/\/(\[.*?\]|[^/:?]*)(?::(\d+))?(.*)$/i.exec(url);
  const secure = scheme.toLowerCase() === "https";
  const body = new URLSearchParams(form).toString();
  let sent = false;
  let timers = [];

  /** @type {Promise<any>} */
  const answered = new Promise((resolve, reject) => {
    const request = (secure ? https : http).request({
      method: "POST",
      hostname: host.replace(/[[\]]/g, ""),
      port,
      defaultPort: secure ? 443 : 80,
      path: path.startsWith("/") ? path : `/${path}`,
      headers: {
        ...headers,
        "Content-Type": "application/x-www-form-urlencoded",
        "Content-Length": body.length,
      },
      autoSelectFamily: true,
      // Neither keeps a connection alive.
      ...(createConnection ? { createConnection } : { agent: false }),
    });
    const end = (settle, value) => {
      settle(value);
      request.destroy();
    };
    const late = () => end(reject, new OAuthError("transport", { problem: `${host} did not answer in time`, sent }));
    const connecting = setTimeout(late, Math.min(timeout, CONNECT_TIMEOUT) * 1000);
    timers = [connecting, setTimeout(late, timeout * 1000)];

    request.on("socket", (socket) => socket.once(secure ? "secureConnect" : "connect", () => {
      sent = true;
      clearTimeout(connecting);
    }));
    let whole = (problem) => end(reject, new OAuthError("malformed", { problem: `The answer is ${problem}` }));
    request.on("error", (/** @type {NodeJS.ErrnoException} */ error) => {
      // Node's parser; its words may quote the answer.
      if (String(error.code).startsWith("HPE_")) whole(`not HTTP (${error.code})`);
      else end(reject, new OAuthError("transport", { problem: reason(host, error), sent }));
    });
    request.on("response", (response) => {
      const { statusCode: status, headers: answer } = response;
      const chunks = [];
      let size = 0;
      whole = (problem) => {
        // What a server in trouble says besides its status does not matter.
        if (problem && status !== 408 && status < 500) {
          end(reject, new OAuthError("malformed", { problem: `The answer is ${problem}`, status }));
        } else {
          end(resolve, { status, headers: answer, content: problem ? Buffer.alloc(0) : Buffer.concat(chunks) });
        }
      };
      response.on("data", (chunk) => {
        size += chunk.length;
        if (size > LARGEST_BODY) whole("longer than 1 MiB");
        else chunks.push(chunk);
      });
      response.on("error", () => whole("cut short"));
      response.on("end", () => whole(""));
    });
    request.end(body);
  });
  return answered.finally(() => timers.forEach(clearTimeout));
}

// Node's words can be empty, or quote an address; its codes say enough: ECONNREFUSED, CERT_HAS_EXPIRED.
function reason(host, error) {
  const year = new Date().getUTCFullYear();
  const clock = /CERT/.test(error.code) && year < 2020 ? `. This machine thinks that it is ${year}: set its clock` : "";
  return `${host} cannot be reached: ${error.code ?? error.name}${clock}`;
}
