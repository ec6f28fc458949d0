import assert from "node:assert/strict";
import { CountedListings } from "./counted_listings.ts";

Deno.test("CountedListings: at most a thousand wait, and each end is counted", async () => {
  const listings = new CountedListings();
  const { promise, resolve } = Promise.withResolvers<string>();
  const waiting = Array.from({ length: 1000 }, () => listings.run(() => promise));
  assert.equal(listings.stats().waiting, 1000);
  await assert.rejects(listings.run(() => promise), { name: "StorageError", code: "EBUSY" });
  resolve("listing");
  assert.deepEqual(new Set(await Promise.all(waiting)), new Set(["listing"]));
  const fail = () => Promise.reject(new Error("no disk"));
  await assert.rejects(listings.run(fail), /no disk/);
  await assert.rejects(listings.run(fail, AbortSignal.abort()), /no disk/);
  assert.deepEqual(listings.stats(), { done: 1000, failed: 2, abandoned: 1, waiting: 0 });
});
