/** Providers that stream in the dialects, and what an application reads of them. */

import { once } from "node:events";
import http from "node:http";

import { Routing } from "hotspare-client";

import { newPath, writeRoute } from "./shared.js";

/** @import { Asking, Attempt, Terms } from "hotspare-client" */
/** @import { TestContext } from "node:test" */

const WORDS = ["one", "two", "three"];

/** A piece of a chat. @param {string} content @param {string | null} [finish] */
function chunk(content, finish = null) {
  return { choices: [{ index: 0, delta: { content }, finish_reason: finish }] };
}

/** A role, three words, and the end. */
export const WHOLE = [{ choices: [{ index: 0, delta: { role: "assistant", content: "" } }] }, ...WORDS.map((word) => chunk(word)), chunk("", "stop")];

/** @type {Record<string, unknown[]>} What each dialect sends for three words. */
export const WIRE = {
  "openai-chat": [WHOLE[0], chunk("one"), chunk("two"), chunk("three", "stop")],
  "openai-responses": [
    { type: "response.created", response: {} },
    ...WORDS.map((delta) => ({ type: "response.output_text.delta", delta })),
    { type: "response.completed", response: { usage: {} } },
  ],
  anthropic: [
    { type: "message_start", message: { id: "m", type: "message", role: "assistant", content: [], usage: { input_tokens: 5, output_tokens: 1 } } },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    ...WORDS.map((text) => ({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text } })),
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 3 } },
    { type: "message_stop" },
  ],
  gemini: [
    { candidates: [{ content: { parts: [] }, index: 0 }] },
    ...WORDS.slice(0, 2).map((text) => ({ candidates: [{ content: { parts: [{ text }] }, index: 0 }] })),
    { candidates: [{ content: { parts: [{ text: "three" }] }, finishReason: "STOP", index: 0 }], usageMetadata: {} },
  ],
};

/** @typedef {"whole" | "cut" | "ended" | "silent" | "mute" | "refuses"} Manner */

/** A provider that sends the dialect's pieces: all, or so many words in the manner said. @param {TestContext} t @param {unknown[]} wire @param {Manner} manner @param {number} [words] */
export async function provide(t, wire, manner, words) {
  const spoken = wire.flatMap((piece, index) => (wordsOf(piece) ? [index] : []));
  const count = spoken[words ?? Infinity] ?? wire.length;
  const closed = { count: 0 };
  const server = http.createServer((_, response) => {
    response.on("close", () => (closed.count += 1));
    if (manner === "refuses") return void response.writeHead(503, { "retry-after": "1" }).end('{"error": {"message": "busy"}}');
    if (manner === "mute") return;
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const piece of wire.slice(0, count)) response.write(`event: ${/** @type {any} */ (piece).type ?? "message"}\r\ndata: ${JSON.stringify(piece)}\r\n\r\n`);
    if (manner === "cut") setTimeout(() => response.destroy(), 20);
    if (manner === "ended" || manner === "whole") response.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close() && server.closeAllConnections());
  return { url: `http://127.0.0.1:${/** @type {any} */ (server.address()).port}`, closed };
}

/** The text of a request's stream, and what became of it. @param {Routing} routing @param {(asking: Asking) => any} ask @param {Terms} [terms] */
export async function read(routing, ask, terms) {
  const found = { asked: /** @type {string[]} */ ([]), text: "", restarted: false, error: /** @type {any} */ (null) };
  const run = routing.attempts("chat", terms).run(async (/** @type {Attempt} */ attempt) => {
    found.asked.push(attempt.target.provider);
    found.text = "";
    found.restarted = attempt.restarted;
    for await (const piece of attempt.watch(ask)) found.text += wordsOf(piece);
  });
  await run.catch((error) => (found.error = error));
  return found;
}

/** The text in a piece of any dialect. @param {any} piece */
function wordsOf(piece) {
  const part = piece.candidates?.[0]?.content?.parts?.[0];
  return piece.choices?.[0]?.delta?.content ?? piece.delta?.text ?? part?.text ?? (typeof piece.delta === "string" ? piece.delta : "");
}

/** @param {TestContext} t @param {any} targets */
export function open(t, targets = { alpha: {}, beta: {} }) {
  const file = newPath(t);
  writeRoute(file, targets);
  return new Routing(file, { checkEveryS: 0, reportTo: "" });
}
