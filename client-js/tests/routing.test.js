/** The reader: always an answer, always the last good table, never an error, whatever happens to the file. */

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { MissingKeyError, Routing } from "hotspare-client";

import { camel, changeGolden, GOLDEN, loadCases, newPath, putFile, removeFile, writeRoute } from "./shared.js";

const HAIKU = "anthropic/claude-haiku-5-5";
const LUNA = "openai/gpt-6-luna";
/** Ten seconds after the golden file was written. */
const WALL = Date.parse("2026-11-21T18:00:10Z") / 1000;

/** @param {any} case_ @param {string} file @param {string | null} problem */
function assertSaid(case_, file, problem) {
  const expected = (case_.problem + (case_.javascript ?? "")).replace("{path}", file);
  if (expected.endsWith(": ")) assert.ok(problem?.startsWith(expected), problem ?? "no problem");
  else assert.equal(problem, expected);
}

for (const each of loadCases("routing_files")) {
  test(`a bad file leaves the last good table: ${each.name}`, (t) => {
    const file = newPath(t);
    fs.writeFileSync(file, GOLDEN);
    let now = 1000;
    const routing = new Routing(file, { checkEveryS: 0, monotonic: () => now });
    putFile(file, each.file);
    for (let look = 0; look < 2; look += 1) {
      assert.equal(routing.route("chat")?.id, HAIKU);
      assertSaid(each, file, routing.status.problem);
      now += 3;
    }
    assert.equal(routing.status.generation, 42);
    removeFile(file);
    fs.writeFileSync(file, changeGolden([[["generation"], 43]]));
    assert.equal(routing.status.generation, 43);
    assert.equal(routing.status.problem, null);
  });

  test(`a bad file at the start is nothing known yet: ${each.name}`, (t) => {
    const file = newPath(t);
    fs.writeFileSync(file, GOLDEN);
    putFile(file, each.file);
    const routing = new Routing(file, { checkEveryS: 0 });
    assert.equal(routing.route("chat"), null);
    assert.deepEqual(routing.candidates("chat"), []);
    const { problem, ...rest } = routing.status;
    assert.deepEqual(rest, { epoch: null, generation: null, writtenAt: null, ageS: null, writerAlive: false, routes: [] });
    assertSaid(each, file, problem);
    removeFile(file);
    fs.writeFileSync(file, GOLDEN);
    assert.equal(routing.route("chat")?.id, HAIKU);
  });
}

for (const each of loadCases("routes")) {
  test(`a good file gives its targets: ${each.name}`, (t) => {
    const file = newPath(t);
    fs.writeFileSync(file, changeGolden(each.set));
    let drawn = 0;
    const routing = new Routing(file, { draw: () => drawn });
    assert.equal(routing.status.problem, null);
    const candidates = routing.candidates("chat");
    assert.deepEqual(candidates.map((target) => target.id), each.candidates.map((/** @type {any} */ fields) => fields.id));
    for (const [index, target] of candidates.entries()) {
      const expected = camel(each.candidates[index]);
      const found = camel(/** @type {any} */ ({ ...target, weight: Number(target.weight.toFixed(9)) }));
      for (const name of Object.keys(expected)) assert.deepEqual(found[name], expected[name], name);
    }
    for (const [draw, id] of Object.entries(each.draws)) {
      drawn = Number(draw);
      assert.equal(routing.route("chat")?.id, id, draw);
    }
    assert.equal(routing.route("other"), null);
    assert.ok(Object.isFrozen(candidates) && Object.isFrozen(candidates[0]) && Object.isFrozen(candidates[0].limits));
  });
}

test("names of the language are no routes", (t) => {
  const file = newPath(t);
  fs.writeFileSync(file, GOLDEN);
  const routing = new Routing(file);
  for (const name of ["__proto__", "constructor", "toString"]) assert.equal(routing.route(name), null);
});

test("every beginning of a file is survived", (t) => {
  const file = newPath(t);
  fs.writeFileSync(file, GOLDEN);
  const routing = new Routing(file, { checkEveryS: 0 });
  const content = Buffer.from(GOLDEN.toString().trimEnd());
  for (let end = 0; end < content.length; end += 1) {
    fs.writeFileSync(file, content.subarray(0, end));
    assert.ok(routing.status.problem, `cut off after ${end} bytes`);
  }
  assert.equal(routing.route("chat")?.id, HAIKU);
});

test("the file is looked at no more often than asked", (t) => {
  const file = newPath(t);
  fs.writeFileSync(file, GOLDEN);
  let now = 1000;
  const routing = new Routing(file, { checkEveryS: 0.25, monotonic: () => now });
  fs.writeFileSync(file, changeGolden([[["generation"], 43]]));
  now += 0.24;
  assert.equal(routing.status.generation, 42);
  now += 0.01;
  assert.equal(routing.status.generation, 43);
});

/** Change one byte, and nothing that a stat shows. @param {string} file */
function changeUnseen(file) {
  const before = fs.statSync(file);
  fs.writeFileSync(file, GOLDEN.toString().replace('"generation": 42', '"generation": 43'));
  fs.utimesSync(file, before.atime, before.mtime);
  assert.equal(fs.statSync(file).ino, before.ino);
}

for (const [after, generation] of [
  [1.9, 43],
  [2.1, 42],
]) {
  test(`a change that a stat cannot see is looked for ${after} s after the last one`, (t) => {
    const file = newPath(t);
    fs.writeFileSync(file, GOLDEN);
    fs.utimesSync(file, 1e9, 1e9);
    let now = 1000;
    const routing = new Routing(file, { checkEveryS: 0, monotonic: () => now });
    now += after;
    changeUnseen(file);
    assert.equal(routing.status.generation, generation);
  });
}

test("a path that no system accepts gives a reader that knows nothing", () => {
  const routing = new Routing("/tmp/\0", { checkEveryS: 0 });
  assert.equal(routing.route("chat"), null);
  assert.match(routing.status.problem ?? "", /cannot be read/);
});

test("a relative path is the one it was at the start", (t) => {
  const file = newPath(t);
  fs.writeFileSync(file, GOLDEN);
  const before = process.cwd();
  t.after(() => process.chdir(before));
  process.chdir(path.dirname(file));
  const routing = new Routing("routing.json", { checkEveryS: 0 });
  process.chdir("/");
  fs.writeFileSync(file, changeGolden([[["generation"], 43]]));
  assert.equal(routing.status.generation, 43);
});

test("the age does not follow the wall clock", (t) => {
  const file = newPath(t);
  fs.writeFileSync(file, GOLDEN);
  let now = 1000;
  let wall = WALL;
  const routing = new Routing(file, { checkEveryS: 0, monotonic: () => now, wall: () => wall });
  assert.deepEqual(routing.status, {
    epoch: 0, generation: 42, writtenAt: new Date("2026-11-21T18:00:00Z"), ageS: 10, writerAlive: true, problem: null, routes: ["chat"],
  });
  wall -= 86_400;
  now += 20;
  assert.equal(routing.status.ageS, 30);
  wall += 2 * 86_400;
  now += 5;
  fs.writeFileSync(file, changeGolden([[["written_at"], "2026-11-21T18:00:30.000Z"]]));
  assert.equal(routing.status.ageS, 5);
  now += 86;
  assert.equal(routing.status.writerAlive, false);
  assert.equal(routing.route("chat")?.id, HAIKU);
});

test("a key is read from its variable", (t) => {
  const file = newPath(t);
  fs.writeFileSync(file, changeGolden([[["targets", LUNA, "api_key_env"], null]]));
  const [luna, haiku] = new Routing(file).candidates("chat");
  t.after(() => delete process.env.ANTHROPIC_API_KEY);
  process.env.ANTHROPIC_API_KEY = "sk-1\n";
  assert.equal(haiku.apiKey(), "sk-1");
  assert.equal(luna.apiKey(), null);
  process.env.ANTHROPIC_API_KEY = " ";
  const message = `ANTHROPIC_API_KEY is not set: it holds the key of ${HAIKU}`;
  assert.throws(() => haiku.apiKey(), (error) => error instanceof MissingKeyError && error.message === message);
});

for (const each of loadCases("affinity")) {
  test(`a session stays where it should: ${each.name}`, (t) => {
    const file = newPath(t);
    let now = 1000;
    const routing = new Routing(file, { checkEveryS: 0, monotonic: () => now });
    for (const { after_s: afterS = 0, targets = { alpha: {}, beta: {} }, keys, ...route } of each.steps) {
      now += afterS;
      writeRoute(file, targets, route);
      const found = Object.keys(keys).map((key) => [key, routing.route("chat", key)?.provider]);
      assert.deepEqual(Object.fromEntries(found), keys);
    }
  });
}

test("any key is a key, and the sessions of a process are bounded", (t) => {
  const file = newPath(t);
  writeRoute(file, { alpha: {}, beta: {} });
  const routing = new Routing(file);
  const hostile = { toString: () => { throw new Error("no"); } };
  for (const key of ["", Symbol("x"), {}, hostile]) assert.equal(routing.route("chat", /** @type {any} */ (key))?.id, "alpha/m");
  assert.equal(routing.route("other", "s"), null);
  for (let index = 0; index < 20_000; index += 1) routing.route("chat", `s${index}`);
});
