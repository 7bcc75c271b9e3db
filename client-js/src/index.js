/** Which LLM provider to use right now, and the next one when a request fails: reads the routing file of Hotspare. */

export { StatusError } from "./events.js";
export { Reporter } from "./reporter.js";
export { DeadlineError, NoTargetError } from "./request.js";
export { Routing } from "./routing.js";
export { StreamCutError, StreamFailedError, StreamSilentError } from "./stream-watch.js";
export { MissingKeyError } from "./target.js";
