import assert from "node:assert/strict";
import { mapAtMost } from "./concurrency.ts";

/** Lets all go on that can */
const tick = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("mapAtMost() keeps the order of the items, and its limit", async () => {
  let running = 0, most = 0;
  const work = async (n: number) => {
    most = Math.max(most, ++running);
    for (let i = 0; i <= n % 3; i++) await tick();
    running--;
    return n * n;
  };
  const items = Array.from({ length: 20 }, (_, i) => i);
  for (const limit of [1, 3, 100]) {
    most = 0;
    assert.deepEqual(await mapAtMost(items, work, { limit }), items.map((n) => n * n));
    assert.equal(most, Math.min(limit, items.length));
  }
  assert.deepEqual(await mapAtMost([], work, { limit: 3 }), []);
});

Deno.test("mapAtMost() begins nothing after a failure, and passes it on", async () => {
  const begun: number[] = [];
  const work = async (n: number) => {
    begun.push(n);
    await tick();
    if (n === 2) throw new Error("two");
  };
  await assert.rejects(mapAtMost([1, 2, 3, 4, 5, 6], work, { limit: 2 }), /^Error: two$/);
  await tick();
  await tick();
  assert.ok(begun.length <= 4, begun.join());
  assert.ok(!begun.includes(6));
});
