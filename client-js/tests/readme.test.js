/** The examples of README.md answer, with the real SDKs, while the first provider fails. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { newPath, writeRoute } from "./shared.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const EXAMPLES = [...fs.readFileSync(`${ROOT}/README.md`, "utf8").matchAll(/```js\n(.*?)```/gs)].map((found) => found[1]);
const REPLY = { choices: [{ index: 0, message: { role: "assistant", content: "Hello yourself" }, finish_reason: "stop" }] };

for (const [index, example] of EXAMPLES.entries()) {
  test(`example ${index + 1} of the README answers`, async (t) => {
    /** @type {string[]} */
    const asked = [];
    const server = http.createServer((request, response) => {
      asked.push(String(request.url));
      const isWell = request.url?.startsWith("/beta/");
      response.writeHead(isWell ? 200 : 503, { "content-type": "application/json" });
      response.end(JSON.stringify(isWell ? REPLY : { error: { message: "Service unavailable" } }));
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
    t.after(() => server.close() && server.closeAllConnections());
    const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
    const file = newPath(t);
    const at = (/** @type {string} */ name) => ({ base_url: `http://127.0.0.1:${port}/${name}/v1` });
    writeRoute(file, { alpha: at("alpha"), beta: at("beta") });
    const code = `${example.replace("/var/lib/hotspare/routing.json", file)}\nconsole.log(await answer("Hello"));\n`;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", code], { cwd: ROOT });
    assert.equal(stdout, "Hello yourself\n");
    assert.deepEqual(asked, ["/alpha/v1/chat/completions", "/beta/v1/chat/completions"]);
  });
}

test("the README has both", () => assert.equal(EXAMPLES.length, 2));
