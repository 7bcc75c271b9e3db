/** Reports: the bytes of both clients, and that they are never in the application's way. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import dgram from "node:dgram";
import fs from "node:fs";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { Reporter, Routing } from "hotspare-client";

import { datagrams, Waiting } from "../src/datagram.js";
import { APIStatusError } from "./faults.js";
import { changeGolden, loadCases, newPath, readEnded, writeRoute } from "./shared.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

for (const each of loadCases("datagrams")) {
  test(`both clients write the same bytes: ${each.name}`, () => {
    const waiting = new Waiting();
    for (const ended of readEnded(each)) waiting.add(.../** @type {[unknown, unknown]} */ (ended));
    const when = { first: each.first, atS: each.at, spanS: each.span_s };
    assert.deepEqual(datagrams(each.sender, waiting.take(), when).map(String), each.datagrams);
    assert.deepEqual(waiting.take(), []);
  });
}

/** Somebody who listens: the address, and the next datagram. @param {import("node:test").TestContext} t */
async function listen(t) {
  const socket = dgram.createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  t.after(() => socket.close());
  const next = async () => String((await once(socket, "message"))[0]);
  return { address: `udp://127.0.0.1:${socket.address().port}`, next };
}

test("what ends is sent within a second", async (t) => {
  const { address, next } = await listen(t);
  const reporter = new Reporter(address, { host: "web-1", key: "" });
  reporter.report("openai/gpt-6-luna", "ok", 0.8, { tag: "search", inputTokens: 900 });
  const [head, body] = (await next()).split("\n");
  assert.equal(head, "hotspare.traffic/1 -");
  const { host, sender, seq, at, span_ms: spanMs, rows } = JSON.parse(body);
  assert.deepEqual({ host, seq, rows }, { host: "web-1", seq: 0, rows: [["openai/gpt-6-luna", "", "search", { ok: 1 }, { "-2": 1 }, {}, 900, 0]] });
  assert.match(sender, /^[0-9a-f]{16}$/);
  assert.ok(Math.abs(at - Date.now() / 1000) < 5 && spanMs >= 490, body);
  reporter.report("openai/gpt-6-luna", "timeout");
  reporter.flush();
  assert.equal(JSON.parse((await next()).split("\n")[1]).seq, 1);
});

test("attempts report by themselves, where the file says", async (t) => {
  const { address, next } = await listen(t);
  const file = newPath(t);
  writeRoute(file, { alpha: {}, beta: {} }, {}, { report_to: address });
  const routing = new Routing(file, { checkEveryS: 0 });
  await routing.attempts("chat").run(({ number }) => {
    if (number === 1) throw new APIStatusError(503, "", {});
  });
  await assert.rejects(routing.attempts("chat").run(() => { throw new Error("the application's own"); }));
  for await (const attempt of routing.attempts("chat", { tag: "search" })) attempt.inputTokens = 900;
  routing.report(routing.candidates("chat")[0], "ok", 0.5, { tag: "search" });
  routing.reporter.flush();
  const rows = JSON.parse((await next()).split("\n")[1]).rows.map((/** @type {any} */ row) => [...row.slice(0, 4), row[6]]);
  assert.deepEqual(rows, [
    ["alpha/m", "chat", "", { overloaded: 1 }, 0],
    ["beta/m", "chat", "", { ok: 1 }, 0],
    ["beta/m", "chat", "search", { ok: 1 }, 900],
    ["alpha/m", "", "search", { ok: 1 }, 0],
  ]);
});

test("what the caller has called off is not reported", async (t) => {
  const { address, next } = await listen(t);
  const file = newPath(t);
  writeRoute(file, { alpha: {}, beta: {} });
  const routing = new Routing(file, { reportTo: address });
  const controller = new AbortController();
  await assert.rejects(
    routing.attempts("chat", { signal: controller.signal }).run(({ signal }) => {
      controller.abort();
      throw signal.reason;
    }),
  );
  routing.report("x/y", "ok");
  routing.reporter.flush();
  assert.equal(JSON.parse((await next()).split("\n")[1]).rows.length, 1);
});

test("the file's address is followed, unless the application has said where", async (t) => {
  const file = newPath(t);
  const routes = [new Routing(file, { checkEveryS: 0 }), new Routing(file, { checkEveryS: 0, reportTo: "" })];
  const isOn = () => routes.map((routing) => routing.status && routing.reporter.isOn);
  assert.deepEqual(isOn(), [false, false]);
  fs.writeFileSync(file, changeGolden([[["report_to"], "udp://127.0.0.1:9"]]));
  assert.deepEqual(isOn(), [true, false]);
  fs.writeFileSync(file, changeGolden([]));
  assert.deepEqual(isOn(), [false, false]);
  fs.writeFileSync(file, changeGolden([[["report_to"], 7]]));
  assert.match(routes[0].status.problem ?? "", /report_to: expected a text, found a whole number/);
});

test("nobody who listens is no matter, nor an address that makes no sense", async () => {
  const addresses = ["udp://127.0.0.1:9", "udp://nowhere.invalid:9", "udp://[::1]:9", "udp://nowhere", "udp://x:70000", "tcp://x:1", "unix:", "unix:/x", "", 7];
  for (const address of addresses) {
    const reporter = new Reporter(/** @type {any} */ (address));
    for (let count = 0; count < 3; count += 1) {
      reporter.report("a/b", "ok", 1);
      reporter.flush();
    }
    const isGood = /:9$/.test(String(address));
    assert.equal(reporter.isOn, isGood, String(address));
    assert.equal(reporter.problem === null, isGood || address === "", String(address));
  }
  assert.match(new Reporter("unix:/run/x.sock").problem ?? "", /Node cannot send to a Unix socket.*udp:\/\/127/);
});

test("nothing of the wrong type is thrown back", async (t) => {
  const { address, next } = await listen(t);
  const reporter = new Reporter(address);
  const hostile = new Proxy({}, { get() { throw new Error("no"); } });
  const values = [undefined, null, 7, NaN, -Infinity, 10n, "x".repeat(1e7), Symbol("x"), {}, [], () => 1, hostile];
  const report = /** @type {(...values: unknown[]) => void} */ (reporter.report.bind(reporter));
  for (const value of values) {
    report(value, "ok", 1);
    report("a/b", value, 1);
    report("a/b", "ok", value);
    report("a/b", "ok", 1, value);
    report("a/b", "ok", 1, { tag: value, route: value, firstTokenS: value, inputTokens: value, outputTokens: value });
  }
  reporter.flush();
  assert.match(await next(), /"a\/b"/);
});

test("what waits is bounded", () => {
  const waiting = new Waiting();
  for (let index = 0; index < 100_000; index += 1) waiting.add(`a/${index}`, "ok", 1);
  assert.equal(waiting.take().length, 1000);
});

/** What a program of its own prints, and how long it ran. @param {string} code @param {Record<string, string>} env */
async function runProgram(code, env) {
  const beganAt = performance.now();
  const text = `import { Reporter, Routing } from "hotspare-client";\n${code}`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", text], { cwd: ROOT, env });
  return { stdout, stderr, tookMs: performance.now() - beganAt };
}

for (const end of ["", "process.exit(0)", "setTimeout(() => process.exit(0), 50)"]) {
  test(`a process ends when it is done, and what waits is sent: ${end || "by itself"}`, async (t) => {
    const { address, next } = await listen(t);
    const arriving = next();
    const env = { HOTSPARE_TRAFFIC: address, HOTSPARE_TRAFFIC_KEY: "a key" };
    const { tookMs } = await runProgram(`new Reporter().report("a/b", "ok", 1); ${end}`, env);
    assert.ok(tookMs < 10_000);
    const [head] = (await arriving).split("\n");
    assert.equal(head.length, "hotspare.traffic/1 ".length + 32);
  });
}

test("a socket that Node cannot send to is told once", async () => {
  const { stderr } = await runProgram('for (let n = 0; n < 3; n += 1) new Reporter("unix:/x").report("a/b", "ok")', {});
  assert.equal(stderr.match(/nothing is reported to unix:\/x/g)?.length, 1);
});
