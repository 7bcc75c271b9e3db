/** Tells an application when a route has moved, by a look at the file now and then. */

/** @import { OnChange, Target } from "../types/index.js" */
/** @import { Table } from "./table.js" */

const LOOK_EVERY_MS = 250;

/** The callbacks of a reader, and the timer that calls them; it ends with the last callback, or with the reader. */
export class ChangeWatcher {
  #reader;
  /** @type {{ callback: OnChange }[]} */
  #callbacks = [];
  /** @type {NodeJS.Timeout | null} */
  #timer = null;
  /** @type {Table | null} */
  #table = null;

  /** @param {{ look: () => Table | null }} reader */
  constructor(reader) {
    this.#reader = new WeakRef(reader);
  }

  /** Call `callback` from now on; what is returned ends that. @param {OnChange} callback */
  add(callback) {
    const entry = { callback };
    if (this.#callbacks.length === 0) this.#table = this.#reader.deref()?.look() ?? null;
    this.#callbacks.push(entry);
    this.#timer ??= watchWeakly(new WeakRef(this));
    return () => {
      this.#callbacks = this.#callbacks.filter((each) => each !== entry);
    };
  }

  /** Whether there is anything to look for: look for it. */
  look() {
    const reader = this.#reader.deref();
    if (this.#callbacks.length === 0 || !reader) {
      if (this.#timer) clearInterval(this.#timer);
      this.#timer = null;
      return;
    }
    const before = this.#table;
    this.#table = reader.look();
    if (!this.#table || this.#table === before) return;
    for (const [route, old, now] of findChanges(before, this.#table)) this.#tell(route, old, now);
  }

  /** @param {string} route @param {Target | null} before @param {Target | null} now */
  #tell(route, before, now) {
    for (const { callback } of [...this.#callbacks]) void call(callback, route, before, now);
  }
}

/** @param {WeakRef<ChangeWatcher>} reference */
function watchWeakly(reference) {
  const timer = setInterval(() => {
    const watcher = reference.deref();
    if (watcher) watcher.look();
    else clearInterval(timer);
  }, LOOK_EVERY_MS);
  return timer.unref();
}

/** What it throws, now or later, is a warning of the process. @param {OnChange} callback @param {string} route @param {Target | null} before @param {Target | null} now */
async function call(callback, route, before, now) {
  try {
    await callback(route, before, now);
  } catch (error) {
    process.emitWarning(`a callback for changes of route '${route}' failed: ${describe(error)}`, { type: "HotspareWarning" });
  }
}

/** @param {unknown} error */
function describe(error) {
  try {
    return String(error instanceof Error ? error.stack : error);
  } catch {
    return "with something that cannot be written";
  }
}

/**
 * The routes whose target or shares differ, with both targets.
 *
 * @param {Table | null} before
 * @param {Table} now
 * @returns {Generator<[string, Target | null, Target | null]>}
 */
export function* findChanges(before, now) {
  const names = new Set([...(before?.pointsAt.keys() ?? []), ...now.pointsAt.keys()]);
  for (const name of [...names].sort()) {
    const old = before?.pointsAt.get(name) ?? null;
    const next = now.pointsAt.get(name) ?? null;
    if (old?.id !== next?.id || sharesOf(before, name) !== sharesOf(now, name)) yield [name, old, next];
  }
}

/** In the order of their targets' names, so that an order of preference alone is no change. @param {Table | null} table @param {string} name */
function sharesOf(table, name) {
  const shared = (table?.candidates.get(name) ?? []).filter((each) => each.weight > 0);
  return JSON.stringify(shared.map((each) => [each.id, each.weight]).sort());
}
