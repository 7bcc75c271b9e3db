/** An application: three requests by the route `chat` of the file given, at a provider that refuses and at one of its own. */

import http from "node:http";

import { Routing } from "hotspare-client";

const server = http.createServer((_, response) => void response.end("{}")).listen(Number(process.argv[3]), "127.0.0.1");
const routing = new Routing(process.argv[2]);
for (let count = 0; count < 3; count += 1) {
  await routing.attempts("chat").run(async ({ target, signal }) => {
    const reply = await fetch(target.baseUrl, { signal, headers: { connection: "close" } });
    return reply.json();
  });
}
routing.report(routing.candidates("chat")[1], "ok", 0.5, { tag: "search", inputTokens: 900, outputTokens: 210 });
server.close();
