/** Reads routing files, errors and streams from standard input, and prints what this client makes of them. */

import fs from "node:fs";

import { readFailure } from "../src/failure.js";
import { readPiece } from "../src/pieces.js";
import { StreamWatch } from "../src/stream-watch.js";
import { readStream } from "../src/streams.js";
import { parse } from "../src/table.js";
import { APIStatusError } from "./faults.js";

/**
 * @type {{
 *   files: string[], errors: { status: number, body: unknown, headers: Record<string, string> }[],
 *   pieces: unknown[], streams: unknown[][], bodies: string[],
 * }}
 */
const { files = [], errors = [], pieces = [], streams = [], bodies = [] } = JSON.parse(fs.readFileSync(0, "utf8"));

/** @param {string} text */
function problemOf(text) {
  try {
    parse(new TextEncoder().encode(text));
    return null;
  } catch (error) {
    return /** @type {Error} */ (error).message;
  }
}

/** How many pieces a stream gives, or the outcome with which it fails. @param {unknown} stream */
async function readAll(stream) {
  const watch = new StreamWatch("a/m", { beganAt: 100, firstTokenS: 10, stallS: 5 });
  const request = { clock: () => 100, leftS: () => Infinity, signal: new AbortController().signal, stop: () => {} };
  let count = 0;
  try {
    for await (const _ of readStream(() => stream, watch, request)) count += 1;
    return count;
  } catch (error) {
    return readFailure(error, { inStream: true }).outcome;
  }
}

/** @param {unknown[]} all */
async function* each(all) {
  yield* all;
}

const found = {
  problems: files.map(problemOf),
  failures: errors.map(({ status, body, headers }) => readFailure(new APIStatusError(status, body, headers))),
  pieces: pieces.map((piece) => ({ ...readPiece(piece), error: readPiece(piece).error !== null })),
  streams: await Promise.all(streams.map((all) => readAll(each(all)))),
  bodies: await Promise.all(bodies.map((body) => readAll(new Response(body)))),
};
process.stdout.write(JSON.stringify(found));
