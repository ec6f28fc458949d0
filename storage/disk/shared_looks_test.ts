import assert from "node:assert/strict";
import { makeTree, type TreeFile } from "../../testing/tree.ts";
import { isOnLocalDisk } from "./file_system.ts";
import { helpLook, type LookRequest, SharedLooks } from "./shared_looks.ts";
import { stateOf } from "./stat.ts";
import { walkArchive } from "./walk.ts";

const HASH = "Abc0123456789def";
const OLD = new Date("2024-01-01T00:00:00Z");
const windows = Deno.build.os === "windows";

Deno.test("SharedLooks: what a helper saw of plain files is taken, all else is left", {
  ignore: windows,
}, async () => {
  await using tree = await makeTree({
    "photo": { content: "12345", mtime: OLD },
    "folder": { directory: true },
    "link": { symlink: "photo" },
    "pipe": { fifo: true },
  });
  const names = ["photo", "gone", "folder", "link", "pipe"];
  const looks = new SharedLooks(tree.path, names);
  assert.equal(helpLook(looks.request), false, "nothing is left");
  assert.deepEqual([...looks.take()], []);
  assert.deepEqual(looks.seen(0), stateOf(Deno.lstatSync(tree.join("photo"))));
  for (const row of [1, 2, 3, 4]) assert.equal(looks.seen(row), null, names[row]);
});

Deno.test("SharedLooks: each row is looked at by one thread, a helper's turn has an end", () => {
  const names = Array.from({ length: 10_000 }, (_, i) => `${i}`);
  const looks = new SharedLooks("/gone", names);
  const own = looks.take();
  const first = [...Array(65)].map(() => own.next().value!);
  assert.deepEqual(first, [...first.keys()], "64 and the first of the next 64");
  assert.equal(helpLook(looks.request), true);
  assert.equal(looks.seen(128), null);
  const rest = [...own];
  assert.equal(new Set([...first, ...rest]).size, first.length + rest.length);
  assert.equal(first.length + rest.length, names.length - 4096);
  assert.equal(helpLook(looks.request), false);
});

Deno.test("SharedLooks: a helper that does not come back is not waited for any longer", () => {
  const looks = new SharedLooks("/gone", ["a", "b"]);
  takeAll(looks.request, 2);
  assert.deepEqual([...looks.take()], []);
  assert.equal(looks.seen(0), null);
  assert.equal(looks.seen(1), null);
});

/** Takes all rows, as a helper does that then hangs */
function takeAll({ memory }: LookRequest, rows: number) {
  new Int32Array(memory, rows * 5 * 8)[0] = rows;
}

Deno.test("walkArchive(): a large folder is the same with help, without, and with one that hangs", {
  ignore: windows,
}, async () => {
  const files: [string, TreeFile][] = Array.from({ length: 1500 }, (_, i) => [
    `${HASH}/${i}.jpg`,
    { content: `${i}`, mtime: new Date(OLD.getTime() + i) },
  ]);
  await using tree = await makeTree({
    ...Object.fromEntries(files),
    [`${HASH}/link`]: { symlink: "1.jpg" },
    [`${HASH}/folder/photo.jpg`]: "photo",
    [`${HASH}/folder`]: { directory: true, mtime: OLD },
    [HASH]: { directory: true, mtime: OLD },
    ".": { directory: true, mtime: OLD },
  });
  const options = { root: tree.path, hash: HASH, selection: {} };
  const alone = await walkArchive(options);
  assert.equal(alone.listing?.names.split("\0").length, 1501);
  assert.deepEqual(alone.listing?.leftOut, ["link"]);
  // Or all would be looked at while the folder is read.
  using _ = slowLooks(0.2);
  const asked: LookRequest[] = [];
  const helpers = [
    () => {},
    (request: LookRequest) => void helpLook(request),
    (request: LookRequest) => takeAll(request, request.names.split("\0").length),
  ];
  for (const help of helpers) {
    const walked = await walkArchive(options, (request) => {
      asked.push(request);
      help(request);
    });
    assert.deepEqual(walked, alone);
  }
  const local = isOnLocalDisk(tree.path);
  assert.deepEqual(
    asked.map(({ directory }) => directory),
    local ? [0, 1, 2].map(() => tree.join(HASH)) : [],
  );
});

/** Makes each look take so many milliseconds, as on a slow disk */
function slowLooks(milliseconds: number): Disposable {
  const { lstatSync } = Deno;
  Deno.lstatSync = (path) => {
    const until = performance.now() + milliseconds;
    while (performance.now() < until);
    return lstatSync(path);
  };
  return { [Symbol.dispose]: () => void (Deno.lstatSync = lstatSync) };
}
