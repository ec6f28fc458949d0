import assert from "node:assert/strict";
import type { Answer, Call } from "./worker.ts";
import { DiskSource } from "./disk.ts";

const HASH = "0123456789abcdef";

/** Threads that answer listings as they are told to, in the place of those of the runtime */
function fakeThreads(answer: (listing: number) => Answer) {
  const { Worker } = globalThis;
  const threads = {
    listings: 0,
    [Symbol.dispose]: () => void (globalThis.Worker = Worker),
  };
  class Fake {
    onmessage: ((event: MessageEvent<Answer>) => void) | null = null;
    postMessage({ task }: Call) {
      assert.equal(task, "list");
      const data = answer(++threads.listings);
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
  await assert.rejects(source.list(HASH), { name: "StorageError", code: "EAGAIN" });
  const elapsed = performance.now() - started;
  assert.ok(elapsed < 20_000, `${elapsed} ms`);
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
