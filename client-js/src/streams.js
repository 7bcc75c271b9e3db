/** Reads a stream with limits. */

import { DONE, streamOf } from "./events.js";
import { milliseconds } from "./stopper.js";

/** @import { StreamWatch } from "./stream-watch.js" */

const LATE = Symbol("late");
/** @type {((stream: any) => Promise<void> | void)[]} */
const ENDS = [
  (stream) => stream.controller.abort(),
  (stream) => stream.abort(),
  (stream) => stream.body.cancel(),
  (stream) => stream.destroy(),
  (stream) => stream.close(),
];

/**
 * The pieces of a stream that keeps its limits. Throws what the stream throws, or what `watch` finds wrong, and the
 * reason of `signal`.
 *
 * `stop` ends a request that is not needed any more.
 *
 * @param {() => unknown} open
 * @param {StreamWatch} watch
 * @param {{ clock: () => number, leftS: () => number, signal: AbortSignal, stop: () => void }} request
 */
export async function* readStream(open, watch, { clock, leftS, signal, stop }) {
  /** @type {any} */
  let stream;
  /** @type {AsyncIterator<unknown> | null} */
  let iterator = null;
  let hasEnded = false;
  const start = async () => {
    stream = await open();
    if (hasEnded) return close(stream); // it came too late
    iterator = (await streamOf(stream))[Symbol.asyncIterator]();
    watch.isOpen = true;
  };
  const next = async () => {
    if (!iterator) await start();
    return /** @type {AsyncIterator<unknown>} */ (iterator).next();
  };
  try {
    for (;;) {
      const askedAt = clock();
      const patienceS = watch.patienceS(askedAt, leftS());
      let result;
      try {
        result = await within(patienceS, signal, next());
      } catch (error) {
        if (watch.isWhole) break;
        throw error === LATE ? watch.silence(patienceS) : error;
      }
      if (result.done) {
        hasEnded = true;
        watch.checkEnd();
        break;
      }
      if (result.value === DONE) watch.finish();
      else yield* watch.take(result.value, clock() - askedAt);
    }
    yield* watch.give();
  } finally {
    if (!hasEnded) {
      hasEnded = true;
      stop();
      close(stream);
      /** @type {any} */ (iterator)?.return?.().catch(() => {});
    }
  }
}

/** @template T @param {number} seconds @param {AbortSignal} signal @param {Promise<T>} promise @returns {Promise<T>} */
async function within(seconds, signal, promise) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  let giveUp = () => {};
  /** @type {Promise<never>} */
  const end = new Promise((_, reject) => {
    timer = setTimeout(reject, milliseconds(seconds), LATE);
    giveUp = () => reject(signal.reason);
    signal.addEventListener("abort", giveUp);
    if (signal.aborted) giveUp();
  });
  try {
    return await Promise.race([promise, end]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", giveUp);
  }
}

/** Let the provider know that nobody reads any more, in the words of the SDKs. @param {any} stream */
export function close(stream) {
  for (const end of ENDS) {
    try {
      end(stream)?.catch?.(() => {});
    } catch {
      // It has no such way, or none that works.
    }
  }
}
