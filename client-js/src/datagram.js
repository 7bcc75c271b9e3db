/**
 * The wire format of reports, `hotspare.traffic/1`: counts of requests to datagrams of at most 1,400 bytes (pure).
 *
 * The README of the Python client describes it; both clients write the same bytes.
 */

import { createHmac } from "node:crypto";

const FORMAT = "hotspare.traffic/1";
const MOST_BYTES = 1400;
const MAC_DIGITS = 32;
/** Different tags of a process; the rest is `other`. */
const MOST_TAGS = 20;
const MOST_TAG = 40;
const OTHER = "other";
/** Different outcomes of a row, which has to fit into a datagram; Hotspare has fewer words. */
const MOST_OUTCOMES = 20;
/** Different targets, routes and tags of one half second; what is beyond is not counted. */
const MOST_ROWS = 1000;
const OUTCOME = /^[a-z_]{1,40}$/;
const INVISIBLE = /(?! )[\p{C}\p{Z}]/gu;
const ANSWERED = new Set(["ok", "slow"]);
const LOG_GROWTH = Math.log(21 / 19);
const SHORTEST_S = 1e-6;
const LONGEST_S = 1e6;
/** Of one row; a receiver takes no more. */
const MOST_TOKENS = 1e12;

/** Who reports; `key` signs. @typedef {{ host: string, sender: string, key: string | null }} Sender */

/** Counts by bucket, or by outcome. @typedef {Map<unknown, number>} Counts */

/** What the requests of one target, route and tag come to. */
class Row {
  /** @type {Counts} */
  outcomes = new Map();
  /** @type {Counts} */
  duration = new Map();
  /** @type {Counts} */
  firstToken = new Map();
  inputTokens = 0;
  outputTokens = 0;

  /** @param {string} target @param {string} route @param {string} tag */
  constructor(target, route, tag) {
    this.target = target;
    this.route = route;
    this.tag = tag;
  }

  /** The row as text, its buckets merged to so many, or without any for 0. @param {number} width */
  text(width) {
    const head = `[${JSON.stringify(this.target)},${JSON.stringify(this.route)},${JSON.stringify(this.tag)}`;
    const counts = [this.outcomes, merged(this.duration, width), merged(this.firstToken, width)].map(written);
    return `${head},${counts.join(",")},${this.inputTokens},${this.outputTokens}]`;
  }
}

/** The requests that have ended and are not reported yet. */
export class Waiting {
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** @type {Set<string>} */
  #tags = new Set();

  /**
   * Count a request. Its values are as an application gave them: what has a wrong type counts as nothing, and a request
   * whose target or outcome cannot be one is not counted; false then.
   *
   * @param {unknown} target
   * @param {unknown} outcome
   * @param {unknown} [durationS]
   * @param {unknown} [firstTokenS]
   * @param {unknown} [inputTokens]
   * @param {unknown} [outputTokens]
   * @param {unknown} [route]
   * @param {unknown} [tag]
   */
  add(target, outcome, durationS, firstTokenS, inputTokens, outputTokens, route, tag) {
    if (typeof target !== "string" || !target || target.length > MOST_BYTES) return false;
    if (typeof outcome !== "string" || !OUTCOME.test(outcome)) return false;
    const row = this.#row(target, typeof route === "string" ? route : "", this.#knownTag(tag));
    if (!row) return false;
    if (row.outcomes.size < MOST_OUTCOMES || row.outcomes.has(outcome)) count(row.outcomes, outcome);
    if (ANSWERED.has(outcome)) {
      countTime(row.duration, durationS);
      countTime(row.firstToken, firstTokenS);
    }
    row.inputTokens = Math.min(MOST_TOKENS, row.inputTokens + tokens(inputTokens));
    row.outputTokens = Math.min(MOST_TOKENS, row.outputTokens + tokens(outputTokens));
    return true;
  }

  /** The rows since the last call. @returns {Row[]} */
  take() {
    const rows = [...this.#rows.values()];
    this.#rows.clear();
    return rows;
  }

  /** @param {string} target @param {string} route @param {string} tag */
  #row(target, route, tag) {
    if (route.length > MOST_BYTES) return null;
    const name = `${target}\n${route}\n${tag}`;
    let row = this.#rows.get(name);
    if (!row && this.#rows.size < MOST_ROWS) {
      row = new Row(target, route, tag);
      this.#rows.set(name, row);
    }
    return row;
  }

  /** The tag as it is sent: shortened, or `other` where there are too many. @param {unknown} tag */
  #knownTag(tag) {
    if (typeof tag !== "string" || !tag) return "";
    const begun = tag.slice(0, 2 * MOST_TAG);
    if (this.#tags.has(begun)) return begun;
    const clean = [...begun].slice(0, MOST_TAG).join("").replace(INVISIBLE, "") || OTHER;
    if (this.#tags.size < MOST_TAGS) this.#tags.add(clean);
    return this.#tags.has(clean) ? clean : OTHER;
  }
}

/**
 * The datagrams that hold these rows, numbered from `first` on; a row that fits into none is left out.
 *
 * @param {Sender} sender
 * @param {Row[]} rows
 * @param {{ first: number, atS: number, spanS: number }} when
 * @returns {Buffer[]}
 */
export function datagrams(sender, rows, { first, atS, spanS }) {
  const at = Math.round(atS * 1000) / 1000;
  const spanMs = Math.max(1, Math.round(spanS * 1000));
  const write = (/** @type {string[]} */ texts) => datagram(sender, texts, first + written.length, at, spanMs);
  /** @type {Buffer[]} */
  const written = [];
  /** @type {string[]} */
  let waiting = [];
  const frame = write([]).length + 24; // the numbers may grow
  let used = frame;
  for (const row of rows) {
    const text = fitting(row, MOST_BYTES - frame);
    const size = Buffer.byteLength(text) + 1;
    if (waiting.length > 0 && used + size > MOST_BYTES) {
      written.push(write(waiting));
      waiting = [];
      used = frame;
    }
    if (!text) continue;
    waiting.push(text);
    used += size;
  }
  if (waiting.length > 0) written.push(write(waiting));
  return written;
}

/** @param {Sender} sender @param {string[]} texts @param {number} seq @param {number} at @param {number} spanMs */
function datagram({ host, sender, key }, texts, seq, at, spanMs) {
  const head = JSON.stringify({ host, sender, seq, at, span_ms: spanMs });
  const body = `${head.slice(0, -1)},"rows":[${texts.join(",")}]}`;
  const mac = key ? createHmac("sha256", key).update(body).digest("hex").slice(0, MAC_DIGITS) : "-";
  return Buffer.from(`${FORMAT} ${mac}\n${body}`);
}

/** The row as text; with coarser and coarser buckets, then without any, until it fits; empty where it never does. @param {Row} row @param {number} most */
function fitting(row, most) {
  for (const width of [1, 2, 4, 16, 0]) {
    const text = row.text(width);
    if (Buffer.byteLength(text) < most) return text;
  }
  return "";
}

/** @param {Counts} counts @param {number} width */
function merged(counts, width) {
  if (width === 1) return counts;
  /** @type {Counts} */
  const coarse = new Map();
  for (const [bucket, number] of width ? counts : []) count(coarse, Math.ceil(Number(bucket) / width) * width, number);
  return coarse;
}

/** In the order of their first count, which an object would not keep. @param {Counts} counts */
function written(counts) {
  return `{${[...counts].map(([name, number]) => `${JSON.stringify(String(name))}:${number}`).join(",")}}`;
}

/** @param {Counts} counts @param {unknown} name @param {number} [number] */
function count(counts, name, number = 1) {
  counts.set(name, (counts.get(name) ?? 0) + number);
}

/** @param {Counts} counts @param {unknown} seconds */
function countTime(counts, seconds) {
  if (typeof seconds !== "number" || Number.isNaN(seconds)) return;
  count(counts, Math.ceil(Math.log(Math.min(Math.max(seconds, SHORTEST_S), LONGEST_S)) / LOG_GROWTH));
}

/** @param {unknown} value */
function tokens(value) {
  return typeof value === "number" && value > 0 && value < Infinity ? Math.min(MOST_TOKENS, Math.trunc(value)) : 0;
}
