import assert from "node:assert/strict";
import { countListeners } from "../../testing/listeners.ts";
import { MemoryBudget } from "../../lib/memory_budget.ts";
import { until } from "../../testing/process.ts";
import { StorageError } from "../errors.ts";
import type { FileSlice } from "../source.ts";
import { DiskSource } from "./disk.ts";
import { packSlices } from "./packed_slices.ts";
import { Pool, type PoolOptions, type RunOptions } from "./pool.ts";
import type { LookRequest } from "./shared_looks.ts";
import type { Answer, Call } from "./worker.ts";

type Listener = (event: MessageEvent<Answer>) => void;

/** A thread that is ready at once and does nothing by itself: the test answers in its place */
class FakeThread {
  #listener: Listener | null = null;
  onerror: ((event: ErrorEvent) => void) | null = null;
  readonly calls: Call[] = [];
  ended = false;
  isBusy = false;

  set onmessage(listener: Listener) {
    this.#listener = listener;
    this.#say({ ready: true });
  }

  postMessage(call: Call) {
    assert.ok(!this.isBusy && !this.ended, "one task at a time");
    this.calls.push(call);
    this.isBusy = true;
  }

  terminate() {
    this.ended = true;
  }

  answer(answer: Answer = { result: null }) {
    this.isBusy = false;
    this.#say(answer);
  }

  /** Asks for help with what it is at */
  ask(help: LookRequest) {
    this.#say({ help });
  }

  #say(data: Answer) {
    this.#listener?.(new MessageEvent("message", { data }));
  }

  fail(message: string) {
    const event = new ErrorEvent("error", { message, cancelable: true });
    this.onerror?.(event);
    assert.ok(event.defaultPrevented, "the process must not end");
  }
}

/** A pool of threads that the test has in its hands, and a clock that goes when it is told to */
function setUp(options: PoolOptions) {
  const { Worker } = globalThis;
  const { now } = performance;
  const threads: FakeThread[] = [];
  const clock = { time: 1000 };
  performance.now = () => clock.time;
  globalThis.Worker = class extends FakeThread {
    constructor() {
      super();
      threads.push(this);
    }
  } as unknown as typeof Worker;
  const pool = new Pool({ heldUpAfter: 10, ...options });
  const slice: FileSlice = {
    ...{ hash: "h", path: "p", location: "h/p", identity: "1:2:3:4" },
    ...{ offset: 0, length: 1, crc32: 0 },
  };
  const heard = <T>(promise: Promise<T>) => {
    promise.catch(() => {}); // the test may look at it later, or not at all
    return promise;
  };
  return {
    pool,
    threads,
    clock,
    /** Names of the folders that are read in by now, thread by thread */
    reading: () => threads.filter(({ isBusy }) => isBusy).map(({ calls }) => hashOf(calls.at(-1)!)),
    fill: (hash: string, options: RunOptions = {}) =>
      heard(
        pool.run("fill", { root: hash, length: 0, slices: packSlices([]) }, { hash, ...options }),
      ),
    list: (hash: string, options: RunOptions = {}) =>
      heard(pool.run("list", { root: "/", hash, selection: {} }, { hash, ...options })),
    scan: (hash: string) =>
      heard(pool.run("checksum", { root: hash, slice: { ...slice, hash } }, { hash })),
    [Symbol.dispose]() {
      pool[Symbol.dispose]();
      globalThis.Worker = Worker;
      performance.now = now;
    },
  };
}

function hashOf({ task, request }: Call): string {
  const { root, hash } = request as { root: string; hash: string };
  return task === "list" ? hash : root;
}

/** Lets everything go on that can */
const quiet = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("Pool: threads start as they are needed, and are used again", async () => {
  using setup = setUp({ workers: 2 });
  const { threads, fill } = setup;
  assert.equal(threads.length, 0);
  const first = fill("a");
  assert.equal(threads.length, 1);
  threads[0].answer({ result: 1 });
  assert.equal(await first, 1 as unknown);
  fill("b");
  assert.equal(threads.length, 1);
  for (const hash of ["c", "d", "e"]) fill(hash);
  assert.equal(threads.length, 2);
  assert.deepEqual(setup.reading(), ["b", "c"]);
  threads[1].answer();
  threads[0].answer();
  assert.deepEqual(setup.reading(), ["e", "d"]);
});

Deno.test("Pool: as many threads as cores, but at least 2 and at most 4", () => {
  const cores = Object.getOwnPropertyDescriptor(Navigator.prototype, "hardwareConcurrency")!;
  try {
    for (const [has, expected] of [[1, 2], [2, 2], [3, 3], [4, 4], [64, 4]]) {
      Object.defineProperty(Navigator.prototype, "hardwareConcurrency", {
        ...{ get: () => has, configurable: true, enumerable: true },
      });
      using setup = setUp({});
      for (let i = 0; i < 10; i++) setup.fill(`${i}`);
      assert.equal(setup.threads.length, expected, `${has} cores`);
    }
  } finally {
    Object.defineProperty(Navigator.prototype, "hardwareConcurrency", cores);
  }
});

Deno.test("Pool: scans, and what runs in the background, leave a thread to the others", () => {
  using setup = setUp({ workers: 3 });
  for (const hash of ["a", "b", "c"]) setup.scan(hash);
  setup.list("d", { background: true });
  assert.deepEqual(setup.reading(), ["a", "b"]);
  setup.list("e");
  assert.deepEqual(setup.reading(), ["a", "b", "e"]);
  setup.fill("f");
  setup.threads[0].answer();
  assert.deepEqual(setup.reading(), ["c", "b", "e"], "first come, first served");
  setup.threads[2].answer();
  assert.deepEqual(setup.reading(), ["c", "b", "f"]);
  setup.threads[1].answer();
  assert.deepEqual(setup.reading(), ["c", "d", "f"]);

  using single = setUp({ workers: 1 });
  single.scan("a");
  assert.deepEqual(single.reading(), ["a"], "a single thread has to do it all");
});

Deno.test("Pool: threads that have nothing to do help with a large folder, until there is something", async () => {
  using setup = setUp({ workers: 3 });
  const { threads } = setup;
  const help: LookRequest = { directory: "/", names: "", memory: new SharedArrayBuffer(8) };
  const tasks = () => threads.map(({ isBusy, calls }) => isBusy ? calls.at(-1)!.task : "none");
  await Promise.all([setup.pool.start(), quiet()]);
  const listed = setup.list("a");
  const at = threads.findIndex(({ isBusy }) => isBusy);
  const [first, second] = threads.filter((thread) => thread !== threads[at]);
  threads[at].ask(help);
  assert.deepEqual(tasks().toSorted(), ["list", "look", "look"]);
  setup.fill("b");
  first.answer({ result: true }); // there is more to look at
  assert.equal(first.calls.at(-1)!.task, "fill", "others go first");
  second.answer({ result: true });
  assert.deepEqual(second.calls.map(({ task }) => task), ["look", "look"]);
  second.answer({ result: false });
  first.answer();
  assert.deepEqual(tasks().toSorted(), ["list", "none", "none"]);
  threads[at].answer({ result: "all" });
  assert.equal(await listed, "all" as unknown);
  assert.deepEqual(tasks(), ["none", "none", "none"]);
});

Deno.test("Pool: archives on slow disks leave a thread to the others", () => {
  using setup = setUp({ workers: 2, heldUpAfter: 3000 });
  const { threads, clock, fill } = setup;
  fill("slow 1");
  fill("slow 2");
  clock.time += 201;
  threads[0].answer(); // nothing was known of them before
  threads[1].answer();
  for (const hash of ["slow 1", "slow 2", "fast"]) fill(hash);
  assert.deepEqual(setup.reading(), ["fast", "slow 1"]);
  threads[0].answer();
  assert.deepEqual(setup.reading(), ["slow 1"], "a thread is left");
  clock.time += 200;
  threads[1].answer(); // it was fast enough
  fill("slow 1");
  assert.deepEqual(setup.reading().toSorted(), ["slow 1", "slow 2"]);
});

Deno.test("Pool: a folder that hangs holds up one thread, and none of its own takes the place", async () => {
  using setup = setUp({ workers: 1 });
  const { threads, clock } = setup;
  setup.fill("slow");
  for (const hash of ["slow", "other", "slow"]) setup.fill(hash);
  const directories = setup.pool.run("directories", { root: "root" });
  await quiet(30);
  assert.deepEqual(setup.reading(), ["slow"], "nothing is held up yet");
  clock.time += 10;
  await quiet(30); // it is looked at again without anyone's asking
  assert.deepEqual(setup.reading(), ["slow", "other"]);
  threads[1].answer();
  assert.deepEqual(setup.reading(), ["slow", "root"], "what is in no folder goes on");
  threads[1].answer({ result: ["x"] });
  assert.deepEqual(await directories, ["x"]);
  await quiet(30);
  assert.deepEqual(setup.reading(), ["slow"], "the folder waits for itself");

  threads[0].answer();
  assert.deepEqual(setup.reading(), ["slow"], "it has come back, and goes on with one thread");
  assert.equal(threads.filter(({ ended }) => !ended).length, 1, "the spare one has gone");
});

Deno.test("Pool: at most 8 threads take the places of those that are held up", async () => {
  using setup = setUp({ workers: 2 });
  for (let i = 0; i < 20; i++) {
    setup.fill(`${i}`);
    await quiet();
    setup.clock.time += 10;
  }
  setup.fill("last");
  await quiet(30);
  assert.equal(setup.threads.length, 10);
});

Deno.test("Pool: a bound for listings that wait, none for reads", async () => {
  using setup = setUp({ workers: 1, maxWaiting: 2 });
  setup.fill("a");
  const [first, second] = [setup.list("b"), setup.pool.run("directories", { root: "c" })];
  const busy = { name: "StorageError", code: "EBUSY" };
  await assert.rejects(setup.list("d"), busy);
  await assert.rejects(setup.pool.run("directories", { root: "e" }), busy);
  for (let i = 0; i < 9; i++) setup.fill("f");
  setup.threads[0].answer();
  setup.list("g");
  setup.threads[0].answer({ result: null });
  assert.equal(await first, null);
  setup.threads[0].answer({ result: [] });
  assert.deepEqual(await second, []);
});

Deno.test("Pool: answers and failures come to whoever asked", async () => {
  using setup = setUp({ workers: 2 });
  const [good, bad] = [setup.fill("a"), setup.fill("b")];
  setup.threads[1].answer({ code: "ESTALE", message: "read file: changed: x" });
  setup.threads[0].answer({ result: "done" });
  assert.equal(await good, "done" as unknown);
  await assert.rejects(bad, (error) =>
    error instanceof StorageError && error.code === "ESTALE" &&
    error.message === "read file: changed: x");
});

Deno.test("Pool: a thread that fails is told of, and another one goes on", async () => {
  using setup = setUp({ workers: 1 });
  const [first, second] = [setup.fill("a"), setup.fill("b")];
  setup.threads[0].fail("out of memory");
  await assert.rejects(first, { message: "read: worker failed: out of memory" });
  assert.ok(setup.threads[0].ended);
  assert.equal(setup.threads.length, 2);
  setup.threads[1].answer({ result: 2 });
  assert.equal(await second, 2 as unknown);
});

Deno.test("Pool: who leaves is out of the queue, and leaves no listener behind", async () => {
  using setup = setUp({ workers: 1 });
  const leaving = new AbortController();
  const { signal } = leaving;
  const listeners = countListeners(signal);
  const running = setup.fill("a", { signal });
  const waiting = setup.fill("b", { signal });
  setup.fill("c");
  leaving.abort(new Error("left"));
  for (const task of [running, waiting]) await assert.rejects(task, /^Error: left$/);
  assert.equal(listeners.count, 0);
  setup.threads[0].answer(); // nobody waits for it any more
  assert.deepEqual(setup.reading(), ["c"]);
  await assert.rejects(setup.fill("d", { signal }), /^Error: left$/);
  assert.deepEqual(setup.reading(), ["c"]);
});

Deno.test("Pool: disposal ends all threads and rejects all tasks", async () => {
  using setup = setUp({ workers: 2 });
  const tasks = ["a", "b", "c"].map((hash) => setup.fill(hash));
  setup.threads[0].answer();
  await tasks[0];
  setup.threads[0].answer();
  await tasks[2];
  setup.pool[Symbol.dispose]();
  assert.ok(setup.threads.every(({ ended }) => ended), "busy or idle");
  const closed = { name: "StorageError", code: "ECANCELED" };
  await assert.rejects(tasks[1], closed);
  await assert.rejects(setup.fill("d"), closed);
  assert.equal(setup.threads.length, 2);
});

Deno.test("DiskSource: what runs in the background leaves a thread to the others", () => {
  using setup = setUp({});
  using source = new DiskSource({ root: "/photos", workers: 2 });
  const heard = (promise: Promise<unknown>) => void promise.catch(() => {});
  const busy = () => setup.threads.filter(({ isBusy }) => isBusy).length;
  heard(source.archives({ background: true }));
  heard(source.archives({ background: true }));
  assert.equal(busy(), 1);
  heard(source.list("a", { background: true }));
  assert.equal(busy(), 1);
  heard(source.archives());
  assert.equal(busy(), 2);
});

Deno.test("Pool: a thread that made a large listing ends, and another one takes its place", async () => {
  using setup = setUp({ workers: 1 });
  const answerWith = (entries: number) => {
    const listing = { numbers: new Float64Array(5 * entries) };
    setup.threads.at(-1)!.answer({ result: { listing, device: 1 } });
  };
  for (const [entries, ends] of [[19_999, false], [20_000, true]] as const) {
    const listed = setup.list("a");
    answerWith(entries);
    assert.ok(await listed);
    assert.equal(setup.threads.at(-1)!.ended, ends, `${entries} entries`);
  }
  const next = setup.fill("b");
  assert.equal(setup.threads.length, 2);
  setup.threads[1].answer({ result: 3 });
  assert.equal(await next, 3 as unknown);
});

Deno.test("DiskSource: listings wait for memory, but not for those that a disk holds up", async () => {
  using setup = setUp({});
  const memory = new MemoryBudget({ limit: 32 << 20 });
  using source = new DiskSource({ root: "/photos", workers: 3, memory, heldUpAfter: 50 });
  const none = { result: { listing: null, device: 1 } };
  const [first, second, third] = ["a", "b", "c"].map((hash) => source.list(hash));
  assert.deepEqual([setup.threads.length, memory.used], [1, 16 << 20], "half of all, one by one");
  setup.threads[0].answer(none);
  assert.equal(await first, null);
  await until(() => setup.threads[0].isBusy, "there is room for the second");
  assert.equal(memory.used, 16 << 20);
  await until(
    () => setup.threads.length === 2,
    "the second is held up: there is room for the third",
  );
  assert.ok(setup.threads[0].isBusy);
  await until(() => memory.used === 0, "both have been held up");
  setup.threads.forEach((thread) => thread.isBusy && thread.answer(none));
  assert.deepEqual([await second, await third, memory.used], [null, null, 0]);
});

Deno.test("DiskSource: no download waits for a listing in the background", async () => {
  using setup = setUp({});
  using source = new DiskSource({ root: "/photos", workers: 2 });
  const behind = source.list("a", { background: true });
  const download = source.list("a");
  assert.equal(setup.threads.length, 2, "it has one of its own");
  setup.threads[1].answer({ result: { listing: null, device: 1 } });
  assert.equal(await download, null);
  setup.threads[0].answer({ result: { listing: null, device: 1 } });
  assert.equal(await behind, null);
});

Deno.test("DiskSource: listings, reads and scans of a folder that hangs wait for it", async () => {
  using setup = setUp({});
  using source = new DiskSource({ root: "/photos", workers: 1, heldUpAfter: 10 });
  const file = { hash: "a", path: "p", location: "a/p", identity: "1:2:3:4" };
  const slice = { ...file, offset: 0, length: 1, position: 0, crc32: 0 };
  const heard = (promise: Promise<unknown>) => void promise.catch(() => {});
  heard(source.list("a"));
  setup.clock.time += 10;
  heard(source.fill(1, [slice]));
  heard(source.checksum(slice));
  heard(source.list("a", { background: true }));
  await quiet(30);
  assert.deepEqual(setup.threads.map(({ calls }) => calls.length), [1]);
  heard(source.list("b"));
  assert.deepEqual(setup.threads.map(({ calls }) => calls.length), [1, 1]);
});

for (const method of ["archives", "folders"] as const) {
  Deno.test(`DiskSource.${method}() takes one thread while its disk hangs, whoever asks`, async () => {
    using setup = setUp({});
    using source = new DiskSource({ root: "/photos", workers: 2, heldUpAfter: 10 });
    const calls = () => setup.threads.flatMap(({ calls }) => calls).length;
    const answer = (name: string) => {
      const folders = { names: name, times: new Float64Array([1]) };
      setup.threads[0].answer({ result: method === "folders" ? folders : [name] });
    };
    for (let i = 0; i < 5; i++) {
      const leaving = new AbortController();
      const left = source[method](leaving);
      leaving.abort(new Error("left"));
      await assert.rejects(left, { message: "left" });
      setup.clock.time += 10;
    }
    const found = source[method]();
    await quiet(30);
    assert.deepEqual([setup.threads.length, calls()], [1, 1]);
    answer("what was there before anyone left");
    await quiet();
    assert.equal(calls(), 2);
    answer("now");
    assert.deepEqual(await found, method === "folders" ? [{ name: "now", mtimeMs: 1 }] : ["now"]);
  });
}

Deno.test("Pool: start() resolves when every thread is there, or has failed", async () => {
  const { Worker } = globalThis;
  const waiting: {
    onmessage?: (event: MessageEvent) => void;
    onerror?: (event: ErrorEvent) => void;
  }[] = [];
  globalThis.Worker = class {
    constructor() {
      waiting.push(this as (typeof waiting)[number]);
    }
    terminate() {}
  } as unknown as typeof Worker;
  try {
    using pool = new Pool({ workers: 2 });
    let isThere = false;
    const started = pool.start().then(() => isThere = true);
    await quiet();
    assert.equal(waiting.length, 2);
    waiting[0].onmessage?.(new MessageEvent("message", { data: { ready: true } }));
    await quiet();
    assert.equal(isThere, false, "one is still to come");
    waiting[1].onerror?.(new ErrorEvent("error", { message: "no memory", cancelable: true }));
    await started;
  } finally {
    globalThis.Worker = Worker;
  }
});
