import assert from "node:assert/strict";
import { StorageError } from "../../storage/errors.ts";
import { countTasks, MemorySource } from "../../testing/memory_source.ts";
import { lookAtPhotos } from "./photos.ts";

const HASHES = ["9c41f0d2b7e8563a", "3b70e6a5184fd92c", "b27e40c9a6d1485f"];
const NEWEST = new Date("2026-05-06T07:08:09Z");

function album() {
  return new MemorySource({
    [`${HASHES[0]}/a.jpg`]: new Uint8Array(3_000_000),
    [`${HASHES[0]}/b.jpg`]: { content: "b", mtime: NEWEST },
    [`${HASHES[1]}/c.jpg`]: "c",
    [`${HASHES[1]}/empty.txt`]: "",
    "summer 2024/d.jpg": "d",
    "wedding/e.jpg": "e",
    ".hidden/f.jpg": "f",
  });
}

Deno.test("lookAtPhotos(): folders, names, files, and the bytes that were read", async () => {
  const { read, ...facts } = await lookAtPhotos(album());
  assert.deepEqual(facts, {
    ...{ folders: 5, archives: 3, unreachable: ["summer 2024"], guessable: ["wedding"] },
    ...{ looked: 3, empty: 0, broken: [], opened: 4, unreadable: [], unsteady: 0 },
    ...{ newest: NEWEST.getTime(), inTime: true },
  });
  assert.equal(read.bytes, 3_000_003);
  assert.ok(read.ms > 0);
});

Deno.test("lookAtPhotos(): what cannot be listed or read is told, without the hash", async () => {
  const source = album();
  const failing = countTasks(source, {
    list: (hash) =>
      hash === HASHES[0]
        ? Promise.reject(new StorageError("EILSEQ", `list folder: ${hash}: no UTF-8`))
        : source.list(hash),
    checksum: (slice) =>
      slice.path === "c.jpg"
        ? Promise.reject(new StorageError("EACCES", "read file: EACCES: c.jpg"))
        : source.checksum(slice),
  });
  const { broken, unreadable, looked, opened } = await lookAtPhotos(failing);
  assert.deepEqual(broken, [
    { hash: HASHES[0], code: "EILSEQ", why: "list folder: 9c41…: no UTF-8" },
  ]);
  assert.deepEqual(unreadable, [
    { hash: HASHES[1], code: "EACCES", why: "read file: EACCES: c.jpg" },
  ]);
  assert.deepEqual([looked, opened], [3, 2]);
});

Deno.test("lookAtPhotos(): an archive without a file is empty, unless its folder cannot be read", async () => {
  const source = countTasks(album(), { list: () => Promise.resolve(null) });
  const nothing = await lookAtPhotos(source);
  assert.deepEqual([nothing.looked, nothing.empty, nothing.broken], [3, 3, []]);
  const lookInto = (hash: string) =>
    hash === HASHES[1]
      ? Promise.reject(new StorageError("EACCES", "list folder: EACCES"))
      : Promise.resolve();
  const { looked, empty, broken } = await lookAtPhotos(source, { lookInto });
  assert.deepEqual([looked, empty], [3, 2]);
  assert.deepEqual(broken, [{ hash: HASHES[1], code: "EACCES", why: "list folder: EACCES" }]);
});

Deno.test("lookAtPhotos(): what changes just now is no trouble", async () => {
  const source = album();
  const changing = countTasks(source, {
    list: (hash) =>
      hash === HASHES[0]
        ? Promise.reject(new StorageError("EAGAIN", "changing"))
        : source.list(hash),
    checksum: () => Promise.reject(new StorageError("ESTALE", "changed")),
  });
  const { broken, unreadable, opened, read } = await lookAtPhotos(changing);
  assert.deepEqual([broken, unreadable, opened, read.bytes], [[], [], 0, 0]);
});

Deno.test("lookAtPhotos() keeps its bounds", async () => {
  const files = Object.fromEntries(
    HASHES.flatMap((hash) =>
      Array.from({ length: 50 }, (_, i) => [`${hash}/${i}.jpg`, "x".repeat(1000)])
    ),
  );
  const count = async (bounds: Parameters<typeof lookAtPhotos>[1]) => {
    const source = countTasks(new MemorySource(files));
    const { looked, opened, read } = await lookAtPhotos(source, bounds);
    return { looked, opened, bytes: read.bytes, lists: source.counts.list };
  };
  const all = await count({});
  assert.deepEqual(all, { looked: 3, opened: 60, bytes: 8000, lists: 3 }); // 20 of each
  assert.deepEqual(await count({ archives: 1, files: 5, bytes: 2000 }), {
    ...{ looked: 1, opened: 5, bytes: 2000, lists: 1 },
  });
  assert.equal((await count({ files: 25 })).opened, 25);
});

Deno.test("lookAtPhotos() gives up in time where a disk hangs", async () => {
  const source = album();
  const hanging = countTasks(source, {
    list: (_, { signal } = {}) =>
      new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason))),
  });
  const { inTime, looked, archives, broken } = await lookAtPhotos(hanging, { lookMs: 50 });
  assert.deepEqual([inTime, looked, archives, broken], [false, 0, 3, []]);
});

Deno.test("lookAtPhotos() asks for no times where they cost too much", async () => {
  for (const [timed, expected] of [[undefined, [1, 0]], [false, [0, 1]]] as const) {
    const source = countTasks(album());
    await lookAtPhotos(source, { timed });
    assert.deepEqual([source.counts.folders, source.counts.archives], expected);
  }
});
