import assert from "node:assert/strict";
import { countTasks, MemorySource } from "../testing/memory_source.ts";
import { ArchivePages, type FailedListing, isUnreachable } from "./archive_pages.ts";
import { StorageError } from "./errors.ts";
import type { Listing } from "./listing.ts";
import type { FileSource, ListOptions } from "./source.ts";

/** A hash with a number in it */
function hashOf(i: number): string {
  return `archive-${String(i).padStart(8, "0")}`;
}

/** So many archives, the last one the newest */
function archives(count: number): MemorySource {
  const mtime = (i: number) => new Date(Date.UTC(2020, 0, 1) + i * 60_000);
  const files = Array.from({ length: count }, (_, i) => {
    return [`${hashOf(i)}/a.jpg`, { content: "x".repeat(i % 7), mtime: mtime(i) }];
  });
  return new MemorySource(Object.fromEntries(files));
}

const never = () => new Promise<never>(() => {});

/** Lets everything go on that need not wait for a timer of more than a moment */
async function pause(ms = 20) {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

Deno.test("ArchivePages.get() is a hundred archives, the newest first", async () => {
  const source = countTasks(archives(250));
  const pages = new ArchivePages({ source });
  const seen: string[] = [];
  for (const [number, first, last] of [[1, 1, 100], [2, 101, 200], [3, 201, 250]]) {
    const page = await pages.get(number);
    const { rows, ...position } = page;
    assert.deepEqual(position, { number, pages: 3, first, last, total: 250, unreachable: [] });
    seen.push(...rows.map(({ hash }) => hash));
    assert.deepEqual([source.counts.folders, source.counts.list], [number, last]);
  }
  assert.deepEqual(seen, Array.from({ length: 250 }, (_, i) => hashOf(249 - i)));
  assert.deepEqual((await pages.get(1)).rows[0], {
    hash: hashOf(249),
    files: 1,
    bytes: 249 % 7,
    newest: new Date(Date.UTC(2020, 0, 1) + 249 * 60_000),
  });
});

Deno.test("ArchivePages.get() is the last page where there are not so many", async () => {
  const { number, rows } = await new ArchivePages({ source: archives(101) }).get(999_999_999);
  assert.deepEqual([number, rows.map(({ hash }) => hash)], [2, [hashOf(0)]]);
  const none = await new ArchivePages({ source: archives(0) }).get(7);
  assert.deepEqual(none, {
    ...{ number: 1, pages: 1, first: 1, last: 0, total: 0 },
    ...{ rows: [], unreachable: [] },
  });
  assert.equal((await new ArchivePages({ source: archives(100) }).get(2)).pages, 1);
});

Deno.test("ArchivePages.get() orders a page by the times that it shows", async () => {
  const source = archives(3);
  const folders: FileSource["folders"] = () =>
    Promise.resolve([0, 1, 2].map((i) => ({ name: hashOf(i), mtimeMs: 1000 - i })));
  const { rows } = await new ArchivePages({ source: countTasks(source, { folders }) }).get(1);
  assert.deepEqual(rows.map(({ hash }) => hash), [hashOf(2), hashOf(1), hashOf(0)]);
});

Deno.test("ArchivePages lists four archives at a time at most, and behind downloads", async () => {
  const memory = archives(300);
  let running = 0, most = 0;
  const list = async (hash: string, options?: ListOptions) => {
    assert.equal(options?.background, true);
    most = Math.max(most, ++running);
    await pause(1);
    const listing = await memory.list(hash);
    running--;
    return listing;
  };
  const folders: FileSource["folders"] = (options) => {
    assert.equal(options?.background, true);
    return memory.folders(options);
  };
  const pages = new ArchivePages({ source: countTasks(memory, { list, folders }) });
  await Promise.all([1, 2, 3, 1, 2, 3].map((number) => pages.get(number)));
  assert.equal(most, 4);
});

Deno.test("ArchivePages: requests at the same time share the work", async () => {
  const source = countTasks(archives(150));
  const pages = new ArchivePages({ source });
  const found = await Promise.all(Array.from({ length: 50 }, () => pages.get(1)));
  assert.deepEqual([source.counts.folders, source.counts.list], [2, 200]);
  assert.equal(new Set(found).size, 2);
});

Deno.test("ArchivePages: an archive that was added before a request is on its page", async () => {
  const memory = archives(3);
  let go = () => {};
  const folders: FileSource["folders"] = async (options) => {
    const found = await memory.folders(options);
    await new Promise<void>((resolve) => go = resolve);
    return found;
  };
  const pages = new ArchivePages({ source: countTasks(memory, { folders }) });
  const before = pages.get(1);
  await pause();
  memory.put("added-0123456789abcdef/a.jpg", "1");
  const after = [pages.get(1), pages.get(1)];
  go();
  assert.equal((await before).total, 3);
  await pause();
  go();
  const [one, other] = await Promise.all(after);
  assert.equal(one, other);
  assert.ok(one.rows.some(({ hash }) => hash === "added-0123456789abcdef"));
});

Deno.test("ArchivePages: each archive fails alone, and is told of", async () => {
  const memory = archives(9);
  const errors: Record<string, unknown> = {
    [hashOf(0)]: new StorageError("EILSEQ", "name"),
    [hashOf(1)]: new StorageError("EAGAIN", "changing"),
    [hashOf(2)]: new StorageError("EIO", "disk"),
    [hashOf(3)]: new TypeError("a mistake"),
    [hashOf(4)]: "no error at all",
  };
  const list = async (hash: string): Promise<Listing | null> => {
    if (hash in errors) throw errors[hash];
    const listing = await memory.list(hash);
    if (hash === hashOf(5)) return null;
    return listing && hash === hashOf(6) ? { ...listing, lastModified: 1e15 } : listing;
  };
  const failed: FailedListing[] = [];
  const onFailed = (some: readonly FailedListing[]) => failed.push(...some);
  const pages = new ArchivePages({ source: countTasks(memory, { list }), onFailed });
  const { rows } = await pages.get(1);
  const problems = Object.fromEntries(
    rows.map((row) => [row.hash, "problem" in row ? row.problem : row.newest.getTime()]),
  );
  assert.deepEqual(problems, {
    [hashOf(0)]: "names",
    [hashOf(1)]: "changing",
    [hashOf(2)]: "other",
    [hashOf(3)]: "other",
    [hashOf(4)]: "other",
    [hashOf(5)]: "empty",
    [hashOf(6)]: NaN,
    [hashOf(7)]: Date.UTC(2020, 0, 1, 0, 7),
    [hashOf(8)]: Date.UTC(2020, 0, 1, 0, 8),
  });
  assert.deepEqual(rows.map(({ hash }) => hash), [8, 7, 6, 5, 4, 3, 2, 1, 0].map(hashOf));
  const told = failed.sort((a, b) => a.hash < b.hash ? -1 : 1);
  assert.deepEqual(told, Object.entries(errors).map(([hash, error]) => ({ hash, error })));
});

Deno.test("ArchivePages: an archive on a disk that hangs holds up neither the others nor the page", async () => {
  const memory = archives(20);
  const hanging = new Set([3, 7, 11, 12, 13, 17].map(hashOf));
  const list = (hash: string) => hanging.has(hash) ? never() : memory.list(hash);
  const failed: FailedListing[] = [];
  const onFailed = (some: readonly FailedListing[]) => failed.push(...some);
  const source = countTasks(memory, { list });
  const started = performance.now();
  const { rows } = await new ArchivePages({ source, onFailed, rowMs: 30 }).get(1);
  assert.ok(performance.now() - started < 2500, "no row takes the time that it may by default");
  assert.equal(rows.length, 20);
  for (const row of rows) {
    assert.equal("problem" in row ? row.problem : "", hanging.has(row.hash) ? "slow" : "");
  }
  assert.deepEqual(new Set(failed.map(({ hash }) => hash)), hanging);
});

Deno.test("ArchivePages: a page is shown in time with what is known by then", async () => {
  const memory = archives(100);
  const list = (hash: string) => hash > hashOf(90) ? memory.list(hash) : never();
  const pages = new ArchivePages({ source: countTasks(memory, { list }), pageMs: 100 });
  const { rows } = await pages.get(1);
  assert.equal(rows.filter((row) => "newest" in row).length, 9);
  assert.equal(rows.filter((row) => "problem" in row && row.problem === "slow").length, 91);
});

Deno.test("ArchivePages.get() rejects if the photos folder is gone or hangs, and goes on", async () => {
  const memory = archives(1);
  const instead: Partial<FileSource> = {};
  const pages = new ArchivePages({ source: countTasks(memory, instead), pageMs: 50 });
  instead.folders = never;
  await assert.rejects(pages.get(1), hasCode("ETIMEDOUT"));
  instead.folders = () => Promise.reject(new StorageError("EIO", "read"));
  await assert.rejects(pages.get(1), hasCode("EIO"));
  delete instead.folders;
  assert.equal((await pages.get(1)).total, 1);
});

Deno.test("ArchivePages: those who wait are bounded, and who left is gone", async () => {
  const memory = archives(200);
  const waiting: (() => void)[] = [];
  const folders: FileSource["folders"] = async (options) => {
    await new Promise<void>((resolve) => waiting.push(resolve));
    return await memory.folders(options);
  };
  const source = countTasks(memory, { folders });
  const pages = new ArchivePages({ source, maxWaiting: 3 });
  const leaving = new AbortController();
  const reason = new Error("left");
  const first = pages.get(1, leaving.signal);
  const second = pages.get(2, leaving.signal);
  const third = pages.get(2);
  await assert.rejects(pages.get(1), hasCode("EBUSY"));
  leaving.abort(reason);
  await assert.rejects(first, reason);
  await assert.rejects(second, reason);
  await assert.rejects(pages.get(1, leaving.signal), reason);
  const others = [pages.get(1), pages.get(1)];
  await assert.rejects(pages.get(1), hasCode("EBUSY"));

  const releasing = setInterval(() => waiting.shift()?.(), 5);
  assert.equal((await third).number, 2);
  for (const page of await Promise.all(others)) assert.equal(page.number, 1);
  clearInterval(releasing);
  assert.equal(source.counts.list, 200, "nothing is listed for the first page, which all had left");
});

Deno.test("ArchivePages: who comes after all others have left gets a page of its own", async () => {
  const memory = archives(101);
  const go = Promise.withResolvers<void>();
  const folders: FileSource["folders"] = async (options) => {
    await go.promise;
    return await memory.folders(options);
  };
  const pages = new ArchivePages({ source: countTasks(memory, { folders }) });
  const leaving = new AbortController();
  const running = pages.get(1);
  const queued = pages.get(2, leaving.signal);
  leaving.abort();
  await assert.rejects(queued);
  const later = pages.get(2);
  go.resolve();
  assert.deepEqual([(await running).number, (await later).number], [1, 2]);
});

Deno.test("ArchivePages: a page that nobody waits for any longer is given up", async () => {
  const memory = archives(100);
  const go = Promise.withResolvers<void>();
  const list = async (hash: string) => {
    await go.promise;
    return await memory.list(hash);
  };
  const failed: FailedListing[] = [];
  const onFailed = (some: readonly FailedListing[]) => failed.push(...some);
  const source = countTasks(memory, { list });
  const pages = new ArchivePages({ source, onFailed });
  const leaving = new AbortController();
  const page = pages.get(1, leaving.signal);
  await pause();
  leaving.abort();
  await assert.rejects(page);
  await pause();
  assert.equal(source.counts.list, 4);
  go.resolve();
  await pause();
  assert.deepEqual([source.counts.list, source.counts.running, failed], [4, 0, []]);
});

Deno.test("ArchivePages: unreachable folders are those that no link reaches by mistake", async () => {
  const names = [
    "Свадьба 2026",
    "Baikal trip",
    "two.dots",
    "_x",
    "-x",
    "~x",
    "CON",
    "a".repeat(129),
  ];
  const others = [".staging", ".trash-1", "Thumbs.db", "@eaDir", "0123456789abcdef", "wedding"];
  const files = [...names, ...others].map((name) => [`${name}/a.jpg`, "1"]);
  const source = new MemorySource(Object.fromEntries(files));
  const { unreachable, rows } = await new ArchivePages({ source }).get(1);
  assert.deepEqual([...unreachable].sort(), [...names].sort());
  assert.deepEqual(rows.map(({ hash }) => hash).sort(), ["0123456789abcdef", "wedding"]);
  assert.ok(names.every(isUnreachable) && !others.some(isUnreachable));
});

function hasCode(code: string) {
  return (error: unknown) => error instanceof StorageError && error.code === code;
}
