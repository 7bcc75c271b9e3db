/** A provider for the Vercel AI SDK 7: a language model that follows a route. Imports no part of the SDK. */

import { StreamCutError } from "./stream-watch.js";

/** @import { LanguageModelV4, LanguageModelV4CallOptions, LanguageModelV4StreamPart, LanguageModelV4StreamResult, LanguageModelV4Usage } from "@ai-sdk/provider" */
/** @import { Hotspare, ModelOf, ModelTerms } from "../types/ai.js" */
/** @import { Routing, Target } from "../types/index.js" */
/** @import { Attempt } from "./attempts.js" */
/** @import { Piece } from "./pieces.js" */

export { StreamCutError, StreamFailedError, StreamSilentError } from "./stream-watch.js";

/** Parts that are no beginning of an answer. */
const SILENT = new Set(["stream-start", "response-metadata", "raw", "text-start", "reasoning-start"]);

/** @param {Routing} routing @param {ModelOf} modelOf @param {ModelTerms} [terms] @returns {Hotspare} */
export function createHotspare(routing, modelOf, terms = {}) {
  routing.attempts("", terms); // says at once which term makes no sense
  const languageModel = (/** @type {string} */ route) => new RouteModel(routing, route, modelOf, terms);
  const none = (/** @type {string} */ route) => {
    throw new Error(`route '${route}': Hotspare routes language models only`);
  };
  const others = { specificationVersion: /** @type {const} */ ("v4"), embeddingModel: none, imageModel: none };
  return Object.assign((/** @type {string} */ route) => languageModel(route), { ...others, languageModel });
}

/** The model that the route points at, for each request anew. @implements {LanguageModelV4} */
class RouteModel {
  specificationVersion = /** @type {const} */ ("v4");
  provider = "hotspare";
  /** None: the SDK fetches what a prompt refers to, so that every target can be asked the same. */
  supportedUrls = {};
  #routing;
  #modelOf;
  #terms;

  /** @param {Routing} routing @param {string} route @param {ModelOf} modelOf @param {ModelTerms} terms */
  constructor(routing, route, modelOf, terms) {
    this.modelId = route;
    this.#routing = routing;
    this.#modelOf = modelOf;
    this.#terms = terms;
  }

  /** @param {LanguageModelV4CallOptions} options */
  doGenerate(options) {
    return this.#attempts(options).run(async (attempt) => {
      const { target, signal } = attempt;
      const result = await this.#modelOf(target).doGenerate({ ...options, abortSignal: signal });
      count(attempt, result.usage);
      return { ...result, providerMetadata: { ...result.providerMetadata, ...answeredBy(target) } };
    });
  }

  /** @param {LanguageModelV4CallOptions} options @returns {Promise<LanguageModelV4StreamResult>} */
  async doStream(options) {
    const attempts = this.#attempts(options)[Symbol.asyncIterator]();
    for (;;) {
      const { value, done } = await attempts.next();
      if (done) throw new Error("unreachable: the last attempt has thrown its error");
      const attempt = /** @type {Attempt} */ (value);
      /** @type {LanguageModelV4StreamResult | undefined} */
      let result;
      const parts = attempt.watch(async ({ target, signal }) => {
        result = await this.#modelOf(target).doStream({ ...options, abortSignal: signal });
        return result.stream;
      }, (part) => readPart(part, attempt.target));
      try {
        const first = await parts.next();
        return { .../** @type {LanguageModelV4StreamResult} */ (result), stream: streamOf(first, parts, attempt) };
      } catch (error) {
        attempt.fail(error);
      }
    }
  }

  /** @param {LanguageModelV4CallOptions} options */
  #attempts({ abortSignal }) {
    return this.#routing.attempts(this.modelId, { ...this.#terms, signal: abortSignal });
  }
}

/**
 * The parts of an answer that has begun: of a failure nobody else is asked.
 *
 * @param {IteratorResult<LanguageModelV4StreamPart, void>} first
 * @param {AsyncGenerator<LanguageModelV4StreamPart, void>} parts
 * @param {Attempt} attempt
 * @returns {ReadableStream<LanguageModelV4StreamPart>}
 */
function streamOf(first, parts, attempt) {
  /** @type {IteratorResult<LanguageModelV4StreamPart, void> | null} */
  let next = first;
  let isCancelled = false;
  return new ReadableStream({
    async pull(controller) {
      try {
        const { value: part, done } = next ?? (await parts.next());
        next = null;
        if (isCancelled) return;
        if (!done && part.type === "finish") count(attempt, part.usage);
        if (!done) return controller.enqueue(signed(part, attempt.target));
        attempt.end();
        controller.close();
      } catch (error) {
        if (!isCancelled) controller.error(thrownBy(attempt, error));
      }
    },
    cancel() {
      isCancelled = true;
      attempt.cancel();
      void parts.return();
    },
  });
}

/** What the answer took, for the report of it. @param {{ inputTokens: number, outputTokens: number }} attempt @param {LanguageModelV4Usage} usage */
function count(attempt, usage) {
  attempt.inputTokens = usage?.inputTokens?.total ?? 0;
  attempt.outputTokens = usage?.outputTokens?.total ?? 0;
}

/** What an attempt makes of an error after its first part. @param {Attempt} attempt @param {unknown} error */
function thrownBy(attempt, error) {
  try {
    attempt.fail(error);
    return error;
  } catch (thrown) {
    return thrown;
  }
}

/** What a part of a stream is. @param {LanguageModelV4StreamPart} part @param {Target} target @returns {Piece} */
function readPart(part, target) {
  const read = { known: true, speaks: false, parts: [0], ended: [], usage: false, error: null };
  if (part.type === "error") return { ...read, error: part.error ?? "an error" };
  if (part.type === "finish") {
    // So the SDK's providers end a stream in which the provider gave no reason.
    const { unified, raw } = part.finishReason;
    const isCut = unified === "other" && raw === undefined;
    const error = isCut ? new StreamCutError(`the stream of ${target.id} ended without its end`) : null;
    return { ...read, ended: [0], usage: true, error };
  }
  return { ...read, speaks: !SILENT.has(part.type) && !("delta" in part && part.delta === "") };
}

/** The last part says which target answered. @param {LanguageModelV4StreamPart} part @param {Target} target @returns {LanguageModelV4StreamPart} */
function signed(part, target) {
  return part.type === "finish" ? { ...part, providerMetadata: { ...part.providerMetadata, ...answeredBy(target) } } : part;
}

/** Which target answered, for the caller. @param {Target} target */
function answeredBy(target) {
  return { hotspare: { target: target.id } };
}
