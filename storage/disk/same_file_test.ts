import assert from "node:assert/strict";
import { makeTree, type Tree } from "../../testing/tree.ts";
import { StorageError } from "../errors.ts";
import { identityOf } from "../listing.ts";
import { assertSame, openPlainFile } from "./same_file.ts";
import { stateOf } from "./stat.ts";

const windows = Deno.build.os === "windows";

function statOf(path: string): Deno.FileInfo {
  using file = openPlainFile(path);
  return file.statSync();
}

/** Whether the file at the path counts as the one whose state was that of `seen` */
function isSame(opened: Deno.FileInfo, expected: { file: string; identity: string }): boolean {
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
  const state = stateOf(opened);
  const { dev, ino, size, mtimeMs } = state;
  assert.ok(isSame(opened, { file, identity: identityOf(state) }));
  const elsewhere = { file: tree.join("in/moved"), identity: identityOf(state) };
  assert.ok(isSame(opened, elsewhere), "with the same inode, the path does not matter");
  for (const change of [{ dev: dev + 1 }, { size: size + 1 }, { mtimeMs: mtimeMs - 1 }]) {
    const identity = identityOf({ ...state, ...change });
    assert.ok(!isSame(opened, { file, identity }), JSON.stringify(change));
  }
  const both = identityOf({ ...state, ino: ino! + 1, mtimeMs: mtimeMs - 1 });
  assert.ok(!isSame(opened, { file, identity: both }));
});

Deno.test("assertSame(): another inode alone is no change, if the path leads to what was opened", async () => {
  await using tree = await photos();
  const file = tree.join("in/photo");
  const opened = statOf(file);
  const { dev, ino, size, mtimeMs } = stateOf(opened);
  const identity = identityOf({ dev, ino: ino! + 1, size, mtimeMs });
  assert.ok(isSame(opened, { file, identity }));

  await Deno.rename(tree.join("in/other"), file); // of the same size and time
  assert.ok(!isSame(opened, { file, identity }), "another file is there by now");
  await Deno.remove(file);
  assert.ok(!isSame(opened, { file, identity }), "nothing is there any more");
  await Deno.mkdir(file);
  assert.ok(!isSame(opened, { file, identity }), "a folder is there");
  const folder = Deno.statSync(file);
  assert.ok(!isSame(folder, { file, identity: identityOf({ ...stateOf(folder), ino: 1 }) }));
});

Deno.test("assertSame(): where only the inode differs, no link may be on the way", {
  ignore: windows,
}, async () => {
  await using tree = await photos();
  await Deno.symlink("in", tree.join("link"));
  await Deno.symlink("photo", tree.join("in/link"));
  const opened = statOf(tree.join("in/photo"));
  const { dev, ino, size, mtimeMs } = stateOf(opened);
  const identity = identityOf({ dev, ino: ino! + 1, size, mtimeMs });
  for (const path of ["link/photo", "in/link", "link/link"]) {
    assert.ok(!isSame(opened, { file: tree.join(path), identity }), path);
  }
});

Deno.test("openPlainFile(): what is swapped in after the look is opened, and shows afterwards", {
  ignore: windows,
}, async (t) => {
  const { lstatSync } = Deno;
  const swaps: Record<string, (tree: Tree, file: string) => void> = {
    "a symlink": (_, file) => Deno.symlinkSync("../secret", file),
    "another file": (tree, file) => Deno.renameSync(tree.join("secret"), file),
  };
  for (const [name, swap] of Object.entries(swaps)) {
    await t.step(name, async () => {
      await using tree = await makeTree({ "in/photo": "12345", "secret": "54321" });
      const file = tree.join("in/photo");
      const identity = identityOf(stateOf(lstatSync(file)));
      await Deno.utime(tree.join("secret"), 1e9, 1e9);
      Deno.lstatSync = (path) => {
        const seen = lstatSync(path);
        Deno.renameSync(file, tree.join("away"));
        swap(tree, file);
        return seen;
      };
      try {
        using opened = openPlainFile(file);
        Deno.lstatSync = lstatSync;
        assert.ok(!isSame(opened.statSync(), { file, identity }));
        Deno.renameSync(tree.join("away"), file); // put back before the two are compared
        assert.ok(!isSame(opened.statSync(), { file, identity }));
      } finally {
        Deno.lstatSync = lstatSync;
      }
    });
  }
});

Deno.test("openPlainFile(): nothing but a plain file is opened", { ignore: windows }, async () => {
  await using tree = await makeTree({
    "photo": "12345",
    "folder/photo": "",
    "link": { symlink: "photo" },
  });
  for (const name of ["folder", "link"]) {
    assert.throws(() => openPlainFile(tree.join(name)), { code: "ESTALE" });
  }
  assert.throws(() => openPlainFile(tree.join("gone")), Deno.errors.NotFound);
});
