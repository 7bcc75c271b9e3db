/** Reads a piece of a stream of any dialect, from an SDK or the wire: does it speak, is it the end (pure). */

/** A piece of a chat that says that its answer failed. */
const FAILED_ENDS = new Set(["error", "abort", "ERROR", "TIMEOUT"]);
/** What Anthropic's helper adds to the events of the wire. */
const OF_HELPERS = new Set(["text", "thinking", "input_json", "citation", "signature"]);
const SPEAKING_PARTS = [
  ...["content", "reasoning_content", "reasoning", "tool_calls", "function_call", "refusal", "audio", "text"],
  ...["thinking", "partial_json", "functionCall", "inlineData", "inline_data", "executableCode"],
];
const LAST_EVENTS = new Set(["response.completed", "response.incomplete", "message_stop", "message-end"]);
const FAILED_EVENTS = new Set(["error", "response.failed", "response.cancelled"]);
const BEDROCK_EVENTS = ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop"];

/**
 * What a piece of a stream is.
 *
 * - `known`: whether it has the shape of a dialect; of one that has not, nothing else is known
 * - `speaks`: whether it holds a part of the answer: text, reasoning, a tool call. Keep-alives and roles are none
 * - `parts`: the answers that it belongs to: several where a request asked for several
 * - `ended`: those of which it is the right end
 * - `usage`: whether it holds the tokens used
 * - `error`: what the provider says where it failed inside the stream
 *
 * @typedef {{ known: boolean, speaks: boolean, parts: number[], ended: number[], usage: boolean, error: unknown }} Piece
 */

/** @type {Piece} */
const UNKNOWN = { known: false, speaks: true, parts: [], ended: [], usage: false, error: null };
const ONE = [0];

/** What `piece` is, by its shape, in all dialects of Hotspare. Never throws. @param {unknown} piece @returns {Piece} */
export function readPiece(piece) {
  try {
    return read(piece);
  } catch {
    return UNKNOWN; // a piece may be anything
  }
}

/** @param {any} piece @returns {Piece} */
function read(piece) {
  const kind = get(piece, "type");
  if ((isFilled(get(piece, "error")) && (isRecord(piece) || kind === "error")) || get(piece, "object") === "error") {
    return known({ error: piece });
  }
  if (Array.isArray(get(piece, "choices"))) return readChat(piece);
  if (typeof kind === "string") return readEvent(kind, piece);
  if (["candidates", "promptFeedback", "prompt_feedback"].some((name) => get(piece, name) != null)) return readGemini(piece);
  return isRecord(piece) ? readBedrock(piece) : UNKNOWN;
}

/** @param {Partial<Piece>} fields @returns {Piece} */
function known(fields) {
  return { known: true, speaks: false, parts: [], ended: [], usage: false, error: null, ...fields };
}

/** @param {any} piece */
function readChat(piece) {
  /** @type {any[]} */
  const choices = piece.choices;
  const failed = choices.find((each) => isFilled(get(each, "error")) || FAILED_ENDS.has(get(each, "finish_reason")));
  const ofGroq = get(get(piece, "x_groq"), "error");
  return known({
    speaks: choices.some((each) => speaks(get(each, "delta")) || speaks(each)),
    parts: choices.map(indexOf),
    ended: choices.filter((each) => isFilled(get(each, "finish_reason"))).map(indexOf),
    usage: get(piece, "usage") != null,
    error: isFilled(ofGroq) ? ofGroq : failed ? (isFilled(get(failed, "error")) ? failed.error : piece) : null,
  });
}

/** OpenAI's responses, Anthropic and Cohere say of each event which it is. @param {string} kind @param {any} piece */
function readEvent(kind, piece) {
  if (FAILED_EVENTS.has(kind) || FAILED_ENDS.has(get(get(piece, "delta"), "finish_reason"))) {
    const error = get(get(piece, "response"), "error");
    return known({ error: isFilled(error) ? error : piece });
  }
  if (LAST_EVENTS.has(kind)) return known({ parts: ONE, ended: ONE, usage: true });
  if (kind.startsWith("response.")) return known({ speaks: kind.endsWith(".delta"), parts: ONE });
  if (/^(message|content|tool-|citation-|ping)/.test(kind)) {
    return known({ speaks: /^(content_block_delta|content-delta)$|^tool-/.test(kind), parts: ONE });
  }
  return OF_HELPERS.has(kind) ? known({ speaks: true, parts: ONE }) : UNKNOWN;
}

/** @param {any} piece */
function readGemini(piece) {
  /** @type {any[]} */
  const candidates = listOf(get(piece, "candidates")).filter((each) => each != null);
  const isBlocked = candidates.length === 0 && (isFilled(get(piece, "promptFeedback")) || isFilled(get(piece, "prompt_feedback")));
  const hasEnded = (/** @type {any} */ each) => isFilled(get(each, "finishReason")) || isFilled(get(each, "finish_reason"));
  return known({
    speaks: candidates.some((each) => listOf(get(get(each, "content"), "parts")).some(speaks)),
    parts: candidates.length > 0 ? candidates.map(indexOf) : ONE,
    ended: isBlocked ? ONE : candidates.filter(hasEnded).map(indexOf),
    usage: isFilled(get(piece, "usageMetadata")) || get(piece, "usage_metadata") != null,
  });
}

/** @param {Record<string, unknown>} piece */
function readBedrock(piece) {
  if ("messageStop" in piece) return known({ parts: ONE, ended: ONE });
  if ("metadata" in piece) return known({ parts: ONE, usage: true });
  if (BEDROCK_EVENTS.some((name) => name in piece)) return known({ speaks: "contentBlockDelta" in piece, parts: ONE });
  const failed = Object.keys(piece).find((name) => name.endsWith("Exception"));
  return failed ? known({ error: { code: failed, ...piece } }) : UNKNOWN;
}

/** @param {unknown} part */
function speaks(part) {
  return SPEAKING_PARTS.some((name) => isFilled(get(part, name)));
}

/** @param {unknown} part */
function indexOf(part) {
  const index = get(part, "index");
  return Number.isInteger(index) ? index : 0;
}

/** The members of a list, or of whatever is in its place. @param {any} value @returns {any[]} */
function listOf(value) {
  if (!isFilled(value)) return [];
  return isRecord(value) ? Object.keys(value) : [...value];
}

/** Neither missing nor empty. @param {unknown} value */
function isFilled(value) {
  if (Array.isArray(value)) return value.length > 0;
  return isRecord(value) ? Object.keys(value).length > 0 : Boolean(value);
}

/** Whether it is plain data, as on the wire. @param {unknown} value @returns {value is Record<string, unknown>} */
function isRecord(value) {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null;
}

/** @param {any} value @param {string} name @returns {any} */
function get(value, name) {
  return value == null ? undefined : value[name];
}
