import assert from "node:assert/strict";
import { countTasks, MemorySource } from "../testing/memory_source.ts";
import { StorageError } from "./errors.ts";
import { Settling } from "./settling.ts";
import type { FileSource } from "./source.ts";

const QUIET = 200;

/** A source with one file, changed so many milliseconds ago */
function changedAgo(milliseconds: number) {
  const source = new MemorySource();
  source.put("h/a", { content: "1", mtime: new Date(Date.now() - milliseconds) });
  return source;
}

function touch(source: MemorySource) {
  source.put("h/a", { content: "1", mtime: new Date() });
}

async function timed<T>(work: Promise<T>): Promise<{ result: T; milliseconds: number }> {
  const started = performance.now();
  const result = await work;
  return { result, milliseconds: performance.now() - started };
}

Deno.test("Settling: a folder that was left alone is there at once, an unknown one is null", async () => {
  const settling = new Settling(countTasks(changedAgo(QUIET + 50)), { quiet: QUIET });
  const { result, milliseconds } = await timed(settling.list("h"));
  assert.equal(result?.entries.length, 1);
  assert.ok(milliseconds < QUIET / 2);
  assert.equal(await settling.list("unknown"), null);
});

Deno.test("Settling: a folder that was just filled is there as soon as it has settled", async () => {
  const source = changedAgo(0);
  const { result, milliseconds } = await timed(new Settling(source, { quiet: QUIET }).list("h"));
  assert.equal(result?.entries.length, 1);
  assert.ok(milliseconds >= QUIET - 20, `${milliseconds} ms`);
  assert.ok(Date.now() - result!.changed >= QUIET);
});

Deno.test("Settling: a file that grows meanwhile is waited for, and comes whole", async () => {
  const source = changedAgo(0);
  const list = new Settling(source, { quiet: QUIET }).list("h");
  await new Promise((resolve) => setTimeout(resolve, QUIET / 2));
  source.put("h/a", { content: "1 and the rest", mtime: new Date() });
  assert.equal((await list)?.entries[0].size, 14);
});

Deno.test("Settling: a folder that keeps changing is refused in bounded time", async () => {
  const source = changedAgo(0);
  const timer = setInterval(() => touch(source), 20);
  try {
    const started = performance.now();
    const list = new Settling(source, { quiet: QUIET }).list("h");
    await assert.rejects(list, { name: "StorageError", code: "EUNSETTLED" });
    assert.ok(performance.now() - started <= 4 * QUIET + 1000);
  } finally {
    clearInterval(timer);
  }
});

Deno.test("Settling: with no quiet time, or a disk whose times tell nothing, none waits", async () => {
  const now = changedAgo(0);
  for (const source of [now, changedAgo(-500), changedAgo(-1900)]) {
    const { result, milliseconds } = await timed(new Settling(source, { quiet: 0 }).list("h"));
    assert.ok(result && milliseconds < 100);
  }
  const timeless: FileSource = countTasks(now, {
    list: async (hash) => ({ ...(await now.list(hash))!, steady: false }),
  });
  const { result } = await timed(new Settling(timeless, { quiet: 60_000 }).list("h"));
  assert.equal(result?.steady, false);
});

Deno.test("Settling: a change by a clock that is a little ahead is waited for", async () => {
  const settling = new Settling(changedAgo(-300), { quiet: QUIET });
  const { result, milliseconds } = await timed(settling.list("h"));
  assert.equal(result?.entries.length, 1);
  assert.ok(milliseconds >= 300 + QUIET - 20, `${milliseconds} ms`);
});

Deno.test("Settling: a time that is yet to come is waited for by nobody", async () => {
  const source = new MemorySource();
  source.put("h/a", { content: "1", mtime: new Date(Date.now() + 3600_000) });
  const { milliseconds } = await timed(new Settling(source, { quiet: 60_000 }).list("h"));
  assert.ok(milliseconds < 1000);
});

Deno.test("Settling: whoever leaves waits no longer", async () => {
  const settling = new Settling(changedAgo(0), { quiet: 60_000 });
  const leaving = new AbortController();
  const list = settling.list("h", leaving.signal);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(settling.waiting, 1);
  leaving.abort();
  await assert.rejects(list, { name: "AbortError" });
  assert.equal(settling.waiting, 0);
});

Deno.test("Settling: at most as many wait as it was told", async () => {
  const settling = new Settling(changedAgo(0), { quiet: 60_000, maxWaiting: 2 });
  const leaving = new AbortController();
  const waiting = [1, 2].map(() => settling.list("h", leaving.signal));
  const ended = Promise.allSettled(waiting);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await assert.rejects(
    settling.list("h"),
    (error) => error instanceof StorageError && error.code === "EBUSY",
  );
  leaving.abort();
  await ended;
});

Deno.test("Settling: nobody begins to wait who would have waited too long in the end", async () => {
  const { now } = performance;
  const cases: [number, boolean][] = [[1900, true], [2100, false]]; // of 3 times 1000 ms, 1000 are left
  for (const [elapsed, waits] of cases) {
    const source = new MemorySource();
    source.put("h/a", { content: "1", mtime: new Date(Date.now() + 1) });
    const settling = new Settling(source, { quiet: 1000 });
    let looks = 0;
    performance.now = () => looks++ === 0 ? 0 : elapsed;
    const leaving = new AbortController();
    try {
      const list = settling.list("h", leaving.signal);
      list.catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(settling.waiting, waits ? 1 : 0, `after ${elapsed} ms`);
      leaving.abort();
      const code = (error: { code: unknown }) => error.code === "EUNSETTLED";
      await assert.rejects(list, waits ? { name: "AbortError" } : code);
    } finally {
      performance.now = now;
    }
  }
});
