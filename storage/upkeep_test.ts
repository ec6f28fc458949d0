import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { countTasks, MemorySource } from "../testing/memory_source.ts";
import { Checksums } from "./checksums.ts";
import { StorageError } from "./errors.ts";
import type { FileSource } from "./source.ts";
import { type Progress, verify, warm } from "./upkeep.ts";

const FILES = { "h/a": "1", "h/b": "22", "h/empty": "", "g/c": "333" };

/** Upkeep of files in memory; `instead` takes the place of the source's methods */
function setUp(instead: Partial<FileSource> = {}) {
  const memory = new MemorySource(FILES);
  const source = countTasks(memory, instead);
  const progress: Progress[] = [];
  const options = (hashes: readonly string[]) => ({
    source,
    checksums: new Checksums(source),
    hashes,
    onProgress: (now: Progress) => progress.push(now),
  });
  const kept = async (hash: string) => await source.recall((await memory.list(hash))!.entries);
  return { memory, source, progress, options, kept };
}

const fails = (name: string): FileSource["checksum"] => (slice) =>
  slice.path === name
    ? Promise.reject(new StorageError("EIO", "read file: EIO"))
    : Promise.resolve(crc32({ a: "1", b: "22", c: "333" }[slice.path]!, slice.crc32));

Deno.test("warm() works out what the source does not keep, and tells how far it is", async () => {
  const { source, progress, options, kept } = setUp();
  assert.deepEqual(await warm(options(["h", "g"])), []);
  assert.deepEqual(await kept("h"), [crc32("1"), crc32("22"), null]);
  assert.deepEqual(await kept("g"), [crc32("333")]);
  assert.equal(source.counts.checksum, 3);
  assert.deepEqual(progress.map(({ total }) => total), [6, 6, 6]);
  assert.equal(progress.at(-1)!.done, 6);
  assert.deepEqual(await warm(options(["h", "g"])), []);
  assert.equal(source.counts.checksum, 3, "what is kept is not read again");
});

Deno.test("warm() names what failed, and does the rest", async () => {
  const { options, kept } = setUp({ checksum: fails("a") });
  assert.deepEqual(await warm(options(["h", "g", "missing"])), [{ hash: "h", path: "a" }]);
  assert.deepEqual(await kept("h"), [null, crc32("22"), null]);
  assert.deepEqual(await kept("g"), [crc32("333")]);

  const { memory, ...broken } = setUp({
    list: (hash) => hash === "h" ? Promise.reject(new StorageError("EIO", "")) : memory.list(hash),
  });
  assert.deepEqual(await warm(broken.options(["h", "g"])), [{ hash: "h", path: "" }]);
  assert.deepEqual(await broken.kept("g"), [crc32("333")]);
});

Deno.test("verify() tells good, changed, unknown and failed files apart", async () => {
  const instead: Partial<FileSource> = {};
  const { memory, source, progress, options } = setUp(instead);
  const [a, b] = (await memory.list("h"))!.entries;
  await source.remember([{ file: a, crc32: crc32("1") }, { file: b, crc32: 42 }]);
  const hashes = ["h", "g"];
  assert.deepEqual(await verify(options(hashes)), {
    good: 1,
    unknown: 1,
    changed: [{ hash: "h", path: "b" }],
    failed: [],
  });
  assert.equal(progress.at(-1)!.done, 6);
  assert.equal(source.counts.checksum, 2, "what is unknown is not read");
  instead.checksum = fails("a");
  instead.list = (hash) =>
    hash === "g" ? Promise.reject(new StorageError("EIO", "")) : memory.list(hash);
  assert.deepEqual(await verify(options(hashes)), {
    good: 0,
    unknown: 0,
    changed: [{ hash: "h", path: "b" }],
    failed: [{ hash: "g", path: "" }, { hash: "h", path: "a" }],
  });
});

Deno.test("warm() reads at most four files at the same time", async () => {
  const memory = new MemorySource(
    Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`h/${i}`, "x"])),
  );
  let [running, most] = [0, 0];
  const source = countTasks(memory, {
    async checksum({ crc32: before }) {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 1));
      running--;
      return crc32("x", before);
    },
  });
  await warm({ source, checksums: new Checksums(source), hashes: ["h"] });
  assert.equal(most, 4);
});
