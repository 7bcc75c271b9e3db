/** What this process remembers of the last minute: which targets failed, and how much was asked twice. */

/** How long a target that failed is left alone. */
export const SKIP_S = 5;
/** Repeats: at most this share of the requests of the last minute, and always so many. */
export const BUDGET_SHARE = 0.1;
export const BUDGET_LEAST = 3;
const WINDOW_S = 60;

/** Of one process; every method takes the time in seconds of a monotonic clock. */
export class Memory {
  /** @type {Map<string, number>} */
  #failedAt = new Map();
  /** A slot for each second of the window: which second it holds, and what was counted in it. */
  #slots = Array.from({ length: WINDOW_S }, () => ({ second: -1, requests: 0, extras: 0 }));

  /** A request of the application has begun. @param {number} now */
  countRequest(now) {
    this.#slot(now).requests += 1;
  }

  /** Whether one more repeat is within the budget; counts it where it is. @param {number} now @returns {boolean} */
  takeExtra(now) {
    const slot = this.#slot(now);
    const second = Math.floor(now);
    let requests = 0;
    let extras = 0;
    for (const each of this.#slots) {
      if (each.second > second - WINDOW_S && each.second <= second) {
        requests += each.requests;
        extras += each.extras;
      }
    }
    if (extras >= Math.max(BUDGET_LEAST, BUDGET_SHARE * requests)) return false;
    slot.extras += 1;
    return true;
  }

  /** A request to that target has failed. @param {string} target @param {number} now */
  noteFailure(target, now) {
    this.#failedAt.set(target, now);
  }

  /** Whether a request of this process failed there within the last five seconds. @param {string} target @param {number} now */
  isFailing(target, now) {
    const failedAt = this.#failedAt.get(target);
    if (failedAt === undefined) return false;
    if (now - failedAt < SKIP_S) return true;
    this.#failedAt.delete(target);
    return false;
  }

  /** @param {number} now */
  #slot(now) {
    const second = Math.floor(now);
    const slot = this.#slots[second % WINDOW_S];
    if (slot.second !== second) Object.assign(slot, { second, requests: 0, extras: 0 });
    return slot;
  }
}
