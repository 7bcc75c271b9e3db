/** What the declarations promise is what the code has, and an application in TypeScript compiles. */

import * as code from "../src/index.js";
import type * as promised from "../types/index.js";

export const kept: typeof promised = code;

export async function answer(question: string): Promise<string> {
  const routing: promised.Routing = new code.Routing("routing.json");
  for await (const attempt of routing.attempts("chat", { deadlineS: 60, answerS: 30 })) {
    try {
      const { baseUrl, model } = attempt.target;
      const key: string | null = attempt.target.apiKey();
      const reply = await fetch(`${baseUrl}/chat/completions`, { signal: attempt.signal, body: question + model + key });
      return await reply.text();
    } catch (error) {
      attempt.fail(error);
    }
  }
  return routing.attempts("chat").run((attempt) => attempt.target.id);
}

export async function stream(routing: promised.Routing, pieces: AsyncIterable<{ text: string }>): Promise<string> {
  const end: () => void = routing.onChange((route, before, now) => `${route} ${before?.id} ${now?.health}`);
  return routing.attempts("chat", { onCut: "restart", hedge: true }).run(async (attempt) => {
    let text = attempt.restarted ? "again: " : "";
    for await (const piece of attempt.watch(({ target, signal }) => fetch(target.baseUrl, { signal }))) text += piece.text;
    for await (const piece of attempt.watch(() => pieces)) text += piece.text;
    const count: number = await attempt.call(({ timeoutMs }) => timeoutMs);
    routing.report(attempt.target, "ok", count / 1000, { inputTokens: 9, outputTokens: null, tag: "search" });
    end();
    return text;
  });
}

// @ts-expect-error a way that there is not
new code.Routing("routing.json").attempts("chat", { onCut: "resume" });
// @ts-expect-error a term that there is not
new code.Routing("routing.json").attempts("chat", { deadline: 3 });
