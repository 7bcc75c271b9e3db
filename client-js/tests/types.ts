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

// @ts-expect-error a term that there is not
new code.Routing("routing.json").attempts("chat", { deadline: 3 });
