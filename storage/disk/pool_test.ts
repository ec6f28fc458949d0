import assert from "node:assert/strict";
import { until } from "../../testing/process.ts";
import { makeTree } from "../../testing/tree.ts";
import { StorageError } from "../errors.ts";
import { DiskSource } from "./disk.ts";
import { packSlices } from "./packed_slices.ts";
import { Pool, type PoolOptions } from "./pool.ts";

const HASH = "0123456789abcdef";

/** A pool with one thread, which is at a task that takes longer than any test */
async function busyPool(options: Pick<PoolOptions, "maxWaiting" | "heldUpAfter"> = {}) {
  const tree = await makeTree({ [`${HASH}/huge`]: { size: 2 ** 38 }, [`${HASH}/a`]: "1" });
  const root = tree.path;
  using disk = new DiskSource({ root, workers: 1 });
  const listing = await disk.list(HASH);
  assert.ok(listing);
  const [small, huge] = listing.entries;
  const pool = new Pool({ workers: 1, heldUpAfter: 60_000, ...options });
  const scan = { ...huge, hash: HASH, path: "huge", location: `${HASH}/huge` };
  const slice = { ...scan, identity: huge.identity, offset: 0, length: 2 ** 38, crc32: 0 };
  const blocking = new AbortController();
  const blocked = pool.run("checksum", { root, slice }, { signal: blocking.signal });
  blocked.catch(() => {});
  return {
    root,
    pool,
    small,
    async [Symbol.asyncDispose]() {
      blocking.abort();
      pool[Symbol.dispose]();
      await tree[Symbol.asyncDispose]();
    },
  };
}

Deno.test("Pool: what runs in the background goes last", async () => {
  await using tree = await makeTree({ [`${HASH}/a`]: "1" });
  const root = tree.path;
  using pool = new Pool({ workers: 1 });
  const order: string[] = [];
  const run = (name: string, background: boolean) =>
    pool.run("directories", { root }, { background }).then(() => order.push(name));
  await Promise.all([
    run("first", false), // takes the one thread
    run("page 1", true),
    run("page 2", true),
    run("download 1", false),
    run("download 2", false),
  ]);
  assert.deepEqual(order, ["first", "download 1", "download 2", "page 1", "page 2"]);
});

Deno.test("Pool: at most so many listings wait as it was told", async () => {
  await using busy = await busyPool({ maxWaiting: 3 });
  const { pool, root } = busy;
  const request = { root, hash: HASH, selection: {} };
  const waiting = [1, 2, 3].map(() => pool.run("list", request));
  const ended = Promise.allSettled(waiting);
  const isBusy = (error: unknown) => error instanceof StorageError && error.code === "EBUSY";
  await assert.rejects(pool.run("list", request), isBusy);
  await assert.rejects(pool.run("directories", { root }), isBusy);
  const fill = pool.run("fill", { root, length: 0, slices: packSlices([]) }); // a download goes on
  const filled = Promise.allSettled([fill]);
  pool[Symbol.dispose]();
  for (const { status } of [...await ended, ...await filled]) assert.equal(status, "rejected");
});

Deno.test("Pool.stats() tells how many threads are at work and what waits for them", async () => {
  using unused = new Pool({ workers: 2 });
  assert.deepEqual(unused.stats(), { queued: 0, busy: 0, idle: 0, heldUp: 0 });
  await unused.start();
  assert.deepEqual(unused.stats(), { queued: 0, busy: 0, idle: 2, heldUp: 0 });

  await using busy = await busyPool();
  const { pool, root } = busy;
  await until(() => pool.stats().busy === 1, "the thread is at work");
  const waiting = pool.run("directories", { root });
  assert.deepEqual(pool.stats(), { queued: 1, busy: 1, idle: 0, heldUp: 0 });
  pool[Symbol.dispose]();
  await assert.rejects(waiting);

  await using hanging = await busyPool({ heldUpAfter: 1 });
  await until(() => hanging.pool.stats().heldUp === 1, "the thread is held up");
  assert.equal(hanging.pool.stats().busy, 0);
});

Deno.test("Pool: a signal takes a task out of the queue", async () => {
  await using busy = await busyPool({ maxWaiting: 1 });
  const { pool, root } = busy;
  const reason = new Error("the client left");
  for (let i = 0; i < 3; i++) {
    const leaving = new AbortController();
    const task = pool.run("directories", { root }, { signal: leaving.signal });
    leaving.abort(reason);
    await assert.rejects(task, reason);
  }
});
