import assert from "node:assert/strict";
import { run, testWith } from "../../testing/tools.ts";
import { makeTree } from "../../testing/tree.ts";
import { DiskSource } from "./disk.ts";

Deno.test("DiskSource.folders() has the folders' own times, the newest first", async () => {
  const folder = (mtime: string) => ({ directory: true, mtime: new Date(mtime) });
  await using tree = await makeTree({
    "older": folder("2020-01-01"),
    "older/new file": { mtime: new Date("2030-01-01") },
    "newest": folder("2025-01-01T00:00:00.002Z"),
    "newer": folder("2025-01-01T00:00:00.001Z"),
    "same b": folder("2021-01-01"),
    "same a": folder("2021-01-01"),
    ".hidden": folder("2010-01-01"),
    "long ago": folder("1950-01-01"),
    "a file": "1",
    ...(Deno.build.os === "windows" ? {} : { "a link": { symlink: "newer" } }),
  });
  using source = new DiskSource({ root: tree.path });
  const folders = await source.folders();
  assert.deepEqual(folders.map(({ name }) => name), [
    ...["newest", "newer", "same a", "same b", "older", ".hidden", "long ago"],
  ]);
  assert.equal(folders[0].mtimeMs, Date.parse("2025-01-01T00:00:00.002Z"));
  const names = folders.map(({ name }) => name).sort();
  assert.deepEqual((await source.archives()).toSorted(), names);
});

Deno.test("DiskSource.folders() of an empty photos folder are none", async () => {
  await using tree = await makeTree();
  using source = new DiskSource({ root: tree.path });
  assert.deepEqual(await source.folders(), []);
});

testWith(
  ["python3"],
  "DiskSource.folders() has a folder whose name is not UTF-8, last",
  async () => {
    if (Deno.build.os !== "linux") return; // other systems refuse such names
    await using tree = await makeTree({ "good/a.jpg": "1" });
    const make = 'import os, sys; os.mkdir(os.fsencode(sys.argv[1]) + b"/\\xd4\\xee\\xf2\\xee")';
    assert.equal((await run("python3", ["-c", make, tree.path])).code, 0);
    using source = new DiskSource({ root: tree.path });
    const [good, bad, ...others] = await source.folders();
    assert.deepEqual([good.name, others], ["good", []]);
    assert.deepEqual(bad, { name: "\ufffd\ufffd\ufffd\ufffd", mtimeMs: -Infinity });
  },
);
