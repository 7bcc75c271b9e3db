/** What `fetch`, Node and the SDKs throw, by the words of the shared cases. */

import { MissingKeyError, StreamFailedError } from "hotspare-client";

/** As the SDKs of OpenAI and Anthropic shape it. */
export class APIStatusError extends Error {
  /** @param {number} status @param {unknown} body @param {Record<string, string>} headers */
  constructor(status, body, headers) {
    super(`${status} ${JSON.stringify(body)}`);
    this.status = status;
    this.headers = new Headers(headers);
    this.error = body;
  }
}

/** As the Vercel AI SDK shapes it. @param {number} status @param {unknown} body @param {Record<string, string>} headers */
export function apiCallError(status, body, headers) {
  const low = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const error = new Error("Bad answer");
  error.name = "AI_APICallError";
  const responseBody = typeof body === "string" ? body : JSON.stringify(body);
  return Object.assign(error, { statusCode: status, responseHeaders: low, responseBody, isRetryable: status >= 500 });
}

/** As `fetch` of Node does. @param {string} code @param {string} message @param {object} [more] */
function fetchError(code, message, more) {
  return new TypeError("fetch failed", { cause: Object.assign(new Error(message), { code, ...more }) });
}

/** @type {Record<string, (case_: any) => Error>} */
const ERRORS = {
  reset: () => fetchError("ECONNRESET", "read ECONNRESET", { syscall: "read" }),
  refused: () => fetchError("ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:1", { syscall: "connect" }),
  dns: () => fetchError("ENOTFOUND", "getaddrinfo ENOTFOUND x.example", { syscall: "getaddrinfo" }),
  tls: () => fetchError("DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed certificate"),
  "no network": () => fetchError("ENETUNREACH", "connect ENETUNREACH", { syscall: "connect" }),
  timeout: () => new DOMException("The operation was aborted due to timeout", "TimeoutError"),
  "connect timeout": () => fetchError("UND_ERR_CONNECT_TIMEOUT", "Connect Timeout Error"),
  "not json": () => new SyntaxError("Unexpected token '<', \"<html>\" is not valid JSON"),
  "no key": () => new MissingKeyError("X is not set"),
  own: () => new TypeError("Cannot read properties of undefined (reading 'x')"),
  "wrapped 503": () => new Error("told by a test", { cause: new APIStatusError(503, "", {}) }),
  bare: () => new Error(),
  told: ({ body }) => new StreamFailedError("a/m failed inside the stream", body),
};

/** @param {any} case_ @param {(status: number, body: unknown, headers: Record<string, string>) => Error} [shape] */
export function asError(case_, shape = (...all) => new APIStatusError(...all)) {
  return case_.status ? shape(case_.status, case_.body ?? "", case_.headers ?? {}) : ERRORS[case_.error](case_);
}
