/** The provider for the Vercel AI SDK, with the real SDK, its real provider for OpenAI's dialect, and real sockets. */

import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import http from "node:http";
import { test } from "node:test";

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { createProviderRegistry, generateText, streamText } from "ai";
import { Routing } from "hotspare-client";
import { createHotspare } from "hotspare-client/ai";

import { newPath, writeRoute } from "./shared.js";

/** @import { RequestListener, ServerResponse } from "node:http" */
/** @import { TestContext } from "node:test" */
/** @import { ModelTerms } from "hotspare-client/ai" */

const WORDS = Array.from({ length: 60 }, (_, index) => `word${index} `);
const ANSWER = WORDS.join("");
const usage = { prompt_tokens: 5, completion_tokens: 60, total_tokens: 65 };

/** @param {ServerResponse} response @param {unknown} delta @param {object} [more] */
function send(response, delta, more = {}) {
  response.write(`data: ${JSON.stringify({ id: "1", choices: [{ index: 0, delta, ...more }] })}\n\n`);
}

/** @param {ServerResponse} response @param {number} [count] */
function speak(response, count = WORDS.length) {
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const content of WORDS.slice(0, count)) send(response, { content });
}

/** A provider that is well. @type {RequestListener} */
function well(request, response) {
  /** @type {Buffer[]} */
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk)).on("end", () => {
    if (JSON.parse(Buffer.concat(chunks).toString()).stream) {
      speak(response);
      send(response, {}, { finish_reason: "stop" });
      response.end(`data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`);
    } else {
      const message = { role: "assistant", content: ANSWER };
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ choices: [{ index: 0, message, finish_reason: "stop" }], usage }));
    }
  });
}

/** @param {number} status @param {unknown} body @param {Record<string, string>} [headers] @returns {RequestListener} */
function fails(status, body, headers) {
  return (_, response) => void response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

/** Two providers, the first of which answers as told, the second well. @param {TestContext} t @param {RequestListener} first @param {ModelTerms} [terms] @param {string} [reportTo] */
async function open(t, first, terms, reportTo = "") {
  /** @type {string[]} */
  const asked = [];
  /** @type {Record<string, object>} */
  const targets = {};
  for (const [name, answer] of /** @type {[string, RequestListener][]} */ ([["alpha", first], ["beta", well]])) {
    const server = http.createServer((request, response) => {
      asked.push(name);
      answer(request, response);
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
    t.after(() => server.close() && server.closeAllConnections());
    targets[name] = { base_url: `http://127.0.0.1:${/** @type {any} */ (server.address()).port}/v1` };
  }
  const file = newPath(t);
  writeRoute(file, targets);
  const routing = new Routing(file, { checkEveryS: 0, reportTo });
  const hotspare = createHotspare(
    routing,
    ({ provider, baseUrl, model }) => createOpenAICompatible({ name: provider, baseURL: baseUrl, includeUsage: true })(model),
    terms,
  );
  return { asked, hotspare, routing };
}

/** @type {[string, RequestListener, string[]][]} */
const FAULTS = [
  ["well", well, ["alpha"]],
  ["503 for ever", fails(503, { error: { message: "Service unavailable" } }), ["alpha", "beta"]],
  ["500 for ever", fails(500, { error: { message: "The server had an error" } }), ["alpha", "alpha", "beta"]],
  ["no key", fails(401, { error: { message: "Incorrect API key", code: "invalid_api_key" } }), ["alpha", "beta"]],
  ["429 with a long wait", fails(429, { error: { message: "slow" } }, { "retry-after": "30" }), ["alpha", "beta"]],
  ["a reset before headers", (request) => void request.socket.destroy(), ["alpha", "alpha", "beta"]],
  ["silence", () => {}, ["alpha", "beta"]],
  ["not the API", (_, response) => void response.end("<html>"), ["alpha", "alpha", "beta"]],
];

for (const [name, first, expected] of FAULTS) {
  test(`an answer arrives: ${name}`, async (t) => {
    const { asked, hotspare } = await open(t, first, name === "silence" ? { answerS: 0.8 } : {});
    const { text, usage, providerMetadata } = await generateText({ model: hotspare("chat"), prompt: "Hello", maxRetries: 0 });
    assert.equal(text, ANSWER);
    assert.equal(usage.outputTokens, 60);
    assert.deepEqual(asked, expected);
    assert.equal(providerMetadata?.hotspare.target, `${expected.at(-1)}/m`);
  });
}

/** @type {[string, RequestListener, string[]][]} */
const STREAM_FAULTS = [
  ...FAULTS.filter(([name]) => name !== "not the API"),
  ["headers, then silence", (_, response) => void response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders(), ["alpha", "beta"]],
  ["a first piece without a word, then a cut", (_, response) => {
    speak(response, 0);
    send(response, { role: "assistant", content: "" });
    setTimeout(() => response.destroy(), 20);
  }, ["alpha", "alpha", "beta"]],
  ["an error in the first piece", (_, response) => {
    speak(response, 0);
    response.end(`data: ${JSON.stringify({ error: { message: "Overloaded", type: "overloaded_error" } })}\n\n`);
  }, ["alpha", "beta"]],
];

for (const [name, first, expected] of STREAM_FAULTS) {
  test(`a stream arrives: ${name}`, async (t) => {
    const { asked, hotspare } = await open(t, first, name.includes("silence") ? { firstTokenS: 0.8 } : {});
    const result = streamText({ model: hotspare("chat"), prompt: "Hello", maxRetries: 0, onError: ({ error }) => assert.fail(String(error)) });
    assert.deepEqual(await read(result.textStream), { text: ANSWER, error: null });
    assert.equal((await result.usage).outputTokens, 60);
    assert.deepEqual(asked, expected);
    assert.equal((await result.providerMetadata)?.hotspare.target, `${expected.at(-1)}/m`);
  });
}

/** What a stream gives, and the error that ends it. @param {AsyncIterable<string>} stream */
async function read(stream) {
  let text = "";
  try {
    for await (const piece of stream) text += piece;
  } catch (error) {
    return { text, error: /** @type {any} */ (error) };
  }
  return { text, error: null };
}

/** @type {[string, RequestListener][]} */
const CUTS = [
  ["cut", (_, response) => {
    speak(response, 40);
    setTimeout(() => response.destroy(), 20);
  }],
  ["ended without its end", (_, response) => {
    speak(response, 40);
    response.end();
  }],
  ["an event that is not JSON", (_, response) => {
    speak(response, 40);
    response.write("data: {no\n\n");
    send(response, {}, { finish_reason: "stop" });
    response.end("data: [DONE]\n\n");
  }],
];

for (const [name, first] of CUTS) {
  test(`a truncated answer is never passed off as whole: ${name}`, async (t) => {
    const { asked, hotspare } = await open(t, first);
    const result = streamText({ model: hotspare("chat"), prompt: "Hello", maxRetries: 0 });
    const { text, error } = await read(result.textStream);
    assert.equal(text, WORDS.slice(0, 40).join(""));
    assert.equal(error.hotspareAttempts[0].outcome, "broken_stream");
    await assert.rejects(Promise.resolve(result.text), (/** @type {unknown} */ thrown) => thrown === error);
    assert.deepEqual(asked, ["alpha"]);
    // What has just failed here is left alone.
    assert.equal((await generateText({ model: hotspare("chat"), prompt: "Hello", maxRetries: 0 })).text, ANSWER);
    assert.deepEqual(asked, ["alpha", "beta"]);
  });
}

test("a stream that falls silent after its first words is bounded", async (t) => {
  const { hotspare } = await open(t, (_, response) => speak(response, 20), { deadlineS: 1.5 });
  const result = streamText({ model: hotspare("chat"), prompt: "Hello", maxRetries: 0 });
  const { text, error } = await read(result.textStream);
  assert.equal(text, WORDS.slice(0, 20).join(""));
  assert.equal(error.hotspareAttempts[0].outcome, "timeout");
});

test("content policy is the answer", async (t) => {
  const { asked, hotspare } = await open(t, fails(400, { error: { code: "content_filter", message: "content policy" } }));
  await assert.rejects(generateText({ model: hotspare("chat"), prompt: "Hello", maxRetries: 0 }), /content policy/);
  assert.deepEqual(asked, ["alpha"]);
});

test("what the caller calls off is asked of nobody else", async (t) => {
  let controller = new AbortController();
  const { asked, hotspare } = await open(t, () => controller.abort());
  for (const ask of [generateText, async (/** @type {any} */ options) => await streamText({ ...options, onError: () => {} }).text]) {
    controller = new AbortController();
    const options = { model: hotspare("chat"), prompt: "Hello", maxRetries: 0, abortSignal: controller.signal };
    await assert.rejects(Promise.resolve(ask(options)));
  }
  assert.deepEqual(asked, ["alpha", "alpha"]);
});

test("answers and streams are reported with their tokens", async (t) => {
  const socket = dgram.createSocket("udp4").bind(0, "127.0.0.1");
  t.after(() => socket.close());
  await once(socket, "listening");
  const { hotspare, routing } = await open(t, well, { tag: "search" }, `udp://127.0.0.1:${socket.address().port}`);
  await generateText({ model: hotspare("chat"), prompt: "Hello", maxRetries: 0 });
  await streamText({ model: hotspare("chat"), prompt: "Hello", maxRetries: 0 }).text;
  const arriving = once(socket, "message");
  routing.reporter.flush();
  const [row] = JSON.parse(String((await arriving)[0]).split("\n")[1]).rows;
  assert.deepEqual([...row.slice(0, 4), ...row.slice(6)], ["alpha/m", "chat", "search", { ok: 2 }, 10, 120]);
  assert.equal(Object.keys(row[5]).length, 1);
});

test("it is a provider of a registry, for language models only", async (t) => {
  const { hotspare } = await open(t, well);
  const registry = createProviderRegistry({ hotspare });
  const { text } = await generateText({ model: registry.languageModel("hotspare:chat"), prompt: "Hello", maxRetries: 0 });
  assert.equal(text, ANSWER);
  assert.throws(() => registry.embeddingModel("hotspare:chat"), /language models only/);
  assert.throws(() => createHotspare(new Routing("x"), /** @type {any} */ (null), { answerS: 0 }), RangeError);
});
