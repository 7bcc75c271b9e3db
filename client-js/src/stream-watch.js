/** Judges the pieces of one stream: which of them to give, how long to wait for the next, whether it is whole (pure). */

import { readPiece } from "./pieces.js";

/** @import { Piece } from "./pieces.js" */

/**
 * After its right end a stream may still bring its usage; after that, only the terminator that lets the connection be
 * used again.
 */
const AFTER_END_S = 0.5;
const AFTER_USAGE_S = 0.1;
/** More pieces without a word of the answer are no beginning of one. */
const MOST_HELD = 1000;

/** The stream ended without the right end of its dialect: the answer is not whole. */
export class StreamCutError extends Error {
  name = "StreamCutError";
  code = "ERR_STREAM_PREMATURE_CLOSE";
}

/** No piece came within the limit. */
export class StreamSilentError extends Error {
  name = "StreamSilentError";
  code = "ERR_STREAM_TIMEOUT";
}

/** The provider said inside the stream that it failed; `body` is what it said. */
export class StreamFailedError extends Error {
  name = "StreamFailedError";

  /** @param {string} message @param {unknown} body */
  constructor(message, body) {
    super(message, { cause: body });
    this.body = body;
  }
}

/** One stream. Pieces are held back until the first one that speaks, so that a failure before it is unseen. */
export class StreamWatch {
  /** Whether there is a stream; before that, an error may be the caller's own. */
  isOpen = false;
  #name;
  #beganAt;
  #firstTokenS;
  #stallS;
  #read;
  /** @type {unknown[]} */
  #held = [];
  #count = 0;
  /** Waited for since the last piece that spoke. */
  #silentS = 0;
  #speaks = false;
  #known = false;
  /** @type {Set<number>} */
  #parts = new Set();
  /** @type {Set<number>} */
  #ended = new Set();
  #hasUsage = false;
  #isDone = false;

  /**
   * @param {string} name
   * @param {{ beganAt: number, firstTokenS: number, stallS: number }} limits
   * @param {(piece: any) => Piece} [read]
   */
  constructor(name, { beganAt, firstTokenS, stallS }, read = readPiece) {
    this.#name = name;
    this.#beganAt = beganAt;
    this.#firstTokenS = firstTokenS;
    this.#stallS = stallS;
    this.#read = read;
  }

  /** Whether the right end has come; where no piece has the shape of a dialect, there is none to wait for. */
  get isWhole() {
    return this.#isDone || (this.#ended.size > 0 && [...this.#parts].every((part) => this.#ended.has(part)));
  }

  /** How long the next piece may take; `leftS` until the deadline of the request. @param {number} now @param {number} leftS */
  patienceS(now, leftS) {
    if (this.isWhole) return this.#hasUsage || this.#isDone ? AFTER_USAGE_S : AFTER_END_S;
    const limitS = this.#speaks ? this.#stallS - this.#silentS : this.#firstTokenS - (now - this.#beganAt);
    return Math.max(0, Math.min(limitS, leftS));
  }

  /** The pieces to give now. Throws StreamFailedError where this one says that the provider failed. @param {unknown} piece @param {number} waitedS @returns {unknown[]} */
  take(piece, waitedS) {
    const { known, speaks, parts, ended, usage, error } = this.#read(piece);
    this.#count += 1;
    if (error instanceof Error) throw error;
    if (error !== null) throw new StreamFailedError(`${this.#name} failed inside the stream: ${wordsOf(error)}`, error);
    this.#known ||= known;
    for (const part of parts) this.#parts.add(part);
    for (const part of ended) this.#ended.add(part);
    this.#hasUsage ||= usage;
    this.#silentS = speaks ? 0 : this.#silentS + waitedS;
    this.#speaks ||= speaks;
    this.#held.push(piece);
    return this.#speaks || this.isWhole || this.#held.length >= MOST_HELD ? this.give() : [];
  }

  /** The wire has said that nothing follows (`[DONE]`), which SDKs do not show. */
  finish() {
    this.#isDone = true;
  }

  /** What is held back. */
  give() {
    return this.#held.splice(0);
  }

  /** The error for a stream that sent nothing within its limit. @param {number} waitedS */
  silence(waitedS) {
    const what = this.#speaks ? `nothing for ${waitedS.toFixed(1)} s after ${this.#count} pieces` : "no piece of the answer";
    return new StreamSilentError(`${this.#name} sent ${what}`);
  }

  /** Throws StreamCutError where the stream has ended before its right end. */
  checkEnd() {
    if (this.#count > 0 && (!this.#known || this.isWhole)) return;
    throw new StreamCutError(`the stream of ${this.#name} ended after ${this.#count} pieces, without its end`);
  }
}

/** @param {unknown} error */
function wordsOf(error) {
  try {
    return String(typeof error === "string" ? error : JSON.stringify(error)).slice(0, 200);
  } catch {
    return "something that cannot be written";
  }
}
