/** Streams of the real SDKs, over real sockets. */

import assert from "node:assert/strict";
import { test } from "node:test";

import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

import { open, provide, read, WIRE } from "./wire.js";

/** @import { Asking, Target } from "hotspare-client" */
/** @import { Manner } from "./wire.js" */

const messages = /** @type {any} */ ([{ role: "user", content: "Hello" }]);

/** @param {Target} target */
const openai = ({ baseUrl: baseURL }) => new OpenAI({ baseURL, apiKey: "x", maxRetries: 0 });
/** @param {Target} target */
const anthropic = ({ baseUrl: baseURL }) => new Anthropic({ baseURL, apiKey: "x", maxRetries: 0 });

/** @type {[string, unknown[], (asking: Asking) => any][]} */
const SDKS = [
  ["openai, chat", WIRE["openai-chat"], ({ target, signal }) =>
    openai(target).chat.completions.create({ model: target.model, messages, stream: true }, { signal })],
  ["openai, responses", WIRE["openai-responses"], ({ target, signal }) =>
    openai(target).responses.create({ model: target.model, input: "Hello", stream: true }, { signal })],
  ["anthropic", WIRE.anthropic, ({ target, signal }) =>
    anthropic(target).messages.create({ model: target.model, max_tokens: 9, messages, stream: true }, { signal })],
  ["anthropic's helper", WIRE.anthropic, ({ target, signal }) =>
    anthropic(target).messages.stream({ model: target.model, max_tokens: 9, messages }, { signal })],
  ["openai, without the signal", WIRE["openai-chat"], ({ target }) =>
    openai(target).chat.completions.create({ model: target.model, messages, stream: true })],
];

for (const [name, wire, ask] of SDKS) {
  for (const [manner, asked] of /** @type {[Manner, string[]][]} */ ([
    ["whole", ["alpha"]],
    ["cut", ["alpha", "alpha", "beta"]],
    ["ended", ["alpha", "alpha", "beta"]],
    ["silent", ["alpha", "beta"]],
    ["mute", ["alpha", "beta"]],
    ["refuses", ["alpha", "beta"]],
  ])) {
    test(`an answer arrives through ${name}: ${manner}`, async (t) => {
      const [first, second] = [await provide(t, wire, manner, manner === "whole" ? undefined : 0), await provide(t, wire, "whole")];
      const routing = open(t, { alpha: { base_url: first.url }, beta: { base_url: second.url } });
      assert.deepEqual(await read(routing, ask, { firstTokenS: 0.5 }), { asked, text: "onetwothree", restarted: false, error: null });
      // Whatever became of it, the connection is not held; without the signal, nothing ends a request before its answer.
      const isHeld = manner === "mute" && name.includes("without the signal");
      for (let left = 500; !isHeld && first.closed.count < asked.length - 1; left -= 1) {
        assert.ok(left > 0, "the connection is open");
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    });
  }

  for (const manner of /** @type {Manner[]} */ (["cut", "ended", "silent"])) {
    test(`a truncated answer is never passed off as whole through ${name}: ${manner}`, async (t) => {
      const [first, second] = [await provide(t, wire, manner, 2), await provide(t, wire, "whole")];
      const targets = { alpha: { base_url: first.url, limits: { stall_s: 0.3 } }, beta: { base_url: second.url } };
      const { text, error } = await read(open(t, targets), ask);
      assert.equal(text, "onetwo");
      assert.equal(error.hotspareAttempts[0].outcome, manner === "silent" ? "timeout" : "broken_stream");
      const anew = await read(open(t, targets), ask, { onCut: "restart" });
      assert.deepEqual(anew, { asked: ["alpha", "beta"], text: "onetwothree", restarted: true, error: null });
    });
  }
}
