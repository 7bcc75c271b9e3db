import type { LanguageModelV4 } from "@ai-sdk/provider";
import type { Routing, Target, Terms } from "./index.js";

export { StreamCutError, StreamFailedError, StreamSilentError } from "./index.js";

/** The SDK's model for a target, such as `createOpenAICompatible({ … })(target.model)`. */
export type ModelOf = (target: Target) => LanguageModelV4;

/** What holds for each request; the SDK has a signal of its own, and cannot begin a stream anew. */
export type ModelTerms = Omit<Terms, "signal" | "hedge" | "onCut">;

/** A provider for the SDK, also for its registries. */
export interface Hotspare {
  /** The language model that a route points at, for each request anew. */
  (route: string): LanguageModelV4;
  readonly specificationVersion: "v4";
  languageModel(route: string): LanguageModelV4;
  /** Hotspare routes language models only. */
  embeddingModel(route: string): never;
  imageModel(route: string): never;
}

/**
 * A provider whose models are the routes of `routing`. Give `maxRetries: 0` to the SDK: its own retries would ask the
 * failing providers again.
 *
 * A request that fails goes on as in `attempts`; a stream, until its first word has come. `terms` hold for each
 * request; the caller's `abortSignal` calls it off. The target that answered is `providerMetadata.hotspare.target`.
 */
export declare function createHotspare(routing: Routing, modelOf: ModelOf, terms?: ModelTerms): Hotspare;
