/** Reads routing files and errors from standard input, and prints what this client makes of them. */

import fs from "node:fs";

import { readFailure } from "../src/failure.js";
import { parse } from "../src/table.js";
import { APIStatusError } from "./faults.js";

/** @type {{ files: string[], errors: { status: number, body: unknown, headers: Record<string, string> }[] }} */
const { files, errors } = JSON.parse(fs.readFileSync(0, "utf8"));

/** @param {string} text */
function problemOf(text) {
  try {
    parse(new TextEncoder().encode(text));
    return null;
  } catch (error) {
    return /** @type {Error} */ (error).message;
  }
}

const failures = errors.map(({ status, body, headers }) => readFailure(new APIStatusError(status, body, headers)));
process.stdout.write(JSON.stringify({ problems: files.map(problemOf), failures }));
