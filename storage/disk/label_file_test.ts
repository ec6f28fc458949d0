import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { StorageError } from "../errors.ts";
import { run, testWith } from "../../testing/tools.ts";
import { makeTree } from "../../testing/tree.ts";
import { DiskSource } from "./disk.ts";
import { readLabel } from "./label_file.ts";

const HASH = "7c0e5b1fa2d94836b1f0c97e34d8a65b";
const FILE = `${HASH}/.zipferry.json`;
const linux = Deno.build.os === "linux";

Deno.test(
  "readLabel(): follows no symlink, at the label or on the way to it",
  { ignore: !linux },
  async () => {
    await using tree = await makeTree({
      "secret.json": '{"title":"secret"}',
      [`${HASH}/a.jpg`]: "1",
      [FILE]: { symlink: "../secret.json" },
      "linked": { symlink: HASH },
      "other/.zipferry.json": "{}",
      "dangling/.zipferry.json": { symlink: "nowhere" },
      "folder/.zipferry.json/x": "1",
    });
    for (const name of [HASH, "dangling", "folder"]) {
      assert.throws(() => readLabel(tree.path, name), { name: "StorageError", code: "EPERM" });
    }
    assert.equal(readLabel(tree.path, "linked"), null);
    assert.equal(readLabel(tree.path, "secret.json"), null);
    assert.equal(readLabel(tree.path, "other"), "{}");
  },
);

testWith(["mkfifo"], "DiskSource.label(): a FIFO is no label, and holds nobody up", async () => {
  await using tree = await makeTree({ [`${HASH}/a.jpg`]: "1" });
  assert.equal((await run("mkfifo", [tree.join(FILE)])).code, 0);
  using source = new DiskSource({ root: tree.path });
  await assert.rejects(source.label(HASH), { code: "EPERM" });
});

Deno.test("DiskSource.label(): many that ask at once share the look", async () => {
  await using tree = await makeTree({ [`${HASH}/a.jpg`]: "1", [FILE]: "{}" });
  using source = new DiskSource({ root: tree.path, workers: 1 });
  const labels = await Promise.all(Array.from({ length: 2000 }, () => source.label(HASH)));
  assert.deepEqual(new Set(labels), new Set(["{}"]));
  await Deno.remove(tree.join(FILE));
  assert.equal(await source.label(HASH), null);
});

Deno.test("DiskSource.label(): one that must not be read is an error without the path", {
  ignore: !linux || Deno.uid() === 0,
}, async () => {
  await using tree = await makeTree({ [`${HASH}/a.jpg`]: "1", [FILE]: { content: "{}", mode: 0 } });
  using source = new DiskSource({ root: tree.path });
  await assert.rejects(source.label(HASH), (error) => {
    assert.ok(error instanceof StorageError);
    assert.deepEqual([error.code, error.message], ["EACCES", "read label: EACCES"]);
    return true;
  });
});

Deno.test(
  "DiskSource.list(): no label goes in, whatever else does",
  { ignore: !linux },
  async () => {
    await using tree = await makeTree({
      [`${HASH}/.hidden`]: "1",
      [`${HASH}/.zipferry.json`]: "{}",
      [`${HASH}/.ZipFerry.JSON`]: "{}",
      [`${HASH}/b/.zipferry.json`]: "{}",
      [`${HASH}/b/link`]: { symlink: "../.zipferry.json" },
      "onlylabelled1234/.zipferry.json": "{}",
    });
    const selection = { hidden: true, includeJunk: true, followSymlinks: true };
    using source = new DiskSource({ root: tree.path, ...selection });
    const listing = await source.list(HASH);
    assert.deepEqual(listing?.entries.map(({ name }) => name), [".hidden", "b/"]);
    assert.deepEqual(listing.leftOut, ["b/link"]);
    assert.equal(await source.list("onlylabelled1234"), null);
  },
);

Deno.test("DiskSource.list(): a label written over is no change; a new one is one of its folder", async () => {
  await using tree = await makeTree({ [`${HASH}/a.jpg`]: "1", [FILE]: "{}" });
  const directory = tree.join(HASH);
  const past = new Date(Date.now() - 3_600_000);
  await Deno.utime(directory, past, past);
  using source = new DiskSource({ root: tree.path });
  const before = (await source.list(HASH))!;
  await Deno.writeTextFile(tree.join(FILE), '{"title":"x"}');
  const written = (await source.list(HASH))!;
  assert.deepEqual(
    [written.lastModified, written.changed, written.settled],
    [before.lastModified, before.changed, before.settled],
  );
  await sleep(20); // or the times of the two looks at the folder might be one
  await Deno.writeTextFile(tree.join(`${HASH}/.zipferry.json.tmp`), '{"title":"y"}');
  await Deno.rename(tree.join(`${HASH}/.zipferry.json.tmp`), tree.join(FILE));
  const renamed = (await source.list(HASH))!;
  assert.ok(renamed.changed > before.changed, "as with whatever is renamed in a folder");
  assert.equal(renamed.fingerprint, before.fingerprint);
  assert.equal(renamed.settled, before.settled, "so the ETag stays strong, and the same");
});
