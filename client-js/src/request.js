/** One request of the application: which targets it has asked, what they said, and which one is next. */

import { readFailure } from "./failure.js";
import { chooseFirst, chooseHedge, chooseNext, hedgeAfterS, isFinal } from "./policy.js";

/** @import { Asked, ReportMore, Target, Terms } from "../types/index.js" */
/** @import { Routing } from "./routing.js" */
/** @import { Step } from "./policy.js" */

/** What an answer, or the first piece of a stream, may take where neither the caller nor the file says more. */
export const USUAL_LIMIT_S = 10;
const SHORTEST_S = 0.001;
const USUAL_WAIT_S = 3;

/** Nothing is known about the route; the message says why. */
export class NoTargetError extends Error {
  name = "NoTargetError";
}

/** The deadline had passed before anything could be asked. */
export class DeadlineError extends Error {
  name = "DeadlineError";
}

/** Throw a RangeError, naming the option, where the terms make no sense. A deadline may have passed already. @param {Terms} terms */
export function checkTerms(terms) {
  for (const [name, value, lowest] of /** @type {[string, unknown, number][]} */ ([
    ["deadlineS", terms.deadlineS, -Infinity],
    ["firstTokenS", terms.firstTokenS, SHORTEST_S],
    ["answerS", terms.answerS, SHORTEST_S],
    ["waitS", terms.waitS, 0],
  ])) {
    if (value !== undefined && !(typeof value === "number" && value >= lowest)) {
      const found = typeof value === "string" ? `'${value}'` : String(value);
      const bound = Number.isFinite(lowest) ? `, ${lowest} or more` : "";
      throw new RangeError(`${name}: expected seconds${bound}, found ${found}`);
    }
  }
  if (terms.onCut !== undefined && terms.onCut !== "raise" && terms.onCut !== "restart") {
    throw new RangeError(`onCut: expected 'raise' or 'restart', found ${String(terms.onCut)}`);
  }
}

/** The course of one request; its clock and its memory are those of the `Routing` that it came from. */
export class Request {
  #deadline;
  /** @type {Asked[]} */
  #asked = [];
  /** @type {Set<string>} */
  #tried = new Set();
  #repeated = false;
  /** @type {readonly Target[]} */
  #candidates = [];
  /** @type {Step | null} */
  #next = null;

  /** @param {Routing} routing @param {string} route @param {Terms} terms */
  constructor(routing, route, terms) {
    this.routing = routing;
    this.route = route;
    this.terms = terms;
    /** Of the attempts that have begun. */
    this.number = 0;
    this.#deadline = routing.monotonic() + (terms.deadlineS ?? Infinity);
  }

  /** Seconds until the deadline; below zero after it, endless where there is none. */
  leftS() {
    return this.#deadline - this.routing.monotonic();
  }

  /** The first step. Throws NoTargetError or DeadlineError where there can be none. @returns {Step} */
  start() {
    const { routing, route, terms } = this;
    const now = routing.monotonic();
    const pick = routing.route(route, terms.key);
    if (!pick) {
      const problem = routing.status.problem ?? "the routing file does not have it";
      throw new NoTargetError(`no target for route '${route}': ${problem}`);
    }
    if (now >= this.#deadline) {
      throw new DeadlineError(`the deadline of ${terms.deadlineS} s had passed before ${pick.id} could be asked`);
    }
    routing.memory.countRequest(now);
    if (terms.stateful) return { target: pick, pauseS: 0 };
    const target = chooseFirst(pick, this.#current(), this.#isFailing);
    return { target, pauseS: 0 };
  }

  /** What `fail` has decided; null when no request is to follow. */
  nextStep() {
    const step = this.#next;
    this.#next = null;
    return step;
  }

  /**
   * Remember a failure of `target`, without deciding what follows.
   *
   * @param {unknown} error
   * @param {Target} target
   * @param {{ beganAt: number, inStream?: boolean, isLate?: boolean }} attempt
   */
  note(error, target, { beganAt, inStream = false, isLate = false }) {
    const { routing, route } = this;
    const now = routing.monotonic();
    const read = readFailure(error, { inStream });
    const failure = isLate ? { ...read, outcome: "timeout", known: true, begun: true, tooLong: false } : read;
    const { outcome, detail, status } = failure;
    this.#repeated ||= this.#tried.has(target.id);
    this.#tried.add(target.id);
    this.#asked.push({ target: target.id, outcome, detail, status, tookS: now - beganAt });
    if (failure.known) routing.report(target, outcome, now - beganAt, { route, tag: this.terms.tag });
    if (failure.known && !isFinal(failure) && !failure.tooLong) routing.memory.noteFailure(target.id, now);
    return failure;
  }

  /**
   * Decide what follows `error`; false when it is the answer, which then carries `hotspareAttempts`.
   *
   * @param {unknown} error
   * @param {Target} target
   * @param {{ beganAt: number, inStream?: boolean, hasBegun?: boolean, isLate?: boolean }} attempt
   * @returns {boolean}
   */
  fail(error, target, attempt) {
    const { routing, terms } = this;
    const { hasBegun = false } = attempt;
    const now = routing.monotonic();
    const failedElsewhere = this.#isFailing(target.id) && !this.#tried.has(target.id);
    const failure = this.note(error, target, attempt);
    if (!hasBegun || terms.onCut === "restart") {
      const candidates = this.#current();
      const situation = {
        pick: routing.route(this.route, terms.key),
        candidates,
        failed: candidates.find((each) => each.id === target.id) ?? target,
        tried: this.#tried,
        wasRepeated: this.#repeated,
        failedElsewhere,
        hasBegun,
        leftS: this.leftS(),
        waitS: terms.waitS ?? USUAL_WAIT_S,
        stateful: terms.stateful ?? false,
      };
      this.#next = chooseNext(failure, situation, {
        isFailing: this.#isFailing,
        mayRepeat: () => routing.memory.takeExtra(now),
        draw: routing.draw,
      });
    }
    if (!this.#next) this.#attach(error);
    return this.#next !== null;
  }

  /** When to ask another target as well; null for never. @param {Target} target */
  hedgeAfterS(target) {
    return this.terms.hedge && !this.terms.stateful ? hedgeAfterS(target) : null;
  }

  /** The other target, while `target` is late; null where there is none, or the budget is spent. @param {Target} target */
  chooseHedge(target) {
    const other = chooseHedge(this.#current(), new Set([...this.#tried, target.id]), this.#isFailing);
    return other && this.routing.memory.takeExtra(this.routing.monotonic()) ? other : null;
  }

  /** Whether this process just saw it fail. @param {string} id */
  #isFailing = (id) => this.routing.memory.isFailing(id, this.routing.monotonic());

  /** Report that `target` has answered, with what is known of the answer. @param {Target} target @param {number} beganAt @param {ReportMore} known */
  succeed(target, beganAt, known) {
    const { routing, route, terms } = this;
    if (routing.reporter.isOn) routing.report(target, "ok", routing.monotonic() - beganAt, { ...known, route, tag: terms.tag });
  }

  /** The candidates now; the last known ones where the route has vanished meanwhile. */
  #current() {
    const candidates = this.routing.candidates(this.route);
    if (candidates.length > 0) this.#candidates = candidates;
    return this.#candidates;
  }

  /** @param {unknown} error */
  #attach(error) {
    try {
      /** @type {any} */ (error).hotspareAttempts = [...this.#asked];
    } catch {
      // An error that takes no properties is thrown as it is.
    }
  }
}
