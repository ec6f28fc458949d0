import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { Checksums } from "../storage/checksums.ts";
import { DiskSource } from "../storage/disk/disk.ts";
import { DEFAULT_MTIME, makeTree, randomBytes } from "../testing/tree.ts";
import { createStoreEngine } from "./store.ts";

const HASH = "0123456789abcdef";

/** Files with their checksums in an index, as one process after the other finds them */
async function album() {
  const contents = [1, 2].map((seed) => randomBytes(2_000_000, seed));
  const tree = await makeTree({
    [`photos/${HASH}/a.jpg`]: contents[0],
    [`photos/${HASH}/b.jpg`]: contents[1],
  });
  /** Runs a process that downloads once; its error, and what the index held for it */
  const run = async () => {
    using source = new DiskSource({
      root: tree.join("photos"),
      index: tree.join("index"),
      workers: 1,
    });
    const listing = await source.list(HASH);
    assert.ok(listing);
    const kept = await source.recall(listing.entries);
    const engine = createStoreEngine({ source, checksums: new Checksums(source) });
    const stream = await engine.prepare(listing).open();
    const error = await new Response(stream).bytes().then(() => null, String);
    await engine.close();
    return { kept, error };
  };
  return {
    run,
    contents,
    /** Other bytes under the old time */
    overwrite(name: string, content: Uint8Array) {
      const path = tree.join("photos", HASH, name);
      Deno.writeFileSync(path, content);
      Deno.utimeSync(path, DEFAULT_MTIME, DEFAULT_MTIME);
    },
    [Symbol.asyncDispose]: () => tree[Symbol.asyncDispose](),
  };
}

Deno.test("--checksums: a value that proved wrong is in the index no more", async () => {
  await using setup = await album();
  const values = setup.contents.map((content) => crc32(content));
  assert.deepEqual(await setup.run(), { kept: [null, null], error: null });
  assert.deepEqual(await setup.run(), { kept: values, error: null });

  const other = randomBytes(2_000_000, 3);
  setup.overwrite("b.jpg", other);
  const { kept, error } = await setup.run();
  assert.deepEqual(kept, values);
  assert.match(String(error), /content changed after its checksum was sent: b\.jpg$/);
  assert.deepEqual(await setup.run(), { kept: [values[0], null], error: null });
  assert.deepEqual((await setup.run()).kept, [values[0], crc32(other)]);
});
