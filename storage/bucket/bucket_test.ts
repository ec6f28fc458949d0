import assert from "node:assert/strict";
import { MemoryBudget } from "../../lib/memory_budget.ts";
import { MemoryObjects } from "../../testing/memory_objects.ts";
import { until } from "../../testing/process.ts";
import { StorageError } from "../errors.ts";
import type { Listing } from "../listing.ts";
import { type PlacedSlice, sliceOf } from "../source.ts";
import { BucketSource, type BucketSourceOptions } from "./bucket.ts";

const HASH = "7c0e5b1fa2d94836b1f0c97e34d8a65b";
const OTHER = "90ab12cd34ef56789f8e7d6c5b4a3f2e";
const PREFIX = "photos/";

function sourceOf(store: MemoryObjects, options: Partial<BucketSourceOptions> = {}) {
  return new BucketSource({ store, bucket: "b", prefix: PREFIX, ...options });
}

/** A store with files in one archive, by their keys after its hash */
function storeOf(
  files: Readonly<Record<string, Parameters<MemoryObjects["put"]>[1]>>,
  options?: ConstructorParameters<typeof MemoryObjects>[1],
) {
  const inside = Object.entries(files).map(([key, file]) => [`${PREFIX}${HASH}/${key}`, file]);
  return new MemoryObjects(Object.fromEntries(inside), options);
}

function manyFiles(count: number) {
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`${i}`.padStart(6, "0"), `${i}`]),
  );
}

async function listed(source: BucketSource, hash = HASH): Promise<Listing> {
  const listing = await source.list(hash);
  assert.ok(listing);
  return listing;
}

/** All files of a listing, one behind the other */
function placed({ entries }: Listing): { readonly length: number; readonly slices: PlacedSlice[] } {
  let length = 0;
  const slices = entries.map((entry) => {
    const slice = sliceOf(entry, { offset: 0, length: entry.size, position: length, crc32: 0 });
    length += entry.size;
    return slice;
  });
  return { length, slices };
}

/** Holds back calls until it is told to let them go */
function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { wait: () => promise, open: resolve };
}

Deno.test("BucketSource: a listing goes through all pages, and asks about each object once", async () => {
  const store = storeOf(manyFiles(250), { pageSize: 100 });
  using source = sourceOf(store);
  assert.equal((await listed(source)).entries.length, 250);
  assert.deepEqual([store.counts.list, store.counts.head], [3, 250]);
  assert.ok(store.counts.most <= 32, `${store.counts.most} requests at a time`);
  store.put(`${PREFIX}${HASH}/000007`, "another");
  store.put(`${PREFIX}${HASH}/new`, "one more");
  assert.equal((await listed(source)).entries.length, 251);
  assert.deepEqual([store.counts.list, store.counts.head], [6, 252]);
});

Deno.test("BucketSource: who changes the metadata alone changes the time of a file", async () => {
  const store = storeOf({ "a": { content: "1", mtime: new Date("2020-01-01T00:00:00Z") } });
  using source = sourceOf(store);
  const before = await listed(source);
  store.put(`${PREFIX}${HASH}/a`, {
    content: "1",
    mtime: new Date("2021-01-01T00:00:00Z"),
    lastModified: new Date("2024-10-01T00:00:00Z"),
  });
  const after = await listed(source);
  assert.equal(after.entries[0].mtime - before.entries[0].mtime, 366 * 24 * 3600);
  assert.equal(after.entries[0].identity, before.entries[0].identity);
  assert.equal(after.revision, before.revision);
  assert.notEqual(after.fingerprint, before.fingerprint);
});

Deno.test("BucketSource: a file without a time of its own has that of its upload", async () => {
  const lastModified = new Date("2024-03-04T05:06:07.890Z");
  const store = storeOf({
    "a": { content: "1", mtime: null, lastModified },
    "b": { content: "1", lastModified },
  });
  const second = Math.floor(lastModified.getTime() / 1000);
  {
    using source = sourceOf(store);
    const { entries: [a, b] } = await listed(source);
    assert.equal(a.mtime, second);
    assert.notEqual(b.mtime, second);
  }
  const before = store.counts.head;
  using source = sourceOf(store, { times: "listing" });
  const { entries } = await listed(source);
  assert.deepEqual(entries.map(({ mtime }) => mtime), [second, second]);
  assert.equal(store.counts.head, before);
});

Deno.test("BucketSource: what was uploaded just now is not settled, whatever time it has", async () => {
  const now = new Date();
  const store = storeOf({ "a": "1", "b": { content: "2", lastModified: now } });
  using source = sourceOf(store);
  const fresh = await listed(source);
  assert.deepEqual([fresh.settled, fresh.changed], [false, now.getTime()]);
  assert.ok(fresh.lastModified < now.getTime() / 1000 - 1000);
  store.remove(`${PREFIX}${HASH}/b`);
  assert.equal((await listed(source)).settled, true);
});

Deno.test("BucketSource: another content of the same size and time is another revision", async () => {
  const store = storeOf({ "a": "1", "b": "2" });
  using source = sourceOf(store);
  const before = await listed(source);
  assert.equal(await listed(source), before, "an unchanged listing is shared");
  store.put(`${PREFIX}${HASH}/b`, "3");
  const after = await listed(source);
  assert.equal(after.fingerprint, before.fingerprint);
  assert.match(after.revision ?? "", /^[0-9a-f]{32}$/);
  assert.notEqual(after.revision, before.revision);
});

Deno.test("BucketSource: callers at the same time share a listing, one that comes later not", async () => {
  const store = storeOf({ "a": "1" });
  const hold = gate();
  store.before = hold.wait;
  using source = sourceOf(store);
  const first = source.list(HASH);
  await until(() => store.counts.list === 1, "the first listing begins");
  const others = [source.list(HASH), source.list(HASH), source.list(HASH)];
  assert.equal(source.stats().listings.waiting, 4);
  hold.open();
  const listings = await Promise.all([first, ...others]);
  assert.equal(new Set(listings).size, 1);
  assert.equal(store.counts.list, 2, "one for those who came while the first was made");
  assert.deepEqual(source.stats().listings, { done: 4, failed: 0, abandoned: 0, waiting: 0 });
});

Deno.test("BucketSource: a listing ends when the last of those who wait for it has left", async () => {
  const store = storeOf(manyFiles(10));
  store.before = (call) => call === "head" ? new Promise<void>(() => {}) : undefined;
  using source = sourceOf(store);
  const [one, two] = [new AbortController(), new AbortController()];
  const listings = [source.list(HASH, one), source.list(HASH, two)];
  await until(() => store.counts.head === 10, "it asks about objects");
  one.abort(new Error("left"));
  await assert.rejects(listings[0], /left/);
  assert.equal(store.counts.running, 10, "one of them still waits");
  two.abort(new Error("left too"));
  await assert.rejects(listings[1], /left too/);
  await until(() => store.counts.running === 0, "the requests end");
  assert.equal(source.stats().listings.abandoned, 2);
  store.before = () => {};
  assert.equal((await listed(source)).entries.length, 10, "it goes on");
});

Deno.test("BucketSource: no download waits for a listing in the background", async () => {
  const store = storeOf(manyFiles(50));
  const hold = gate();
  store.before = hold.wait;
  using source = sourceOf(store);
  const behind = source.list(HASH, { background: true });
  await until(() => store.counts.list === 1, "it begins");
  store.before = () => {};
  await listed(source);
  hold.open();
  await behind;
});

Deno.test("BucketSource: an error on any page, or about any object, is no listing", async () => {
  const failing = () => {
    throw new StorageError("EIO", "list objects: 500 InternalError, 5 tries");
  };
  for (const call of ["list", "head"] as const) {
    const store = storeOf(manyFiles(25), { pageSize: 10 });
    let calls = 0;
    store.before = (made) => made === call && ++calls === 3 ? failing() : undefined;
    using source = sourceOf(store);
    await assert.rejects(source.list(HASH), { code: "EIO" });
    assert.equal(source.stats().listings.failed, 1);
    assert.equal((await listed(source)).entries.length, 25);
  }
});

Deno.test("BucketSource: an object that is removed meanwhile is looked for again", async () => {
  const store = storeOf({ "a": "1", "b": "2" });
  store.before = (call) => {
    if (call === "head") store.remove(`${PREFIX}${HASH}/b`);
  };
  using source = sourceOf(store);
  assert.deepEqual((await listed(source)).entries.map(({ name }) => name), ["a"]);
  store.put(`${PREFIX}${HASH}/c`, "3");
  store.before = (call) => {
    if (call === "head") throw new StorageError("ENOENT", "head object: NoSuchKey");
  };
  await assert.rejects(source.list(HASH), { code: "EAGAIN" });
});

Deno.test("BucketSource: an object replaced before it was asked about has one content only", async () => {
  const store = storeOf({ "a": "1" });
  store.before = (call) => {
    if (call === "head") store.put(`${PREFIX}${HASH}/a`, "longer");
  };
  using source = sourceOf(store);
  const listing = await listed(source);
  const { buffer } = await source.fill(6, placed(listing).slices);
  assert.equal(new TextDecoder().decode(buffer), "longer");
});

Deno.test("BucketSource: names that are no hash cost no request", async () => {
  const store = storeOf({ "a": "1" });
  using source = sourceOf(store);
  for (const name of ["", "..", "a/b", `${HASH}/`, "NUL", "an album"]) {
    assert.equal(await source.list(name), null);
  }
  assert.equal(store.counts.list, 0);
});

Deno.test("BucketSource: listings wait for memory", async () => {
  const memory = new MemoryBudget({ limit: 100 << 20 });
  const store = storeOf({ "a": "1" });
  store.put(`${PREFIX}${OTHER}/a`, "1");
  const hold = gate();
  store.before = hold.wait;
  using source = sourceOf(store, { memory });
  const first = source.list(HASH);
  await until(() => store.counts.list === 1, "the first one begins");
  assert.ok(memory.used > 40 << 20);
  const second = source.list(OTHER);
  const left = new AbortController();
  const third = source.list("0123456789abcdef", left);
  left.abort(new Error("left"));
  await assert.rejects(third, /left/);
  assert.equal(store.counts.list, 1, "there is no room for another");
  hold.open();
  assert.ok(await first);
  assert.ok(await second);
  assert.equal(memory.used, 0);
});

Deno.test("BucketSource.fill() reads many small objects at a time, and no more than it should", async () => {
  const store = storeOf(manyFiles(100));
  using source = sourceOf(store);
  const { length, slices } = placed(await listed(source));
  const hold = gate();
  store.before = hold.wait;
  store.counts.most = 0;
  const filled = source.fill(length, slices, { reader: {} });
  await until(() => store.counts.running === 32, "32 at a time");
  assert.equal(source.stats().reads.running, 1);
  hold.open();
  const { buffer } = await filled;
  assert.equal(new TextDecoder().decode(buffer), slices.map((_, i) => `${i}`).join(""));
  assert.equal(store.counts.most, 32);
});

Deno.test("BucketSource.fill(): one bad object fails the buffer, and ends its other requests", async () => {
  const store = storeOf(manyFiles(10));
  using source = sourceOf(store);
  const { length, slices } = placed(await listed(source));
  store.before = (_, key) => {
    if (key.endsWith("000003")) throw new StorageError("EIO", "read object: reset");
    return new Promise(() => {});
  };
  await assert.rejects(source.fill(length, slices), { code: "EIO", message: /: 000003$/ });
  await until(() => store.counts.running === 0, "the others end");
});

Deno.test("BucketSource.fill(): whoever leaves ends the requests", async () => {
  const store = storeOf(manyFiles(10));
  using source = sourceOf(store);
  const { length, slices } = placed(await listed(source));
  store.before = () => new Promise(() => {});
  const left = new AbortController();
  const filled = source.fill(length, slices, { signal: left.signal, reader: {} });
  await until(() => store.counts.running === 10, "they begin");
  left.abort(new Error("left"));
  await assert.rejects(filled, /left/);
  await until(() => store.counts.running === 0, "they end");
});

Deno.test("BucketSource.fill(): an empty file that has grown since is not the same", async () => {
  const store = storeOf({ "a": "" });
  using source = sourceOf(store);
  const { slices } = placed(await listed(source));
  assert.equal((await source.fill(0, slices)).buffer.length, 0);
  store.put(`${PREFIX}${HASH}/a`, "1");
  await assert.rejects(source.fill(0, slices), { code: "ESTALE", message: /: a$/ });
});

Deno.test("BucketSource.checksum(): what was read for it is not read again, but not kept for long", async () => {
  const store = storeOf({ "a": "0123456789" });
  const memory = new MemoryBudget({ limit: 1 << 20 });
  using source = sourceOf(store, { memory });
  const listing = await listed(source);
  const { slices: [slice] } = placed(listing);
  await source.checksum(slice);
  assert.deepEqual([store.counts.read, memory.used], [1, 10]);
  const part = { ...slice, length: 4 };
  await source.fill(4, [part]);
  const { buffer } = await source.fill(6, [{ ...slice, offset: 4, length: 6 }]);
  assert.equal(new TextDecoder().decode(buffer), "456789");
  assert.deepEqual([store.counts.read, memory.used], [1, 0], "its last byte was sent");
  await source.fill(4, [part]);
  assert.equal(store.counts.read, 2);
});

Deno.test("BucketSource.checksum() keeps nothing where there is no memory for it", async () => {
  const store = storeOf({ "a": new Uint8Array(1000) });
  const memory = new MemoryBudget({ limit: 900 });
  using source = sourceOf(store, { memory });
  const { slices: [slice] } = placed(await listed(source));
  await source.checksum(slice);
  assert.deepEqual([store.counts.read, store.counts.open, store.counts.bodies], [0, 1, 0]);
  assert.equal(memory.used, 0);
});

Deno.test("BucketSource.checksum(): scans wait for their turn, and are left at once", async () => {
  const store = storeOf(manyFiles(20));
  using source = sourceOf(store);
  const { slices } = placed(await listed(source));
  store.before = () => new Promise(() => {});
  const left = new AbortController();
  const scans = slices.map((slice) => source.checksum(slice, left));
  await until(() => store.counts.running === 16, "16 at a time");
  assert.deepEqual(source.stats().reads, { running: 16, waiting: 4 });
  left.abort(new Error("left"));
  for (const scan of scans) await assert.rejects(scan, /left/);
  await until(() => store.counts.running === 0, "they end");
  assert.deepEqual(source.stats().reads, { running: 0, waiting: 0 });
});

Deno.test("BucketSource.folders() have the time of what was uploaded last, as far as it looks", async () => {
  const store = new MemoryObjects({}, { pageSize: 2 });
  const at = (day: number) => ({ content: "1", lastModified: new Date(Date.UTC(2024, 0, day)) });
  for (let i = 10; i < 30; i++) {
    for (const [j, day] of [i, 1].entries()) {
      store.put(`${PREFIX}${i}/${j}`, at(day));
    }
  }
  store.put(`${PREFIX}file`, at(31));
  store.put("other/folder/a", at(31));
  using source = sourceOf(store);
  const folders = await source.folders();
  assert.equal(folders.length, 20);
  assert.deepEqual(folders[0], { name: "29", mtimeMs: Date.UTC(2024, 0, 29) });
  assert.equal(
    store.counts.list,
    20 + 11,
    "more pages than it reads: names come from another list",
  );
  store.put(`${PREFIX}98/`, "");
  store.put(`${PREFIX}99/a`, at(31));
  const more = await source.folders();
  assert.deepEqual(more.slice(-2).map(({ name }) => name), ["98", "99"]);
  assert.equal(more.at(-1)?.mtimeMs, -Infinity);
  assert.deepEqual([...await source.archives()].sort(), more.map(({ name }) => name).sort());
});
