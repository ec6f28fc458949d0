import assert from "node:assert/strict";
import { DEFAULT_MTIME, makeTree, randomBytes } from "./tree.ts";
import { testWith } from "./tools.ts";

Deno.test("makeTree() makes files with their folders, and removes them", async () => {
  let path: string;
  {
    await using tree = await makeTree({
      "a.txt": "text",
      "b/c/d.bin": new Uint8Array([1, 2, 3]),
      "b/Фото.jpg": { content: "x", mtime: new Date(1e12) },
      "empty": { directory: true, mtime: new Date(2e12) },
    });
    path = tree.path;
    assert.equal(await Deno.readTextFile(tree.join("a.txt")), "text");
    assert.deepEqual(await Deno.readFile(tree.join("b", "c", "d.bin")), new Uint8Array([1, 2, 3]));
    assert.deepEqual((await Deno.stat(tree.join("a.txt"))).mtime, DEFAULT_MTIME);
    assert.deepEqual((await Deno.stat(tree.join("b/Фото.jpg"))).mtime, new Date(1e12));
    assert.deepEqual((await Deno.stat(tree.join("empty"))).mtime, new Date(2e12));
  }
  await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
});

Deno.test("makeTree() gives a file its size without writing it", async () => {
  const size = 2 ** 32;
  await using tree = await makeTree({ "huge": { content: "start", size } });
  const info = await Deno.stat(tree.join("huge"));
  assert.equal(info.size, size);
  if (Deno.build.os === "linux") assert.ok(info.blocks! < 100);
});

testWith(["mkfifo"], "makeTree() makes links and pipes", async () => {
  await using tree = await makeTree({
    "pipe": { fifo: true },
    "link": { symlink: "nowhere/at all" },
  });
  assert.ok((await Deno.stat(tree.join("pipe"))).isFifo);
  assert.equal(await Deno.readLink(tree.join("link")), "nowhere/at all");
});

Deno.test({
  name: "makeTree() removes a tree with locked folders",
  ignore: Deno.build.os === "windows",
  async fn() {
    let path: string;
    {
      await using tree = await makeTree({
        "locked": { directory: true, mode: 0 },
        "locked/in/file": { content: "x", mode: 0o400 },
        "locked/in": { directory: true, mode: 0 },
      });
      path = tree.path;
      assert.equal((await Deno.stat(tree.join("locked"))).mode! & 0o777, 0);
    }
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
  },
});

Deno.test("makeTree() leaves nothing behind of a tree that cannot be made", async () => {
  const folders = () => [...Deno.readDirSync(parent)].filter(({ name }) => name.startsWith(prefix));
  await using tree = await makeTree();
  const parent = tree.join();
  const prefix = "zipferry-";
  const before = Deno.env.get("TMPDIR");
  Deno.env.set("TMPDIR", parent);
  try {
    await assert.rejects(makeTree({ "file": "x", "file/below": "y" }));
  } finally {
    if (before === undefined) Deno.env.delete("TMPDIR");
    else Deno.env.set("TMPDIR", before);
  }
  assert.deepEqual(folders(), []);
});

Deno.test("randomBytes() repeats itself for the same seed only", () => {
  assert.equal(randomBytes(5).length, 5);
  assert.deepEqual(randomBytes(1001, 7), randomBytes(1001, 7));
  assert.deepEqual(randomBytes(1001, 7).subarray(0, 10), randomBytes(10, 7));
  assert.notDeepEqual(randomBytes(1001, 7), randomBytes(1001, 8));
  const counts = new Array(256).fill(0);
  for (const byte of randomBytes(1 << 20)) counts[byte]++;
  assert.ok(counts.every((count) => count > 3500 && count < 4700), "bytes are not even");
});
