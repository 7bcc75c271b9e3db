/** Reports how requests ended to Hotspare: fire and forget, lost without harm. */

import { randomBytes } from "node:crypto";
import { hostname } from "node:os";

import { datagrams, Waiting } from "./datagram.js";
import { Destination } from "./udp.js";

/** @import { ReportMore, Target } from "../types/index.js" */

/** The application is named in these where it does not say otherwise: where to report, and the key that signs. */
const ADDRESS_VARIABLE = "HOTSPARE_TRAFFIC";
const KEY_VARIABLE = "HOTSPARE_TRAFFIC_KEY";
/** What ended is sent so often. */
const EVERY_MS = 500;
const MOST_HOST = 60;
const EXPECTED = "udp:// with an address and a port, such as udp://127.0.0.1:8471";

/** @type {Set<Reporter>} Those that have something to send. */
const waiting = new Set();
let isWarned = false;

/** The reports of one process; `index.d.ts` says what is promised. */
export class Reporter {
  #isTold;
  /** @type {Destination | null} */
  #destination = null;
  #given = "";
  /** @type {string | null} */
  #problem = null;
  #sender;
  #number = 0;
  #waiting = new Waiting();
  #beganAt = performance.now();
  /** When the time began in which the requests that wait have ended. */
  #since = 0;
  /** @type {NodeJS.Timeout | null} */
  #timer = null;

  /** @param {string} [address] @param {{ key?: string, host?: string }} [options] */
  constructor(address, options = {}) {
    const own = address ?? (process.env[ADDRESS_VARIABLE] || undefined);
    this.#isTold = own !== undefined;
    this.#take(own ?? "");
    const key = (options.key ?? process.env[KEY_VARIABLE]) || null;
    const host = (options.host || hostname()).slice(0, MOST_HOST);
    this.#sender = { host, sender: randomBytes(8).toString("hex"), key };
  }

  get isOn() {
    return this.#destination !== null;
  }

  get problem() {
    return this.#problem;
  }

  /** @param {string} address */
  use(address) {
    if (!this.#isTold && address !== this.#given) this.#take(address);
  }

  /** @param {Target | string} target @param {string} outcome @param {number | null} [durationS] @param {ReportMore} [more] */
  report(target, outcome, durationS, more) {
    try {
      if (!this.#destination) return this.#problem ? warn(this.#problem) : undefined;
      const id = typeof target === "string" ? target : target.id;
      const { firstTokenS, inputTokens, outputTokens, route, tag } = more ?? {};
      if (this.#waiting.add(id, outcome, durationS, firstTokenS, inputTokens, outputTokens, route, tag)) this.#arm();
    } catch {
      // An application must not fail because of a report.
    }
  }

  flush() {
    try {
      this.#send();
    } catch {
      // Likewise.
    }
  }

  /** @param {string} address */
  #take(address) {
    this.#given = address;
    const { destination, problem } = readAddress(address);
    this.#destination = destination;
    this.#problem = problem;
  }

  #arm() {
    if (this.#timer) return;
    // Each half second since the start is one report, so that the first request of one is not always at its beginning.
    const past = (performance.now() - this.#beganAt) % EVERY_MS;
    this.#since = performance.now() - past;
    this.#timer = setTimeout(() => this.flush(), EVERY_MS - past);
    this.#timer.unref?.();
    if (waiting.size === 0) process.once("exit", flushAll);
    waiting.add(this);
  }

  #send() {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    waiting.delete(this);
    if (waiting.size === 0) process.removeListener("exit", flushAll);
    const rows = this.#waiting.take();
    const when = { first: this.#number, atS: Date.now() / 1000, spanS: (performance.now() - this.#since) / 1000 };
    for (const data of datagrams(this.#sender, rows, when)) {
      this.#number += 1;
      this.#destination?.send(data);
    }
  }
}

function flushAll() {
  for (const reporter of [...waiting]) reporter.flush();
}

/** @param {unknown} address @returns {{ destination: Destination | null, problem: string | null }} */
function readAddress(address) {
  if (!address) return { destination: null, problem: null };
  const text = String(address);
  if (text.startsWith("unix:")) {
    const problem = `nothing is reported to ${text}, because Node cannot send to a Unix socket of datagrams: let Hotspare listen at ${EXPECTED}`;
    return { destination: null, problem };
  }
  const [, host, port] = /^udp:\/\/(.+):([0-9]{1,5})$/.exec(text) ?? [];
  if (host && Number(port) > 0 && Number(port) < 65536) {
    return { destination: new Destination(host.replace(/^\[+|\]+$/g, ""), Number(port)), problem: null };
  }
  return { destination: null, problem: `nothing is reported: expected ${EXPECTED}, found ${text.slice(0, 120)}` };
}

/** Once for a process. @param {string} problem */
function warn(problem) {
  if (isWarned) return;
  isWarned = true;
  process.emitWarning(problem, { type: "HotspareWarning" });
}
