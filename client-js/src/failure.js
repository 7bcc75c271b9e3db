/**
 * Reads any error of any SDK into a failure: what came, in the words of Hotspare's outcomes. Imports no SDK.
 *
 * The words and statuses are those of the Python client; the codes of Node and of `fetch` are this client's own.
 */

import {
  BY_CLASS,
  BY_STATUS,
  CODES_AMONG_WORDS,
  IN_STREAM,
  NOT_BEGUN,
  NOT_BEGUN_WORDS,
  RULES,
  TOO_LONG,
  WAIT_WORDS,
} from "./error-words.js";

const MOST_TEXT = 4000;
const MOST_DETAIL = 200;
const MOST_CAUSES = 8;
const MOST_VALUES = 200;
const LONGEST_WAIT_S = 86_400;
/** Where no answer came, so that the request may not have been sent. */
const SILENT = new Set(["unreachable", "timeout"]);
const CODE_KEYS = new Set(["code", "type", "status", "reason", "Code"]);

/** What Node, undici and axios call it, where no status came. */
const BY_CODE = [
  { pattern: /TIMEDOUT$|_TIMEOUT$|^ECONNABORTED$/, outcome: "timeout" },
  { pattern: /^(ECONN|ENET|EHOST|EPIPE|ENOTFOUND|EAI_|EADDR|EPROTO|UND_ERR_|ERR_TLS|ERR_SSL|HPE_)|CERT/, outcome: "unreachable" },
  { pattern: /^UNABLE_TO_|^ERR_STREAM_PREMATURE_CLOSE$|^ERR_HTTP2_/, outcome: "unreachable" },
];
const UNSENT_CODE =
  /^(ECONNREFUSED|ENOTFOUND|EAI_\w+|ENETUNREACH|EHOSTUNREACH|ENETDOWN|EADDRNOTAVAIL|UND_ERR_CONNECT_TIMEOUT|ERR_TLS_CERT\w*|UNABLE_TO_\w+)$|CERT/;
/** Names of errors that Python's SDKs do not have. */
const BY_NAME = [
  { pattern: /JSONParse|InvalidResponseData|EmptyResponseBody|NoContentGenerated|NoOutputGenerated/, outcome: "server_error" },
  { pattern: /LoadAPIKey/, outcome: "auth" },
];
/** Errors of `fetch` and `response.json()`: a class says nothing there, and a program's own mistakes share it. */
const BY_WORDS = [
  { name: "TypeError", pattern: /^(fetch failed|terminated|Failed to fetch|network error)$/i, outcome: "unreachable" },
  { name: "SyntaxError", pattern: /\bJSON\b/, outcome: "server_error" },
];

/**
 * What an error says.
 *
 * - `outcome`: a word of Hotspare's outcomes; `bad_request` also where the error is the application's own
 * - `detail`: the class and the beginning of the message
 * - `status`: of HTTP
 * - `retryAfterS`: how long the provider asks to wait
 * - `tooLong`: whether a target with a larger context may answer what this one refuses
 * - `begun`: false where the provider cannot have begun: DNS, connect, TLS, 429
 * - `known`: false where nothing about the error speaks of a provider
 *
 * @typedef {{
 *   outcome: string, detail: string, status: number | null, retryAfterS: number | null,
 *   tooLong: boolean, begun: boolean, known: boolean,
 * }} Failure
 */

/**
 * What `error` says. Never throws: a property that is missing, lies or throws says nothing.
 *
 * `inStream`: a stream itself raised it after it had begun, so that it is the provider's, whatever it is.
 *
 * @param {unknown} error
 * @param {{ inStream?: boolean }} [options]
 * @returns {Failure}
 */
export function readFailure(error, { inStream = false } = {}) {
  const detail = describe(error);
  let read;
  try {
    read = readSpoken(error, detail);
  } catch {
    read = { failure: unknown(detail), isSpoken: false };
  }
  const { failure, isSpoken } = read;
  const isTorn = !isSpoken && ["unreachable", "server_error"].includes(failure.outcome);
  if (!inStream || (failure.known && !isTorn)) return failure;
  return { ...failure, outcome: "broken_stream", known: true, begun: true };
}

/** @param {string} detail @returns {Failure} */
function unknown(detail) {
  return { outcome: "bad_request", detail, status: null, retryAfterS: null, tooLong: false, begun: true, known: false };
}

/** The failure, and whether the provider itself has said so. @param {unknown} error @param {string} detail @returns {{ failure: Failure, isSpoken: boolean }} */
function readSpoken(error, detail) {
  const causes = causesOf(error);
  const isSent = !causes.some(isUnsent);
  for (const cause of causes) {
    const response = get(cause, "response") ?? get(cause, "$response");
    const status = statusOf(cause, response);
    const body = bodyOf(cause, response);
    const { codes, text } = wordsOf(cause, body);
    const spoken = status !== null || body !== null ? spokenOutcome(status, codes, text) : null;
    const outcome = spoken ?? outcomeByName(cause);
    if (!outcome) continue;
    const tooLong = outcome === TOO_LONG;
    const silent = status === null && SILENT.has(outcome);
    const failure = {
      outcome: tooLong ? "bad_request" : outcome,
      detail,
      status,
      retryAfterS: retryAfter(cause, response, text),
      tooLong,
      begun: (isSent || !silent) && status !== 429,
      known: true,
    };
    // Some SDKs give the status of the answer that broke off.
    return { failure, isSpoken: (status ?? 200) >= 300 || (body !== null && spoken !== null) };
  }
  // What `fetch` says is worth less than what it was raised from.
  const outcome = causes.map(outcomeByWords).find(Boolean);
  const failure = unknown(detail);
  if (outcome) Object.assign(failure, { outcome, known: true, begun: isSent || !SILENT.has(outcome) });
  return { failure, isSpoken: false };
}

/** The error, what it was raised from, and so on; of several errors in one, a single one, or the last of retries. @param {unknown} error */
function causesOf(error) {
  /** @type {unknown[]} */
  const causes = [];
  let cause = error;
  while (isObject(cause) && !causes.includes(cause) && causes.length < MOST_CAUSES) {
    causes.push(cause);
    const inner = get(cause, "errors");
    cause = Array.isArray(inner) && inner.length === 1 ? inner[0] : (get(cause, "lastError") ?? get(cause, "cause"));
  }
  return causes;
}

/** The outcome by what the provider sent; `status` is null inside a stream. @param {number | null} status @param {Set<string>} codes @param {string} text */
function spokenOutcome(status, codes, text) {
  let asked = status ?? 200;
  // Inside a stream some send the status that they would have sent.
  if (asked < 300) asked = Number([...codes].find((code) => /^[45][0-9][0-9]$/.test(code)) ?? asked);
  for (const rule of RULES) {
    const coded = [...rule.codes].some((code) => codes.has(code));
    if (coded || (rule.words && rule.statuses.has(asked) && rule.words.test(text))) return rule.outcome;
  }
  if (asked < 300) {
    for (const code of codes) if (IN_STREAM.has(code)) return /** @type {string} */ (IN_STREAM.get(code));
    return "server_error";
  }
  return BY_STATUS.get(asked) ?? { 3: "unreachable", 4: "bad_request", 5: "server_error" }[Math.floor(asked / 100)];
}

/** @param {unknown} error */
function outcomeByName(error) {
  const code = get(error, "code");
  if (typeof code === "string") {
    for (const { pattern, outcome } of BY_CODE) if (pattern.test(code)) return outcome;
  }
  for (const name of namesOf(error)) {
    for (const { pattern, outcome } of [...BY_CLASS, ...BY_NAME]) if (pattern.test(name)) return outcome;
  }
  return null;
}

/** @param {unknown} error */
function outcomeByWords(error) {
  const names = namesOf(error);
  const message = messageOf(error);
  return BY_WORDS.find(({ name, pattern }) => names.includes(name) && pattern.test(message))?.outcome;
}

/** The name that the error gives itself, and those of its classes. @param {unknown} error */
function namesOf(error) {
  const names = [get(error, "name")];
  for (let base = Object.getPrototypeOf(error); base && names.length < 20; base = Object.getPrototypeOf(base)) {
    names.push(get(get(base, "constructor"), "name"));
  }
  return names.filter((name) => typeof name === "string").map((name) => name.slice(0, MOST_DETAIL));
}

/** @param {unknown} error */
function isUnsent(error) {
  const code = get(error, "code");
  if (typeof code === "string" && UNSENT_CODE.test(code)) return true;
  if (["connect", "getaddrinfo"].includes(get(error, "syscall"))) return true;
  return namesOf(error).some((name) => NOT_BEGUN.test(name)) || NOT_BEGUN_WORDS.test(messageOf(error));
}

/** @param {unknown} error @param {unknown} response */
function statusOf(error, response) {
  const metadata = get(error, "$metadata");
  const values = [
    ...["statusCode", "status_code", "status", "code"].map((name) => get(error, name)),
    ...["status", "statusCode"].map((name) => get(response, name)),
    get(metadata, "httpStatusCode"),
  ];
  return values.find((value) => Number.isInteger(value) && value >= 100 && value <= 599) ?? null;
}

/** What the provider sent, as the SDK kept it; null where nothing is kept. @param {unknown} error @param {unknown} response */
function bodyOf(error, response) {
  for (const [value, name] of /** @type {[unknown, string][]} */ ([
    [error, "error"],
    [error, "body"],
    [error, "details"],
    [error, "responseBody"],
    [error, "data"],
    [response, "data"],
  ])) {
    const body = get(value, name);
    if (typeof body === "string") return parsed(body);
    if (Array.isArray(body) || isRecord(body)) return body;
  }
  return null;
}

/** @param {string} text */
function parsed(text) {
  if (!/^\s*[[{]/.test(text) || text.length > 1_000_000) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The codes and the sentences of an error. @param {unknown} error @param {unknown} body */
function wordsOf(error, body) {
  /** @type {Set<string>} */
  const codes = new Set();
  for (const name of ["code", "type", "status"]) {
    const value = get(error, name);
    if (typeof value === "string") codes.add(value.slice(0, MOST_DETAIL).toLowerCase());
  }
  const sentences = isEmpty(body) ? [messageOf(error)] : [];
  /** @type {[string, unknown][]} */
  const values = [["", body]];
  for (let count = 0; values.length > 0 && count < MOST_VALUES; count += 1) {
    const [key, value] = /** @type {[string, unknown]} */ (values.pop());
    if (Array.isArray(value)) {
      values.push(...value.slice(0, MOST_VALUES).map((inner) => /** @type {[string, unknown]} */ ([key, inner])));
    } else if (isObject(value)) {
      values.push(...Object.entries(value).slice(0, MOST_VALUES));
    } else if (CODE_KEYS.has(key)) {
      codes.add(String(value).slice(0, MOST_DETAIL).toLowerCase());
    } else if (typeof value === "string") {
      sentences.push(value.slice(0, MOST_TEXT));
    }
  }
  // A few codes say something only together with the words.
  const among = [...codes].filter((code) => CODES_AMONG_WORDS.has(code));
  return { codes, text: [...sentences, ...among].join("\n").slice(0, MOST_TEXT) };
}

/** @param {unknown} error @param {unknown} response @param {string} text */
function retryAfter(error, response, text) {
  for (const headers of [get(response, "headers"), get(error, "headers"), get(error, "responseHeaders")]) {
    const milliseconds = toSeconds(header(headers, "retry-after-ms"));
    if (milliseconds !== null) return milliseconds / 1000;
    const value = header(headers, "retry-after");
    const seconds = toSeconds(value) ?? secondsUntil(value, header(headers, "date"));
    if (seconds !== null) return seconds;
  }
  const own = toSeconds(get(error, "retryAfter") ?? get(error, "retry_after"));
  const words = WAIT_WORDS.exec(text);
  if (own === null && words) return Number(words[1]) / (words[2].toLowerCase() === "ms" ? 1000 : 1);
  return own;
}

/** @param {unknown} headers @param {string} name */
function header(headers, name) {
  if (!isObject(headers)) return null;
  try {
    const read = get(headers, "get");
    if (typeof read === "function") return read.call(headers, name) ?? null;
    const titled = name.replace(/(^|-)[a-z]/g, (letters) => letters.toUpperCase());
    return get(headers, name) ?? get(headers, titled) ?? null;
  } catch {
    return null;
  }
}

/** @param {unknown} value */
function toSeconds(value) {
  const isNumber = typeof value === "number" || (typeof value === "string" && value.trim() !== "");
  const number = isNumber ? Number(value) : NaN;
  return number >= 0 && number <= LONGEST_WAIT_S ? number : null;
}

/** Between two dates of HTTP, both by the provider's clock. @param {unknown} value @param {unknown} date */
function secondsUntil(value, date) {
  if (typeof value !== "string" || typeof date !== "string") return null;
  return toSeconds((Date.parse(value) - Date.parse(date)) / 1000);
}

/** @param {unknown} value @returns {value is object} */
function isObject(value) {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

/** Whether it is plain data: a stream or a response is not read. @param {unknown} value */
function isRecord(value) {
  if (!isObject(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null;
}

/** @param {unknown} body */
function isEmpty(body) {
  return !body || (isObject(body) && Object.keys(body).length === 0);
}

/** @param {unknown} value @param {string} name @returns {any} */
function get(value, name) {
  try {
    return isObject(value) ? /** @type {any} */ (value)[name] : undefined;
  } catch {
    return undefined; // a getter may do anything
  }
}

/** @param {unknown} error */
function messageOf(error) {
  try {
    const message = isObject(error) ? get(error, "message") : error;
    return String(message ?? "").slice(0, MOST_TEXT);
  } catch {
    return "";
  }
}

/** @param {unknown} error */
function describe(error) {
  const text = messageOf(error).split(/\s+/).filter(Boolean).join(" ");
  const own = get(error, "name");
  const name = typeof own === "string" ? own : typeof error;
  return (text ? `${name}: ${text}` : name).slice(0, MOST_DETAIL);
}
