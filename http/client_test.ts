import assert from "node:assert/strict";
import { ClientLeftError, watchClient } from "./client.ts";

/** A request, and the hand of its client */
function request() {
  const client = new AbortController();
  return { client, request: new Request("http://x/", { signal: client.signal }) };
}

const past = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

Deno.test("watchClient() tells when the client has left, before or while it is watched", async () => {
  for (const early of [true, false]) {
    const { client, request: watched } = request();
    using presence = watchClient(watched);
    if (early) client.abort();
    await past(250);
    if (!early) client.abort();
    await past(10);
    assert.ok(presence.signal.aborted);
    assert.ok(presence.signal.reason instanceof ClientLeftError);
    assert.equal(presence.signal.reason.name, "ClientLeftError");
  }
});

Deno.test("watchClient() asks nothing of a request that is answered soon", async () => {
  let asked = 0;
  const fake = new Request("http://x/");
  Object.defineProperty(fake, "signal", { get: () => asked++ });
  watchClient(fake)[Symbol.dispose]();
  await past(250);
  assert.equal(asked, 0);
});

Deno.test("watchClient() ends when it is disposed of", async () => {
  const { client, request: watched } = request();
  const presence = watchClient(watched);
  await past(250);
  presence[Symbol.dispose]();
  client.abort();
  await past(10);
  assert.equal(presence.signal.aborted, false);
});
