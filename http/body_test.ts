import assert from "node:assert/strict";
import { until } from "../testing/process.ts";
import { type BodyOptions, type Outcome, watchBody } from "./body.ts";

const MINUTE = 60_000;

type Chunk = Uint8Array<ArrayBuffer>;

/** A source of chunks of these lengths that then ends, fails or hangs; and what was done to it */
function sourceOf(lengths: readonly number[], last: "end" | "hang" | Error = "end") {
  const seen = { pulls: 0, cancelled: false, reason: undefined as unknown };
  const stream = new ReadableStream<Chunk>({
    pull(controller) {
      const length = lengths[seen.pulls++];
      if (length !== undefined) controller.enqueue(new Uint8Array(length).fill(seen.pulls));
      else if (last === "end") controller.close();
      else if (last instanceof Error) controller.error(last);
      else return new Promise(() => {});
    },
    cancel(reason) {
      seen.cancelled = true;
      seen.reason = reason;
    },
  }, { highWaterMark: 0 });
  return { stream, seen };
}

/** A body, its reader, and how it ended */
function watched(source: ReadableStream<Chunk>, options: BodyOptions = {}) {
  const outcomes: Outcome[] = [];
  const body = watchBody(source, { ...options, onEnd: (outcome) => outcomes.push(outcome) });
  return { body, reader: body.getReader(), outcomes };
}

/** Resolves when everything that happens unasked has happened */
function quiet(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

Deno.test("watchBody() passes the bytes on and reports the end, once", async () => {
  const { stream } = sourceOf([3, 0, 2]);
  const { reader, outcomes } = watched(stream);
  const chunks: number[][] = [];
  for (let read; !(read = await reader.read()).done;) chunks.push([...read.value]);
  assert.deepEqual(chunks, [[1, 1, 1], [3, 3]]);
  const [{ elapsed, ...outcome }, ...others] = outcomes;
  assert.deepEqual(outcome, { kind: "complete", error: undefined, bytes: 5 });
  assert.ok(elapsed >= 0 && elapsed < MINUTE);
  assert.deepEqual(others, []);
});

Deno.test("watchBody() reads at most one chunk ahead", async () => {
  const { stream, seen } = sourceOf(Array(20).fill(1));
  const { reader } = watched(stream);
  await quiet();
  assert.ok(seen.pulls <= 1);
  for (let reads = 1; reads < 10; reads++) {
    await reader.read();
    await quiet();
    assert.ok(seen.pulls <= reads + 1, `${seen.pulls} pulls after ${reads} reads`);
  }
  await reader.cancel();
});

Deno.test("watchBody() splits chunks that are too long", async () => {
  const cases: [number[], number | undefined, number[]][] = [
    [[10, 3], 4, [4, 4, 2, 3]],
    [[8], 4, [4, 4]],
    [[4, 1], 4, [4, 1]],
    [[3], 1, [1, 1, 1]],
    [[10_000_000], undefined, [10_000_000]],
  ];
  for (const [lengths, chunkSize, expected] of cases) {
    const { reader, outcomes } = watched(sourceOf(lengths).stream, { chunkSize });
    const pieces: Chunk[] = [];
    for (let read; !(read = await reader.read()).done;) pieces.push(read.value);
    assert.deepEqual(pieces.map(({ length }) => length), expected);
    assert.equal(outcomes[0].bytes, expected.reduce((a, b) => a + b));
  }
  const text = new TextEncoder().encode("abcdefg");
  const body = watchBody(ReadableStream.from([text]), { chunkSize: 3 });
  assert.equal(await new Response(body).text(), "abcdefg");
});

Deno.test("watchBody() frees a chunk when the next one is asked for, if it may", async () => {
  for (const release of [true, false]) {
    const { reader } = watched(sourceOf([1, 2, 3]).stream, { release });
    const chunks: Chunk[] = [];
    for (let read; !(read = await reader.read()).done;) {
      assert.equal(read.value.length, chunks.length + 1, "it is there as long as it is needed");
      chunks.push(read.value);
      await quiet();
    }
    assert.deepEqual(chunks.map(({ buffer }) => buffer.detached), Array(3).fill(release));
  }
  const { reader } = watched(sourceOf([1], "hang").stream, { release: true });
  const { value } = await reader.read();
  await reader.cancel();
  assert.ok(value!.buffer.detached, "and when the client leaves");
});

Deno.test("watchBody() waits after each chunk if a delay is set", async () => {
  const { reader, outcomes } = watched(sourceOf([10, 5]).stream, { delay: 20, chunkSize: 5 });
  while (!(await reader.read()).done);
  assert.equal(outcomes[0].bytes, 15);
  // A timer may fire a little early.
  assert.ok(outcomes[0].elapsed > 3 * 19, `${outcomes[0].elapsed} ms`);
});

Deno.test("watchBody() ends the delay and the source at once when the client leaves", async () => {
  const { stream, seen } = sourceOf([7, 7]);
  const { reader, outcomes } = watched(stream, { delay: MINUTE });
  assert.equal((await reader.read()).value?.length, 7);
  await reader.cancel("gone");
  const [{ elapsed, ...outcome }, ...others] = outcomes;
  assert.deepEqual(outcome, { kind: "cancelled", error: undefined, bytes: 7 });
  assert.ok(elapsed < MINUTE / 2);
  assert.deepEqual(others, []);
  await until(() => seen.cancelled, "the source is cancelled");
});

Deno.test("watchBody() notices a client that leaves before the first byte, or while the source hangs", async () => {
  for (const reads of [0, 1]) {
    const { stream, seen } = sourceOf([], "hang");
    const { reader, outcomes } = watched(stream);
    const pending = Array.from({ length: reads }, () => reader.read());
    await quiet();
    await reader.cancel("gone");
    assert.deepEqual(
      await Promise.all(pending),
      Array(reads).fill({ done: true, value: undefined }),
    );
    assert.deepEqual(outcomes.map(({ kind, bytes }) => [kind, bytes]), [["cancelled", 0]]);
    await until(() => seen.cancelled, "the source is cancelled");
  }
});

Deno.test("watchBody() fails with its source", async () => {
  const error = new Error("disk on fire");
  const { reader, outcomes } = watched(sourceOf([3], error).stream);
  assert.equal((await reader.read()).value?.length, 3);
  await assert.rejects(reader.read(), error);
  await assert.rejects(reader.closed, error);
  const [{ elapsed: _, ...outcome }, ...others] = outcomes;
  assert.deepEqual(outcome, { kind: "failed", error, bytes: 3 });
  assert.deepEqual(others, []);
});

Deno.test("watchBody() fails and cancels the source when the signal aborts", async (t) => {
  const cases: [string, BodyOptions, number[]][] = [
    ["between two reads", {}, [3, 3]],
    ["in a delay", { delay: MINUTE }, [3, 3]],
    ["while the source hangs", {}, [3]],
  ];
  for (const [name, options, lengths] of cases) {
    await t.step(name, async () => {
      const { stream, seen } = sourceOf(lengths, "hang");
      const stopping = new AbortController();
      const error = new Error("the service stops");
      const { reader, outcomes } = watched(stream, { ...options, signal: stopping.signal });
      await reader.read();
      const next = name === "while the source hangs" ? reader.read() : null;
      await quiet();
      stopping.abort(error);
      await assert.rejects(next ?? reader.read(), error);
      const [{ elapsed: _, ...outcome }, ...others] = outcomes;
      assert.deepEqual(outcome, { kind: "failed", error, bytes: 3 });
      assert.deepEqual(others, []);
      await until(() => seen.cancelled, "the source is cancelled");
    });
  }
  await t.step("before the start", async () => {
    const { stream, seen } = sourceOf([3]);
    const error = new Error("the service stops");
    const { reader, outcomes } = watched(stream, { signal: AbortSignal.abort(error) });
    await assert.rejects(reader.read(), error);
    assert.deepEqual(outcomes.map(({ kind, bytes }) => [kind, bytes]), [["failed", 0]]);
    await until(() => seen.cancelled, "the source is cancelled");
    assert.equal(seen.pulls, 0);
  });
  await t.step("not after the end", async () => {
    const stopping = new AbortController();
    const { reader, outcomes } = watched(sourceOf([3]).stream, { signal: stopping.signal });
    while (!(await reader.read()).done);
    stopping.abort();
    assert.deepEqual(outcomes.map(({ kind }) => kind), ["complete"]);
  });
});

Deno.test("watchBody() leaves no listener behind on the signal", async () => {
  const stopping = new AbortController();
  let listeners = 0;
  const { signal } = stopping;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
  signal.removeEventListener = (
    ...args: Parameters<typeof remove>
  ) => (listeners--, remove(...args));

  const complete = watched(sourceOf([3]).stream, { signal }).reader;
  while (!(await complete.read()).done);
  const cancelled = watched(sourceOf([3]).stream, { signal }).reader;
  assert.equal(listeners, 1);
  await cancelled.cancel();
  const failed = watched(sourceOf([], new Error("x")).stream, { signal }).reader;
  await assert.rejects(failed.read());
  assert.equal(listeners, 0);
});

Deno.test("watchBody(): a client that has every byte may leave during the last delay", async () => {
  const cases: [number | null | undefined, number, Outcome["kind"]][] = [
    [10, 2, "complete"],
    [10, 1, "cancelled"],
    [11, 2, "cancelled"],
    [null, 2, "cancelled"],
    [undefined, 2, "cancelled"],
  ];
  for (const [length, reads, kind] of cases) {
    const options = { delay: 20, length, chunkSize: 5 };
    const { reader, outcomes } = watched(sourceOf([10], "hang").stream, options);
    for (let i = 0; i < reads; i++) await reader.read();
    await reader.cancel("resource closed");
    assert.deepEqual(outcomes.map((outcome) => outcome.kind), [kind], `${length}, ${reads} reads`);
  }
});

Deno.test("watchBody(): a source that cannot be cancelled is no failure that nobody hears", async () => {
  const unheard: unknown[] = [];
  const note = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    unheard.push(event.reason);
  };
  globalThis.addEventListener("unhandledrejection", note);
  try {
    const cancel = () => Promise.reject(new Error("stuck"));
    const source = () => new ReadableStream<Chunk>({ cancel }, { highWaterMark: 0 });
    const stopped = new Error("stopped");
    const { reader } = watched(source(), { signal: AbortSignal.abort(stopped) });
    await assert.rejects(reader.read(), stopped);
    const stopping = new AbortController();
    const later = watched(source(), { signal: stopping.signal }).reader;
    stopping.abort(stopped);
    await assert.rejects(later.read(), stopped);
    await quiet();
    await quiet();
  } finally {
    globalThis.removeEventListener("unhandledrejection", note);
  }
  assert.deepEqual(unheard, []);
});

Deno.test("onProgress is called at most once a second", async () => {
  const now = performance.now;
  let time = 0;
  performance.now = () => time;
  try {
    const progress: [number, number][] = [];
    const onProgress = (bytes: number) => progress.push([time, bytes]);
    const { reader, outcomes } = watched(sourceOf(Array(8).fill(10)).stream, { onProgress });
    for (time of [100, 999, 1000, 1001, 1999, 2000, 5000, 5999]) await reader.read();
    assert.equal((await reader.read()).done, true);
    assert.deepEqual(progress, [[1000, 30], [2000, 60], [5000, 70]]);
    assert.equal(outcomes[0].elapsed, 5999);
  } finally {
    performance.now = now;
  }
});
