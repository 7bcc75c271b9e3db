/** A second request while a target in doubt is late: who answers, who is told, and that quiet times cost nothing. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { asError } from "./faults.js";
import { camel, loadCases } from "./shared.js";
import { open } from "./wire.js";

/** @import { Asking, Attempt } from "hotspare-client" */

const DOUBT = { alpha: { health: "suspect", limits: { p95_s: 0.05 } }, beta: {}, gamma: {} };

/** Ask as an application does; `attempt.call` is what may be hedged. @param {any} case_ @param {import("hotspare-client").Routing} routing */
async function ask(case_, routing) {
  const found = { asked: /** @type {string[]} */ ([]), stopped: /** @type {string[]} */ ([]), answer: "", error: /** @type {any} */ (null) };
  const answers = case_.answers;
  const send = async (/** @type {Asking} */ { target: { provider }, timeoutMs, signal }) => {
    assert.ok(timeoutMs > 0 && timeoutMs <= 10_000);
    found.asked.push(provider);
    signal.addEventListener("abort", () => found.stopped.push(provider));
    await new Promise((resolve) => setTimeout(resolve, 1000 * (answers[provider]?.after_s ?? 0)));
    if (answers[provider]?.status || answers[provider]?.error) throw asError(answers[provider]);
    return provider;
  };
  const run = async (/** @type {Attempt} */ attempt) => {
    found.answer = await attempt.call(send);
    assert.equal(attempt.target.provider, found.answer);
  };
  for (let count = 0; count < (case_.requests ?? 1); count += 1) {
    await routing.attempts("chat", { hedge: true, ...camel(case_.terms ?? {}) }).run(run).catch((error) => (found.error = error));
  }
  return found;
}

for (const each of loadCases("hedging")) {
  test(`a second target is asked where it should be: ${each.name}`, async (t) => {
    const { asked, stopped, answer, error } = await ask(each, open(t, each.targets ?? DOUBT));
    assert.deepEqual(asked, each.asked);
    if (each.raises) {
      const attempts = error.hotspareAttempts.map((/** @type {any} */ one) => [one.outcome, one.target]);
      assert.deepEqual(attempts, [[each.raises, `${each.of}/m`]]);
    } else {
      assert.deepEqual([answer, error], [each.answer, null]);
      // What is not needed any more is ended; what gave the answer is not.
      assert.ok((each.requests || !stopped.includes(answer)) && stopped.every((provider) => asked.includes(provider)));
    }
  });
}

test("the request that has lost is ended", async (t) => {
  const { stopped } = await ask({ answers: { alpha: { after_s: 1 } } }, open(t, DOUBT));
  assert.deepEqual(stopped, ["alpha"]);
});

test("a stream that comes too late is closed, and the one that counts goes on", async (t) => {
  /** @type {string[]} */
  const closed = [];
  /** @type {AbortSignal | undefined} */
  let winner;
  await open(t, DOUBT).attempts("chat", { hedge: true, answerS: 0.3 }).run(async (attempt) => {
    await attempt.call(async ({ target: { provider }, signal }) => {
      if (provider === "alpha") await new Promise((resolve) => setTimeout(resolve, 150));
      else winner = signal;
      return { close: () => closed.push(provider) };
    });
    await new Promise((resolve) => setTimeout(resolve, 400));
  });
  assert.deepEqual(closed, ["alpha"]);
  assert.equal(winner?.aborted, false);
});

test("a request that is late is one that has failed, in whose words ever", async (t) => {
  /** @type {string[]} */
  const asked = [];
  const never = (/** @type {AbortSignal} */ signal) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError"))));
  const answer = await open(t, DOUBT).attempts("chat", { hedge: true, answerS: 0.2 }).run((attempt) =>
    attempt.call(({ target: { provider }, signal }) => {
      asked.push(provider);
      return provider === "gamma" ? provider : never(signal);
    }),
  );
  assert.deepEqual([answer, asked], ["gamma", ["alpha", "beta", "gamma"]]);
});

test("what the caller calls off ends both, and nobody else is asked", async (t) => {
  const controller = new AbortController();
  const reason = new Error("the user has left");
  /** @type {string[]} */
  const asked = [];
  const routing = open(t, DOUBT);
  const run = routing.attempts("chat", { hedge: true, signal: controller.signal }).run((attempt) =>
    attempt.call(({ target, signal }) => {
      asked.push(target.provider);
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    }),
  );
  setTimeout(() => controller.abort(reason), 200);
  await assert.rejects(run, (error) => error === reason);
  assert.deepEqual(asked, ["alpha", "beta"]);
  assert.equal(await routing.attempts("chat").run(({ target }) => target.id), "alpha/m");
});
