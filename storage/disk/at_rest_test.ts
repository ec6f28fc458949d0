import assert from "node:assert/strict";
import { utimesSync } from "node:fs";
import { crc32 } from "node:zlib";
import { makeTree, randomBytes, type Tree, type TreeFile } from "../../testing/tree.ts";
import { identityOf } from "../listing.ts";
import type { PlacedSlice } from "../source.ts";
import { fillAtRest } from "./at_rest.ts";
import { stateOf } from "./stat.ts";

const HASH = "Abc0123456789def";
const FILES = 30;
const LENGTH = 10;
const OLD = new Date("2024-01-01T00:00:00Z");
const windows = Deno.build.os === "windows";

const contentOf = (i: number) => randomBytes(LENGTH, i + 1);

async function photos(): Promise<Tree> {
  const files: [string, TreeFile][] = Array.from({ length: FILES }, (_, i) => [
    `photos/${HASH}/in/${i}.jpg`,
    { content: contentOf(i), mtime: OLD },
  ]);
  const tree = await makeTree({
    ...Object.fromEntries(files),
    "secret/0.jpg": { content: "secret....", mtime: OLD },
    "secret/1.jpg": { content: "secret....", mtime: OLD },
  });
  for (const folder of foldersOf(tree)) utimesSync(folder, OLD, OLD);
  return tree;
}

/** From the photos folder to the one with the files */
function foldersOf(tree: Tree): string[] {
  return ["photos", `photos/${HASH}`, `photos/${HASH}/in`].map((path) => tree.join(path));
}

function request(tree: Tree, files = FILES) {
  const root = tree.join("photos");
  const slices = Array.from({ length: files }, (_, i): PlacedSlice => {
    const path = `in/${i}.jpg`;
    const location = `${HASH}/${path}`;
    const identity = identityOf(stateOf(Deno.lstatSync(`${root}/${location}`)));
    const place = { offset: i % 2, length: LENGTH - i % 2, position: i * LENGTH };
    return { ...place, crc32: 0, hash: HASH, path, location, identity };
  });
  return { root, slices, device: Deno.lstatSync(root).dev };
}

/** Waits until a change in a folder would show in its time of change, which is told in seconds */
async function untilAtRest(trees: readonly Tree[]) {
  const changes = trees.flatMap(foldersOf).map((path) => Deno.lstatSync(path).ctime!.getTime());
  const left = Math.max(...changes) + 1100 - Date.now();
  if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
}

/** Puts something between the looks, until it is disposed of */
function atLook(act: (path: string, look: () => Deno.FileInfo) => Deno.FileInfo): Disposable {
  const { lstatSync } = Deno;
  Deno.lstatSync = (path) => act(String(path), () => lstatSync(path));
  return { [Symbol.dispose]: () => void (Deno.lstatSync = lstatSync) };
}

Deno.test("fillAtRest(): reads what is at rest, without the look that costs most", {
  ignore: windows,
}, async () => {
  await using tree = await photos();
  const options = request(tree);
  const buffer = new Uint8Array(FILES * LENGTH);
  assert.equal(fillAtRest(buffer, options), null, "a change could still go unseen");
  await untilAtRest([tree]);
  const { openSync } = Deno;
  Deno.openSync = () => assert.fail("opened");
  try {
    const checksums = fillAtRest(buffer, options);
    const expected = options.slices.map(({ offset }, i) => contentOf(i).subarray(offset));
    assert.deepEqual(checksums, expected.map((bytes) => crc32(bytes)));
    options.slices.forEach(({ position, length }, i) => {
      assert.deepEqual(buffer.subarray(position, position + length), expected[i]);
    });
    assert.equal(fillAtRest(buffer, { ...options, device: 0.5 }), null, "on another disk");
    assert.equal(fillAtRest(buffer, request(tree, 20)), null, "few for three folders");
    const timeless = options.slices.map((slice) => ({ ...slice, identity: "1:2:3:" }));
    assert.equal(fillAtRest(buffer, { ...options, slices: timeless }), null);
  } finally {
    Deno.openSync = openSync;
  }
});

Deno.test("fillAtRest(): whatever is swapped in while it reads shows, though it was put back", {
  ignore: windows,
}, async (t) => {
  const put = (tree: Tree, path: string) => tree.join("photos", HASH, path);
  const swaps: Record<string, readonly [(tree: Tree) => void, (tree: Tree) => void]> = {
    "a file by another one": [
      (tree) => {
        Deno.renameSync(put(tree, "in/0.jpg"), tree.join("away"));
        Deno.linkSync(tree.join("secret/0.jpg"), put(tree, "in/0.jpg"));
      },
      (tree) => Deno.renameSync(tree.join("away"), put(tree, "in/0.jpg")),
    ],
    "the folder by a symlink": [
      (tree) => {
        Deno.renameSync(put(tree, "in"), tree.join("away"));
        Deno.symlinkSync("../../secret", put(tree, "in"));
      },
      (tree) => {
        Deno.removeSync(put(tree, "in"));
        Deno.renameSync(tree.join("away"), put(tree, "in"));
      },
    ],
    "the archive's folder by another one": [
      (tree) => {
        Deno.renameSync(put(tree, ""), tree.join("away"));
        Deno.mkdirSync(put(tree, ""));
        Deno.symlinkSync("../../secret", put(tree, "in"));
      },
      (tree) => {
        Deno.removeSync(put(tree, ""), { recursive: true });
        Deno.renameSync(tree.join("away"), put(tree, ""));
      },
    ],
    "the photos folder by another one": [
      (tree) => {
        Deno.renameSync(tree.join("photos"), tree.join("away"));
        Deno.mkdirSync(put(tree, ""), { recursive: true });
        Deno.symlinkSync("../../secret", put(tree, "in"));
      },
      (tree) => {
        Deno.removeSync(tree.join("photos"), { recursive: true });
        Deno.renameSync(tree.join("away"), tree.join("photos"));
      },
    ],
  };
  const trees = await Promise.all(Object.keys(swaps).map(photos));
  await using _ = { [Symbol.asyncDispose]: () => disposeAll(trees) };
  await untilAtRest(trees);
  for (const [i, [name, [swap, putBack]]] of Object.entries(swaps).entries()) {
    await t.step(name, () => {
      const tree = trees[i];
      const options = request(tree);
      const folder = put(tree, "in");
      let swapped = 0;
      using _ = atLook((path, look) => {
        if (path === put(tree, "in/0.jpg") && swapped === 1) {
          swapped++;
          putBack(tree);
          for (const path of foldersOf(tree)) utimesSync(path, OLD, OLD);
        }
        const seen = look();
        if (path === folder && swapped === 0) {
          swapped++;
          swap(tree);
        }
        return seen;
      });
      assert.equal(fillAtRest(new Uint8Array(FILES * LENGTH), options), null);
      assert.equal(swapped, 2, "it was swapped and put back");
    });
  }
});

Deno.test("fillAtRest(): a file that changes, or is no file by now, is none of its business", {
  ignore: windows,
}, async (t) => {
  const changes: Record<string, (file: string) => void> = {
    "grown": (file) => Deno.writeTextFileSync(file, "more", { append: true }),
    "shorter": (file) => Deno.truncateSync(file, 3),
    "rewritten": (file) => Deno.writeFileSync(file, contentOf(99)),
  };
  const trees = await Promise.all(Object.keys(changes).map(photos));
  await using _ = { [Symbol.asyncDispose]: () => disposeAll(trees) };
  await untilAtRest(trees);
  for (const [i, [name, change]] of Object.entries(changes).entries()) {
    await t.step(name, () => {
      const options = request(trees[i]);
      change(trees[i].join(`photos/${HASH}/in/5.jpg`));
      assert.equal(fillAtRest(new Uint8Array(FILES * LENGTH), options), null);
    });
  }
  await t.step("a pipe, which nobody waits for", async () => {
    await using tree = await photos();
    const options = request(tree);
    const file = tree.join(`photos/${HASH}/in/0.jpg`);
    Deno.removeSync(file);
    new Deno.Command("mkfifo", { args: [file] }).outputSync();
    await untilAtRest([tree]);
    assert.equal(fillAtRest(new Uint8Array(FILES * LENGTH), options), null);
  });
});

async function disposeAll(trees: readonly Tree[]) {
  for (const tree of trees) await tree[Symbol.asyncDispose]();
}
