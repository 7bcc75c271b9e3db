/** Keeps a session on the target that knows it: its place under weights, and its last target after a failback. */

import { createHash } from "node:crypto";

/** @import { Target } from "../types/index.js" */

/** Moves back to a preferred target, while the old one is well; after all others the session moves along. */
const GENTLE_MOVES = new Set(["failback", "step"]);
const IDLE_S = 300;
const LONGEST_S = 3600;
const MOST_KEYS = 10_000;

/**
 * The last target of a key; `leftAt`: since when it is kept although the route would choose another one.
 *
 * @typedef {{ target: string, usedAt: number, leftAt: number | null }} Kept
 */

/** The sessions of one process; every method takes the time in seconds of a monotonic clock. */
export class Affinity {
  /** @type {Map<string, Kept>} The one that was used last stands last. */
  #kept = new Map();

  /**
   * The target of a session; null where the route has none.
   *
   * @param {string} route
   * @param {unknown} key
   * @param {readonly Target[]} candidates
   * @param {number} now
   * @returns {Target | null}
   */
  choose(route, key, candidates, now) {
    const digest = digestOf(route, key);
    const pick = placeIn(candidates, Number(digest.readBigUInt64BE() >> 11n) / 2 ** 53);
    if (!pick) return null;
    const name = digest.toString("latin1");
    const kept = this.#kept.get(name);
    const leftAt = kept && kept.target !== pick.id && now - kept.usedAt <= IDLE_S ? (kept.leftAt ?? now) : null;
    const target = kept && leftAt !== null ? stay(kept, leftAt, pick, candidates, now) : pick;
    this.#kept.delete(name);
    this.#kept.set(name, { target: target.id, usedAt: now, leftAt: target === pick ? null : leftAt });
    if (this.#kept.size > MOST_KEYS) this.#kept.delete(/** @type {string} */ (this.#kept.keys().next().value));
    return target;
  }
}

/** The same in every client, so that a session has one place in all services. @param {string} route @param {unknown} key */
function digestOf(route, key) {
  /** @type {string} */
  let text = typeof key;
  try {
    text = String(key);
  } catch {
    // A key that cannot be written is like any other such key.
  }
  return createHash("sha256").update(`${route}\0${text}`).digest();
}

/** The old target, or the pick. @param {Kept} kept @param {number} leftAt @param {Target} pick @param {readonly Target[]} candidates @param {number} now */
function stay(kept, leftAt, pick, candidates, now) {
  const old = candidates.find((each) => each.id === kept.target);
  const mayStay = GENTLE_MOVES.has(pick.move ?? "") && now - leftAt <= LONGEST_S;
  return old && mayStay && old.health === "up" && !old.drained ? old : pick;
}

/**
 * The target whose share holds `place`, from 0 up to 1: the shares lie side by side, in the order of preference.
 *
 * @param {readonly Target[]} candidates
 * @param {number} place
 */
function placeIn(candidates, place) {
  const shared = candidates.filter((each) => each.weight > 0);
  let end = 0;
  return shared.find((each) => (end += each.weight) > place) ?? shared.at(-1) ?? null;
}
