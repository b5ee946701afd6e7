// SPDX-License-Identifier: MIT
// HTTP: the only module that opens sockets. Sends one form and returns the whole response, within limits on time and
// size. (`transport.py`) It supports no proxies. A redirect is returned like any response: Node follows none.

import http from "node:http";
import https from "node:https";

import { OAuthError } from "./errors.mjs";

// Seconds: for one whole request, and for its connection.
const TIMEOUT = 30;
const CONNECT_TIMEOUT = 10;
// Seconds that there always are to read a body after its headers, however late those came.
const GRACE = 1;
// Bytes; an OAuth response has one or two thousand.
const LARGEST_BODY = 2 ** 20;

/**
 * Send a form. Responses of any status are returned.
 * @param {string} url one that `endpoints` has accepted
 * @param {object} [options]
 * @param {number} [options.timeout] seconds for the whole request
 * @param {any} [options.createConnection] opens the socket, in place of Node's own (see `http.request`)
 * @returns {Promise<{status: number, headers: Record<string, string>, content: Buffer}>}
 */
export function post(url, form, headers, { timeout = TIMEOUT, createConnection } = {}) {
  // Not with `new URL`, which normalizes what it parses.
  const [, scheme, host, port, path] = /^(https?):\/\/(\[.*?\]|[^/:?]*)(?::(\d+))?(.*)$/i.exec(url);
  const secure = scheme.toLowerCase() === "https";
  const body = new URLSearchParams(form).toString();
  const deadline = performance.now() + timeout * 1000;
  let sent = false;
  let timers = [];

  /** @type {Promise<any>} */
  const exchange = new Promise((resolve, reject) => {
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
      // Neither of the two keeps a connection alive.
      ...(createConnection ? { createConnection } : { agent: false }),
    });
    const finish = (settle, value) => {
      settle(value);
      request.destroy();
    };
    const late = () =>
      finish(reject, new OAuthError("transport", { problem: `${host} did not respond in time`, sent }));
    const connecting = setTimeout(late, Math.min(timeout, CONNECT_TIMEOUT) * 1000);
    timers = [connecting, setTimeout(late, timeout * 1000)];

    request.on("socket", (socket) => socket.once(secure ? "secureConnect" : "connect", () => {
      sent = true;
      clearTimeout(connecting);
    }));
    let complete = (problem) =>
      finish(reject, new OAuthError("malformed", { problem: `The response is ${problem}` }));
    let isCutShort = () => false;
    request.on("error", (/** @type {NodeJS.ErrnoException} */ error) => {
      // From Node's parser; the message may quote the response.
      if (String(error.code).startsWith("HPE_")) complete(`not HTTP (${error.code})`);
      else if (!isCutShort()) finish(reject, unreachable(host, error, sent));
    });
    request.on("response", (response) => {
      const { statusCode: status, headers } = response;
      // For a 5xx or 408, only the status matters.
      const onlyStatusMatters = status === 408 || status >= 500;
      const left = Math.max(deadline - performance.now(), GRACE * 1000);
      timers.forEach(clearTimeout);
      timers = [setTimeout(() => (onlyStatusMatters ? complete("late") : late()), left)];
      const chunks = [];
      let size = 0;
      complete = (problem) => {
        if (problem && !onlyStatusMatters) {
          finish(reject, new OAuthError("malformed", { problem: `The response is ${problem}`, status }));
        } else {
          finish(resolve, { status, headers, content: problem ? Buffer.alloc(0) : Buffer.concat(chunks) });
        }
      };
      response.on("data", (chunk) => {
        size += chunk.length;
        if (size > LARGEST_BODY) complete("longer than 1 MiB");
        else chunks.push(chunk);
      });
      isCutShort = () => {
        const problem = "The connection was closed in the middle of the response";
        if (onlyStatusMatters) complete("cut short");
        else finish(reject, new OAuthError("transport", { problem }));
        return true;
      };
      response.on("error", (/** @type {NodeJS.ErrnoException} */ error) => {
        if (String(error.code).startsWith("HPE_")) complete(`not HTTP (${error.code})`);
        else isCutShort();
      });
      response.on("end", () => complete(""));
    });
    request.end(body);
  });
  return exchange.finally(() => timers.forEach(clearTimeout));
}

// Node's messages can be empty, or quote an address; its codes are clear enough: ECONNREFUSED, CERT_HAS_EXPIRED.
function unreachable(host, error, sent) {
  const year = new Date().getUTCFullYear();
  const clock = /CERT/.test(error.code) && year < 2020 ? `. This machine's clock says ${year}: set it` : "";
  const problem = `${host} cannot be reached: ${error.code ?? error.name}${clock}`;
  const isRefused = /CERT|^UNABLE_TO_(?:GET|VERIFY)|^HOSTNAME_MISMATCH/.test(error.code);
  if (!isRefused) return new OAuthError("transport", { problem, sent });
  const isUntrusted = !/^CERT_(?:NOT_YET_VALID|HAS_EXPIRED)/.test(error.code); // those are mistakes of a clock
  return new OAuthError("transport", { problem, sent: false, retryable: false, isUntrusted });
}
