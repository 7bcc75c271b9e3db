/** The cases that the Python and the JavaScript client must both pass: `tests/data/clients/` of the repository. */

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const DATA = fileURLToPath(new URL("../../tests/data/", import.meta.url));
export const GOLDEN = fs.readFileSync(path.join(DATA, "clients", "routing.json"));

/** @param {string} name @returns {any[]} */
export function loadCases(name) {
  return JSON.parse(fs.readFileSync(path.join(DATA, "clients", `${name}.json`), "utf8"));
}

/** Where a routing file may be written; removed after the test. @param {import("node:test").TestContext} t */
export function newPath(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "hotspare-"));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, "var", "routing.json");
  fs.mkdirSync(path.dirname(file));
  return file;
}

/** The golden routing file with other values at some places. @param {[string[], unknown][]} changes */
export function changeGolden(changes) {
  const table = JSON.parse(GOLDEN.toString());
  for (const [place, value] of changes) below(table, place)[/** @type {string} */ (place.at(-1))] = value;
  return JSON.stringify(table);
}

/** @param {any} table @param {string[]} place */
function below(table, place) {
  return place.slice(0, -1).reduce((value, key) => value[key], table);
}

/** Put what a case describes in the place of a routing file that is there. @param {string} file @param {any} what */
export function putFile(file, what) {
  if (what.size) return fs.truncateSync(file, what.size);
  if (!what.is) return fs.writeFileSync(file, content(what));
  fs.unlinkSync(file);
  if (what.is === "folder") fs.mkdirSync(file);
  if (what.is === "fifo") execFileSync("mkfifo", [file]);
  if (what.is.startsWith("link")) fs.symlinkSync(what.is === "link to itself" ? file : "nowhere", file);
  if (what.is === "inside a file") {
    fs.rmdirSync(path.dirname(file));
    fs.writeFileSync(path.dirname(file), "");
  }
}

/** Make the place of the file free again. @param {string} file */
export function removeFile(file) {
  if (fs.statSync(path.dirname(file)).isFile()) fs.unlinkSync(path.dirname(file));
  fs.rmSync(file, { recursive: true, force: true });
  fs.mkdirSync(path.dirname(file), { recursive: true });
}

/** @param {any} what */
function content(what) {
  if (what.hex) return Buffer.from(what.hex, "hex");
  if (what.first) return GOLDEN.subarray(0, what.first);
  if (what.set) return changeGolden([what.set]);
  if (what.replace) return GOLDEN.toString().replace(what.replace[0], what.replace[1]);
  if (what.delete) {
    const table = JSON.parse(GOLDEN.toString());
    delete below(table, what.delete)[what.delete.at(-1)];
    return JSON.stringify(table);
  }
  return (what.text ?? "") + (what.then ?? "").repeat(what.times ?? 0) + (what.end ?? "");
}

/** `first_token_s` as `firstTokenS`; dates as texts. @param {unknown} value @returns {any} */
export function camel(value) {
  if (value instanceof Date) return value.toISOString();
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const spell = (/** @type {string} */ name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [spell(name), camel(inner)]));
}

/** Write a file whose route `chat` points at the first of the targets, or elsewhere. @param {string} file @param {any} targets @param {any} [route] @param {object} [more] */
export function writeRoute(file, targets, route = {}, more = {}) {
  const described = Object.entries(targets).map(([provider, fields]) => [
    `${provider}/m`,
    {
      provider,
      model: "m",
      dialect: "openai-chat",
      base_url: `https://${provider}.example/v1`,
      api_key_env: null,
      health: "up",
      .../** @type {object} */ (fields),
    },
  ]);
  const target = route.target ? `${route.target}/m` : String(described[0][0]);
  const weights = Object.entries(route.weights ?? {}).map(([name, weight]) => [`${name}/m`, weight]);
  const chat = {
    target,
    since: "2026-11-21T17:58:41.120Z",
    move: route.move ?? "first",
    reason: "configured",
    candidates: described.map(([id]) => id),
    weights: route.weights ? Object.fromEntries(weights) : { [target]: 100 },
  };
  const table = {
    format: "hotspare.routing/1",
    generation: 1,
    written_at: "2026-11-21T18:00:00.000Z",
    valid_for_s: 90,
    routes: { chat },
    targets: Object.fromEntries(described),
    ...more,
  };
  fs.writeFileSync(`${file}.next`, JSON.stringify(table));
  fs.renameSync(`${file}.next`, file);
}

/** The requests of a case of reports: `{"times": …, "ended": …}` is several, `{n}` in it the number of each. @param {any} case_ @returns {any[][]} */
export function readEnded(case_) {
  return case_.ended.flatMap((/** @type {any} */ each) => {
    const { times, ended } = Array.isArray(each) ? { times: 1, ended: each } : each;
    return Array.from({ length: times }, (_, number) => ended.map((/** @type {any} */ value) => written(value, number)));
  });
}

/** A value of a request: a text or a number that would be long, or that JSON has not, is described. @param {any} value @param {number} number */
function written(value, number) {
  if (typeof value === "string") return value.replaceAll("{n}", String(number));
  if (value?.number) return Number(value.number);
  if (value?.factor) return value.first * value.factor ** number;
  if (value?.then) return (value.text ?? "") + value.then.repeat(value.times === "n" ? number : value.times);
  return value;
}
