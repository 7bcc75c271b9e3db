/** What the client costs: `node benchmark.js` prints microseconds per call, the best of many short rounds. */

import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { Routing } from "hotspare-client";

const ROUNDS = 200;
const CALLS = 2_000;

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "hotspare-"));
const file = path.join(folder, "routing.json");
fs.copyFileSync(new URL("../tests/data/clients/routing.json", import.meta.url), file);
const routing = new Routing(file, { reportTo: "udp://127.0.0.1:9" });
const more = { inputTokens: 900, outputTokens: 210, route: "chat", tag: "search" };

/** @param {string} name @param {() => unknown} call */
async function measure(name, call) {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round += 1) {
    const began = process.hrtime.bigint();
    for (let count = 0; count < CALLS; count += 1) {
      const pending = call();
      if (pending) await pending;
    }
    best = Math.min(best, Number(process.hrtime.bigint() - began) / CALLS / 1000);
  }
  console.log(`${name.padEnd(44)} ${best.toFixed(2)} µs`);
}

await measure("route", () => void routing.route("chat"));
await measure("report", () => void routing.report("openai/gpt-6-luna", "ok", 0.8));
await measure("report, with tokens and a tag", () => void routing.report("openai/gpt-6-luna", "ok", 0.8, more));
await measure("what attempts adds to a good request", () => routing.attempts("chat").run(({ timeoutMs }) => timeoutMs));

const began = performance.now();
for (let count = 0; count < 1_000_000; count += 1) routing.report("openai/gpt-6-luna", "ok", (count % 997) / 100, more);
console.log(`${"a million reports in a row".padEnd(44)} ${(performance.now() - began).toFixed(0)} ms`);
const heap = process.memoryUsage().heapUsed;
routing.reporter.flush();
console.log(`${"memory afterwards".padEnd(44)} ${(heap / 1e6).toFixed(0)} MB`);
fs.rmSync(folder, { recursive: true });
