import assert from "node:assert/strict";
import process from "node:process";
import { countTasks, MemorySource } from "../testing/memory_source.ts";
import { ArchivePages } from "./archive_pages.ts";
import type { FileSource } from "./source.ts";

const hashOf = (i: number) => `archive-${String(i).padStart(8, "0")}`;

function archives(count: number): MemorySource {
  const mtime = (i: number) => new Date(Date.UTC(2020, 0, 1) + i * 60_000);
  return new MemorySource(Object.fromEntries(
    Array.from({ length: count }, (_, i) => {
      return [`${hashOf(i)}/a.jpg`, { content: "x".repeat(i), mtime: mtime(i) }];
    }),
  ));
}

Deno.test("ArchivePages.get() of many archives shows what is known, and has the rest later", async () => {
  const memory = archives(20);
  const { promise: ready, resolve: go } = Promise.withResolvers<void>();
  const list: FileSource["list"] = async (hash, options) => {
    if (hash === hashOf(7)) await ready;
    return await memory.list(hash, options);
  };
  const label = async (hash: string) => {
    await Promise.resolve();
    return hash === hashOf(7) ? { title: "Seven" } : {};
  };
  const pages = new ArchivePages({ source: countTasks(memory, { list }), fillMs: 50, label });
  const first = await pages.get(1);
  assert.equal(first.incomplete, true);
  assert.equal(first.rows.length, 20);
  const row = first.rows.find(({ hash }) => hash === hashOf(7));
  assert.ok(row && "pending" in row, JSON.stringify(row));
  go();
  let page = await pages.get(1);
  while (page.incomplete) page = await pages.get(1);
  const known = page.rows.find(({ hash }) => hash === hashOf(7));
  assert.ok(known && "files" in known);
  assert.deepEqual([known.files, known.bytes, known.title], [1, 7, "Seven"]);
  await new Promise((resolve) => setTimeout(resolve, 20)); // what goes on in the background ends
});

Deno.test("ArchivePages.get() of few archives waits for all of them", async () => {
  const memory = archives(12);
  const list: FileSource["list"] = async (hash, options) => {
    if (hash === hashOf(7)) await new Promise((resolve) => setTimeout(resolve, 50));
    return await memory.list(hash, options);
  };
  const pages = new ArchivePages({ source: countTasks(memory, { list }), fillMs: 0 });
  const { rows, incomplete } = await pages.get(1);
  assert.ok(rows.every((row) => "files" in row) && incomplete === undefined);
});

Deno.test("ArchivePages.get() sets no timer to a negative time when the names alone took too long", async () => {
  const warnings: string[] = [];
  const hear = ({ name, message }: Error) => void warnings.push(`${name}: ${message}`);
  process.on("warning", hear);
  try {
    const memory = archives(20);
    const folders: FileSource["folders"] = async (options) => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      return await memory.folders(options);
    };
    const pages = new ArchivePages({ source: countTasks(memory, { folders }), fillMs: 10 });
    let page = await pages.get(1);
    assert.equal(page.rows.length, 20);
    while (page.incomplete) page = await pages.get(1);
    assert.deepEqual(warnings, []);
  } finally {
    process.off("warning", hear);
  }
});

Deno.test("ArchivePages.get() sorts and searches, what has no title or end at the end", async () => {
  const labels: Record<string, { title?: string; expires?: number }> = {
    [hashOf(0)]: { title: "b 10", expires: 2 },
    [hashOf(1)]: { title: "B 9", expires: 3 },
    [hashOf(2)]: { expires: 1 },
    [hashOf(3)]: { title: "Ёлки" },
  };
  const label = (hash: string) => Promise.resolve(labels[hash] ?? {});
  const pages = new ArchivePages({ source: archives(5), label });
  const order = async (view: Parameters<ArchivePages["get"]>[2]) =>
    (await pages.get(1, undefined, view)).rows.map(({ hash }) => Number(hash.slice(-1)));
  assert.deepEqual(await order({ order: "newest" }), [4, 3, 2, 1, 0]);
  assert.deepEqual(await order({ order: "title" }), [1, 0, 3, 2, 4]);
  assert.deepEqual(await order({ order: "size" }), [4, 3, 2, 1, 0]);
  assert.deepEqual((await order({ order: "expires" })).slice(0, 3), [2, 0, 1]);
  assert.deepEqual(await order({ search: "ёЛКИ" }), [3]);
  assert.deepEqual(await order({ search: "9 b" }), [1]);
  assert.deepEqual(await order({ search: "00000002" }), [2]);
  assert.deepEqual(await order({ search: "no such" }), []);
});
