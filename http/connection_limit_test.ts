import assert from "node:assert/strict";
import { ConnectionLimit } from "./connection_limit.ts";

Deno.test("ConnectionLimit admits so many at a time of each connection", async () => {
  const limit = new ConnectionLimit(3);
  const ends = [1, 2, 3].map(() => Promise.withResolvers<void>());
  for (const { promise } of ends) assert.equal(limit.admit("a", promise), true);
  assert.equal(limit.admit("a", Promise.resolve()), false);
  assert.equal(limit.admit("b", Promise.resolve()), true, "another connection");

  ends[1].resolve();
  await ends[1].promise;
  assert.equal(limit.admit("a", new Promise(() => {})), true, "one has ended");
  assert.equal(limit.admit("a", Promise.resolve()), false, "only one");

  ends[0].reject(new Error("the client left"));
  await ends[0].promise.catch(() => {});
  assert.equal(limit.admit("a", new Promise(() => {})), true, "one was cut off");
  assert.equal(limit.admit("a", Promise.resolve()), false, "a refused one was not counted");
});

Deno.test("ConnectionLimit begins anew once nothing is under way", async () => {
  const limit = new ConnectionLimit(2);
  for (let round = 0; round < 3; round++) {
    const ends = [1, 2].map(() => Promise.withResolvers<void>());
    for (const { promise } of ends) assert.equal(limit.admit("a", promise), true);
    assert.equal(limit.admit("a", Promise.resolve()), false);
    for (const { resolve } of ends) resolve();
    await Promise.all(ends.map(({ promise }) => promise));
  }
});
