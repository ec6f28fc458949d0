import assert from "node:assert/strict";
import { ArchiveOverview } from "./archive_overview.ts";

function folder(i: number, mtimeMs = 1) {
  return { name: `archive-${i}`, mtimeMs };
}

const folders = (count: number) => Array.from({ length: count }, (_, i) => folder(i));

Deno.test("ArchiveOverview finds out each fact once, two at a time", async () => {
  let running = 0, most = 0;
  const asked: string[] = [];
  const overview = new ArchiveOverview({
    find: async (hash) => {
      asked.push(hash);
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve));
      running--;
      return hash.length;
    },
  });
  await Promise.all([overview.fill(folders(20)), overview.fill(folders(20))]);
  assert.deepEqual([asked.length, new Set(asked).size, most], [20, 20, 2]);
  assert.equal(overview.get(folder(3)), "archive-3".length);
  await overview.fill(folders(20));
  assert.equal(asked.length, 20);
  assert.equal(overview.get(folder(3, 2)), undefined, "it has changed");
});

Deno.test("ArchiveOverview: nothing more to begin while the last one is looked into", async () => {
  const { promise, resolve } = Promise.withResolvers<number>();
  const overview = new ArchiveOverview({ find: () => promise });
  const first = overview.fill(folders(1));
  const second = overview.fill([]);
  resolve(1);
  await Promise.all([first, second]);
  assert.equal(overview.get(folder(0)), 1);
});

Deno.test("ArchiveOverview begins with what was asked for last, and ends when nobody asks", async () => {
  let now = 0;
  const asked: string[] = [];
  const overview = new ArchiveOverview({
    now: () => now,
    find: async (hash) => {
      await Promise.resolve();
      asked.push(hash);
      if (asked.length === 4) now = 30_000;
      return 1;
    },
  });
  const all = overview.fill(folders(100));
  await overview.fill([folder(77)]);
  await all;
  assert.equal(asked[2], "archive-77", "the first two had begun");
  assert.ok(asked.length <= 6, `${asked.length}`);
});
