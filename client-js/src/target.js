/** @import { Limits, Target as TargetFields } from "../types/index.js" */

/** The environment variable that holds a target's key is not set, or empty; the message names both. */
export class MissingKeyError extends Error {
  name = "MissingKeyError";
}

/** One model at one provider, as a route points at it; `index.d.ts` says what each field is. */
export class Target {
  /** @param {Omit<TargetFields, "apiKey">} fields */
  constructor(fields) {
    this.id = fields.id;
    this.provider = fields.provider;
    this.model = fields.model;
    this.dialect = fields.dialect;
    this.baseUrl = fields.baseUrl;
    this.apiKeyEnv = fields.apiKeyEnv;
    this.health = fields.health;
    this.route = fields.route;
    this.reason = fields.reason;
    this.since = fields.since;
    this.preset = fields.preset;
    this.region = fields.region;
    this.apiVersion = fields.apiVersion;
    this.signing = fields.signing;
    this.weight = fields.weight;
    this.move = fields.move;
    this.drained = fields.drained;
    this.limits = fields.limits;
    this.context = fields.context;
    Object.freeze(this);
  }

  /** @returns {string | null} */
  apiKey() {
    if (!this.apiKeyEnv) return null;
    const key = process.env[this.apiKeyEnv]?.trim();
    if (!key) throw new MissingKeyError(`${this.apiKeyEnv} is not set: it holds the key of ${this.id}`);
    return key;
  }
}
