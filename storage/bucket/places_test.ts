import assert from "node:assert/strict";
import { Places } from "./places.ts";

Deno.test("Places are given in the order in which they were asked for", async () => {
  const places = new Places(2);
  const order: number[] = [];
  const taking = [1, 2, 3, 4, 5].map((n) => places.take().then(() => order.push(n)));
  await Promise.all(taking.slice(0, 2));
  assert.deepEqual(order, [1, 2]);
  for (const n of [3, 4, 5]) {
    places.release();
    await taking[n - 1];
  }
  assert.deepEqual(order, [1, 2, 3, 4, 5]);
});

Deno.test("Places: whoever leaves takes none", async () => {
  const places = new Places(1);
  await places.take();
  const [first, second] = [new AbortController(), new AbortController()];
  const reason = new Error("left");
  const left = [first, second].map(({ signal }) => assert.rejects(places.take(signal), reason));
  places.release();
  first.abort(reason);
  second.abort(reason);
  await Promise.all(left);
  await assert.rejects(places.take(AbortSignal.abort(reason)), reason);
  await places.take(); // the only place was not lost
  const last = places.take();
  places.release();
  await last;
});
