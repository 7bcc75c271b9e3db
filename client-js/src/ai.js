/** A provider for the Vercel AI SDK 7: a language model that follows a route. Imports no part of the SDK. */

/** @import { LanguageModelV4, LanguageModelV4CallOptions, LanguageModelV4StreamPart, LanguageModelV4StreamResult } from "@ai-sdk/provider" */
/** @import { Hotspare, ModelOf } from "../types/ai.js" */
/** @import { Routing, Target, Terms } from "../types/index.js" */
/** @import { Attempt } from "./attempts.js" */

/** Parts that are no beginning of an answer. */
const SILENT = new Set(["stream-start", "response-metadata", "raw", "text-start", "reasoning-start"]);
/** More parts without a word of the answer are no beginning of one. */
const MOST_HELD = 1000;
/** Of a timer in Node. */
const LONGEST_MS = 2 ** 31 - 1;

/** The stream ended without the provider's word that the answer is whole. */
export class StreamCutError extends Error {
  name = "StreamCutError";
}

/** The provider said inside the stream that it failed; `body` is what it said. */
export class StreamFailedError extends Error {
  name = "StreamFailedError";

  /** @param {string} message @param {unknown} body */
  constructor(message, body) {
    super(message, { cause: body });
    this.body = body;
  }
}

/** @param {Routing} routing @param {ModelOf} modelOf @param {Omit<Terms, "signal">} [terms] @returns {Hotspare} */
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

  /** @param {Routing} routing @param {string} route @param {ModelOf} modelOf @param {Omit<Terms, "signal">} terms */
  constructor(routing, route, modelOf, terms) {
    this.modelId = route;
    this.#routing = routing;
    this.#modelOf = modelOf;
    this.#terms = terms;
  }

  /** @param {LanguageModelV4CallOptions} options */
  doGenerate(options) {
    return this.#attempts(options).run(async ({ target, signal }) => {
      const result = await this.#modelOf(target).doGenerate({ ...options, abortSignal: signal });
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
      const watch = new PartWatch(attempt, options.abortSignal, () => void attempts.return?.());
      try {
        const result = await watch.open((signal) =>
          this.#modelOf(attempt.target).doStream({ ...options, abortSignal: signal }),
        );
        return { ...result, stream: watch.stream() };
      } catch (error) {
        watch.stop(error);
        attempt.fail(error, { inStream: watch.isOpen });
      }
    }
  }

  /** @param {LanguageModelV4CallOptions} options */
  #attempts({ abortSignal }) {
    return this.#routing.attempts(this.modelId, { ...this.#terms, signal: abortSignal });
  }
}

/** One stream: its parts within the limits, held back until the first that speaks, so that a failure before it is unseen. */
class PartWatch {
  isOpen = false;
  #attempt;
  #done;
  #controller = new AbortController();
  #signal;
  /** @type {ReadableStreamDefaultReader<LanguageModelV4StreamPart> | null} */
  #reader = null;
  /** @type {LanguageModelV4StreamPart[]} */
  #held = [];
  #patienceS;
  #waitingSince;
  #hasEnded = false;

  /** @param {Attempt} attempt @param {AbortSignal | undefined} signal @param {() => void} done */
  constructor(attempt, signal, done) {
    this.#attempt = attempt;
    this.#done = done;
    this.#signal = signal;
    this.#patienceS = attempt.firstTokenS;
    this.#waitingSince = performance.now();
    signal?.addEventListener("abort", this.#abort, { once: true });
    if (signal?.aborted) this.#abort();
  }

  #abort = () => this.#controller.abort(this.#signal?.reason);

  /** Begin a stream, and wait until it speaks. @param {(signal: AbortSignal) => PromiseLike<LanguageModelV4StreamResult>} ask */
  async open(ask) {
    const result = await this.#inTime(ask(this.#controller.signal));
    this.isOpen = true;
    this.#reader = result.stream.getReader();
    for (let part = await this.#next(); part; part = await this.#next()) {
      this.#held.push(part);
      if (speaks(part) || this.#hasEnded || this.#held.length >= MOST_HELD) break;
    }
    this.#patienceS = this.#attempt.stallS;
    return result;
  }

  /** What is held back, and what follows. @returns {ReadableStream<LanguageModelV4StreamPart>} */
  stream() {
    return new ReadableStream({
      pull: async (controller) => {
        try {
          const part = this.#held.shift() ?? (await this.#next());
          if (part) return controller.enqueue(part);
          this.#end();
          controller.close();
        } catch (error) {
          controller.error(this.#fail(error));
          this.#end(error);
        }
      },
      cancel: (reason) => this.#end(reason),
    });
  }

  /** Nothing more is read. @param {unknown} [reason] */
  stop(reason) {
    this.#signal?.removeEventListener("abort", this.#abort);
    if (!this.#hasEnded) this.#controller.abort(reason);
    this.#reader?.cancel(reason).catch(() => {});
  }

  /** The request is over. @param {unknown} [reason] */
  #end(reason) {
    this.stop(reason);
    this.#done();
  }

  /** The error of an answer that has begun: nobody else is asked. @param {unknown} error */
  #fail(error) {
    try {
      this.#attempt.fail(error, { inStream: true, hasBegun: true });
      return error;
    } catch (thrown) {
      return thrown;
    }
  }

  /** The next part; undefined after the end. @returns {Promise<LanguageModelV4StreamPart | undefined>} */
  async #next() {
    if (this.#hasEnded || !this.#reader) return undefined;
    const { value: part, done } = await this.#inTime(this.#reader.read());
    const { id } = this.#attempt.target;
    if (done) throw new StreamCutError(`the stream of ${id} ended without its end`);
    if (part.type === "error") throw failed(id, part.error);
    if (part.type === "finish") {
      this.#hasEnded = true;
      // So the SDK's providers end a stream in which the provider gave no reason.
      const { unified, raw } = part.finishReason;
      if (unified === "other" && raw === undefined) throw new StreamCutError(`the stream of ${id} ended without its end`);
      return { ...part, providerMetadata: { ...part.providerMetadata, ...answeredBy(this.#attempt.target) } };
    }
    if (speaks(part)) this.#waitingSince = performance.now();
    return part;
  }

  /** @template T @param {PromiseLike<T>} promise @returns {Promise<T>} */
  async #inTime(promise) {
    const waitedS = (performance.now() - this.#waitingSince) / 1000;
    const leftS = Math.max(0, Math.min(this.#patienceS - waitedS, this.#attempt.leftS));
    const { signal } = this.#controller;
    let giveUp = () => {};
    /** @type {NodeJS.Timeout | undefined} */
    let timer;
    /** @type {Promise<never>} */
    const late = new Promise((_, reject) => {
      const silence = new DOMException(`${this.#attempt.target.id} sent nothing within its limit`, "TimeoutError");
      timer = setTimeout(reject, Math.min(leftS * 1000, LONGEST_MS), silence);
      giveUp = () => reject(signal.reason);
      signal.addEventListener("abort", giveUp);
      if (signal.aborted) giveUp();
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
    }
  }
}

/** @param {LanguageModelV4StreamPart} part */
function speaks(part) {
  return !SILENT.has(part.type) && !("delta" in part && part.delta === "");
}

/** @param {string} id @param {unknown} error */
function failed(id, error) {
  if (error instanceof Error) return error;
  const text = typeof error === "string" ? error : JSON.stringify(error);
  return new StreamFailedError(`${id} failed inside the stream: ${String(text).slice(0, 200)}`, error);
}

/** Which target answered, for the caller. @param {Target} target */
function answeredBy(target) {
  return { hotspare: { target: target.id } };
}
