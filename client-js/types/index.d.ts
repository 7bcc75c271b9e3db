/** How long to wait for a target, in seconds, by what Hotspare's probes of it take; null where nobody knows yet. */
export interface Limits {
  /** From the request to the first piece of a stream. */
  readonly firstTokenS: number | null;
  /** Between two pieces of a stream. */
  readonly stallS: number | null;
  /** What 95 of 100 of its good answers stay under. */
  readonly p95S: number | null;
}

/** One model at one provider, as a route points at it. */
export interface Target {
  /** `provider/model`. */
  readonly id: string;
  readonly provider: string;
  /** As the provider names it. */
  readonly model: string;
  /** The wire format to speak: `openai-chat`, `anthropic`, `gemini`, … */
  readonly dialect: string;
  /** Without a trailing slash. For `openai-chat` it ends in the version (`…/v1`), for the others it is the host. */
  readonly baseUrl: string;
  /** The environment variable that holds the key; null when Hotspare's configuration holds it, or there is none. */
  readonly apiKeyEnv: string | null;
  /** `up`, `suspect`, `degraded`, `down`, … New words may appear. */
  readonly health: string;
  /** The route that was asked for. */
  readonly route: string;
  /** Why it points there, in one sentence. It may quote a provider: show it as text, never as markup. */
  readonly reason: string;
  /** When the route came to where it points. */
  readonly since: Date;
  /** The provider's preset in the configuration (`groq`, `mistral`, …). */
  readonly preset: string | null;
  /** The region of the cloud, where the dialect needs one (`bedrock`). */
  readonly region: string | null;
  /** The version in the address of a classic Azure resource. */
  readonly apiVersion: string | null;
  /** Whether requests are signed with the credentials of AWS (SigV4), in place of a key. */
  readonly signing: boolean;
  /** The share of the route's requests that it gets now, from 0 to 1. */
  readonly weight: number;
  /** How the route came where it points: `failover`, `failback`, `step`, … New words may appear. */
  readonly move: string | null;
  /** Whether an operator has drained it: nothing new is to be begun there. */
  readonly drained: boolean;
  readonly limits: Limits;
  /** The most tokens that a request may have; null where nobody knows. */
  readonly context: number | null;
  /**
   * The key, read from the environment now; null where no variable is named.
   *
   * @throws {MissingKeyError} where one is named and is not set, or empty.
   */
  apiKey(): string | null;
}

/** The state of the routing file and its writer at one moment. */
export interface Status {
  /** Of the table in use, 0 where it has none; null while nothing is known yet, like the next three. */
  readonly epoch: number | null;
  readonly generation: number | null;
  /** When the writer last wrote the table in use. */
  readonly writtenAt: Date | null;
  /** Seconds since then; does not jump with the wall clock while this process runs. */
  readonly ageS: number | null;
  /** Whether the table in use is younger than `valid_for_s`. */
  readonly writerAlive: boolean;
  /** Why the present file is not the table in use, in one sentence; null when it is. */
  readonly problem: string | null;
  /** The routes of the table in use, in alphabetical order. */
  readonly routes: readonly string[];
}

/** What else is known of a request that has ended. */
export interface ReportMore {
  /** From the request to the first piece of its stream. */
  firstTokenS?: number | null;
  inputTokens?: number | null;
  outputTokens?: number | null;
  route?: string;
  /** A feature or a class of users; twenty are kept apart. */
  tag?: string;
}

/** The reports of one process. Neither throws, and neither waits. */
export declare class Reporter {
  /**
   * `address`: `udp://host:port`; empty or wrong: nothing is sent. Without it, that of the variable HOTSPARE_TRAFFIC;
   * without a `key`, that of HOTSPARE_TRAFFIC_KEY. Node cannot send to the datagram sockets of Unix.
   */
  constructor(address?: string, options?: { key?: string; host?: string });
  /** Whether there is anybody to report to. */
  readonly isOn: boolean;
  /** Why nothing is sent, in one sentence; null where nothing is to be sent, or it is. It is a warning of the process once. */
  readonly problem: string | null;
  /** Report there from now on, unless the application has said where. */
  use(address: string): void;
  /** A request to a target has ended; see `Routing.report`. */
  report(target: Target | string, outcome: string, durationS?: number | null, more?: ReportMore): void;
  /** Send what has ended until now. It is done twice a second, and when the process ends. */
  flush(): void;
}

export interface RoutingOptions {
  /** Where to report how requests end, as `Reporter` has it; without it where the file says, "" for nowhere. */
  reportTo?: string;
  /** How long a change of the file may stay unnoticed, in seconds; 0.01 without it. */
  checkEveryS?: number;
  /** A number from 0 up to 1, which chooses among the targets of a split route and spreads pauses. */
  draw?: () => number;
  /** The wall clock, in seconds since 1970. */
  wall?: () => number;
  /** A clock that never jumps, in seconds. */
  monotonic?: () => number;
}

/** What an application asks for. */
export interface Terms {
  /** Over all attempts and pauses, in seconds; endless without it. */
  deadlineS?: number;
  /** What one answer may take, in seconds; 10 without it. **Raise it for long answers.** */
  answerS?: number;
  /** What a stream may take until its first piece, in seconds; the file's limit, or 10, without it. */
  firstTokenS?: number;
  /** The longest Retry-After to wait for, in seconds; 3 without it. */
  waitS?: number;
  /** Of the session; see `Routing.route`. */
  key?: string;
  /** `attempt.call` asks a second target where a target in doubt is later than usual. */
  hedge?: boolean;
  /** What follows when a stream breaks off after its first piece: the error, or another attempt; "raise" without it. */
  onCut?: "raise" | "restart";
  /** Of the reports: a feature or a class of users. */
  tag?: string;
  /** The request must not be moved: it goes to one target, and again only where it cannot have begun. */
  stateful?: boolean;
  /** Calls the request off: what it throws then passes through, and nobody else is asked. */
  signal?: AbortSignal;
}

/** A target that was asked and failed, as `hotspareAttempts` of the last error lists them. */
export interface Asked {
  /** `provider/model`. */
  readonly target: string;
  /** A word of Hotspare's outcomes: `server_error`, `timeout`, `rate_limited`, … */
  readonly outcome: string;
  /** The class of the error and the beginning of its message. */
  readonly detail: string;
  /** Of HTTP; null where none came. */
  readonly status: number | null;
  /** From the start of the attempt to its error. */
  readonly tookS: number;
}

/** A request that is to be sent. */
export interface Asking {
  readonly target: Target;
  /** What to give the SDK as the timeout. */
  readonly timeoutMs: number;
  /** Ends the request when it is late, called off, or not needed any more. */
  readonly signal: AbortSignal;
}

/** Sends a request to `target`, and gives its answer. */
export type Ask<T> = (asking: Asking) => T | PromiseLike<T>;

/** One request at one target. */
export interface Attempt {
  /** 1 for the first attempt. */
  readonly number: number;
  /** Whom to ask; after `call`, who answered. */
  readonly target: Target;
  /** What the answer took, for the report of it, where the application says so. */
  inputTokens: number;
  outputTokens: number;
  /** Whether an attempt before this one has given pieces of a stream already: discard them. */
  readonly restarted: boolean;
  /** What to give the SDK as the timeout: `answerS`, else 10 s, and no more than is left until the deadline. */
  readonly timeoutMs: number;
  /** What a stream may take from the start of the attempt to its first piece, in seconds. */
  readonly firstTokenS: number;
  /** What a stream may take between two pieces, in seconds. */
  readonly stallS: number;
  /** What to give the SDK as the timeout of a stream: the longest silence that `watch` allows. */
  readonly streamTimeoutMs: number;
  /** The same as a signal, for `fetch` and the SDKs; it also follows `signal` of the terms. */
  readonly signal: AbortSignal;
  /**
   * The request has failed: the loop goes on at the same target or the next.
   *
   * @throws `error` itself where it is the answer, with `hotspareAttempts`: an `Asked` for each target.
   */
  fail(error: unknown): void;
  /**
   * What `ask` gives: the way to send a request that may be hedged.
   *
   * With `hedge`, while the routing file calls the target `suspect` or `degraded`: when it has not answered within its
   * usual time (`limits.p95S`), the next target is asked as well, as far as the budget of repeats allows; the first good
   * answer counts, and `target` is who gave it. Of a stream, its start is the answer.
   */
  call<T>(ask: Ask<T>): Promise<T>;
  /**
   * The pieces of a stream, within the limits, up to its right end.
   *
   * The stream is what an SDK gives (any async iterable), or a Response of `fetch`, of whose server-sent events the
   * pieces are the JSON; or a function that opens it, for which the limit until the first piece holds as well.
   *
   * Until the first piece that holds a part of the answer, nothing is given, so that a failure goes unseen to the next
   * target. Throws what the stream throws; StreamSilentError past a limit, StreamCutError where it ends before its right
   * end, StreamFailedError where the provider says inside it that it failed: hand them to `fail`.
   */
  watch(stream: Response | Ask<Response>): AsyncGenerator<any, void, undefined>;
  watch<P>(stream: AsyncIterable<P> | Ask<AsyncIterable<P>>): AsyncGenerator<P, void, undefined>;
}

/**
 * The attempts of a request. The loop ends with the first block that ends without `fail`, which counts as an answer;
 * each loop is a request of its own, and the deadline begins with the loop.
 */
export interface Attempts extends AsyncIterable<Attempt> {
  /** The whole loop: what `ask` gives at the first target where it does not throw. */
  run<T>(ask: (attempt: Attempt) => T | PromiseLike<T>): Promise<T>;
}

/** The route, the target before and the target now; null where the route is new, or gone. */
export type OnChange = (route: string, before: Target | null, now: Target | null) => unknown;

/**
 * The routes of one routing file, kept current.
 *
 * A missing, torn, oversized, wrong or newer file changes nothing: the last good table stays in use, and
 * `status.problem` says why. A lower epoch or generation is accepted: the writer has begun a new database.
 */
export declare class Routing {
  /** Read the file once; a file that is missing or broken is no error, here or later. */
  constructor(path: string, options?: RoutingOptions);
  /**
   * The target to use for a route now; null while nothing is known about it. Never throws.
   *
   * Each call for a route that is split between targets draws anew, by their weights. With the `key` of a session the
   * same key gets the same target, also in other processes and in Python; over a failback a session stays where it was
   * while that target is well, until it is idle for 5 minutes, for an hour at most.
   */
  route(name: string, key?: string): Target | null;
  /** Every target of a route, in the order of preference; empty while nothing is known. Never throws. */
  candidates(name: string): readonly Target[];
  /**
   * The attempts of one request. The loop throws NoTargetError where nothing is known about the route, and
   * DeadlineError where no time was left to begin with.
   *
   * @throws {RangeError} where a term makes no sense.
   */
  attempts(name: string, terms?: Terms): Attempts;
  /**
   * Tell Hotspare how a request ended; `attempts` does so by itself. Never throws, never waits.
   *
   * `outcome` is `ok` or a word of Hotspare's outcomes (`server_error`, `timeout`, `rate_limited`, …).
   */
  report(target: Target | string, outcome: string, durationS?: number | null, more?: ReportMore): void;
  /**
   * Call `callback` whenever a route's target or its shares change; what is returned ends that.
   *
   * The file is looked at four times a second, which does not keep the process alive. What it throws is a warning of the
   * process, and keeps no other callback waiting.
   */
  onChange(callback: OnChange): () => void;
  /** Tells Hotspare how requests end, where it listens. */
  readonly reporter: Reporter;
  /** The state of the file and its writer. Never throws. */
  readonly status: Status;
}

/** The environment variable that holds a target's key is not set, or empty; the message names both. */
export declare class MissingKeyError extends Error {}

/** Nothing is known about the route; the message says why. */
export declare class NoTargetError extends Error {}

/** The deadline had passed before anything could be asked. */
export declare class DeadlineError extends Error {}

/** The stream ended without the right end of its dialect: the answer is not whole. */
export declare class StreamCutError extends Error {}

/** No piece of the stream came within the limit. */
export declare class StreamSilentError extends Error {}

/** The provider said inside the stream that it failed. */
export declare class StreamFailedError extends Error {
  constructor(message: string, body: unknown);
  /** What it said, as it came. */
  readonly body: unknown;
}

/** The Response given to `watch` has another status than 2xx. */
export declare class StatusError extends Error {
  constructor(status: number, headers: Headers, body: string);
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}
