import assert from "node:assert/strict";
import { type Credentials, ending, lasting, type Lease } from "./lease.ts";
import { renewing } from "./renewal.ts";

const MINUTE = 60_000;

/** Gives credentials that hold for an hour, unless told otherwise, by a clock that stands still */
function source() {
  const state = { now: 1_000_000, loads: 0, lifetime: 60 * MINUTE, failures: [] as unknown[] };
  let next: Promise<void> = Promise.resolve();
  const load = async (): Promise<Lease> => {
    const accessKeyId = `key-${++state.loads}`;
    await next;
    const credentials = { accessKeyId, secretAccessKey: "s", sessionToken: "t" };
    const endMs = state.now + state.lifetime;
    return ending(credentials, { now: state.now, endMs, from: "test" });
  };
  const get = renewing(load, {
    now: () => state.now,
    onFailure: (error) => state.failures.push(error),
  });
  return {
    state,
    key: async () => (await get()).accessKeyId,
    /** What the loads that come wait for */
    holdUp: (until: Promise<void>) => void (next = until),
  };
}

/** All promises that can have called back */
const settled = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

Deno.test("renewing() renews five minutes before the end, and gives the old ones meanwhile", async () => {
  const { state, key, holdUp } = source();
  assert.equal(state.loads, 0);
  assert.equal(await key(), "key-1");
  state.now += 55 * MINUTE - 1;
  assert.equal(await key(), "key-1");
  const { promise, resolve } = Promise.withResolvers<void>();
  holdUp(promise);
  state.now += 1;
  assert.deepEqual(await Promise.all([key(), key(), key()]), ["key-1", "key-1", "key-1"]);
  assert.equal(state.loads, 2, "one renewal");
  resolve();
  await settled();
  assert.equal(await key(), "key-2");
  assert.deepEqual(state.failures, []);
});

Deno.test("renewing(): callers that arrive while there are none share one load", async () => {
  const { state, key, holdUp } = source();
  const { promise, resolve } = Promise.withResolvers<void>();
  holdUp(promise);
  const keys = [key(), key(), key()];
  resolve();
  assert.deepEqual(await Promise.all(keys), ["key-1", "key-1", "key-1"]);
  state.now += 60 * MINUTE;
  assert.deepEqual(await Promise.all([key(), key()]), ["key-2", "key-2"]);
});

Deno.test("renewing(): while renewal fails the old ones hold, tried again with longer waits", async () => {
  const { state, key, holdUp } = source();
  await key();
  const down = Promise.reject(new Error("down"));
  down.catch(() => {});
  holdUp(down);
  state.now += 55 * MINUTE;
  for (let second = 0; second < 299; second++, state.now += 1000) {
    assert.equal(await key(), "key-1");
    await settled();
  }
  const tries = state.loads - 1;
  assert.ok(tries >= 9 && tries <= 17, `${tries} tries`); // waits of 1, 2, 4, … 60 s, or half of it
  assert.equal(state.failures.length, tries);
  state.now += 2000; // they end
  const [first, second] = await Promise.allSettled([key(), key()]);
  for (const { status } of [first, second]) assert.equal(status, "rejected");
  assert.ok(state.loads <= tries + 2, "no storm");
  holdUp(Promise.resolve());
  state.now += MINUTE;
  assert.equal(await key(), `key-${state.loads}`);
  assert.equal(await key(), `key-${state.loads}`);
});

Deno.test("renewing(): a first load that fails is not repeated at once", async () => {
  const { state, key, holdUp } = source();
  const down = Promise.reject(new Error("down"));
  down.catch(() => {});
  holdUp(down);
  await assert.rejects(key, { message: "down" });
  await assert.rejects(key, { message: "down" });
  assert.equal(state.loads, 1);
  holdUp(Promise.resolve());
  state.now += 1000;
  assert.equal(await key(), "key-2");
});

Deno.test("ending(): what holds for less than ten minutes is renewed at half of it", async () => {
  const { state, key } = source();
  state.lifetime = 4 * MINUTE;
  await key();
  state.now += 2 * MINUTE - 1;
  await key();
  await settled();
  assert.equal(state.loads, 1);
  state.now += 1;
  await key();
  await settled();
  assert.equal(await key(), "key-2");
  assert.equal(state.loads, 2);
});

Deno.test("ending() refuses what has ended, lasting() never ends", () => {
  const credentials: Credentials = { accessKeyId: "a", secretAccessKey: "hush" };
  const now = 5000;
  assert.throws(() => ending(credentials, { now, endMs: 5000, from: "X" }), {
    name: "StorageError",
    code: "ECREDENTIALS",
    message: "credentials of the bucket: X: they have ended already, by the clock of this machine",
  });
  assert.throws(
    () => ending(credentials, { now, endMs: NaN, from: "X" }),
    /does not tell when they end/,
  );
  assert.deepEqual(lasting(credentials), { credentials, renewMs: Infinity, endMs: Infinity });
});
