import assert from "node:assert/strict";
import { Pace } from "./pace.ts";

const KIB = 1 << 10;
const MIB = 1 << 20;

/** A clock that goes only when it is told to, in the place of the runtime's */
function fakeClock() {
  const { now } = performance;
  const clock = { time: 1000, [Symbol.dispose]: () => void (performance.now = now) };
  performance.now = () => clock.time;
  return clock;
}

/** Buffers of these downloads, made one after the other until so many bytes went to each */
function download(paces: readonly Pace[], bytes: number) {
  for (const pace of paces) {
    for (let sent = 0; sent < bytes;) {
      const { length } = pace.next();
      pace.made(length);
      sent += length;
    }
  }
}

/** How long the next buffer of a download is, without making it */
const lengthOf = (pace: Pace) => pace.next().length;

Deno.test("Pace: a client starts with short buffers, and gets long ones after 6 MiB", () => {
  using _ = fakeClock();
  const pace = new Pace(new Set(), undefined);
  for (let sent = 0; sent < 6 * MIB; sent += 32 * KIB) {
    assert.deepEqual(pace.next(), { length: 32 * KIB, ahead: false }, `after ${sent} bytes`);
    pace.made(32 * KIB);
  }
  assert.deepEqual(pace.next(), { length: MIB, ahead: true });
});

Deno.test("Pace: no buffer is longer than the limit, and none is made ahead under a limit", () => {
  using _ = fakeClock();
  for (const max of [10 * KIB, 256 * KIB]) {
    const pace = new Pace(new Set(), max);
    assert.deepEqual(pace.next(), { length: Math.min(max, 32 * KIB), ahead: false });
    pace.made(6 * MIB);
    assert.deepEqual(pace.next(), { length: Math.max(max, 32 * KIB), ahead: false });
  }
});

Deno.test("Pace: who takes longer than 500 ms for a buffer gets shorter ones", () => {
  using clock = fakeClock();
  const pace = new Pace(new Set(), undefined);
  download([pace], 20 * MIB);
  clock.time += 500;
  assert.equal(lengthOf(pace), MIB, "not too late yet");
  clock.time += 1;
  assert.equal(lengthOf(pace), MIB, "once is forgiven, after 12 MiB without");
  assert.equal(lengthOf(pace), 32 * KIB);

  pace.made(4 * MIB); // half of what is needed was left
  assert.equal(lengthOf(pace), MIB, "who catches up is trusted again");
});

Deno.test("Pace: nobody is late before the first buffer", () => {
  using clock = fakeClock();
  const pace = new Pace(new Set(), undefined);
  clock.time += 60_000;
  pace.next();
  pace.made(6 * MIB);
  assert.equal(lengthOf(pace), MIB);
});

Deno.test("Pace: clients that keep up share 16 MiB", () => {
  using _ = fakeClock();
  const fast = new Set<Pace>();
  const cases = [[1, 1024, true], [4, 1024, true], [5, 1024, false], [32, 512, false]] as const;
  for (const [clients, length, ahead] of [...cases, [600, 32, false]] as const) {
    fast.clear();
    const paces = Array.from({ length: clients }, () => new Pace(fast, undefined));
    download(paces, 6 * MIB);
    for (const pace of paces) pace.next(); // now each is known to keep up
    assert.equal(fast.size, clients);
    for (const pace of paces) {
      assert.deepEqual(pace.next(), { length: length * KIB, ahead }, `${clients} clients`);
    }
  }
});

Deno.test("Pace: who falls behind, or ends, leaves the share to the others", () => {
  using clock = fakeClock();
  const fast = new Set<Pace>();
  const paces = Array.from({ length: 32 }, () => new Pace(fast, undefined));
  const [first, ...others] = paces;
  download(paces, 12 * MIB);
  for (const pace of paces) pace.next();
  assert.equal(lengthOf(first), 512 * KIB);
  for (const pace of others.slice(16)) pace.end();
  assert.equal(lengthOf(first), Math.floor(16 * MIB / 17));
  clock.time += 501;
  first.made(MIB); // it alone goes on
  assert.equal(lengthOf(first), MIB);
  assert.deepEqual([...fast], [first]);
});

Deno.test("Pace: with less memory the buffers of all are shorter, and none is made ahead", () => {
  using _ = fakeClock();
  const fast = new Set<Pace>();
  const paces = Array.from({ length: 4 }, () => new Pace(fast, undefined, 2 * MIB));
  download(paces, 6 * MIB);
  for (const pace of paces) pace.next();
  for (const pace of paces) assert.deepEqual(pace.next(), { length: 512 * KIB, ahead: false });
});
