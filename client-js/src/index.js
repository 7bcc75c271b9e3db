/** Which LLM provider to use right now, and the next one when a request fails: reads the routing file of Hotspare. */

export { DeadlineError, NoTargetError } from "./request.js";
export { Reporter } from "./reporter.js";
export { Routing } from "./routing.js";
export { MissingKeyError } from "./target.js";
