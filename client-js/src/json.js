/**
 * Reads JSON with the rules of the routing file: no key twice, no endless depth, and whole numbers told from others.
 *
 * `JSON.parse` keeps the last of two equal keys, and gives 42 for 42.0.
 */

/** A number with a point or an exponent, so that it can be told from a whole number. */
export class Decimal {
  /** @param {number} value */
  constructor(value) {
    this.value = value;
  }
}

/** The text is not JSON, or breaks a rule; the message is a sentence. */
export class JsonError extends Error {}

const MOST_DEPTH = 500;
const MOST_DIGITS = 4300;
const SPACE = /[ \t\n\r]*/y;
const QUOTE_OR_ESCAPE = /["\\]/g;
/** A text so long at most is looked through for what needs to be read with care. */
const MOST_PLAIN = 1000;
const SPECIAL = /[\\\x00-\x1f]/;
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/y;
const NO_NUMBER = /-?Infinity|NaN/y;
/** @type {[string, boolean | null][]} */
const WORDS = [
  ["true", true],
  ["false", false],
  ["null", null],
];

/**
 * The value of `text`: objects as Map, numbers with a point or an exponent as Decimal.
 *
 * @param {string} text
 * @returns {unknown}
 */
export function parseJson(text) {
  const reader = new Reader(text);
  const value = reader.value(0);
  if (reader.next() !== undefined) throw reader.error("Extra data");
  return value;
}

/** @param {string} text */
export function cut(text) {
  return text.length <= 120 ? text : `${text.slice(0, 120)}…`;
}

class Reader {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  /** @param {number} depth @returns {unknown} */
  value(depth) {
    if (depth > MOST_DEPTH) throw new JsonError("it is nested too deeply to be a routing table");
    const first = this.next();
    if (first === "{") return this.object(depth);
    if (first === "[") return this.list(depth);
    if (first === '"') return this.string();
    for (const [word, value] of first === "t" || first === "f" || first === "n" ? WORDS : []) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    return this.number();
  }

  /** @param {number} depth */
  object(depth) {
    const fields = new Map();
    if (this.takes("{") && this.takes("}")) return fields;
    do {
      if (this.next() !== '"') throw this.error("Expecting property name enclosed in double quotes");
      const key = this.string();
      if (!this.takes(":")) throw this.error("Expecting ':' delimiter");
      const value = this.value(depth + 1);
      if (fields.has(key)) throw new JsonError(`the key ${cut(`'${key}'`)} is there twice`);
      fields.set(key, value);
    } while (this.takes(","));
    if (!this.takes("}")) throw this.error("Expecting ',' delimiter");
    return fields;
  }

  /** @param {number} depth */
  list(depth) {
    /** @type {unknown[]} */
    const values = [];
    if (this.takes("[") && this.takes("]")) return values;
    do {
      values.push(this.value(depth + 1));
    } while (this.takes(","));
    if (!this.takes("]")) throw this.error("Expecting ',' delimiter");
    return values;
  }

  /** @returns {string} */
  string() {
    const start = this.at;
    const end = this.text.indexOf('"', start + 1);
    const plain = end < 0 || end - start > MOST_PLAIN ? "" : this.text.slice(start + 1, end);
    if (end === start + 1 || (plain && !SPECIAL.test(plain))) {
      this.at = end + 1;
      return plain;
    }
    QUOTE_OR_ESCAPE.lastIndex = start + 1;
    for (let found = QUOTE_OR_ESCAPE.exec(this.text); found; found = QUOTE_OR_ESCAPE.exec(this.text)) {
      if (found[0] === "\\") {
        QUOTE_OR_ESCAPE.lastIndex += 1;
        continue;
      }
      this.at = QUOTE_OR_ESCAPE.lastIndex;
      try {
        return JSON.parse(this.text.slice(start, this.at));
      } catch {
        throw this.error("Invalid text", start);
      }
    }
    throw this.error("Unterminated string starting at", start);
  }

  number() {
    const found = this.match(NUMBER);
    if (!found) {
      const word = this.match(NO_NUMBER);
      throw word ? new JsonError(`it is not JSON: ${word[0]} is not a number`) : this.error("Expecting value");
    }
    if (found[1] || found[2]) return new Decimal(Number(found[0]));
    if (found[0].length > MOST_DIGITS) throw this.error("Exceeds the limit of digits");
    return Number(found[0]);
  }

  /** The next character after spaces; undefined at the end. */
  next() {
    if (this.text.charCodeAt(this.at) <= 32) this.match(SPACE);
    return this.text[this.at];
  }

  /** @param {string} character */
  takes(character) {
    if (this.next() !== character) return false;
    this.at += 1;
    return true;
  }

  /** @param {RegExp} pattern */
  match(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at = pattern.lastIndex;
    return found;
  }

  /** @param {string} problem @param {number} [at] */
  error(problem, at = this.at) {
    const before = this.text.slice(0, at);
    const line = before.split("\n").length;
    return new JsonError(
      `it is not JSON: ${problem}: line ${line} column ${at - before.lastIndexOf("\n")} (char ${at})`,
    );
  }
}
