import assert from "node:assert/strict";
import { settled, TestClock } from "../testing/clock.ts";
import { countListeners } from "../testing/listeners.ts";
import type { Clock } from "./clock.ts";
import { Meter, RateLimit } from "./rate.ts";

/** A download that takes pieces as fast as it may; what it has so far, and when each piece came */
function download(limit: RateLimit, clock: Clock, signal = new AbortController().signal) {
  const seen = { bytes: 0, times: [] as number[], lengths: [] as number[], error: undefined };
  limit.join();
  const run = async () => {
    while (true) {
      const length = limit.pieceLength;
      await limit.take(length, signal);
      seen.bytes += length;
      seen.times.push(clock.now());
      seen.lengths.push(length);
    }
  };
  run().catch((error) => {
    seen.error = error;
    limit.leave();
  });
  return seen;
}

Deno.test("Meter: bytes take their time, and nothing is saved up before the first ones", () => {
  const meter = new Meter(1000, 5000);
  assert.equal(meter.wait(5000), 0);
  assert.equal(meter.wait(60_000), 0);
  meter.pass(100, 5000);
  assert.equal(meter.wait(5000), 100);
  assert.equal(meter.wait(5099), 1);
  assert.equal(meter.wait(5100), 0);
  meter.pass(100, 5100);
  assert.equal(meter.wait(5100), 100);
});

Deno.test("Meter: who comes a little late loses nothing, who pauses gets no burst", () => {
  const meter = new Meter(1000, 0);
  meter.pass(100, 0);
  meter.pass(100, 130); // 30 ms late: the next ones are due at 200
  assert.equal(meter.wait(130), 70);
  meter.pass(100, 200);
  meter.pass(150, 3_600_000); // an hour later, as if it were 100 ms
  assert.equal(meter.wait(3_600_000), 50);
});

Deno.test("Meter: more than was due at once is waited for afterwards", () => {
  const meter = new Meter(1000, 0);
  meter.pass(10_000, 0);
  assert.equal(meter.wait(0), 10_000);
});

Deno.test("RateLimit: pieces last a tenth of a second, between 256 bytes and 64 KiB", () => {
  const cases: [number, number, number][] = [ // rate, downloads, length of a piece
    [1000, 1, 256],
    [10_000, 1, 1000],
    [100_000, 0, 10_000],
    [100_000, 1, 10_000],
    [10 << 20, 1, 64 << 10],
    [1 << 30, 1, 64 << 10],
    [1_000_000, 10, 10_000],
    [1_000_000, 1000, 256],
  ];
  for (const [rate, downloads, length] of cases) {
    const limit = new RateLimit(rate, new TestClock());
    for (let i = 0; i < downloads; i++) limit.join();
    assert.equal(limit.pieceLength, length, `${rate} bytes per second for ${downloads}`);
    for (let i = 0; i < downloads; i++) limit.leave();
  }
});

Deno.test("RateLimit: the rate is kept, evenly, at any rate", async () => {
  for (const rate of [1000, 1024, 33_333, 1_000_000, 10 << 20]) {
    const clock = new TestClock();
    const limit = new RateLimit(rate, clock);
    const seen = download(limit, clock);
    await clock.go(4000);
    const [length] = seen.lengths;
    assert.ok(seen.bytes <= 4 * rate + length * 2, `${seen.bytes} at ${rate}`);
    assert.ok(seen.bytes >= 4 * rate - length, `${seen.bytes} at ${rate}`);
    const gaps = seen.times.slice(1).map((time, i) => time - seen.times[i]);
    assert.ok(Math.max(...gaps) <= Math.ceil(length / rate * 1000) + 1, `${rate}`);
  }
});

Deno.test("RateLimit: timers that are late do not add up", async () => {
  const clock = new TestClock();
  clock.lateness = 30;
  const seen = download(new RateLimit(100_000, clock), clock);
  await clock.go(60_000);
  assert.ok(Math.abs(seen.bytes - 6_000_000) < 30_000, `${seen.bytes}`);
});

Deno.test("RateLimit: a client that pauses gets no burst afterwards", async () => {
  const clock = new TestClock();
  const limit = new RateLimit(100_000, clock);
  await clock.go(100_000);
  const seen = download(limit, clock);
  await clock.go(1000);
  assert.ok(seen.bytes <= 100_000 + 2 * 10_000, `${seen.bytes}`);
});

Deno.test("RateLimit: downloads share a rate equally, and those who are left get more", async () => {
  const clock = new TestClock();
  const limit = new RateLimit(100_000, clock);
  const leaving = new AbortController();
  const all = [
    ...Array.from({ length: 3 }, () => download(limit, clock)),
    ...Array.from({ length: 2 }, () => download(limit, clock, leaving.signal)),
  ];
  await clock.go(10_000);
  for (const { bytes } of all) assert.ok(Math.abs(bytes - 200_000) < 20_000, `${bytes}`);
  leaving.abort(new Error("left"));
  const before = all.map(({ bytes }) => bytes);
  await clock.go(9000);
  const gained = all.map(({ bytes }, i) => bytes - before[i]);
  for (const bytes of gained.slice(0, 3)) {
    assert.ok(Math.abs(bytes - 300_000) < 25_000, `${bytes}`);
  }
  assert.deepEqual(gained.slice(3), [0, 0]);
});

Deno.test("RateLimit: whoever leaves waits no longer, and takes no turn from the others", async () => {
  const clock = new TestClock();
  const limit = new RateLimit(1000, clock);
  const { signal } = new AbortController();
  const leaving = new AbortController();
  await limit.take(1000, signal);
  const left = limit.take(1000, leaving.signal);
  const stays = limit.take(1000, signal).then(() => clock.now());
  const gone = new Error("left");
  leaving.abort(gone);
  await assert.rejects(left, gone);
  await assert.rejects(limit.take(1000, leaving.signal), gone);
  await clock.go(1000);
  assert.equal(await stays, 1000);
});

Deno.test("RateLimit: nothing is left behind, neither timers nor listeners", async () => {
  const clock = new TestClock();
  const limit = new RateLimit(1000, clock);
  const leaving = new AbortController();
  const { signal } = leaving;
  const listeners = countListeners(signal);
  const seen = download(limit, clock, signal);
  await clock.go(2000);
  assert.equal(clock.timers, 1);
  leaving.abort();
  await settled();
  assert.ok(seen.error);
  assert.deepEqual([clock.timers, listeners.count], [0, 0]);
});
