import assert from "node:assert/strict";
import { countListeners } from "../testing/listeners.ts";
import { setTimeout as sleep } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { until } from "../testing/process.ts";
import { makeTree } from "../testing/tree.ts";
import { countTasks, MemorySource } from "../testing/memory_source.ts";
import { Checksums } from "./checksums.ts";
import { DiskSource } from "./disk/disk.ts";
import { StorageError } from "./errors.ts";
import type { FileSlice, KeptChecksum, ListedFile } from "./source.ts";

const MIB = 1 << 20;
const NEVER = new AbortController().signal;
const FILE: ListedFile = {
  hash: "h",
  path: "a",
  location: "h/a",
  size: 5,
  identity: "1:2:5:3",
};

/** A source of files that have the text "12345", or as many zeros as their size is */
function fakeSource(read: (slice: FileSlice) => Promise<number> = checksum) {
  const slices: FileSlice[] = [];
  const source = countTasks(new MemorySource(), {
    checksum(slice) {
      slices.push(slice);
      return read(slice);
    },
  });
  return { source: { ...source, keepsChecksums: false }, slices };
}

function checksum({ offset, length, crc32: before }: FileSlice): Promise<number> {
  const content = length === 5 ? "12345".slice(offset) : new Uint8Array(length);
  return Promise.resolve(crc32(content, before));
}

Deno.test("Checksums: a value is remembered, whether scanned or told", async () => {
  const { source, slices } = fakeSource();
  const checksums = new Checksums(source);
  assert.equal(checksums.get(FILE), undefined);
  assert.equal(await checksums.scan(FILE, NEVER), crc32("12345"));
  assert.equal(checksums.get(FILE), crc32("12345"));
  assert.equal(await checksums.scan(FILE, NEVER), crc32("12345"));
  assert.equal(slices.length, 1);

  const other = { ...FILE, location: "h/b" };
  checksums.set(other, 42);
  assert.equal(checksums.get(other), 42);
  assert.equal(await checksums.scan(other, AbortSignal.abort()), 42);
  assert.equal(slices.length, 1);
});

Deno.test("Checksums.stats() tells what is remembered and how scans ended", async () => {
  let broken = false;
  const { source } = fakeSource((slice) =>
    broken ? Promise.reject(new StorageError("EIO", "no")) : checksum(slice)
  );
  const checksums = new Checksums(source, { maxBytes: 10_000 });
  const nothing = { done: 0, failed: 0, abandoned: 0, running: 0 };
  const none = { entries: 0, bytes: 0, maxBytes: 10_000, hits: 0, misses: 0, scannedBytes: 0 };
  assert.deepEqual(checksums.stats(), { ...none, scans: nothing });

  checksums.get(FILE); // not there yet: it counts when it is worked out
  await checksums.scan(FILE, NEVER);
  checksums.get(FILE);
  checksums.set({ ...FILE, location: "h/sent" }, 42);
  const big = { ...FILE, location: "h/big", size: 130 * MIB };
  const leaving = new AbortController();
  const abandoned = checksums.scan(big, leaving.signal);
  assert.equal(checksums.stats().scans.running, 1);
  leaving.abort();
  await assert.rejects(abandoned);
  broken = true;
  await assert.rejects(checksums.scan({ ...FILE, location: "h/c" }, NEVER), StorageError);

  const { bytes, ...stats } = checksums.stats();
  assert.ok(bytes > 0 && bytes < 1000);
  assert.deepEqual(stats, {
    entries: 2,
    maxBytes: 10_000,
    hits: 1,
    misses: 2,
    scannedBytes: 5 + 64 * MIB,
    scans: { done: 1, failed: 1, abandoned: 1, running: 0 },
  });
});

Deno.test("Checksums: a told value takes the place of a remembered one", () => {
  const checksums = new Checksums(fakeSource().source);
  checksums.set(FILE, 1);
  checksums.set(FILE, 0);
  assert.equal(checksums.get(FILE), 0);
});

Deno.test("Checksums: an empty file is not read", async () => {
  const { source, slices } = fakeSource();
  assert.equal(await new Checksums(source).scan({ ...FILE, size: 0 }, NEVER), 0);
  assert.equal(slices.length, 0);
});

Deno.test("Checksums: a file that changed, and another file, are scanned again", async () => {
  const { source, slices } = fakeSource();
  const checksums = new Checksums(source);
  await checksums.scan(FILE, NEVER);
  for (const other of [{ identity: "1:2:5:4" }, { location: "h/b" }]) {
    assert.equal(checksums.get({ ...FILE, ...other }), undefined);
    await checksums.scan({ ...FILE, ...other }, NEVER);
  }
  assert.equal(slices.length, 3);
});

Deno.test("Checksums: two who ask at the same time wait for one scan", async () => {
  const { source, slices } = fakeSource();
  const checksums = new Checksums(source);
  const scans = [1, 2, 3].map(() => checksums.scan(FILE, NEVER));
  assert.deepEqual(await Promise.all(scans), [1, 2, 3].map(() => crc32("12345")));
  assert.equal(slices.length, 1);
});

Deno.test("Checksums: a large file is scanned in slices", async () => {
  const { source, slices } = fakeSource();
  const size = 130 * MIB;
  const crc = await new Checksums(source).scan({ ...FILE, size }, NEVER);
  assert.equal(crc, crc32(new Uint8Array(size)));
  assert.deepEqual(slices.map(({ offset, length }) => [offset / MIB, length / MIB]), [
    [0, 64],
    [64, 64],
    [128, 2],
  ]);
});

Deno.test("Checksums: an abandoned scan stops after its slice, and the next one goes on from there", async () => {
  await using tree = await makeTree({ "0123/huge": { size: 200 * MIB } });
  using real = new DiskSource({ root: tree.path, workers: 1 });
  const [file] = (await real.list("0123"))!.entries;
  const { source, slices } = fakeSource((slice) => real.checksum(slice));
  const checksums = new Checksums(source);
  const offsets = () => slices.map(({ offset }) => offset / MIB);

  const leaving = new AbortController();
  const abandoned = checksums.scan(file, leaving.signal);
  leaving.abort();
  await assert.rejects(abandoned, { name: "AbortError" });
  assert.deepEqual(offsets(), [0]);
  assert.equal(checksums.get(file), undefined, "half a file is not known");

  assert.equal(await checksums.scan(file, NEVER), crc32(new Uint8Array(200 * MIB)));
  assert.deepEqual(offsets(), [0, 64, 128, 192]);
});

Deno.test("Checksums: a scan goes on as long as one waits for it", async () => {
  const { source, slices } = fakeSource();
  const checksums = new Checksums(source);
  const file = { ...FILE, size: 130 * MIB };
  const leaving = new AbortController();
  const scans = [checksums.scan(file, leaving.signal), checksums.scan(file, NEVER)];
  leaving.abort();
  await Promise.all(scans);
  assert.equal(slices.length, 3);

  // Whoever comes before the slice ends saves a scan that all others have left.
  const again = { ...file, identity: "changed" };
  const gone = new AbortController();
  const first = checksums.scan(again, gone.signal);
  gone.abort();
  assert.equal(await checksums.scan(again, NEVER), await first);
  assert.equal(slices.length, 6);
});

Deno.test("Checksums: who has left starts no scan", async () => {
  const { source, slices } = fakeSource();
  const scan = new Checksums(source).scan(FILE, AbortSignal.abort());
  await assert.rejects(scan, { name: "AbortError" });
  assert.equal(slices.length, 0);
});

Deno.test("Checksums: a failure is told to all who wait, and not remembered", async () => {
  const failure = new StorageError("ESTALE", "changed");
  let fail = true;
  const { source, slices } = fakeSource((slice) =>
    fail ? Promise.reject(failure) : checksum(slice)
  );
  const checksums = new Checksums(source);
  const scans = [checksums.scan(FILE, NEVER), checksums.scan(FILE, NEVER)];
  for (const { reason } of await Promise.allSettled(scans) as PromiseRejectedResult[]) {
    assert.equal(reason, failure);
  }
  assert.equal(slices.length, 1);

  fail = false;
  assert.equal(await checksums.scan(FILE, NEVER), crc32("12345"));
});

Deno.test("Checksums: the memory has a bound: what was not used for longest is forgotten", () => {
  const checksums = new Checksums(fakeSource().source, { maxBytes: 10_000 });
  const files = Array.from({ length: 1000 }, (_, i) => ({ ...FILE, location: `/photos/${i}` }));
  for (const [i, file] of files.entries()) {
    checksums.set(file, i);
    assert.equal(checksums.get(files[0]), 0);
  }
  const known = files.filter((file) => checksums.get(file) !== undefined);
  assert.ok(known.length > 10 && known.length < 50, `${known.length} are known`);
  assert.deepEqual(known.slice(1), files.slice(1 - known.length));
});

Deno.test("recall() takes what the source keeps; set() and forget() tell it", async () => {
  const source = new MemorySource({ "h/a": "1", "h/b": "2" });
  const [a, b] = (await source.list("h"))!.entries;
  const first = new Checksums(source);
  first.set(a, 1);
  first.set(b, 2);
  first.forget(b);
  await first.flush();
  const second = new Checksums(source);
  await second.recall([a, b]);
  assert.deepEqual([second.get(a), second.get(b)], [1, undefined]);
});

Deno.test("forget() tells the source at once, and what waits with it", async () => {
  const source = new MemorySource({ "h/a": "1", "h/b": "2" });
  const [a, b] = (await source.list("h"))!.entries;
  await source.remember([{ file: b, crc32: 2 }]);
  const checksums = new Checksums(source);
  await checksums.recall([a, b]);
  assert.equal(checksums.get(b), 2);
  checksums.set(a, 1);
  checksums.forget(b);
  await sleep(0);
  assert.deepEqual(await source.recall([a, b]), [1, null]);
  await checksums.recall([a, b]);
  assert.deepEqual([checksums.get(a), checksums.get(b)], [1, undefined]);
  await checksums.flush();
});

Deno.test("Checksums: a source that cannot keep values is told of no more, and that is said once", async () => {
  const source = new MemorySource({ "h/a": "1" });
  const [a] = (await source.list("h"))!.entries;
  const failure = new StorageError("EINDEX", "no such file");
  let asked = 0;
  const fail = () => Promise.reject(++asked && failure);
  const broken = { ...countTasks(source), recall: fail, remember: fail };
  const failures: unknown[] = [];
  const checksums = new Checksums(broken, { onKeepFailure: (error) => failures.push(error) });
  await checksums.recall([a]);
  await checksums.recall([a]);
  checksums.set(a, 1);
  await checksums.flush();
  assert.deepEqual([asked, failures], [1, [failure]]);
  assert.equal(checksums.get(a), 1);
});

/** A source that keeps what it is told to; each call of it, and what it holds */
function keepingSource() {
  const calls: KeptChecksum[][] = [];
  const recalled: ListedFile[][] = [];
  const source = {
    ...countTasks(new MemorySource(), { checksum }),
    keepsChecksums: true,
    recall: (files: readonly ListedFile[]) => {
      recalled.push([...files]);
      return Promise.resolve(files.map(({ location }) => location === "h/known" ? 42 : null));
    },
    remember: (values: readonly KeptChecksum[]) => {
      calls.push([...values]);
      return Promise.resolve();
    },
  };
  return { source, calls, recalled };
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("Checksums: values come together for a second before the source is told, each once", async () => {
  const { source, calls } = keepingSource();
  const checksums = new Checksums(source);
  const b = { ...FILE, location: "h/b" };
  checksums.set(FILE, 1);
  checksums.set(FILE, 1); // nothing new
  await wait(100);
  checksums.set(b, 2);
  assert.deepEqual(calls, []);
  await until(() => calls.length > 0, "the source is told");
  assert.deepEqual(calls, [[{ file: FILE, crc32: 1 }, { file: b, crc32: 2 }]]);
  await checksums.flush();
  assert.equal(calls.length, 1);

  checksums.set(FILE, 3);
  await wait(20);
  assert.equal(calls.length, 1, "after a flush they come together again");
  await checksums.flush();
  assert.deepEqual(calls[1], [{ file: FILE, crc32: 3 }]);
});

Deno.test("Checksums: the source is told 5,000 values at a time, and only what a file is known by", async () => {
  const { source, calls, recalled } = keepingSource();
  const checksums = new Checksums(source);
  const files = Array.from(
    { length: 12_000 },
    (_, i) => ({ ...FILE, location: `h/${i}`, more: i }),
  );
  await checksums.recall(files);
  assert.deepEqual(recalled.map(({ length }) => length), [5000, 5000, 2000]);
  for (const file of files) checksums.set(file, 1);
  await checksums.flush();
  assert.deepEqual(calls.map(({ length }) => length), [5000, 5000, 2000]);
  assert.deepEqual(calls[2][0], { file: { ...FILE, location: "h/10000" }, crc32: 1 });
});

Deno.test("recall() asks for files that have content and no known value", async () => {
  const { source, calls, recalled } = keepingSource();
  const checksums = new Checksums(source);
  const [known, told] = ["h/known", "h/told"].map((location) => ({ ...FILE, location }));
  checksums.set(told, 7);
  await checksums.recall([FILE, { ...FILE, size: 0, location: "h/empty" }, told, known]);
  assert.deepEqual(recalled, [[FILE, known]]);
  assert.deepEqual([FILE, known, told].map((file) => checksums.get(file)), [undefined, 42, 7]);
  await checksums.flush();
  assert.deepEqual(calls, [[{ file: told, crc32: 7 }]], "what the source keeps it is not told");
});

Deno.test("Checksums: a source that keeps nothing is neither asked nor told", async () => {
  const { source, calls, recalled } = keepingSource();
  const checksums = new Checksums({ ...source, keepsChecksums: false });
  await checksums.recall([FILE]);
  checksums.set(FILE, 1);
  checksums.forget(FILE);
  await checksums.flush();
  assert.deepEqual([calls, recalled], [[], []]);
});

Deno.test("Checksums: the content of an empty file is not told", async () => {
  const { source, calls } = keepingSource();
  const checksums = new Checksums(source);
  await checksums.scan({ ...FILE, size: 0 }, NEVER);
  await checksums.flush();
  assert.deepEqual(calls, []);
});

Deno.test("forget() also forgets how far a scan came", async () => {
  const { source, slices } = fakeSource();
  const checksums = new Checksums(source);
  const file = { ...FILE, size: 130 * MIB };
  const leaving = new AbortController();
  const scan = checksums.scan(file, leaving.signal);
  leaving.abort();
  await assert.rejects(scan);
  checksums.forget(file);
  await checksums.scan(file, NEVER);
  assert.deepEqual(slices.map(({ offset }) => offset / MIB), [0, 0, 64, 128]);
});

Deno.test("Checksums: a failure to tell the source is told once, and what waits is dropped", async () => {
  const failures: unknown[] = [];
  let told = 0;
  const { source } = keepingSource();
  const broken = { ...source, remember: () => Promise.reject(new Error(`${++told}`)) };
  const onKeepFailure = (error: unknown) => failures.push(String(error));
  const checksums = new Checksums(broken, { onKeepFailure });
  for (let i = 0; i < 6000; i++) checksums.set({ ...FILE, location: `h/${i}` }, 1);
  await checksums.flush();
  checksums.set(FILE, 9);
  await checksums.flush();
  assert.deepEqual(failures, ["Error: 1"]);

  const silent = new Checksums(broken);
  silent.set(FILE, 1);
  await silent.flush();
  assert.equal(silent.get(FILE), 1, "nobody has to listen");
});

Deno.test("scan() leaves no listener behind on the signal", async () => {
  const { signal } = new AbortController();
  const listeners = countListeners(signal);
  const checksums = new Checksums(fakeSource().source);
  const scan = checksums.scan(FILE, signal);
  assert.equal(listeners.count, 1);
  await scan;
  assert.equal(listeners.count, 0);
});
