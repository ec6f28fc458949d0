import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { MemoryBudget } from "../../lib/memory_budget.ts";
import { MemoryObjects } from "../../testing/memory_objects.ts";
import { until } from "../../testing/process.ts";
import type { ListedEntry } from "../listing.ts";
import { sliceOf } from "../source.ts";
import { BucketSource } from "./bucket.ts";

const HASH = "7c0e5b1fa2d94836b1f0c97e34d8a65b";
const SIZE = 100;

/** A reader of an archive of small files, on a clock that a test turns */
async function setUp(options: {
  readonly memory?: MemoryBudget;
  readonly sizes?: number[];
  /** Which of the files it reads. @default all */
  readonly only?: readonly number[];
} = {}) {
  const { sizes = Array.from({ length: 300 }, () => SIZE) } = options;
  const store = new MemoryObjects(Object.fromEntries(
    sizes.map((size, i) => [`${HASH}/${`${i}`.padStart(3, "0")}`, new Uint8Array(size).fill(i)]),
  ));
  const source = new BucketSource({ store, bucket: "b", prefix: "", memory: options.memory });
  const listing = await source.list(HASH);
  assert.ok(listing);
  const { now } = performance;
  const clock = { time: 0 };
  performance.now = () => clock.time;
  const left = new AbortController();
  const reader = { entries: options.only?.map((i) => listing.entries[i]) ?? listing.entries };
  const read = async (entry: ListedEntry) => {
    const slice = sliceOf(entry, { offset: 0, length: entry.size, position: 0, crc32: 0 });
    const { buffer } = await source.fill(entry.size, [slice], {
      reader,
      signal: left.signal,
    });
    assert.equal(buffer.at(-1), Number(entry.name) % 256);
  };
  return {
    store,
    source,
    clock,
    left,
    read,
    entries: reader.entries,
    /** Also the reads that wait for their turn */
    rest: () =>
      until(async () => {
        const before = store.counts.read;
        await new Promise((done) => setTimeout(done, 20));
        return store.counts.running === 0 && store.counts.read === before;
      }, "nothing is read"),
    [Symbol.dispose]() {
      performance.now = now;
      source[Symbol.dispose]();
    },
  };
}

Deno.test("ReadAhead: the more promptly a reader asks, the more is read ahead, within a bound", async () => {
  using setup = await setUp();
  const { store, entries, read, rest } = setup;
  const ahead: number[] = [];
  for (let i = 0; i < 8; i++) {
    await read(entries[i]);
    await rest();
    ahead.push(store.counts.read - i - 1);
  }
  assert.deepEqual(ahead, [0, 1, 2, 4, 8, 16, 32, 64]);
  for (const entry of entries.slice(8)) await read(entry);
  await rest();
  assert.equal(store.counts.read, 300, "each object is read once");
});

Deno.test("ReadAhead: of a choice of files, only what was chosen is read ahead", async () => {
  using setup = await setUp({ only: Array.from({ length: 30 }, (_, i) => 10 * i) });
  const { store, entries, read, rest } = setup;
  for (const entry of entries) await read(entry);
  await rest();
  assert.equal(store.counts.read, 30);
});

Deno.test("ReadAhead: nothing is read ahead of a reader that takes its time", async () => {
  using setup = await setUp();
  const { store, clock, entries, read, rest } = setup;
  for (let i = 0; i < 5; i++) await read(entries[i]);
  await rest();
  const before = store.counts.read;
  assert.equal(before, 5 + 8);
  for (let i = 5; i < 12; i++) {
    clock.time += 300;
    await read(entries[i]);
  }
  await rest();
  assert.equal(store.counts.read, before, "what was there is used, and no more comes");
});

Deno.test("ReadAhead: what is there ahead of a reader counts as memory, and without room nothing is", async () => {
  const memory = new MemoryBudget({ limit: 64 << 20 });
  using setup = await setUp({ memory });
  const { store, entries, read, rest } = setup;
  for (let i = 0; i < 5; i++) await read(entries[i]);
  await rest();
  assert.equal(memory.used, 8 * SIZE);
  using _all = memory.count(memory.limit);
  for (let i = 5; i < 9; i++) await read(entries[i]);
  await rest();
  assert.equal(store.counts.read, 5 + 8);
});

Deno.test("ReadAhead: a large object is asked for, once, and no byte of it is kept", async () => {
  const memory = new MemoryBudget({ limit: 64 << 20 });
  using setup = await setUp({ memory, sizes: [SIZE, SIZE, SIZE, 1 << 20, SIZE, 1 << 20] });
  const { store, left, entries, read, rest } = setup;
  await read(entries[0]);
  assert.equal(store.counts.bodies, 0, "nobody knows yet how promptly it reads");
  for (let i = 1; i < 3; i++) await read(entries[i]);
  await rest();
  assert.deepEqual([store.counts.read, store.counts.open, memory.used], [3, 1, 0]);
  await read(entries[3]);
  assert.equal(store.counts.open, 2, "the one behind it is asked for");
  await read(entries[4]);
  await rest();
  assert.deepEqual([store.counts.open, store.counts.bodies], [2, 1]);
  left.abort();
  assert.equal(store.counts.bodies, 0, "its reader has left");
});

Deno.test("ReadAhead: a scan takes what was asked for, and goes on if its reader has left", async () => {
  for (const size of [1 << 20, 5 << 20]) {
    for (const leaves of [false, true]) {
      using setup = await setUp({ sizes: [SIZE, SIZE, SIZE, size] });
      const { store, source, left, entries, read } = setup;
      for (let i = 0; i < 3; i++) await read(entries[i]);
      assert.equal(store.counts.bodies, 1);
      const held = Promise.withResolvers<void>();
      store.before = () => held.promise;
      const slice = sliceOf(entries[3], { offset: 0, length: size, crc32: 0 });
      const checksum = source.checksum(slice);
      await until(() => store.counts.running === 1, "the scan reads");
      if (leaves) left.abort(new Error("left"));
      held.resolve();
      assert.equal(await checksum, crc32(new Uint8Array(size).fill(3)));
      assert.equal(store.counts.open + store.counts.read - 3, leaves ? 2 : 1);
      assert.equal(store.counts.bodies, 0);
    }
  }
});

Deno.test("ReadAhead: no large object is asked for while its reader takes its time", async () => {
  using setup = await setUp({ sizes: [SIZE, SIZE, SIZE, 1 << 20] });
  const { store, clock, entries, read } = setup;
  for (let i = 0; i < 3; i++) {
    await read(entries[i]);
    clock.time += 300;
  }
  assert.equal(store.counts.bodies, 0);
});

Deno.test("ReadAhead: whoever leaves ends what is read ahead, and others read it themselves", async () => {
  using setup = await setUp();
  const { store, source, left, entries, read, rest } = setup;
  for (let i = 0; i < 5; i++) await read(entries[i]);
  await rest();
  const isAhead = (key: string) => Number(key.slice(-3)) > 20;
  store.before = (_, key) => isAhead(key) ? new Promise(() => {}) : undefined;
  for (let i = 5; i < 9; i++) await read(entries[i]);
  await until(() => store.counts.running === 32, "32 at a time");
  const [entry] = entries.slice(21);
  const slice = sliceOf(entry, { offset: 0, length: SIZE, position: 0, crc32: 0 });
  const other = source.fill(SIZE, [slice]);
  left.abort(new Error("left"));
  store.before = () => {};
  assert.equal((await other).buffer.at(-1), 21);
  await rest();
});
