import assert from "node:assert/strict";
import { TestClock } from "../testing/clock.ts";
import { countListeners } from "../testing/listeners.ts";
import { until } from "../testing/process.ts";
import { type BodyOptions, type Outcome, watchBody } from "./body.ts";
import { RateLimit } from "./rate.ts";

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
  const chunks = [new Uint8Array(1), new Uint8Array(2)];
  const ahead = watched(ReadableStream.from(chunks), { release: true }).reader;
  await ahead.read();
  await quiet();
  await ahead.cancel();
  assert.ok(chunks[1].buffer.detached, "and the one that was ready");
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
  for (const limits of [[], [new RateLimit(1000)]]) {
    const error = new Error("disk on fire");
    const { reader, outcomes } = watched(sourceOf([3], error).stream, { limits });
    assert.equal((await reader.read()).value?.length, 3);
    await assert.rejects(reader.read(), error);
    await assert.rejects(reader.closed, error);
    const [{ elapsed: _, ...outcome }, ...others] = outcomes;
    assert.deepEqual(outcome, { kind: "failed", error, bytes: 3 });
    assert.deepEqual(others, []);
  }
});

Deno.test("watchBody() fails and cancels the source when the signal aborts", async (t) => {
  const cases: [string, BodyOptions, number[]][] = [
    ["between two reads", {}, [3, 3]],
    ["in a delay", { delay: MINUTE }, [3, 3]],
    ["while the source hangs", {}, [3]],
    ["while it keeps to a rate", { limits: [new RateLimit(1 << 30)] }, [3, 3]],
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
    for (const limits of [[], [new RateLimit(1000)]]) {
      const { stream, seen } = sourceOf([3]);
      const error = new Error("the service stops");
      const { reader, outcomes } = watched(stream, { signal: AbortSignal.abort(error), limits });
      await assert.rejects(reader.read(), error);
      assert.deepEqual(outcomes.map(({ kind, bytes }) => [kind, bytes]), [["failed", 0]]);
      await until(() => seen.cancelled, "the source is cancelled");
      assert.equal(seen.pulls, 0);
    }
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
  const { signal } = stopping;
  const listeners = countListeners(signal);

  const complete = watched(sourceOf([3]).stream, { signal }).reader;
  while (!(await complete.read()).done);
  const cancelled = watched(sourceOf([3]).stream, { signal }).reader;
  assert.equal(listeners.count, 1);
  await cancelled.cancel();
  const failed = watched(sourceOf([], new Error("x")).stream, { signal }).reader;
  await assert.rejects(failed.read());
  assert.equal(listeners.count, 0);
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

/** Reads to the end, or until the client leaves; what came, and when */
function readAll(reader: ReadableStreamDefaultReader<Chunk>, clock: TestClock) {
  const pieces: { length: number; first: number; time: number }[] = [];
  const end = (async () => {
    for (let read; !(read = await reader.read()).done;) {
      const { length, [0]: first } = read.value;
      pieces.push({ length, first, time: clock.now() });
    }
  })();
  end.catch(() => {});
  return { pieces, end };
}

Deno.test("watchBody() keeps to a rate, in short pieces and without a burst", async () => {
  const clock = new TestClock();
  const limits = [new RateLimit(10_000, clock)];
  const { stream, seen } = sourceOf([2500, 400, 7000]);
  const { reader, outcomes } = watched(stream, { limits, clock });
  const { pieces, end } = readAll(reader, clock);
  await clock.go(500);
  assert.equal(seen.pulls, 3, "the source is asked when its bytes are needed");
  await clock.go(1000);
  await end;
  assert.deepEqual(pieces, [
    { length: 1000, first: 1, time: 0 },
    { length: 1000, first: 1, time: 100 },
    { length: 500, first: 1, time: 200 },
    { length: 400, first: 2, time: 250 },
    ...Array.from({ length: 7 }, (_, i) => ({ length: 1000, first: 3, time: 290 + 100 * i })),
  ]);
  assert.deepEqual(outcomes, [{ kind: "complete", error: undefined, bytes: 9900, elapsed: 890 }]);
  assert.equal(clock.timers, 0);
});

Deno.test("watchBody(): the lower of two rates counts", async () => {
  for (const [own, total] of [[1000, 10_000], [10_000, 1000]]) {
    const clock = new TestClock();
    const limits = [own, total].map((rate) => new RateLimit(rate, clock));
    const { reader, outcomes } = watched(sourceOf([2000, 2000]).stream, { limits, clock });
    const { end } = readAll(reader, clock);
    await clock.go(10_000);
    await end;
    const [{ bytes, elapsed }] = outcomes;
    assert.equal(bytes, 4000);
    assert.ok(elapsed > 3500 && elapsed <= 4000, `${elapsed} ms`);
  }
});

Deno.test("watchBody(): a rate goes on from one piece to the next while the client takes them", async () => {
  const clock = new TestClock();
  const { stream } = sourceOf([2000, 2000]);
  const { reader } = watched(stream, { limits: [new RateLimit(1000, clock)], clock });
  await reader.read();
  await clock.go(60_000);
  const begun = clock.now();
  const { pieces } = readAll(reader, clock);
  await clock.go(500);
  const soon = pieces.filter(({ time }) => time === begun);
  assert.ok(soon.length <= 2, "nothing was saved up, and nothing lay ready, while it paused");
  assert.ok(pieces.length <= 4);
  await reader.cancel();
});

Deno.test("watchBody() waits after each chunk, not after each piece of it", async () => {
  const clock = new TestClock();
  const limits = [new RateLimit(1 << 20, clock)];
  limits.forEach((limit) => Array.from({ length: 4000 }, () => limit.join())); // 262 bytes a piece
  const { reader, outcomes } = watched(sourceOf([1000, 300]).stream, {
    limits,
    clock,
    delay: 20,
    chunkSize: 500,
  });
  const started = performance.now();
  readAll(reader, clock);
  await until(async () => (await clock.go(1), outcomes.length > 0), "it ends");
  const elapsed = performance.now() - started;
  assert.equal(outcomes[0].bytes, 1300);
  assert.ok(elapsed > 3 * 19 && elapsed < MINUTE / 2, `${elapsed} ms`);
});

Deno.test("watchBody() frees a chunk only when its last piece was taken", async () => {
  const clock = new TestClock();
  const limits = [new RateLimit(10_000, clock)];
  const { reader } = watched(sourceOf([2500, 100], "hang").stream, {
    limits,
    clock,
    release: true,
  });
  const taken: Chunk[] = [];
  for (let i = 0; i < 4; i++) {
    const read = reader.read();
    await clock.go(1000);
    const { value } = await read;
    taken.push(value!);
    const expected = i < 3 ? [1000, 1000, 500].slice(0, i + 1) : [0, 0, 0, 100];
    assert.deepEqual(taken.map(({ length }) => length), expected);
  }
  await reader.cancel();
});

Deno.test("watchBody() ends the wait for its turn at once when the client leaves or the signal aborts", async () => {
  for (const kind of ["cancelled", "failed"]) {
    const clock = new TestClock();
    const total = new RateLimit(1000, clock);
    await total.take(3_600_000, new AbortController().signal);
    const stopping = new AbortController();
    const { stream, seen } = sourceOf([3, 3]);
    const options = { limits: [total], clock, signal: stopping.signal };
    const { reader, outcomes } = watched(stream, options);
    const read = reader.read();
    read.catch(() => {});
    await quiet();
    assert.equal(clock.timers, 1, "it waits");
    if (kind === "cancelled") await reader.cancel("resource closed");
    else stopping.abort(new Error("the service stops"));
    await quiet();
    assert.deepEqual(outcomes.map((outcome) => [outcome.kind, outcome.bytes]), [[kind, 0]]);
    assert.equal(clock.timers, 0);
    await until(() => seen.cancelled, "the source is cancelled");
    total.join();
    assert.equal(total.pieceLength, new RateLimit(1000, clock).pieceLength, "it shares no more");
  }
});

Deno.test("watchBody() gives up a client that takes nothing", async () => {
  for (const limits of [false, true]) {
    const clock = new TestClock();
    const { stream, seen } = sourceOf([3, 3, 3]);
    const { reader, outcomes } = watched(stream, {
      clock,
      stallTimeout: 300_000,
      limits: limits ? [new RateLimit(10_000, clock)] : [],
    });
    const first = reader.read();
    await clock.go(1);
    assert.equal((await first).value?.length, 3);
    await clock.go(299_998);
    assert.equal(outcomes.length, 0);
    await clock.go(2);
    const [{ kind, error, bytes, elapsed }, ...others] = outcomes;
    assert.deepEqual([kind, bytes, others], ["stalled", 3, []]);
    assert.ok(elapsed >= 300_000 && elapsed <= 300_001, `${elapsed} ms`);
    assert.ok(error instanceof Error);
    assert.equal(error.message, "send archive: the client took nothing for 300 s");
    await assert.rejects(reader.read(), error);
    await until(() => seen.cancelled, "the source is cancelled");
    assert.equal(seen.reason, error);
    assert.equal(clock.timers, 0);
  }
});

Deno.test("watchBody(): a client that takes nothing from the start is given up as well", async () => {
  const clock = new TestClock();
  const { outcomes } = watched(sourceOf([3]).stream, { clock, stallTimeout: 5000 });
  await clock.go(4999);
  assert.equal(outcomes.length, 0);
  await clock.go(1);
  assert.deepEqual(outcomes.map(({ kind }) => kind), ["stalled"]);
});

Deno.test("watchBody(): a slow client, a slow source and a low rate are no stall", async () => {
  const clock = new TestClock();
  const stallTimeout = 1000;
  const slow = watched(sourceOf([3, 3, 3, 3, 3]).stream, { clock, stallTimeout });
  for (let reads = 0; reads < 5; reads++) {
    const read = slow.reader.read();
    await clock.go(999);
    assert.equal((await read).value?.length, 3);
  }
  await slow.reader.read();
  assert.equal(slow.outcomes[0].kind, "complete");

  const hung = watched(sourceOf([3], "hang").stream, { clock, stallTimeout });
  assert.equal((await hung.reader.read()).value?.length, 3);
  const waits = hung.reader.read();
  await clock.go(60_000);
  assert.deepEqual(hung.outcomes, []);
  await hung.reader.cancel();
  assert.deepEqual(await waits, { done: true, value: undefined });

  const total = new RateLimit(1000, clock);
  await total.take(30_000, new AbortController().signal);
  const limited = watched(sourceOf([3]).stream, { clock, stallTimeout, limits: [total] });
  const { pieces, end } = readAll(limited.reader, clock);
  await clock.go(30_000);
  await end;
  assert.equal(pieces.length, 1, "a client that waits for its turn would take something");
});

Deno.test("watchBody(): a stall timeout of 0 means never, and leaves no timer behind", async () => {
  const clock = new TestClock();
  const { reader, outcomes } = watched(sourceOf([3, 3]).stream, { clock, stallTimeout: 0 });
  await reader.read();
  assert.equal(clock.timers, 0);
  await clock.go(1e9);
  assert.equal(outcomes.length, 0);
  for (const ending of ["complete", "cancelled"]) {
    const { reader } = watched(sourceOf([3]).stream, { clock, stallTimeout: 300 });
    if (ending === "cancelled") await reader.cancel();
    else while (!(await reader.read()).done);
    assert.equal(clock.timers, 0);
  }
});
