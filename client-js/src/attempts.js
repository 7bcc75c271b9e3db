/** The loop around a request: `for await (const attempt of attempts) { try { … } catch (error) { attempt.fail(error) } }`. */

import { readFailure } from "./failure.js";
import { race } from "./hedging.js";
import { isFinal } from "./policy.js";
import { Request, USUAL_LIMIT_S } from "./request.js";
import { Stopper } from "./stopper.js";
import { StreamWatch } from "./stream-watch.js";
import { readStream } from "./streams.js";

/** @import { Ask, Target, Terms } from "../types/index.js" */
/** @import { Racer } from "./hedging.js" */
/** @import { Step } from "./policy.js" */
/** @import { Piece } from "./pieces.js" */
/** @import { Routing } from "./routing.js" */

/** Of a timer in Node. */
const LONGEST_MS = 2 ** 31 - 1;

/** One request at one target; `index.d.ts` says what is promised. */
export class Attempt {
  #request;
  #beganAt;
  #isRunning = true;
  /** @type {Stopper | null} */
  #stopper = null;
  /** @type {unknown[]} The error with which a stream has ended. */
  #streamErrors = [];
  #hasBegun = false;
  /** @type {number | undefined} */
  #firstTokenS;
  inputTokens = 0;
  outputTokens = 0;

  /** @param {Request} request @param {Target} target @param {boolean} restarted */
  constructor(request, target, restarted) {
    this.#request = request;
    this.#beganAt = request.routing.monotonic();
    request.number += 1;
    this.number = request.number;
    this.target = target;
    this.restarted = restarted;
  }

  get timeoutMs() {
    return this.#milliseconds(this.#request.terms.answerS ?? USUAL_LIMIT_S);
  }

  get firstTokenS() {
    return this.#request.terms.firstTokenS ?? this.target.limits.firstTokenS ?? USUAL_LIMIT_S;
  }

  get stallS() {
    return this.target.limits.stallS ?? Math.max(USUAL_LIMIT_S, this.#request.terms.firstTokenS ?? 0);
  }

  get streamTimeoutMs() {
    return this.#milliseconds(Math.max(this.firstTokenS, this.stallS));
  }

  get signal() {
    if (!this.#stopper) {
      this.#stopper = new Stopper(this.#request.terms.signal, this.target.id, this.timeoutMs);
      if (!this.#isRunning) this.#stopper.release();
    }
    return this.#stopper.signal;
  }

  /** Whether a piece of its stream has been given. */
  get hasBegun() {
    return this.#hasBegun;
  }

  /** @template T @param {Ask<T>} ask @returns {Promise<T>} */
  async call(ask) {
    const afterS = this.#request.hedgeAfterS(this.target);
    if (afterS === null) return ask({ target: this.target, timeoutMs: this.timeoutMs, signal: this.signal });
    const request = this.#request;
    const { signal } = request.terms;
    return race(ask, this.target, afterS, {
      start: (target) => {
        const stopper = new Stopper(signal, target.id, this.timeoutMs);
        return { target, beganAt: request.routing.monotonic(), stopper };
      },
      second: () => request.chooseHedge(this.target),
      leftS: () => request.leftS(),
      timeoutMs: () => this.timeoutMs,
      win: (racer) => this.#become(racer),
      lose: ({ target, beganAt, stopper }, error) => {
        const isLate = stopper.isLate && isAbort(error);
        if (signal?.aborted || (isAbort(error) && !isLate) || (!isLate && isFinal(readFailure(error)))) return false;
        request.note(error, target, { beganAt, isLate });
        return true;
      },
    });
  }

  /**
   * @param {AsyncIterable<unknown> | Response | Ask<unknown>} stream
   * @param {(piece: any) => Piece} [readPiece]
   * @returns {AsyncGenerator<any, void, undefined>}
   */
  async *watch(stream, readPiece) {
    const { routing, terms } = this.#request;
    const { target, firstTokenS, stallS, streamTimeoutMs: timeoutMs } = this;
    const watch = new StreamWatch(target.id, { beganAt: this.#beganAt, firstTokenS, stallS }, readPiece);
    const stopper = new Stopper(terms.signal);
    this.#stopWatch = () => stopper.stop();
    const open = () => (typeof stream === "function" ? stream({ target, timeoutMs, signal: stopper.signal }) : stream);
    try {
      const request = { clock: routing.monotonic, leftS: () => this.#request.leftS(), stop: this.#stopWatch, signal: stopper.signal };
      for await (const piece of readStream(open, watch, request)) {
        this.#notePiece();
        yield piece;
      }
    } catch (error) {
      if (watch.isOpen) this.#streamErrors = [error];
      throw error;
    } finally {
      stopper.release();
    }
  }

  /** @param {unknown} error */
  fail(error) {
    if (!this.#isRunning) throw new Error("an attempt is one request: take the next one from the loop");
    this.#stop();
    // What the caller has called off is no failure of a provider.
    if (this.#request.terms.signal?.aborted) throw error;
    const isLate = (this.#stopper?.isLate ?? false) && isAbort(error);
    const inStream = this.#streamErrors.includes(error);
    if (isAbort(error) && !isLate && !inStream) throw error;
    const how = { beganAt: this.#beganAt, isLate, inStream, hasBegun: this.#hasBegun };
    if (!this.#request.fail(error, this.target, how)) throw error;
  }

  /** Its block has ended: well, where nothing has failed. */
  end() {
    if (!this.#isRunning) return;
    this.#stop();
    if (this.#request.terms.signal?.aborted) return;
    const { inputTokens, outputTokens } = this;
    this.#request.succeed(this.target, this.#beganAt, { firstTokenS: this.#firstTokenS, inputTokens, outputTokens });
  }

  /** Nobody reads its stream any more. */
  cancel() {
    this.end();
    this.#stopWatch();
  }

  #stopWatch = () => {};

  /** Nothing more is timed. */
  #stop() {
    this.#isRunning = false;
    this.#stopper?.release();
  }

  /** From now on the attempt is that of the target that gave the answer, or the error. @param {Racer} racer */
  #become({ target, beganAt, stopper }) {
    this.target = target;
    this.#beganAt = beganAt;
    this.#stopper?.release();
    this.#stopper = stopper;
  }

  #notePiece() {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#firstTokenS = this.#request.routing.monotonic() - this.#beganAt;
  }

  /** A limit in whole milliseconds, and no more than is left. @param {number} seconds */
  #milliseconds(seconds) {
    return Math.min(Math.max(Math.ceil(1000 * Math.min(seconds, this.#request.leftS())), 1), LONGEST_MS);
  }
}

/** The attempts of a request. Each loop is a request of its own, and the deadline begins with the loop. */
export class Attempts {
  #routing;
  #route;
  #terms;

  /** @param {Routing} routing @param {string} route @param {Terms} terms */
  constructor(routing, route, terms) {
    this.#routing = routing;
    this.#route = route;
    this.#terms = terms;
  }

  async *[Symbol.asyncIterator]() {
    const { signal } = this.#terms;
    if (signal?.aborted) throw signal.reason;
    const request = new Request(this.#routing, this.#route, this.#terms);
    let restarted = false;
    for (let step = /** @type {Step | null} */ (request.start()); step; step = request.nextStep()) {
      if (step.pauseS > 0) await pause(step.pauseS, signal);
      const attempt = new Attempt(request, step.target, restarted);
      try {
        yield attempt;
      } finally {
        attempt.end();
      }
      restarted ||= attempt.hasBegun;
    }
  }

  /** @template T @param {(attempt: Attempt) => T | PromiseLike<T>} ask @returns {Promise<T>} */
  async run(ask) {
    for await (const attempt of this) {
      try {
        return await ask(attempt);
      } catch (error) {
        attempt.fail(error);
      }
    }
    throw new Error("unreachable: the last attempt has thrown its error");
  }
}

/** Whether a request was called off, in the words of `fetch` and of SDKs. @param {unknown} error */
function isAbort(error) {
  try {
    return error instanceof Error && (error.name === "AbortError" || /UserAbort/.test(error.constructor.name));
  } catch {
    return false;
  }
}

/** @param {number} seconds @param {AbortSignal} [signal] @returns {Promise<void>} */
function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, seconds * 1000);
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted) stop();
  });
}
