import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { randomBytes } from "../testing/tree.ts";
import { EntryScans } from "./entry_scans.ts";
import type { ZipEntry } from "./zip_entry.ts";

const CONTENT = randomBytes(10_000);
const CHUNK = 1000;

/** An entry whose chunks come when they are told to */
function steppedEntry() {
  const opened: string[] = [];
  const steps: (() => void)[] = [];
  const entry: ZipEntry = {
    name: "a",
    size: CONTENT.length,
    modified: new Date(),
    open: ({ start, end }) => {
      opened.push(`${start}-${end}`);
      let at = start;
      return new ReadableStream<Uint8Array<ArrayBuffer>>({
        async pull(controller) {
          if (at === end) return controller.close();
          await new Promise<void>((resolve) => steps.push(resolve));
          controller.enqueue(CONTENT.slice(at, at += CHUNK));
        },
        cancel: () => void (steps.length = 0),
      }, { highWaterMark: 0 });
    },
  };
  const step = async (count: number) => {
    for (let i = 0; i < count; i++) {
      while (steps.length === 0) await turn();
      steps.shift()!();
      await turn();
    }
  };
  return { scans: new EntryScans([entry]), opened, step };
}

function turn() {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

Deno.test("scan(): one for all who wait, and it goes on while one of them does", async () => {
  const { scans, opened, step } = steppedEntry();
  const [first, second] = [new AbortController(), new AbortController()];
  const results = [first, second].map(({ signal }) => scans.scan(0, signal));
  results[0].catch(() => {});
  await step(3);
  first.abort();
  await step(7);
  assert.equal(await results[1], crc32(CONTENT));
  assert.deepEqual(opened, ["0-10000"]);
});

Deno.test("scan(): when all have left it ends, and the next one goes on from there", async () => {
  const { scans, opened, step } = steppedEntry();
  const first = new AbortController();
  const abandoned = scans.scan(0, first.signal);
  await step(4);
  first.abort(new Error("left"));
  await assert.rejects(abandoned, { message: "left" });
  const next = scans.scan(0, new AbortController().signal);
  await step(6);
  assert.equal(await next, crc32(CONTENT));
  assert.deepEqual(opened, ["0-10000", "4000-10000"]);
});

Deno.test("scan(): whoever comes when it was just abandoned waits for another one", async () => {
  const { scans, step } = steppedEntry();
  const first = new AbortController();
  const abandoned = scans.scan(0, first.signal);
  await step(1);
  first.abort(new Error("left"));
  const next = scans.scan(0, new AbortController().signal);
  await assert.rejects(abandoned, { message: "left" });
  await step(10);
  assert.equal(await next, crc32(CONTENT));
});

Deno.test("scan(): after a failure the next one begins anew", async () => {
  let good = false;
  const entry: ZipEntry = {
    name: "a",
    size: 100,
    modified: new Date(),
    open: ({ start, end }) => new Blob([CONTENT.slice(start, good ? end : end - 1)]).stream(),
  };
  const scans = new EntryScans([entry]);
  const { signal } = new AbortController();
  await assert.rejects(scans.scan(0, signal), {
    message: "read entry: ended at byte 99 instead of 100: a",
  });
  good = true;
  assert.equal(await scans.scan(0, signal), crc32(CONTENT.subarray(0, 100)));
});
