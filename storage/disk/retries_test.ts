import assert from "node:assert/strict";
import type { Answer, Call } from "./worker.ts";
import { EntryColumns } from "../listing.ts";
import { DiskSource } from "./disk.ts";
import type { WalkOptions } from "./walk.ts";

const HASH = "0123456789abcdef";

type Respond = (listing: number, call: Call) => Answer | null;

/** Threads that answer as they are told to, or never, in the place of those of the runtime */
function fakeThreads(answer: Respond) {
  const { Worker } = globalThis;
  const threads = {
    listings: 0,
    [Symbol.dispose]: () => void (globalThis.Worker = Worker),
  };
  class Fake {
    onmessage: ((event: MessageEvent<Answer>) => void) | null = null;
    constructor() {
      this.#say({ ready: true });
    }
    postMessage(call: Call) {
      if (call.task === "list") threads.listings++;
      const data = answer(threads.listings, call);
      if (data === null) return;
      this.#say(data);
    }
    #say(data: Answer) {
      queueMicrotask(() => this.onmessage?.(new MessageEvent("message", { data })));
    }
    terminate() {}
  }
  globalThis.Worker = Fake as unknown as typeof Worker;
  return threads;
}

const changing: Answer = { code: "EAGAIN", message: "list folder: changing just now" };

Deno.test("a folder that changes for ever is given up, after a moment and many looks", async () => {
  using threads = fakeThreads(() => changing);
  using source = new DiskSource({ root: "/nowhere" });
  const started = performance.now();
  const signal = AbortSignal.timeout(20_000); // or a source that never gives up would hold up the test
  await assert.rejects(source.list(HASH, { signal }), { name: "StorageError", code: "EAGAIN" });
  const elapsed = performance.now() - started;
  assert.ok(elapsed > 500, `${elapsed} ms are no moment`);
  assert.ok(threads.listings > 3 && threads.listings < 200, `${threads.listings} looks`);
});

Deno.test("a folder that is quiet again after a moment is listed", async () => {
  for (const changes of [1, 3, 4]) {
    using threads = fakeThreads((n) =>
      n <= changes ? changing : { result: { listing: null, device: 1 } }
    );
    using source = new DiskSource({ root: "/nowhere" });
    assert.equal(await source.list(HASH), null);
    assert.equal(threads.listings, changes + 1);
  }
});

Deno.test("any other failure is told at once", async () => {
  for (const code of ["EIO", "EACCES", "EILSEQ"]) {
    using threads = fakeThreads(() => ({ code, message: "" }));
    using source = new DiskSource({ root: "/nowhere" });
    await assert.rejects(source.list(HASH), { name: "StorageError", code });
    assert.equal(threads.listings, 1);
  }
});

/** An archive with one file, as a thread lists it */
function listingOf(hash: string, steady = true): Answer {
  const columns = new EntryColumns();
  columns.push("a", { dev: 1, ino: 2, size: 3, mtimeMs: 4, mode: 0o644 });
  const about = { fingerprint: "f", lastModified: 0, changed: 4, settled: steady, leftOut: [] };
  return { result: { listing: { ...columns.pack(), ...about, hash, steady }, device: 7 } };
}

const optionsOf = (call: Call) => call.request as WalkOptions;

Deno.test("only the last look takes times that tell nothing for those of the disk", async () => {
  const timeless: (boolean | undefined)[] = [];
  using _ = fakeThreads((_, call) => {
    timeless.push(optionsOf(call).timeless);
    return optionsOf(call).timeless ? listingOf(HASH, false) : changing;
  });
  const unsteady: string[] = [];
  const onUnsteady = (hash: string) => unsteady.push(hash);
  using source = new DiskSource({ root: "/nowhere", onUnsteady });
  for (let i = 0; i < 2; i++) assert.equal((await source.list(HASH))?.steady, false);
  assert.ok(timeless.length >= 4);
  assert.deepEqual(timeless.filter((value) => value === true), [true, true]);
  assert.deepEqual(unsteady, [HASH], "that is told once");
});

Deno.test("an archive whose files look changed when they are opened is listed without times", async () => {
  const file = { hash: HASH, path: "a", location: `${HASH}/a`, identity: "1:2:3:4" };
  const slice = { ...file, offset: 0, length: 3, position: 0, crc32: 0 };
  for (const read of ["fill", "checksum"] as const) {
    using _ = fakeThreads((_, call) =>
      call.task === "list" ? listingOf(optionsOf(call).hash) : { code: "ETIMESET", message: "" }
    );
    const unsteady: string[] = [];
    const onUnsteady = (hash: string) => unsteady.push(hash);
    using source = new DiskSource({ root: "/nowhere", onUnsteady });
    assert.equal((await source.list(HASH))?.steady, true);
    const failed = read === "fill" ? source.fill(3, [slice]) : source.checksum(slice);
    await assert.rejects(failed, { code: "ETIMESET" });
    for (let i = 0; i < 2; i++) {
      const listing = await source.list(HASH);
      assert.deepEqual([listing?.steady, listing?.settled], [false, false]);
    }
    assert.equal((await source.list("other"))?.steady, true);
    assert.deepEqual(unsteady, [HASH]);
  }
});

Deno.test("other failures to read say nothing of the disk's times", async () => {
  const slice = { hash: HASH, path: "a", location: `${HASH}/a`, identity: "1:2:3:4" };
  const part = { ...slice, offset: 0, length: 3, crc32: 0 };
  using _ = fakeThreads((_, call) =>
    call.task === "list" ? listingOf(HASH) : { code: "ESTALE", message: "" }
  );
  using source = new DiskSource({ root: "/nowhere" });
  await assert.rejects(source.checksum(part), { code: "ESTALE" });
  assert.equal((await source.list(HASH))?.steady, true);
});

Deno.test("a thread is told how to look, and where the photos folder was when something was in it", async () => {
  const requests: WalkOptions[] = [];
  using _ = fakeThreads((_, call) => {
    requests.push(optionsOf(call));
    const { hash } = optionsOf(call);
    return hash === HASH ? listingOf(hash) : { result: { listing: null, device: 9 } };
  });
  using source = new DiskSource({
    root: "/nowhere",
    hidden: true,
    includeJunk: true,
    strict: true,
  });
  assert.equal(await source.list("unknown"), null);
  assert.ok(await source.list(HASH));
  assert.equal(await source.list("unknown"), null);
  await source.list("unknown");
  const selection = { hidden: true, includeJunk: true, followSymlinks: false };
  const request = { root: "/nowhere", selection, strict: true, timeless: false };
  assert.deepEqual(requests, [
    { ...request, hash: "unknown", device: undefined },
    { ...request, hash: HASH, device: undefined },
    { ...request, hash: "unknown", device: 7 },
    { ...request, hash: "unknown", device: 7 },
  ]);
  using plain = new DiskSource({ root: "/nowhere" });
  await plain.list(HASH);
  assert.deepEqual(requests.at(-1), {
    ...request,
    ...{ hash: HASH, device: undefined, strict: false },
    selection: { hidden: false, includeJunk: false, followSymlinks: false },
  });
});

Deno.test("a thousand callers wait for listings, one more is told so, who leaves makes room", async () => {
  using _ = fakeThreads(() => null); // a disk that hangs
  using source = new DiskSource({ root: "/nowhere", workers: 1 });
  const leaving = new AbortController();
  const { signal } = leaving;
  const waiting = Array.from({ length: 1000 }, () => source.list(HASH, { signal }));
  const ended = Promise.allSettled(waiting);
  await assert.rejects(source.list(HASH), { name: "StorageError", code: "EBUSY" });
  leaving.abort(new Error("left"));
  for (const { status } of await ended) assert.equal(status, "rejected");
  const next = source.list(HASH);
  source[Symbol.dispose]();
  await assert.rejects(next, { code: "ECANCELED" }, "there is room again");
});

Deno.test("who leaves while a folder keeps changing ends the looks at it", async () => {
  using threads = fakeThreads(() => changing);
  using source = new DiskSource({ root: "/nowhere" });
  const leaving = new AbortController();
  const list = source.list(HASH, { signal: leaving.signal });
  await new Promise((resolve) => setTimeout(resolve, 50));
  leaving.abort(new Error("left"));
  await assert.rejects(list, /^Error: left$/);
  await new Promise((resolve) => setTimeout(resolve, 600)); // longer than the longest pause
  const { listings } = threads;
  await new Promise((resolve) => setTimeout(resolve, 600));
  assert.equal(threads.listings, listings);
});
