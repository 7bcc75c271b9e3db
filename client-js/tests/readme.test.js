/** The examples of README.md answer, with the real SDKs, while the first provider fails. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import dgram from "node:dgram";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { newPath, writeRoute } from "./shared.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const EXAMPLES = [...fs.readFileSync(`${ROOT}/README.md`, "utf8").matchAll(/```js\n(.*?)```/gs)].map((found) => found[1]);
const REPLY = { choices: [{ index: 0, message: { role: "assistant", content: "Hello yourself" }, finish_reason: "stop" }] };

/** Run an example, whose first provider fails: what it prints, and what was asked. @param {import("node:test").TestContext} t @param {string} example @param {string} [reportTo] */
async function run(t, example, reportTo = "") {
  /** @type {string[]} */
  const asked = [];
  const server = http.createServer((request, response) => {
    asked.push(String(request.url));
    let body = "";
    request.on("data", (data) => (body += data)).on("end", () => {
      if (!request.url?.startsWith("/beta/")) {
        response.writeHead(503, { "content-type": "application/json" }).end('{"error": {"message": "Service unavailable"}}');
      } else if (body.includes('"stream":true')) {
        const choices = [{ index: 0, delta: { content: "Hello yourself" }, finish_reason: "stop" }];
        response.writeHead(200, { "content-type": "text/event-stream" }).end(`data: ${JSON.stringify({ choices })}\n\n`);
      } else {
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(REPLY));
      }
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  t.after(() => server.close() && server.closeAllConnections());
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const file = newPath(t);
  const at = (/** @type {string} */ name) => ({ base_url: `http://127.0.0.1:${port}/${name}/v1` });
  writeRoute(file, { alpha: at("alpha"), beta: at("beta") }, {}, { report_to: reportTo });
  const code = `${example.replace("/var/lib/hotspare/routing.json", file)}
    if (typeof answer === "function") console.log(await answer("Hello"));`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", code], { cwd: ROOT });
  return { asked, stdout };
}

for (const name of ["chat.completions.create", "generateText", "attempt.watch(", "attempt.call("]) {
  test(`the example of ${name} answers`, async (t) => {
    const { asked, stdout } = await run(t, exampleOf(name));
    assert.equal(stdout, "Hello yourself\n");
    assert.deepEqual(asked, ["/alpha/v1/chat/completions", "/beta/v1/chat/completions"]);
  });
}

test("the example of a report arrives", async (t) => {
  const socket = dgram.createSocket("udp4").bind(0, "127.0.0.1");
  t.after(() => socket.close());
  await once(socket, "listening");
  const arriving = once(socket, "message");
  await run(t, exampleOf("routing.report("), `udp://127.0.0.1:${socket.address().port}`);
  assert.match(String((await arriving)[0]), /\["openai\/gpt-6-luna","","search",\{"ok":1\},/);
});

test("no example of the README is left out", () => assert.equal(EXAMPLES.length, 5));

/** The example that has these words. @param {string} words */
function exampleOf(words) {
  const [example, ...others] = EXAMPLES.filter((each) => each.includes(words));
  assert.ok(example && others.length === 0, words);
  return example;
}
