/** Sends datagrams by UDP, fire and forget: no name is looked up on the way, and nothing keeps the process alive. */

import { createSocket } from "node:dgram";
import { lookup } from "node:dns";
import { isIP } from "node:net";

/** How long the address of a name is used; by then it is looked up again. */
const KNOWN_FOR_MS = 60_000;
/** What the system has not taken yet; more is lost. */
const MOST_QUEUED = 1 << 18;

/** @type {Map<4 | 6, import("node:dgram").Socket>} One of each family for the whole process. */
const sockets = new Map();

/** Where datagrams go. */
export class Destination {
  /** @type {string | null} */
  #ip = null;
  #lookedUpAt = -Infinity;
  #isLooking = false;

  /** @param {string} host @param {number} port */
  constructor(host, port) {
    this.host = host;
    this.port = port;
    this.#refresh();
  }

  /** Send it now; it is lost where nobody listens, or while the address is not known. @param {Buffer} data */
  send(data) {
    this.#refresh();
    if (!this.#ip) return;
    const socket = socketOf(this.#ip.includes(":") ? 6 : 4);
    if ((socket.getSendQueueSize?.() ?? 0) < MOST_QUEUED) socket.send(data, this.port, this.#ip, () => {});
  }

  /** Look the name up where it is time to, once at a time: a name server that is silent must not hold up the application's own. */
  #refresh() {
    if (isIP(this.host)) this.#ip = this.host;
    else if (!this.#isLooking && performance.now() - this.#lookedUpAt > KNOWN_FOR_MS) {
      this.#isLooking = true;
      lookup(this.host, { family: 4 }, (error, ip) => {
        this.#isLooking = false;
        this.#lookedUpAt = performance.now();
        if (!error) this.#ip = ip;
      });
    }
  }
}

/** @param {4 | 6} family */
function socketOf(family) {
  const known = sockets.get(family);
  if (known) return known;
  // What is sent to is an address already; looked up at once, it is sent before a process that exits is gone.
  const found = (/** @type {string} */ address, /** @type {unknown} */ _, /** @type {Function} */ done) => done(null, address, family);
  const socket = createSocket({ type: `udp${family}`, lookup: /** @type {any} */ (found) });
  socket.on("error", () => {
    if (sockets.delete(family)) socket.close();
  });
  socket.unref();
  sockets.set(family, socket);
  return socket;
}
