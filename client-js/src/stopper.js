/** The signal of one request to a provider: it follows the caller's, and ends a request that is late. */

/** Of a timer in Node. */
const LONGEST_MS = 2 ** 31 - 1;

/** How long a timer runs that never ends before so many seconds have passed. @param {number} seconds */
export function milliseconds(seconds) {
  return Math.min(Math.ceil(seconds * 1000) + 1, LONGEST_MS);
}

export class Stopper {
  /** Whether the request was late. */
  isLate = false;
  #controller = new AbortController();
  #caller;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  #follow = () => this.#controller.abort(this.#caller?.reason);

  /**
   * `timeoutMs`: after so long the request is late; endless without it.
   *
   * @param {AbortSignal | undefined} caller
   * @param {string} [target]
   * @param {number} [timeoutMs]
   */
  constructor(caller, target, timeoutMs) {
    this.#caller = caller;
    caller?.addEventListener("abort", this.#follow, { once: true });
    if (caller?.aborted) this.#follow();
    if (timeoutMs === undefined) return;
    this.#timer = setTimeout(() => {
      this.isLate = true;
      this.stop(new DOMException(`no answer from ${target} within ${timeoutMs / 1000} s`, "TimeoutError"));
    }, Math.min(timeoutMs, LONGEST_MS)).unref();
  }

  get signal() {
    return this.#controller.signal;
  }

  /** End the request. @param {unknown} [reason] */
  stop(reason) {
    this.#controller.abort(reason);
    this.release();
  }

  /** The answer has begun: nothing more is timed. */
  keep() {
    clearTimeout(this.#timer);
  }

  /** The request has ended. */
  release() {
    this.keep();
    this.#caller?.removeEventListener("abort", this.#follow);
  }
}
