/** Asks a second target while the first is late; the first good answer counts. */

import { milliseconds, Stopper } from "./stopper.js";
import { close } from "./streams.js";

/** @import { Ask, Target } from "../types/index.js" */

const LATE = Symbol("late");

/** A request on its way. @typedef {{ target: Target, beganAt: number, stopper: Stopper }} Racer */

/**
 * What a race leads to: `AttemptReferee`.
 *
 * @typedef {{
 *   start: (target: Target) => Racer, second: () => Target | null, leftS: () => number, timeoutMs: () => number,
 *   win: (racer: Racer) => void, lose: (racer: Racer, error: unknown) => boolean,
 * }} Referee
 */

/** What a request has come to. @template T @typedef {{ racer: Racer, answer?: T, error?: unknown, isGood: boolean }} Result */

/**
 * The first good answer of two requests, the second of which starts after `afterS`; else the last error.
 *
 * @template T
 * @param {Ask<T>} ask
 * @param {Target} first
 * @param {number} afterS
 * @param {Referee} referee
 * @returns {Promise<T>}
 */
export async function race(ask, first, afterS, referee) {
  /** @type {Map<Racer, Promise<Result<T>>>} */
  const running = new Map();
  const start = (/** @type {Target} */ target) => {
    const racer = referee.start(target);
    running.set(racer, run(ask, racer, referee.timeoutMs()));
  };
  start(first);
  let isLate = false;
  try {
    for (;;) {
      const leftS = referee.leftS();
      const waitS = isLate ? leftS : Math.min(afterS, leftS);
      const result = await earliest([...running.values()], waitS);
      if (result === LATE) {
        if (waitS === leftS) throw new DOMException(`${first.id} had not answered by the deadline`, "TimeoutError");
        const second = isLate ? null : referee.second();
        isLate = true;
        if (second) start(second);
        continue;
      }
      const { racer, answer, error, isGood } = /** @type {Result<T>} */ (result);
      running.delete(racer);
      if (isGood) {
        referee.win(racer);
        return /** @type {T} */ (answer);
      }
      if (running.size === 0 || !referee.lose(racer, error)) {
        referee.win(racer);
        throw error;
      }
    }
  } finally {
    for (const [racer, pending] of running) {
      racer.stopper.stop();
      // Nobody reads the stream that came too late.
      void pending.then(({ answer }) => close(answer));
    }
  }
}

/** @template T @param {Ask<T>} ask @param {Racer} racer @param {number} timeoutMs @returns {Promise<Result<T>>} */
async function run(ask, racer, timeoutMs) {
  try {
    const { target, stopper } = racer;
    return { racer, answer: await ask({ target, timeoutMs, signal: stopper.signal }), isGood: true };
  } catch (error) {
    return { racer, error, isGood: false };
  } finally {
    racer.stopper.keep();
  }
}

/** @template T @param {Promise<T>[]} promises @param {number} seconds @returns {Promise<T | typeof LATE>} */
async function earliest(promises, seconds) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  /** @type {Promise<typeof LATE>} */
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, milliseconds(seconds), LATE);
  });
  try {
    return await Promise.race([...promises, late]);
  } finally {
    clearTimeout(timer);
  }
}
