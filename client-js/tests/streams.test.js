/** Streams through attempts: cut, silent, broken, and given up by whoever reads them. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { StatusError } from "hotspare-client";

import { DONE, streamOf } from "../src/events.js";
import { asError } from "./faults.js";
import { camel, loadCases } from "./shared.js";
import { open, provide, read, WHOLE, WIRE } from "./wire.js";

/** @import { Asking } from "hotspare-client" */
/** @import { Manner } from "./wire.js" */

/** For ever, as long as nobody ends it. @param {AbortSignal} signal @returns {Promise<never>} */
function never(signal) {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

/** A stream that does at its piece number `at` what a case says. @param {any} case_ @param {AbortSignal} signal */
async function* pieces({ at, then = "", told }, signal) {
  for (const [number, piece] of [...WHOLE, null].entries()) {
    if (number === at && told) yield told;
    else if (number === at && then === "silent") await never(signal);
    else if (number === at && then !== "cut") throw asError({ error: then });
    if (number === at || !piece) break;
    yield piece;
  }
  if (then === "open") await never(signal);
}

for (const each of loadCases("streams")) {
  test(`a stream goes on or fails as it should: ${each.name}`, async (t) => {
    const left = structuredClone(each.streams);
    const ask = (/** @type {Asking} */ { target, timeoutMs, signal }) => {
      assert.ok(timeoutMs > 0 && timeoutMs <= 10_000);
      const case_ = left[target.provider].shift();
      if (case_.opens === "silent") return never(signal);
      if (case_.opens) throw asError(case_.opens);
      return pieces(case_, signal);
    };
    const found = await read(open(t, each.targets ?? { alpha: {}, beta: {}, gamma: {} }), /** @type {any} */ (ask), camel(each.terms ?? {}));
    assert.deepEqual(found.asked, each.asked);
    assert.equal(found.text, each.text === undefined ? "onetwothree" : (each.text ?? ""));
    assert.equal(found.restarted, each.restarted ?? false);
    assert.equal(found.error?.hotspareAttempts.at(-1).outcome, each.raises);
  });
}

// By fetch, as the providers write it

for (const [dialect, wire] of Object.entries(WIRE)) {
  for (const [manner, words, asked, text] of /** @type {[Manner, number, string[], string][]} */ ([
    ["whole", 3, ["alpha"], "onetwothree"],
    ["cut", 0, ["alpha", "alpha", "beta"], "onetwothree"],
    ["ended", 0, ["alpha", "alpha", "beta"], "onetwothree"],
    ["silent", 0, ["alpha", "beta"], "onetwothree"],
    ["refuses", 0, ["alpha", "beta"], "onetwothree"],
    ["cut", 2, ["alpha"], "onetwo"],
    ["ended", 2, ["alpha"], "onetwo"],
  ])) {
    test(`by fetch: ${dialect}, ${manner} after ${words} words`, async (t) => {
      const [first, second] = [await provide(t, wire, manner, words), await provide(t, wire, "whole")];
      const routing = open(t, { alpha: { base_url: first.url }, beta: { base_url: second.url } });
      const found = await read(routing, ({ target, signal }) => fetch(target.baseUrl, { signal }), { firstTokenS: 0.3 });
      assert.deepEqual({ ...found, error: found.error?.hotspareAttempts[0].outcome }, { asked, text, restarted: false, error: words === 2 ? "broken_stream" : undefined });
      if (words === 2) {
        const anew = await read(open(t, { alpha: { base_url: first.url }, beta: { base_url: second.url } }), ({ target, signal }) => fetch(target.baseUrl, { signal }), { onCut: "restart" });
        assert.deepEqual(anew, { asked: ["alpha", "beta"], text: "onetwothree", restarted: true, error: null });
      }
    });
  }
}

test("events are read wherever their bytes are cut", async () => {
  const text = 'data: {"a": "é€😀"}\r\n\r\n: a comment\r\r\rdata:{"b":\ndata: 2}\n\nevent: z\n\nid: 7\ndata: {"choices": []}\n\ndata: [DONE]\n\n\ndata: 3';
  const bytes = new TextEncoder().encode(text);
  for (let size = 1; size <= bytes.length; size += 1) {
    const chunks = [];
    for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
    const found = [];
    for await (const piece of await streamOf(chunksOf(chunks))) found.push(piece);
    assert.deepEqual(found, [{ a: "é€😀" }, { b: 2 }, { choices: [] }, DONE, 3], `${size}`);
  }
});

/** @template T @param {T[]} chunks */
async function* chunksOf(chunks) {
  yield* chunks;
}

test("an event without an end is bounded", async () => {
  const chunks = Array(40).fill(new TextEncoder().encode(`data: ${"x".repeat(1e6)}`));
  await assert.rejects(async () => {
    for await (const _ of await streamOf(chunksOf(chunks)));
  }, /larger than 16 MiB/);
});

test("another status is an error with its body and headers", async (t) => {
  const { url } = await provide(t, [], "refuses");
  const error = await streamOf(await fetch(url)).catch((thrown) => thrown);
  assert.ok(error instanceof StatusError);
  assert.deepEqual([error.status, error.headers.get("retry-after"), JSON.parse(error.body).error.message], [503, "1", "busy"]);
  await assert.rejects(streamOf({ choices: [] }), /expected a stream/);
});

// Who reads

test("a reader that stops closes the connection", async (t) => {
  const { url, closed } = await provide(t, WIRE.anthropic, "silent", 2);
  const routing = open(t, { alpha: { base_url: url } });
  await routing.attempts("chat").run(async (attempt) => {
    for await (const _ of attempt.watch(({ target, signal }) => fetch(target.baseUrl, { signal }))) break;
  });
  for (let left = 500; closed.count === 0 && left > 0; left -= 1) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(closed.count, 1);
  assert.equal(await routing.attempts("chat").run(({ target }) => target.id), "alpha/m");
});

test("a slow reader is no silent provider", async (t) => {
  const routing = open(t, { alpha: { limits: { stall_s: 0.05 } } });
  let text = "";
  await routing.attempts("chat").run(async (attempt) => {
    for await (const piece of attempt.watch(({ signal }) => pieces({}, signal))) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      text += piece?.choices[0].delta.content;
    }
  });
  assert.equal(text, "onetwothree");
});

test("a fault of the reader is its own", async (t) => {
  let asked = 0;
  const run = open(t).attempts("chat", { onCut: "restart" }).run(async (attempt) => {
    asked += 1;
    for await (const _ of attempt.watch(({ signal }) => pieces({}, signal))) throw new RangeError("of the reader");
  });
  await assert.rejects(run, RangeError);
  assert.equal(asked, 1);
});

test("what the caller calls off ends a stream, and nobody else is asked", async (t) => {
  const routing = open(t);
  for (const case_ of [{ at: 3, then: "silent" }, { at: 0, then: "silent" }, { opens: "silent" }]) {
    const controller = new AbortController();
    const reason = new Error("the user has left");
    setTimeout(() => controller.abort(reason), 30);
    const ask = (/** @type {Asking} */ { signal }) => (case_.opens ? never(signal) : pieces(case_, signal));
    const { asked, error } = await read(routing, /** @type {any} */ (ask), { signal: controller.signal, onCut: "restart" });
    assert.deepEqual(asked, ["alpha"]);
    assert.equal(error, reason);
  }
  assert.equal(await routing.attempts("chat").run(({ target }) => target.id), "alpha/m");
});

test("a stream that opens too late is closed", async (t) => {
  let isClosed = false;
  const ask = async (/** @type {Asking} */ { target }) => {
    if (target.provider === "alpha") await new Promise((resolve) => setTimeout(resolve, 150));
    return Object.assign(chunksOf(WHOLE), { close: () => (isClosed = target.provider === "alpha") });
  };
  const { asked, text } = await read(open(t), ask, { firstTokenS: 0.05 });
  assert.deepEqual([asked, text], [["alpha", "beta"], "onetwothree"]);
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(isClosed);
});

test("the limits are the file's or the caller's", async (t) => {
  const routing = open(t, { alpha: { limits: { first_token_s: 24, stall_s: 30 } } });
  for await (const { firstTokenS, stallS, streamTimeoutMs, timeoutMs } of routing.attempts("chat")) {
    assert.deepEqual([firstTokenS, stallS, streamTimeoutMs, timeoutMs], [24, 30, 30_000, 10_000]);
  }
  for await (const { firstTokenS, stallS } of open(t).attempts("chat", { firstTokenS: 40 })) assert.deepEqual([firstTokenS, stallS], [40, 40]);
});
