/** What an error says, what follows it, and the loop around a request. */

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";

import { DeadlineError, NoTargetError, Routing } from "hotspare-client";

import { readFailure } from "../src/failure.js";
import { chooseNext } from "../src/policy.js";
import { apiCallError, APIStatusError, asError } from "./faults.js";
import { camel, loadCases, newPath, writeRoute } from "./shared.js";

/** @import { Target, Terms } from "hotspare-client" */

/** @param {any} fields @returns {Target} */
function aTarget(fields) {
  return { health: "up", drained: false, context: null, ...fields };
}

/** What follows a failure at the first target; the case says what is unlike the usual. @param {any} failure @param {any} case_ @param {Target[]} targets */
function follow(failure, case_, targets) {
  const { failing = [], mayRepeat = true, tried, pick: id = targets[0].id, ...unlike } = camel(case_.situation ?? {});
  const situation = {
    candidates: targets, failed: targets[0], wasRepeated: false, failedElsewhere: false, hasBegun: false,
    leftS: 30, waitS: 3, stateful: false, ...unlike,
    pick: targets.find((each) => each.id === id) ?? null, tried: new Set(tried ?? [targets[0].id]),
  };
  return chooseNext(failure, situation, {
    isFailing: (each) => failing.includes(each), mayRepeat: () => mayRepeat, draw: () => 0.5,
  });
}

/** @param {ReturnType<typeof follow>} step @param {any} case_ */
function assertFollows(step, case_) {
  assert.equal(step?.target.id ?? null, case_.then);
  if (step) assert.ok(Math.abs(step.pauseS - case_.pause_s) < 1e-6, `${step.pauseS}`);
}

for (const each of loadCases("failures")) {
  test(`an error says what came and what follows: ${each.name}`, () => {
    for (const shape of [undefined, apiCallError]) {
      const failure = readFailure(asError(each, shape), { inStream: each.in_stream });
      const expected = camel(each.expect);
      for (const name of Object.keys(expected)) assert.equal(/** @type {any} */ (failure)[name], expected[name], name);
      const targets = [["a", 8000], ["b", null], ["c", 128_000]].map(([id, context]) => aTarget({ id, context }));
      assertFollows(follow(failure, each, targets), each);
    }
  });
}

for (const each of loadCases("policy")) {
  test(`each failure has its answer: ${each.name}`, () => {
    const targets = (each.targets ?? [{ id: "a" }, { id: "b" }, { id: "c" }]).map(aTarget);
    const usual = { detail: "", status: null, retryAfterS: null, tooLong: false, begun: true, known: true };
    assertFollows(follow({ ...usual, ...camel(each.failure) }, each, targets), each);
  });
}

for (const each of loadCases("attempts")) {
  test(`a request asks whom it should: ${each.name}`, async (t) => {
    const routing = openRoute(t, each.targets);
    /** @type {string[]} */
    const asked = [];
    /** @type {Error[]} */
    const told = [];
    const left = structuredClone(each.answers);
    /** @type {any[]} */
    const thrown = [];
    for (let count = 0; count < (each.requests ?? 1); count += 1) {
      const attempts = routing.attempts(each.route ?? "chat", camel(each.terms ?? {}));
      await attempts
        .run(({ target: { provider } }) => {
          asked.push(provider);
          const next = left[provider]?.shift();
          if (!next) return;
          told.push(asError(next));
          throw told.at(-1);
        })
        .catch((error) => thrown.push(error));
    }
    assert.deepEqual(asked, each.asked);
    if (each.raises === undefined) assert.deepEqual(thrown, []);
    else if (typeof each.raises === "string") assert.deepEqual(thrown.map((error) => error.name), [each.raises]);
    else {
      assert.ok(thrown.length === 1 && thrown[0] === told[each.raises]);
      const outcomes = thrown[0].hotspareAttempts.map((/** @type {any} */ one) => one.outcome);
      assert.deepEqual(outcomes, each.outcomes ?? outcomes);
    }
  });
}

/** A reader of a file whose route `chat` has three candidates that are `up`. @param {import("node:test").TestContext} t @param {any} [targets] */
function openRoute(t, targets = { alpha: {}, beta: {}, gamma: {} }) {
  const file = newPath(t);
  writeRoute(file, targets);
  return new Routing(file, { checkEveryS: 0 });
}

test("a loop ends with the first block that ends without a failure", async (t) => {
  const routing = openRoute(t);
  const asked = [];
  for await (const attempt of routing.attempts("chat")) {
    try {
      asked.push([attempt.number, attempt.target.id, attempt.timeoutMs]);
      if (attempt.number === 1) throw new APIStatusError(503, "", {});
    } catch (error) {
      attempt.fail(error);
    }
  }
  assert.deepEqual(asked, [[1, "alpha/m", 10_000], [2, "beta/m", 10_000]]);
});

test("an error that nobody hands over ends the loop as it came", async (t) => {
  const routing = openRoute(t);
  const error = new APIStatusError(503, "", {});
  let asked = 0;
  await assert.rejects(async () => {
    for await (const attempt of routing.attempts("chat")) {
      asked += attempt.number;
      throw error;
    }
  }, (thrown) => thrown === error);
  assert.equal(asked, 1);
});

test("an attempt fails once", async (t) => {
  for await (const attempt of openRoute(t).attempts("chat")) {
    if (attempt.number === 2) break;
    attempt.fail(new APIStatusError(503, "", {}));
    assert.throws(() => attempt.fail(new APIStatusError(503, "", {})), /an attempt is one request/);
  }
});

test("a provider that never answers is left for the next one", async (t) => {
  const routing = openRoute(t);
  const never = (/** @type {AbortSignal} */ signal) =>
    new Promise((_, reject) => {
      // An SDK that says only that it was called off.
      const later = setTimeout(() => {}, 10_000);
      signal.addEventListener("abort", () => {
        clearTimeout(later);
        reject(new DOMException("Request was aborted.", "AbortError"));
      });
    });
  /** @type {string[]} */
  const asked = [];
  const id = await routing.attempts("chat", { answerS: 0.05 }).run(({ target, signal }) => {
    asked.push(target.id);
    return target.provider === "alpha" ? never(signal) : target.id;
  });
  assert.deepEqual([id, asked], ["beta/m", ["alpha/m", "beta/m"]]);
  assert.equal(await routing.attempts("chat").run(({ target }) => target.id), "beta/m");
});

test("what the caller calls off passes through, and nobody else is asked", async (t) => {
  const routing = openRoute(t);
  const controller = new AbortController();
  const reason = new Error("the user has left");
  let asked = 0;
  const pending = routing.attempts("chat", { signal: controller.signal }).run(({ signal }) => {
    asked += 1;
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  });
  setTimeout(() => controller.abort(reason), 10);
  await assert.rejects(pending, (error) => error === reason && !("hotspareAttempts" in reason));
  assert.equal(asked, 1);
  await assert.rejects(routing.attempts("chat", { signal: controller.signal }).run(() => 1), (error) => error === reason);
  assert.equal(await routing.attempts("chat").run(({ target }) => target.id), "alpha/m");
});

test("a pause is called off, too", async (t) => {
  const controller = new AbortController();
  const run = openRoute(t).attempts("chat", { signal: controller.signal, waitS: 60 }).run(() => {
    setTimeout(() => controller.abort(), 10);
    throw new APIStatusError(429, "", { "retry-after": "50" });
  });
  await assert.rejects(run, { name: "AbortError" });
});

test("the deadline bounds each attempt", async (t) => {
  const file = newPath(t);
  writeRoute(file, { alpha: {}, beta: {}, gamma: {} });
  let now = 100;
  const routing = new Routing(file, { monotonic: () => now });
  /** @type {number[]} */
  const limits = [];
  const run = routing.attempts("chat", { deadlineS: 12 }).run(({ timeoutMs }) => {
    limits.push(timeoutMs);
    now += timeoutMs / 1000;
    throw new DOMException("", "TimeoutError");
  });
  await assert.rejects(run, (/** @type {any} */ error) => error.hotspareAttempts.length === 2);
  assert.deepEqual(limits, [10_000, 2_000]);
});

for (const [terms, problem] of /** @type {[any, string][]} */ ([
  [{ deadlineS: NaN }, "deadlineS: expected seconds, found NaN"],
  [{ deadlineS: "30" }, "deadlineS: expected seconds, found '30'"],
  [{ answerS: 0 }, "answerS: expected seconds, 0.001 or more, found 0"],
  [{ firstTokenS: true }, "firstTokenS: expected seconds, 0.001 or more, found true"],
  [{ waitS: -1 }, "waitS: expected seconds, 0 or more, found -1"],
])) {
  test(`terms that make no sense are refused: ${problem}`, (t) => {
    assert.throws(() => openRoute(t).attempts("chat", terms), { name: "RangeError", message: problem });
  });
}

test("an unknown route is an error that says why", async () => {
  const missing = new Routing("/nowhere/routing.json");
  await assert.rejects(missing.attempts("chat").run(() => 1), (error) => {
    return error instanceof NoTargetError && error.message === "no target for route 'chat': /nowhere/routing.json is missing";
  });
  assert.ok(new DeadlineError() instanceof Error);
});

test("the route may change and vanish while attempts run", async (t) => {
  const file = newPath(t);
  writeRoute(file, { alpha: {}, beta: {}, gamma: {} });
  const routing = new Routing(file, { checkEveryS: 0 });
  /** @type {string[]} */
  const asked = [];
  await routing.attempts("chat").run(({ target, number }) => {
    asked.push(target.provider);
    if (number === 1) writeRoute(file, { gamma: {}, beta: {} });
    if (number === 2) fs.unlinkSync(file);
    if (number < 3) throw new APIStatusError(503, "", {});
  });
  assert.deepEqual(asked, ["alpha", "gamma", "beta"]);
});

const raising = new Proxy(new Error("x"), {
  get() {
    throw new Error("no");
  },
  getPrototypeOf() {
    throw new Error("no");
  },
});
const circle = new Error("circle");
circle.cause = circle;
for (const [name, error] of /** @type {[string, unknown][]} */ ([
  ["raises", raising],
  ["a circle", circle],
  ["nothing", undefined],
  ["a text", "503"],
  ["a symbol", Symbol("x")],
  ["huge", new Error("x".repeat(50_000_000))],
  ["wrong types", Object.assign(new Error("x"), { status: "503", response: 7, error: () => 1, headers: [] })],
  ["a large body", Object.assign(new Error("x"), { status: 500, error: Array(1e6).fill({ a: "c".repeat(1e4) }) })],
  ["frozen", Object.freeze(new Error("x"))],
])) {
  test(`any error is survived: ${name}`, async (t) => {
    const failure = readFailure(error);
    assert.ok(failure.detail.length <= 200);
    const run = openRoute(t).attempts("chat").run(({ number }) => {
      if (number === 1) throw error;
      return number;
    });
    await run.then((number) => assert.equal(number, 2), (thrown) => assert.ok(Object.is(thrown, error)));
  });
}
