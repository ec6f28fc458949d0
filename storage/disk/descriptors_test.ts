import assert from "node:assert/strict";
import process from "node:process";
import { openFiles } from "../../testing/process.ts";
import { makeTree, randomBytes } from "../../testing/tree.ts";
import { sliceOf } from "../source.ts";
import { DiskSource } from "./disk.ts";

const HASH = "0123456789abcdef";

Deno.test("DiskSource: no task leaves a file open, whether it ends well or not", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using tree = await makeTree({
    [`photos/${HASH}/good`]: randomBytes(5000),
    [`photos/${HASH}/changed`]: randomBytes(5000),
  });
  const root = tree.join("photos");
  using source = new DiskSource({ root, index: tree.join("index"), workers: 1 });
  const listing = await source.list(HASH);
  assert.ok(listing);
  const [changed, good] = listing.entries;
  await Deno.truncate(tree.join("photos", HASH, "changed"), 100);
  const whole = { offset: 0, length: 5000, position: 0, crc32: 0 };
  const inTree = () =>
    openFiles(process.pid, { files: true }).filter((path) => path.startsWith(tree.path));
  for (let i = 0; i < 20; i++) {
    await source.list(HASH);
    await source.archives();
    await source.fill(5000, [sliceOf(good, whole)]);
    await source.checksum(sliceOf(good, whole));
    await source.remember([{ file: good, crc32: i }]);
    assert.deepEqual(await source.recall([good]), [i]);
    await assert.rejects(source.fill(5000, [sliceOf(changed, whole)]), { code: "ESTALE" });
    await assert.rejects(source.checksum(sliceOf(changed, whole)), { code: "ESTALE" });
  }
  assert.deepEqual(inTree(), []);
});
