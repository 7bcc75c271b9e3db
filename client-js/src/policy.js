/** What to ask next, after what came (pure); the table of docs/client.md. */

/** @import { Target } from "../types/index.js" */
/** @import { Failure } from "./failure.js" */

/** Nothing is sent there unless the route itself points there. */
const OUT_OF_USE = new Set(["down", "unusable", "misconfigured"]);
/** The answer of the provider is the answer: another target is asked nothing. */
const FINAL = new Set(["bad_request", "refused", "budget_spent"]);
/** The same target may do better a moment later. */
const PASSING = new Set(["server_error", "unreachable", "bad_answer", "broken_stream"]);
/** Many clients are told so at once: they spread out before they ask somebody else. */
const CROWDED = new Set(["rate_limited", "overloaded"]);
/** A target whose answers are in doubt, so that a second request at the same time is worth its price. */
const IN_DOUBT = new Set(["suspect", "degraded"]);
const SHORTEST_PAUSE_S = 0.05;
const LONGEST_PAUSE_S = 0.25;

/**
 * The next request, and what to wait before it.
 *
 * @typedef {{ target: Target, pauseS: number }} Step
 */

/**
 * What is known when a request has failed.
 *
 * - `pick`: where the route points now
 * - `candidates`: all targets of the route now, in the order of preference
 * - `failed`: what was asked last, as the file describes it now where it still does
 * - `tried`: the ids of all that were asked, the last one included
 * - `wasRepeated`: whether one of them was asked twice
 * - `failedElsewhere`: whether another request of this process has failed at `failed` in the last seconds
 * - `hasBegun`: whether the caller already holds a part of the answer
 * - `leftS`: until the deadline
 * - `waitS`: the longest Retry-After to wait for
 *
 * @typedef {{
 *   pick: Target | null, candidates: readonly Target[], failed: Target, tried: ReadonlySet<string>,
 *   wasRepeated: boolean, failedElsewhere: boolean, hasBegun: boolean, leftS: number, waitS: number, stateful: boolean,
 * }} Situation
 */

/**
 * `isFailing` says of an id whether this process just saw it fail; `mayRepeat` takes one repeat from the budget;
 * `draw` gives a number from 0 to 1, which spreads the pauses of many clients.
 *
 * @typedef {{ isFailing: (id: string) => boolean, mayRepeat: () => boolean, draw: () => number }} Surroundings
 */

/** Whether the failure says nothing about the target, only about the request, or the application. @param {Failure} failure */
export function isFinal(failure) {
  return FINAL.has(failure.outcome) && !failure.tooLong;
}

/**
 * The target to ask first: where the route points, unless it has just failed and another one can stand in.
 *
 * @param {Target} pick
 * @param {readonly Target[]} candidates
 * @param {(id: string) => boolean} isFailing
 */
export function chooseFirst(pick, candidates, isFailing) {
  if (!isFailing(pick.id)) return pick;
  return candidates.find((each) => standsIn(each) && !isFailing(each.id)) ?? pick;
}

/**
 * The next request after `failure`; null where its error is the answer.
 *
 * @param {Failure} failure
 * @param {Situation} situation
 * @param {Surroundings} surroundings
 * @returns {Step | null}
 */
export function chooseNext(failure, situation, { isFailing, mayRepeat, draw }) {
  if (isFinal(failure) || situation.leftS <= 0) return null;
  const repeatS = pauseBeforeRepeat(failure, situation, draw);
  if (repeatS !== null && repeatS < situation.leftS && mayRepeat()) return { target: situation.failed, pauseS: repeatS };
  const target = situation.stateful ? undefined : otherTarget(failure, situation, isFailing);
  if (!target) return null;
  const pauseS = CROWDED.has(failure.outcome) ? spread(draw) : 0;
  return { target, pauseS: Math.min(pauseS, situation.leftS / 2) };
}

/** How long to wait before another target is asked as well; null where the target is not in doubt. @param {Target} target */
export function hedgeAfterS(target) {
  return IN_DOUBT.has(target.health) ? target.limits.p95S : null;
}

/**
 * The target to ask as well: the first that is in no doubt itself.
 *
 * @param {readonly Target[]} candidates
 * @param {ReadonlySet<string>} tried
 * @param {(id: string) => boolean} isFailing
 */
export function chooseHedge(candidates, tried, isFailing) {
  const mayHelp = (/** @type {Target} */ each) => !tried.has(each.id) && standsIn(each) && !IN_DOUBT.has(each.health);
  return candidates.find((each) => mayHelp(each) && !isFailing(each.id)) ?? null;
}

/**
 * How long to wait before the same target is asked again; null where it is not.
 *
 * @param {Failure} failure
 * @param {Situation} situation
 * @param {() => number} draw
 */
function pauseBeforeRepeat(failure, situation, draw) {
  if (situation.wasRepeated || situation.hasBegun || (situation.stateful && failure.begun)) return null;
  if (failure.outcome === "rate_limited" && failure.retryAfterS !== null) {
    // A little later than asked, because others were asked to come back at that moment, too.
    return failure.retryAfterS <= situation.waitS ? failure.retryAfterS + spread(draw) : null;
  }
  if (situation.stateful) return spread(draw);
  const spoke = failure.outcome === "unreachable" && failure.status !== null; // something that is not the API
  const healthy = situation.failed.health === "up" && !situation.failedElsewhere;
  return PASSING.has(failure.outcome) && !spoke && healthy ? 0 : null;
}

/**
 * The next target that was not asked: where the route points now, then in the order of preference.
 *
 * @param {Failure} failure
 * @param {Situation} situation
 * @param {(id: string) => boolean} isFailing
 */
function otherTarget(failure, situation, isFailing) {
  const { pick, candidates, tried } = situation;
  let others = [...(pick ? [pick] : []), ...candidates].filter(
    (each) => !tried.has(each.id) && (standsIn(each) || each === pick),
  );
  if (failure.tooLong) {
    const known = situation.failed.context;
    others = others.filter((each) => known && each.context && each.context > known);
  }
  return others.find((each) => !isFailing(each.id)) ?? others[0];
}

/** @param {Target} target */
function standsIn(target) {
  return !OUT_OF_USE.has(target.health) && !target.drained;
}

/** @param {() => number} draw */
function spread(draw) {
  return SHORTEST_PAUSE_S + (LONGEST_PAUSE_S - SHORTEST_PAUSE_S) * draw();
}
