/** The pieces of a stream as `fetch` gives it: the JSON of server-sent events. What an SDK gives passes as it is. */

/** More than this in one event, or in the body of an error, is not read. */
const MOST_CHARACTERS = 1 << 24;
const MOST_ERROR_BYTES = 100_000;

/** Nothing follows: `[DONE]` after the pieces of a chat. In the other dialects it ends nothing. */
export const DONE = Symbol("[DONE]");

/** The answer has another status than 2xx; an error like those of the SDKs. */
export class StatusError extends Error {
  name = "StatusError";

  /** @param {number} status @param {Headers} headers @param {string} body */
  constructor(status, headers, body) {
    super(`status ${status}: ${body.slice(0, 200)}`);
    this.status = status;
    this.headers = headers;
    this.body = body;
  }
}

/**
 * What is to be read of an answer: the body of a Response whose status is good, and anything else as it is.
 *
 * @param {any} answer
 * @returns {Promise<AsyncIterable<unknown>>}
 */
export async function streamOf(answer) {
  if (typeof answer?.body?.getReader === "function" && typeof answer.status === "number") {
    if (answer.status >= 200 && answer.status < 300) return piecesOf(answer.body);
    throw new StatusError(answer.status, answer.headers, await textOf(answer.body));
  }
  if (typeof answer?.[Symbol.asyncIterator] !== "function") {
    throw new TypeError("expected a stream: an async iterable, or a Response of fetch");
  }
  return piecesOf(answer);
}

/** @param {AsyncIterable<unknown>} stream */
async function* piecesOf(stream) {
  const events = new Events();
  for await (const chunk of stream) {
    if (chunk instanceof Uint8Array) yield* events.take(chunk);
    else yield chunk;
  }
  yield* events.end();
}

/** @param {AsyncIterable<Uint8Array>} body */
async function textOf(body) {
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const chunk of body) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length > MOST_ERROR_BYTES) break;
    }
  } catch {
    // What has come says enough.
  }
  return text;
}

/** Makes pieces of bytes, wherever these are cut. */
class Events {
  #decoder = new TextDecoder();
  /** What has come of a line that has not ended, and of an event. */
  #line = "";
  /** @type {string[]} */
  #data = [];
  #size = 0;
  #isChat = false;

  /** @param {Uint8Array} bytes */
  *take(bytes) {
    yield* this.#read(this.#decoder.decode(bytes, { stream: true }));
  }

  /** An event may lack its blank line at the end. */
  *end() {
    yield* this.#read(`${this.#decoder.decode()}\n\n`);
  }

  /** @param {string} text */
  *#read(text) {
    // A carriage return at the end may be the half of a line's end.
    const lines = (this.#line + text).split(/\r\n|\n|\r(?!$)/);
    this.#line = /** @type {string} */ (lines.pop());
    for (const line of lines) {
      this.#size += line.length;
      if (line.startsWith("data:")) this.#data.push(line.slice(line[5] === " " ? 6 : 5));
      else if (line === "") yield* this.#event();
    }
    if (this.#size + this.#line.length > MOST_CHARACTERS) throw new Error("an event of the stream is larger than 16 MiB");
  }

  *#event() {
    const data = this.#data.join("\n");
    this.#data = [];
    this.#size = 0;
    if (data.trim() === "[DONE]") {
      if (this.#isChat) yield DONE;
    } else if (data) {
      const piece = JSON.parse(data);
      this.#isChat ||= Array.isArray(piece?.choices);
      yield piece;
    }
  }
}
