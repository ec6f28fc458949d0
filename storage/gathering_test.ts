import assert from "node:assert/strict";
import { type Child, type Folder, type FolderContent, gatherEntries } from "./entries.ts";
import type { EntryState } from "./listing.ts";

const STATE: EntryState = { dev: 1, ino: 2, size: 3, mtimeMs: 4500, mode: 0o644 };

const child = (original: string, more: Partial<Child> = {}): Child => ({
  original,
  isDirectory: false,
  state: STATE,
  target: null,
  ...more,
});

function folderOf(children: readonly Child[], more: Partial<FolderContent> = {}): FolderContent {
  return { state: { ...STATE, size: 0 }, children, leftOut: [], ...more };
}

Deno.test("gatherEntries() takes a million entries, and not one more", async () => {
  const tooMany = { name: "StorageError", code: "EFBIG" };
  const few = Array.from({ length: 1000 }, (_, i) => child(`${i}`));
  const folders = Array.from({ length: 1000 }, (_, i) => child(`${i}`, { isDirectory: true }));
  const read = (last: readonly Child[]) => (folder: Folder) => {
    if (folder.parent === null) return folderOf(folders);
    return folderOf(folder.path === "999/" ? last : few);
  };
  const packed = await gatherEntries({ hash: "h", read: read(few) });
  assert.equal(packed?.numbers.length, 5 * 1_000_000);
  const more = gatherEntries({ hash: "h", read: read([...few, child("more")]) });
  await assert.rejects(more, tooMany);
});

Deno.test("gatherEntries() ends in a tangle of links that has no end", async () => {
  const tangle = Array.from(
    { length: 5000 },
    (_, i) => child(`${i}`, { isDirectory: true, target: "h" }),
  );
  let folders = 0;
  const read = () => folderOf(++folders < 1000 ? tangle : []);
  const endless = gatherEntries({ hash: "h", read });
  await assert.rejects(endless, { name: "StorageError", code: "EFBIG" });
  assert.ok(folders < 1000);
});

Deno.test("gatherEntries() tells paths, locations and names apart", async () => {
  const tree: Record<string, FolderContent> = {
    "": folderOf([child("b:"), child("dir?", { isDirectory: true }), child("a")], {
      leftOut: ["link"],
    }),
    "dir?/": folderOf([
      child("far", { isDirectory: true, target: "other/place" }),
      child("x|", { target: "other/file" }),
    ], { leftOut: ["pipe", "socket"] }),
    "dir?/far/": folderOf([child("empty", { isDirectory: true }), child("y")]),
    "dir?/far/empty/": folderOf([]),
  };
  const read = ({ path }: Folder) => tree[path];
  const packed = await gatherEntries({ hash: "h", read });
  assert.deepEqual(packed?.names.split("\0"), [
    "a",
    "b_",
    "dir_/far/empty/",
    "dir_/far/y",
    "dir_/x_",
  ]);
  assert.deepEqual([...packed.places], [
    [1, { path: "b:", location: "h/b:" }],
    [2, { path: "dir?/far/empty/", location: "other/place/empty/" }],
    [3, { path: "dir?/far/y", location: "other/place/y" }],
    [4, { path: "dir?/x|", location: "other/file" }],
  ]);
  assert.deepEqual(packed.leftOut, ["link", "dir?/pipe", "dir?/socket"]);
  assert.equal(packed.lastModified, 4);
});

Deno.test("gatherEntries(): a listing is settled when everything in it is two seconds old", async () => {
  const { now } = Date;
  const time = 1_700_000_000_000;
  Date.now = () => time;
  try {
    const cases: [number, boolean][] = [
      [0, false],
      [1999, false],
      [2000, true],
      [-1999, false],
      [-2000, true],
    ];
    for (const [age, settled] of cases) {
      const young = child("young", { state: { ...STATE, mtimeMs: time - age } });
      for (const children of [[young, child("old")], [child("old"), young]]) {
        const packed = await gatherEntries({ hash: "h", read: () => folderOf(children) });
        assert.equal(packed?.settled, settled, `${age} ms`);
      }
    }
  } finally {
    Date.now = now;
  }
});

Deno.test("gatherEntries(): no entries are no listing", async () => {
  assert.equal(await gatherEntries({ hash: "h", read: () => folderOf([]) }), null);
});
