/** Follows the routing file and keeps its last good table in memory, with the rules of the Python client. */

import { closeSync, constants, fstatSync, openSync, readSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { performance } from "node:perf_hooks";

import { Affinity } from "./affinity.js";
import { Attempts } from "./attempts.js";
import { ChangeWatcher } from "./changes.js";
import { Memory } from "./memory.js";
import { Reporter } from "./reporter.js";
import { checkTerms } from "./request.js";
import { parse, TableError } from "./table.js";

/** @import { BigIntStats } from "node:fs" */
/** @import { OnChange, ReportMore, RoutingOptions, Status, Target, Terms } from "../types/index.js" */
/** @import { Table } from "./table.js" */

/** Far above any real table; a larger file is not one. */
export const MAX_BYTES = 16 * 1024 * 1024;

/**
 * A stat cannot tell two files apart that were written within one tick of the filesystem's clock (2 s on the coarsest)
 * and share a size and a recycled inode. So for this long after a change the bytes are compared as well.
 */
const SETTLED_AFTER_S = 2;

const REASONS = new Map([
  ["ELOOP", "Too many levels of symbolic links"],
  ["ENOTDIR", "Not a directory"],
  ["EACCES", "Permission denied"],
  ["EISDIR", "Is a directory"],
]);

/** The routes of one routing file, kept current; `index.d.ts` says what is promised. */
export class Routing {
  #path;
  #checkEveryS;
  #wall;
  #nextCheck;
  #checkedAt;
  #affinity = new Affinity();
  #changes = new ChangeWatcher(this);
  /** Inode, size and time of change of the file at the last check; "" when there was nothing that could be read. */
  #version = "";
  /** @type {Buffer} */
  #content = Buffer.alloc(0);
  /** @type {string | null} */
  #problem = null;
  /** Monotonic; from here on, `#version` alone tells whether the file has changed. */
  #settledAt = 0;
  /** @type {Table | null} The last good one. */
  #table = null;
  /** How old the table was when it was read, and when that was. */
  #ageS = 0;
  #readAt = 0;

  /** @param {string} path @param {RoutingOptions} [options] */
  constructor(path, options = {}) {
    // Absolute, so that an application may change its working directory.
    this.#path = resolve(path);
    const { checkEveryS = 0.01 } = options;
    this.#checkEveryS = checkEveryS > 0 ? checkEveryS : 0;
    this.draw = options.draw ?? Math.random;
    this.monotonic = options.monotonic ?? (() => performance.now() / 1000);
    this.#wall = options.wall ?? (() => Date.now() / 1000);
    /** What failed lately, for all attempts of this process. */
    this.memory = new Memory();
    /** Tells Hotspare how requests end, where it listens. */
    this.reporter = new Reporter(options.reportTo);
    this.#checkedAt = this.#nextCheck = this.monotonic();
    this.#refresh(this.#checkedAt);
  }

  /** @param {string} name @param {string} [key] @returns {Target | null} */
  route(name, key) {
    const now = this.#check();
    if (key !== undefined && key !== null) {
      return this.#affinity.choose(name, key, this.#table?.candidates.get(name) ?? [], now);
    }
    const split = this.#table?.split.get(name);
    if (!split) return null;
    const { ends, targets } = split;
    if (targets.length === 1) return targets[0];
    const drawn = this.draw();
    // The last end may be a rounding error below 1, and a draw above it.
    return targets[ends.findIndex((end) => end > drawn)] ?? targets[targets.length - 1];
  }

  /** @param {string} name @returns {readonly Target[]} */
  candidates(name) {
    this.#check();
    return this.#table?.candidates.get(name) ?? [];
  }

  /** @param {string} name @param {Terms} [terms] */
  attempts(name, terms = {}) {
    checkTerms(terms);
    return new Attempts(this, name, terms);
  }

  /** @param {Target | string} target @param {string} outcome @param {number | null} [durationS] @param {ReportMore} [more] */
  report(target, outcome, durationS, more) {
    this.reporter.report(target, outcome, durationS, more);
  }

  /** @param {OnChange} callback */
  onChange(callback) {
    return this.#changes.add(callback);
  }

  /** The table in use, after a look at the file when it is time to. */
  look() {
    this.#check();
    return this.#table;
  }

  /** @returns {Status} */
  get status() {
    const now = this.#check();
    const table = this.#table;
    if (!table) {
      return { epoch: null, generation: null, writtenAt: null, ageS: null, writerAlive: false, problem: this.#problem, routes: [] };
    }
    const ageS = this.#ageS + Math.max(0, now - this.#readAt);
    return {
      epoch: table.epoch,
      generation: table.generation,
      writtenAt: table.writtenAt,
      ageS,
      writerAlive: ageS <= table.validForS,
      problem: this.#problem,
      routes: [...table.candidates.keys()].sort(),
    };
  }

  #check() {
    const now = this.monotonic();
    if (now >= this.#nextCheck) this.#refresh(now);
    return now;
  }

  /** @param {number} now */
  #refresh(now) {
    try {
      if (now < this.#settledAt || fileVersion(statSync(this.#path, { bigint: true })) !== this.#version) {
        this.#take(read(this.#path), now);
      }
    } catch (error) {
      // Whatever it is, an application must not fail because of us.
      this.#version = "";
      this.#content = Buffer.alloc(0);
      this.#settledAt = 0;
      this.#problem = `${this.#path} ${describe(error)}`;
    }
    this.#checkedAt = now;
    this.#nextCheck = now + this.#checkEveryS;
  }

  /** Take over what has been read of the file. @param {{ version: string, content: Buffer }} file @param {number} now */
  #take({ version, content }, now) {
    if (version === this.#version && content.equals(this.#content)) return;
    this.#version = version;
    this.#content = content;
    this.#settledAt = now + SETTLED_AFTER_S;
    try {
      const table = parse(content);
      if (table.writtenAt.getTime() !== this.#table?.writtenAt.getTime()) {
        this.#ageS = this.#ageOf(table, now);
        this.#readAt = now;
      }
      this.#table = table;
      this.#problem = null;
      this.reporter.use(table.reportTo);
    } catch (error) {
      const reason = error instanceof TableError ? error.message : String(error);
      this.#problem = `${this.#path} is not used: ${reason}`;
    }
  }

  /**
   * How old a table is that has just been read for the first time, 0 when its writer's clock is ahead of ours.
   *
   * A heartbeat that has moved on since the last check cannot be older than that check, whatever the clocks say.
   *
   * @param {Table} table
   * @param {number} now
   */
  #ageOf(table, now) {
    const ageS = Math.max(0, this.#wall() - table.writtenAt.getTime() / 1000);
    return this.#table && table.writtenAt > this.#table.writtenAt ? Math.min(ageS, now - this.#checkedAt) : ageS;
  }
}

/** The version and the bytes of a plain file, both from the same open file. @param {string} path */
function read(path) {
  // O_NONBLOCK because opening a FIFO would wait for its writer.
  const descriptor = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stats = fstatSync(descriptor, { bigint: true });
    if (!stats.isFile()) throw new TableError("is not a plain file");
    return { version: fileVersion(stats), content: readAll(descriptor, Number(stats.size)) };
  } finally {
    closeSync(descriptor);
  }
}

/** The bytes to the end of the file, whatever its size was. @param {number} descriptor @param {number} size */
function readAll(descriptor, size) {
  let content = Buffer.allocUnsafe(Math.min(size, MAX_BYTES) + 1);
  let length = 0;
  for (;;) {
    const count = readSync(descriptor, content, length, content.length - length, null);
    length += count;
    if (length > MAX_BYTES) throw new TableError(`is larger than ${MAX_BYTES / 1024 / 1024} MiB`);
    if (count === 0) return content.subarray(0, length);
    if (length === content.length) content = Buffer.concat([content], Math.min(length * 2, MAX_BYTES) + 1);
  }
}

/** @param {BigIntStats} stats */
function fileVersion(stats) {
  return `${stats.ino} ${stats.size} ${stats.mtimeNs}`;
}

/** @param {unknown} error */
function describe(error) {
  if (error instanceof TableError) return error.message;
  const { code, name } = /** @type {{ code?: string, name?: string }} */ (error);
  if (code === "ENOENT") return "is missing";
  return `cannot be read: ${REASONS.get(code ?? "") ?? code ?? name}`;
}
