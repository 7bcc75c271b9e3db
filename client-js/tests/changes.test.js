/** Callbacks when a route moves. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import fs from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { Routing } from "hotspare-client";

import { findChanges } from "../src/changes.js";
import { parse } from "../src/table.js";
import { loadCases, newPath, writeRoute } from "./shared.js";

/** @import { Target } from "hotspare-client" */

for (const each of loadCases("changes")) {
  test(`a change is a target or shares: ${each.name}`, (t) => {
    const file = newPath(t);
    const table = ({ targets = { alpha: {}, beta: {} }, route = "chat", ...fields }) => {
      writeRoute(file, targets, fields);
      return parse(Buffer.from(fs.readFileSync(file, "utf8").replace('"chat"', `"${route}"`)));
    };
    const found = [...findChanges(each.before && table(each.before), table(each.now))];
    const provider = (/** @type {Target | null} */ target) => target?.provider ?? null;
    assert.deepEqual(found.map(([name, before, now]) => [name, provider(before), provider(now)]), each.changes);
  });
}

test("a callback hears of every move, and one that fails harms nobody", async (t) => {
  const file = newPath(t);
  writeRoute(file, { alpha: {}, beta: {} });
  const routing = new Routing(file);
  /** @type {string[]} */
  const warnings = [];
  const warn = (/** @type {Error} */ warning) => warnings.push(warning.message);
  process.on("warning", warn);
  t.after(() => process.removeListener("warning", warn));
  /** @type {(change: unknown[]) => void} */
  let hear = () => {};
  const ends = [
    routing.onChange(() => { throw new Error("of the application"); }),
    routing.onChange(() => Promise.reject(new Error("later"))),
    routing.onChange((route, before, now) => hear([route, before?.provider, now?.provider])),
  ];
  for (const [before, now] of [["alpha", "beta"], ["beta", "alpha"]]) {
    const heard = new Promise((resolve) => (hear = resolve));
    writeRoute(file, { alpha: {}, beta: {} }, { target: now });
    const keep = setInterval(() => {}, 50); // the client's own timer keeps no process alive
    assert.deepEqual(await heard, ["chat", before, now]);
    clearInterval(keep);
  }
  for (const end of ends) end();
  ends[0]();
  hear = () => assert.fail();
  writeRoute(file, { alpha: {}, beta: {} }, { target: "beta" });
  await new Promise((resolve) => setTimeout(resolve, 600));
  assert.equal(warnings.filter((each) => /callback for changes of route 'chat' failed/.test(each)).length, 4);
});

test("a process that only listens for changes ends", async () => {
  const code = 'import { Routing } from "hotspare-client"; globalThis.kept = new Routing("/x"); kept.onChange(() => 1);';
  await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", code], { cwd: fileURLToPath(new URL("..", import.meta.url)) });
});
