import assert from "node:assert/strict";
import { closeSync, fstatSync, openSync, type Stats } from "node:fs";
import { makeTree, type Tree } from "../../testing/tree.ts";
import { StorageError } from "../errors.ts";
import { identityOf } from "../listing.ts";
import { assertSame } from "./same_file.ts";

const windows = Deno.build.os === "windows";

function statOf(path: string): Stats {
  const fd = openSync(path, "r");
  try {
    return fstatSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Whether the file at the path counts as the one whose state was that of `seen` */
function isSame(opened: Stats, expected: { file: string; identity: string }): boolean {
  try {
    assertSame(() => opened, expected);
    return true;
  } catch (error) {
    assert.ok(error instanceof StorageError && error.code === "ESTALE", String(error));
    assert.equal(error.message, "changed since it was listed");
    return false;
  }
}

const photos = (): Promise<Tree> => makeTree({ "in/photo": "12345", "in/other": "54321" });

Deno.test("assertSame(): device, size and time must be those that were listed", async () => {
  await using tree = await photos();
  const file = tree.join("in/photo");
  const opened = statOf(file);
  const { dev, ino, size, mtimeMs } = opened;
  const state = { dev, ino, size, mtimeMs };
  assert.ok(isSame(opened, { file, identity: identityOf(state) }));
  const elsewhere = { file: tree.join("in/moved"), identity: identityOf(state) };
  assert.ok(isSame(opened, elsewhere), "with the same inode, the path does not matter");
  for (const change of [{ dev: dev + 1 }, { size: size + 1 }, { mtimeMs: mtimeMs - 1 }]) {
    const identity = identityOf({ ...state, ...change });
    assert.ok(!isSame(opened, { file, identity }), JSON.stringify(change));
  }
  const both = identityOf({ ...state, ino: ino + 1, mtimeMs: mtimeMs - 1 });
  assert.ok(!isSame(opened, { file, identity: both }));
});

Deno.test("assertSame(): another inode alone is no change, if the path leads to what was opened", async () => {
  await using tree = await photos();
  const file = tree.join("in/photo");
  const opened = statOf(file);
  const { dev, ino, size, mtimeMs } = opened;
  const identity = identityOf({ dev, ino: ino + 1, size, mtimeMs });
  assert.ok(isSame(opened, { file, identity }));

  await Deno.rename(tree.join("in/other"), file); // of the same size and time
  assert.ok(!isSame(opened, { file, identity }), "another file is there by now");
  await Deno.remove(file);
  assert.ok(!isSame(opened, { file, identity }), "nothing is there any more");
  await Deno.mkdir(file);
  assert.ok(!isSame(opened, { file, identity }), "a folder is there");
  assert.ok(!isSame(statOf(file), { file, identity: identityOf({ ...statOf(file), ino: 1 }) }));
});

Deno.test("assertSame(): where only the inode differs, no link may be on the way", {
  ignore: windows,
}, async () => {
  await using tree = await photos();
  await Deno.symlink("in", tree.join("link"));
  await Deno.symlink("photo", tree.join("in/link"));
  const opened = statOf(tree.join("in/photo"));
  const { dev, ino, size, mtimeMs } = opened;
  const identity = identityOf({ dev, ino: ino + 1, size, mtimeMs });
  for (const path of ["link/photo", "in/link", "link/link"]) {
    assert.ok(!isSame(opened, { file: tree.join(path), identity }), path);
  }
});
