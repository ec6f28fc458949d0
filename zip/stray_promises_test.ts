import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { planArchive } from "./plan.ts";
import type { Entry } from "./records.ts";
import { ArchiveStream, type Filled, type Slice, type Source, WHOLE_BYTES } from "./stream.ts";

const MTIME = Date.parse("2024-05-06T07:08:09Z") / 1000;
const LARGE = WHOLE_BYTES * 2;

function entriesOf(sizes: readonly number[]): Entry[] {
  return sizes.map((size, i) => ({ name: `${i}.jpg`, size, mtime: MTIME, mode: 0o644 }));
}

interface Failures {
  /** Entries that cannot be scanned */
  readonly scans?: readonly number[];
  /** Entries that cannot be read */
  readonly fills?: readonly number[];
}

/** Zeros, of which some are gone */
function failingSource({ scans = [], fills = [] }: Failures) {
  const asked: string[] = [];
  const fail = async (what: string) => {
    await sleep(1);
    throw new Error(`renamed away: ${what}`);
  };
  const source: Source = {
    knownChecksum: () => undefined,
    learnChecksum: () => {},
    forgetChecksum: () => {},
    checksum: (index) => {
      asked.push(`scan ${index}`);
      return scans.includes(index) ? fail(`${index}`) : Promise.resolve(0);
    },
    fill(length: number, slices: readonly Slice[]): Promise<Filled> {
      asked.push(...slices.map(({ index }) => `fill ${index}`));
      const gone = slices.find(({ index }) => fills.includes(index));
      if (gone) return fail(`${gone.index}`);
      return Promise.resolve({ buffer: new Uint8Array(length), checksums: slices.map(() => 0) });
    },
  };
  return { source, asked };
}

/** Rejections that nobody handled; outside of tests each would end the process */
async function strayRejections(act: () => Promise<unknown>): Promise<unknown[]> {
  const stray: unknown[] = [];
  const listener = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    stray.push(event.reason);
  };
  globalThis.addEventListener("unhandledrejection", listener);
  try {
    await act();
    await sleep(30); // the client stalls: nobody asks for the next buffer
    return stray;
  } finally {
    globalThis.removeEventListener("unhandledrejection", listener);
  }
}

Deno.test("a scan before a range may fail while the client stalls", async () => {
  const plan = planArchive(entriesOf([10, 20, 100_000]));
  const { source, asked } = failingSource({ scans: [0, 1] });
  const stream = new ArchiveStream(plan, source, { start: plan.headerOffsets[2] + 50 });
  assert.deepEqual(await strayRejections(() => stream.next(1000)), []);
  assert.ok(asked.includes("scan 0") && asked.includes("scan 1"), asked.join());
  await assert.rejects(async () => {
    while (await stream.next(1000));
  }, /renamed away/);
});

Deno.test("a scan ahead may fail while the client stalls", async () => {
  const plan = planArchive(entriesOf([5000, LARGE]));
  const { source, asked } = failingSource({ scans: [1] });
  const stream = new ArchiveStream(plan, source);
  assert.deepEqual(await strayRejections(() => stream.next(1000)), []);
  assert.ok(asked.includes("scan 1"), asked.join());
});

Deno.test("a buffer that is filled ahead may fail while the client stalls", async () => {
  const plan = planArchive(entriesOf([5000, 5000, 5000]));
  const { source, asked } = failingSource({ fills: [1] });
  const stream = new ArchiveStream(plan, source);
  const length = plan.headerOffsets[1];
  assert.deepEqual(await strayRejections(() => stream.next(length, { ahead: true })), []);
  assert.ok(asked.includes("fill 1"), asked.join());
  await assert.rejects(stream.next(length, { ahead: true }), /renamed away: 1/);
});

Deno.test("a buffer that is to be filled ahead may fail before it is", async () => {
  const plan = planArchive(entriesOf([5000, LARGE, 5000]));
  const { source, asked } = failingSource({ scans: [1] });
  const stream = new ArchiveStream(plan, source);
  const length = plan.headerOffsets[1];
  assert.deepEqual(await strayRejections(() => stream.next(length, { ahead: true })), []);
  assert.ok(asked.includes("scan 1"), asked.join());
  await assert.rejects(stream.next(length, { ahead: true }), /renamed away: 1/);
});
