import assert from "node:assert/strict";
import { MemoryObjects } from "../../testing/memory_objects.ts";
import { StorageError } from "../errors.ts";
import { BucketSource } from "./bucket.ts";

const HASH = "7c0e5b1fa2d94836b1f0c97e34d8a65b";
const KEY = `photos/${HASH}/.zipferry.json`;

function setUp() {
  const store = new MemoryObjects({ [`photos/${HASH}/a.jpg`]: "1", [KEY]: '{"title":"x"}' });
  const source = new BucketSource({ store, bucket: "b", prefix: "photos/" });
  return { store, source, [Symbol.dispose]: () => source[Symbol.dispose]() };
}

Deno.test("BucketSource.label(): asks each time, and reads what is not as it was", async () => {
  using setup = setUp();
  const { store, source } = setup;
  for (let i = 0; i < 3; i++) assert.equal(await source.label(HASH), '{"title":"x"}');
  assert.deepEqual([store.counts.head, store.counts.read], [3, 1]);
  store.put(KEY, "{}");
  assert.equal(await source.label(HASH), "{}");
  assert.equal(store.counts.read, 2);
  store.put(KEY, "");
  assert.equal(await source.label(HASH), "");
  store.put(KEY, "x".repeat((64 << 10) + 1));
  await assert.rejects(source.label(HASH), { code: "EFBIG" });
  assert.equal(store.counts.read, 2, "nothing to read, and too much");
  store.remove(KEY);
  assert.equal(await source.label(HASH), null);
  assert.equal(await source.label("../x"), null);
});

Deno.test("BucketSource.label(): one that is replaced while it is read is the new one", async () => {
  using setup = setUp();
  const { store, source } = setup;
  let replaced = 0;
  store.before = (call) => {
    if (call === "read" && replaced++ === 0) store.put(KEY, '{"title":"new"}');
  };
  assert.equal(await source.label(HASH), '{"title":"new"}');
  store.before = (call) => {
    if (call === "read") store.put(KEY, `{"title":"${replaced++}"}`);
  };
  store.put(KEY, "{}");
  await assert.rejects(source.label(HASH), { code: "ESTALE" });
  store.before = () => {
    throw new StorageError("EIO", "head object: 503");
  };
  await assert.rejects(source.label(HASH), { code: "EIO" });
});

Deno.test("BucketSource.label(): callers at a time share the look", async () => {
  using setup = setUp();
  const { store, source } = setup;
  await Promise.all(Array.from({ length: 500 }, () => source.label(HASH)));
  assert.ok(store.counts.head <= 2, `${store.counts.head}`);
});

Deno.test("BucketSource.label(): costs nothing where a listing just now had no label", async () => {
  using setup = setUp();
  const { store, source } = setup;
  await source.list(HASH);
  store.counts.head = 0;
  assert.equal(await source.label(HASH), '{"title":"x"}');
  assert.equal(store.counts.head, 1, "it may be another one by now");
  store.remove(KEY);
  await source.list(HASH);
  assert.equal(await source.label(HASH), null);
  assert.equal(store.counts.head, 1);
  store.put(KEY, "{}");
  await source.list(HASH);
  assert.equal(await source.label(HASH), "{}");
});
