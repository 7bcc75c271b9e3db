/** The loop around a request: `for await (const attempt of attempts) { try { … } catch (error) { attempt.fail(error) } }`. */

import { Request, USUAL_LIMIT_S } from "./request.js";

/** @import { Target, Terms } from "../types/index.js" */
/** @import { Routing } from "./routing.js" */
/** @import { Step } from "./policy.js" */

/** Of a timer in Node. */
const LONGEST_MS = 2 ** 31 - 1;

/** One request at one target; `index.d.ts` says what is promised. */
export class Attempt {
  #request;
  #beganAt;
  #isRunning = true;
  #isLate = false;
  /** @type {AbortController | null} */
  #controller = null;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  #abort = () => this.#controller?.abort(this.#request.terms.signal?.reason);

  /** @param {Request} request @param {Target} target */
  constructor(request, target) {
    this.#request = request;
    this.#beganAt = request.routing.monotonic();
    request.number += 1;
    this.number = request.number;
    this.target = target;
  }

  get timeoutMs() {
    const limitS = this.#request.terms.answerS ?? USUAL_LIMIT_S;
    const leftMs = Math.ceil(1000 * Math.min(limitS, this.#request.leftS()));
    return Math.min(Math.max(leftMs, 1), LONGEST_MS);
  }

  /** What a stream may take until its first piece, and between two pieces. */
  get firstTokenS() {
    return this.#request.terms.firstTokenS ?? this.target.limits.firstTokenS ?? USUAL_LIMIT_S;
  }

  get stallS() {
    return this.target.limits.stallS ?? Math.max(USUAL_LIMIT_S, this.#request.terms.firstTokenS ?? 0);
  }

  get leftS() {
    return this.#request.leftS();
  }

  get signal() {
    if (this.#controller) return this.#controller.signal;
    const controller = new AbortController();
    this.#controller = controller;
    const { signal } = this.#request.terms;
    if (signal?.aborted) this.#abort();
    signal?.addEventListener("abort", this.#abort, { once: true });
    const { timeoutMs } = this;
    const stop = () => {
      this.#isLate = true;
      controller.abort(new DOMException(`no answer from ${this.target.id} within ${timeoutMs / 1000} s`, "TimeoutError"));
    };
    if (this.#isRunning) this.#timer = setTimeout(stop, timeoutMs).unref();
    return controller.signal;
  }

  /** @param {unknown} error @param {{ inStream?: boolean, hasBegun?: boolean }} [how] */
  fail(error, how = {}) {
    if (!this.#isRunning) throw new Error("an attempt is one request: take the next one from the loop");
    this.#stop();
    // What the caller has called off is no failure of a provider.
    if (this.#request.terms.signal?.aborted) throw error;
    const isLate = this.#isLate && isAbort(error);
    if (isAbort(error) && !isLate) throw error;
    if (!this.#request.fail(error, this.target, { beganAt: this.#beganAt, isLate, ...how })) throw error;
  }

  /** Its block has ended: well, where nothing has failed. */
  end() {
    if (!this.#isRunning) return;
    this.#stop();
    if (!this.#request.terms.signal?.aborted) this.#request.succeed(this.target, this.#beganAt);
  }

  /** Nothing more is timed. */
  #stop() {
    this.#isRunning = false;
    clearTimeout(this.#timer);
    this.#request.terms.signal?.removeEventListener("abort", this.#abort);
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
    for (let step = /** @type {Step | null} */ (request.start()); step; step = request.nextStep()) {
      if (step.pauseS > 0) await pause(step.pauseS, signal);
      const attempt = new Attempt(request, step.target);
      try {
        yield attempt;
      } finally {
        attempt.end();
      }
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
