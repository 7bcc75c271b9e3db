/** Parses the bytes of a routing file into a checked table, with the rules of the Python client. */

import { cut, Decimal, JsonError, parseJson } from "./json.js";
import { Target } from "./target.js";

/** @import { Limits } from "../types/index.js" */

export const FORMAT = "hotspare.routing/1";

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$/;
const TEXTS = ["provider", "model", "dialect", "base_url", "health"];
/** Fields that only some targets have. */
const OPTIONAL_TEXTS = ["preset", "region", "api_version"];
const LIMITS = ["first_token_s", "stall_s", "p95_s"];

/** The bytes are not a routing table that this reader understands; the message is a sentence without the path. */
export class TableError extends Error {}

/** @typedef {Map<string, unknown>} Fields */

/**
 * The content of one routing file, checked. `candidates`: every target of a route, in the order of preference; one
 * that only the present weights name comes last. `pointsAt`: the target of each route; during a failback in steps the
 * standby. `split`: those that get requests, and the upper end of the slice of 0 to 1 of each. `reportTo`: where to report how requests end; empty for nowhere.
 *
 * @typedef {{
 *   epoch: number, generation: number, writtenAt: Date, validForS: number, reportTo: string, pointsAt: Map<string, Target>,
 *   candidates: Map<string, readonly Target[]>, split: Map<string, { ends: number[], targets: Target[] }>,
 * }} Table
 */

/**
 * The table in `content`. Throws TableError, and nothing else, when any part of it breaks format 1.
 *
 * @param {Uint8Array} content
 * @returns {Table}
 */
export function parse(content) {
  const document = readDocument(content);
  if (!(document instanceof Map)) throw new TableError(`expected an object, found ${kind(document)}`);
  checkFormat(document.get("format"));
  return readTable(document);
}

/** @param {Uint8Array} content */
function readDocument(content) {
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    throw new TableError("it is not JSON: it is not UTF-8");
  }
  try {
    return parseJson(text);
  } catch (error) {
    throw error instanceof JsonError ? new TableError(error.message) : error;
  }
}

/** @param {unknown} value */
function checkFormat(value) {
  if (value === FORMAT) return;
  const [, version] = (typeof value === "string" && /^hotspare\.routing\/([0-9]{1,9})$/.exec(value)) || [];
  if (version !== undefined && Number(version) > 1) {
    throw new TableError(
      `its format ${value} is newer than this reader, which knows ${FORMAT}: upgrade hotspare-client`,
    );
  }
  throw new TableError(`it is not a routing file: expected format '${FORMAT}', found ${cut(show(value))}`);
}

/** @param {Fields} document @returns {Table} */
function readTable(document) {
  const descriptions = getObject(document, "targets", "");
  const routes = getObject(document, "routes", "");
  for (const name of descriptions.keys()) checkTarget(getObject(descriptions, name, "targets"), `targets.${name}`);
  const candidates = new Map();
  const split = new Map();
  const pointsAt = new Map();
  for (const name of routes.keys()) {
    const route = getObject(routes, name, "routes");
    const targets = readRoute(name, route, descriptions);
    candidates.set(name, targets);
    pointsAt.set(name, targets.find((target) => target.id === route.get("target")));
    split.set(name, slices(targets.filter((target) => target.weight > 0)));
  }
  const generation = getCount(document, "generation");
  const epoch = document.has("epoch") ? getCount(document, "epoch") : 0;
  const writtenAt = getInstant(document, "written_at", "");
  const validForS = getPositive(document, "valid_for_s", "");
  const reportTo = document.has("report_to") ? getText(document, "report_to", "") : "";
  return { epoch, generation, writtenAt, validForS, reportTo, pointsAt, candidates, split };
}

/** @param {Target[]} targets */
function slices(targets) {
  let end = 0;
  return { targets, ends: targets.map((target) => (end += target.weight)) };
}

/** @param {Fields} fields @param {string} place */
function checkTarget(fields, place) {
  for (const key of TEXTS) getText(fields, key, place);
  get(fields, "api_key_env", place, ["text", "null"]);
  for (const key of OPTIONAL_TEXTS) if (isGiven(fields, key)) getText(fields, key, place);
  if (isGiven(fields, "context")) {
    const context = getInteger(fields, "context", place);
    if (context < 1) throw new TableError(`${cut(place)}.context: expected 1 or more, found ${context}`);
  }
  for (const key of ["signing", "drained"]) if (fields.has(key)) get(fields, key, place, ["flag"]);
  const limits = fields.has("limits") ? getObject(fields, "limits", place) : new Map();
  for (const key of LIMITS) if (limits.has(key)) getPositive(limits, key, `${place}.limits`);
}

/** @param {string} name @param {Fields} fields @param {Fields} descriptions @returns {readonly Target[]} */
function readRoute(name, fields, descriptions) {
  const place = `routes.${name}`;
  const weights = getObject(fields, "weights", place);
  const candidates = /** @type {unknown[]} */ (get(fields, "candidates", place, ["list"]));
  const target = getText(fields, "target", place);
  for (const each of [target, ...candidates, ...weights.keys()]) {
    if (typeof each !== "string" || !descriptions.has(each)) {
      throw new TableError(`${place}: ${cut(show(each))} is not among the targets`);
    }
  }
  const shares = readShares(weights, `${place}.weights`);
  const common = {
    route: name,
    reason: getText(fields, "reason", place),
    since: getInstant(fields, "since", place),
    move: fields.has("move") ? getText(fields, "move", place) : null,
  };
  // In the order of preference, so that the slice of the preferred target only grows while its weight rises.
  const ids = /** @type {Set<string>} */ (new Set([...candidates, ...weights.keys(), target]));
  const targets = [...ids].map((id) => {
    const description = /** @type {Fields} */ (descriptions.get(id));
    return readTarget(id, description, { ...common, weight: shares.get(id) ?? 0 });
  });
  return Object.freeze(targets);
}

/** The share of each target that gets requests, from 0 to 1. @param {Fields} weights @param {string} place */
function readShares(weights, place) {
  /** @type {Map<string, number>} */
  const numbers = new Map();
  for (const id of weights.keys()) {
    const number = getNumber(weights, id, place, place);
    if (number < 0) throw new TableError(`${cut(place)}: expected 0 or more, found ${float(number)}`);
    if (number > 0) numbers.set(id, number);
  }
  if (numbers.size === 0) throw new TableError(`${cut(place)}: expected one above 0, found none`);
  // Divided before they are added, so that weights near the largest number cannot add up to infinity.
  const largest = [...numbers.values()].reduce((a, b) => Math.max(a, b));
  const total = [...numbers.values()].reduce((sum, number) => sum + number / largest, 0);
  return new Map([...numbers].map(([id, number]) => [id, number / largest / total]));
}

/**
 * @param {string} id
 * @param {Fields} fields
 * @param {{ route: string, reason: string, since: Date, move: string | null, weight: number }} common
 */
function readTarget(id, fields, common) {
  const text = (/** @type {string} */ key) => /** @type {string} */ (fields.get(key));
  const optional = (/** @type {string} */ key) => /** @type {string | null} */ (fields.get(key) ?? null);
  const limits = /** @type {Fields} */ (fields.get("limits") ?? new Map());
  const limit = (/** @type {string} */ key) => (limits.has(key) ? toNumber(limits.get(key)) : null);
  return new Target({
    ...common,
    id,
    provider: text("provider"),
    model: text("model"),
    dialect: text("dialect"),
    baseUrl: text("base_url"),
    health: text("health"),
    apiKeyEnv: optional("api_key_env"),
    preset: optional("preset"),
    region: optional("region"),
    apiVersion: optional("api_version"),
    signing: fields.get("signing") === true,
    drained: fields.get("drained") === true,
    context: /** @type {number | null} */ (fields.get("context") ?? null),
    limits: Object.freeze({ firstTokenS: limit("first_token_s"), stallS: limit("stall_s"), p95S: limit("p95_s") }),
  });
}

/** @param {Fields} fields @param {string} key */
function isGiven(fields, key) {
  return (fields.get(key) ?? null) !== null;
}

/** @type {Record<string, string>} */
const NAMES = {
  object: "an object",
  list: "a list",
  text: "a text",
  flag: "true or false",
  integer: "a whole number",
  decimal: "a number",
  null: "null",
};

/** @param {unknown} value */
function typeOf(value) {
  if (value === null || value === undefined) return "null";
  if (value instanceof Map) return "object";
  if (value instanceof Decimal) return "decimal";
  if (Array.isArray(value)) return "list";
  return { string: "text", boolean: "flag" }[/** @type {string} */ (typeof value)] ?? "integer";
}

/** @param {unknown} value */
function kind(value) {
  return NAMES[typeOf(value)];
}

/**
 * The value under `key`, of the right type.
 *
 * @param {Fields} fields
 * @param {string} key
 * @param {string} place
 * @param {string[]} kinds
 */
function get(fields, key, place, kinds) {
  const where = place ? `${place}.${key}` : key;
  if (!fields.has(key)) throw new TableError(`${cut(where)} is missing`);
  const value = fields.get(key);
  if (!kinds.includes(typeOf(value))) {
    const expected = kinds.map((each) => NAMES[each]).join(" or ");
    throw new TableError(`${cut(where)}: expected ${expected}, found ${kind(value)}`);
  }
  return value;
}

/** @param {Fields} fields @param {string} key @param {string} place */
function getText(fields, key, place) {
  return /** @type {string} */ (get(fields, key, place, ["text"]));
}

/** @param {Fields} fields @param {string} key @param {string} place */
function getInteger(fields, key, place) {
  return /** @type {number} */ (get(fields, key, place, ["integer"]));
}

/** @param {Fields} fields @param {string} key */
function getCount(fields, key) {
  const count = getInteger(fields, key, "");
  if (count < 0) throw new TableError(`${key}: expected 0 or more, found ${count}`);
  return count;
}

/** @param {Fields} fields @param {string} key @param {string} place */
function getObject(fields, key, place) {
  return /** @type {Fields} */ (get(fields, key, place, ["object"]));
}

/** @param {Fields} fields @param {string} key @param {string} place @param {string} where */
function getNumber(fields, key, place, where) {
  const number = toNumber(get(fields, key, place, ["integer", "decimal"]));
  if (!Number.isFinite(number)) throw new TableError(`${cut(where)}: expected a finite number`);
  return number;
}

/** @param {Fields} fields @param {string} key @param {string} place */
function getPositive(fields, key, place) {
  const where = place ? `${place}.${key}` : key;
  const number = getNumber(fields, key, place, where);
  if (number <= 0) throw new TableError(`${cut(where)}: expected more than 0, found ${float(number)}`);
  return number;
}

/** @param {Fields} fields @param {string} key @param {string} place */
function getInstant(fields, key, place) {
  const value = getText(fields, key, place);
  if (INSTANT.test(value)) {
    const instant = new Date(value);
    // Some engines take 30 February for 2 March; a day of the calendar comes back as it was written.
    if (!Number.isNaN(instant.getTime()) && instant.toISOString().slice(0, 19) === value.slice(0, 19)) return instant;
  }
  const where = place ? `${place}.${key}` : key;
  throw new TableError(`${cut(where)}: expected an instant in UTC, found ${cut(value)}`);
}

/** @param {unknown} value */
function toNumber(value) {
  return value instanceof Decimal ? value.value : /** @type {number} */ (value);
}

/** @param {number} number */
function float(number) {
  return Number.isInteger(number) ? `${number}.0` : String(number);
}

/** @param {unknown} value */
function show(value) {
  if (typeof value === "string") return `'${value}'`;
  return Array.isArray(value) && value.length === 0 ? "[]" : kind(value);
}
