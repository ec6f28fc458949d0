import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { createStoreEngine } from "../../engines/store.ts";
import { MemoryObjects } from "../../testing/memory_objects.ts";
import { makeTree, randomBytes } from "../../testing/tree.ts";
import { Checksums } from "../checksums.ts";
import { assertUsableIndex } from "../disk/index_file.ts";
import { BucketSource, type BucketSourceOptions } from "./bucket.ts";
import { crc32 } from "node:zlib";

const HASH = "7c0e5b1fa2d94836b1f0c97e34d8a65b";
const LARGE = 5 << 20;

function sourceOf(store: MemoryObjects, options: Partial<BucketSourceOptions> = {}) {
  return new BucketSource({ store, bucket: "b", prefix: "", ...options });
}

async function archiveOf(source: BucketSource) {
  const listing = await source.list(HASH);
  assert.ok(listing);
  const engine = createStoreEngine({ source, checksums: new Checksums(source) });
  return {
    files: listing.entries,
    async bytes() {
      try {
        return await new Response(await engine.prepare(listing).open()).bytes();
      } finally {
        await engine.close();
      }
    },
  };
}

Deno.test("BucketSource.recall(): what was worked out counts more than what the store says", async () => {
  const store = new MemoryObjects({ [`${HASH}/a`]: { content: "1", crc32: 7 } });
  using source = sourceOf(store);
  const { files } = await archiveOf(source);
  assert.deepEqual(await source.recall(files), [7]);
  await source.remember([{ file: files[0], crc32: 8 }]);
  assert.deepEqual(await source.recall(files), [8]);
  await source.remember([{ file: files[0], crc32: null }]);
  assert.deepEqual(await source.recall(files), [null], "the store is not believed again");
  store.put(`${HASH}/a`, { content: "22", crc32: 9 });
  assert.deepEqual(await source.recall((await archiveOf(source)).files), [9], "another object");
});

Deno.test("BucketSource: a wrong stored checksum breaks the download, and is never used again", async () => {
  for (const size of [LARGE, 1000]) {
    const content = randomBytes(size, 1);
    const store = new MemoryObjects({ [`${HASH}/a`]: { content, crc32: 7 } });
    await using tree = await makeTree();
    const index = tree.join("index.sqlite");
    const right = crc32(content);
    {
      using source = sourceOf(store, { index });
      const archive = await archiveOf(source);
      if (size === LARGE) {
        await assert.rejects(archive.bytes(), /content changed after its checksum was sent: a/);
        assert.deepEqual(await source.recall(archive.files), [null]);
      } else await archive.bytes(); // read before its header was written
      await (await archiveOf(source)).bytes();
      assert.deepEqual(await source.recall(archive.files), [right]);
    }
    using replica = sourceOf(store, { index });
    assert.deepEqual(await replica.recall((await archiveOf(replica)).files), [right]);
  }
});

Deno.test("BucketSource: the index is shared with others, and knows objects by their addresses", async () => {
  await using tree = await makeTree();
  const index = tree.join("index.sqlite");
  const store = new MemoryObjects({ [`${HASH}/a`]: "1" });
  using source = sourceOf(store, { index });
  const { files } = await archiveOf(source);
  await source.remember([{ file: files[0], crc32: 5 }]);
  using replica = sourceOf(store, { index });
  assert.deepEqual(await replica.recall(files), [5]);
  using other = sourceOf(store, { index, bucket: "another" });
  assert.deepEqual(await other.recall(files), [null]);
  using database = {
    db: new DatabaseSync(index),
    [Symbol.dispose]() {
      this.db.close();
    },
  };
  const row = database.db.prepare("SELECT file, identity FROM checksums").get();
  assert.equal(row?.file, `s3://b/${HASH}/a`);
  assert.equal(row?.identity, files[0].identity);
});

Deno.test("BucketSource: without the index all goes on, and the store's own values are used", async () => {
  await using tree = await makeTree({ "text": "no database at all, but a long text".repeat(50) });
  const store = new MemoryObjects({ [`${HASH}/a`]: { content: "1", crc32: 7 } });
  const index = tree.join("text");
  const failures: unknown[] = [];
  using source = sourceOf(store, { index, onIndexFailure: (error) => failures.push(error) });
  await assert.rejects(assertUsableIndex(index, { source, keep: true }), /not a database/);
  assert.equal(failures.length, 0, "to try it is no failure");
  const { files } = await archiveOf(source);
  assert.deepEqual(await source.recall(files), [7]);
  await source.remember([{ file: files[0], crc32: 8 }]);
  assert.deepEqual(await source.recall(files), [8]);
  assert.equal(failures.length, 1);
});

Deno.test("BucketSource.recall() asks for what the store keeps only where that spares much", async () => {
  const store = new MemoryObjects({
    [`${HASH}/large`]: { content: new Uint8Array(LARGE), crc32: 7 },
    [`${HASH}/small`]: { content: "1", crc32: 8 },
  });
  using source = sourceOf(store, { times: "listing" });
  const { files } = await archiveOf(source);
  assert.deepEqual(await source.recall(files), [7, null]);
  assert.deepEqual(await source.recall(files), [7, null]);
  assert.equal(store.counts.head, 1, "once");
  store.remove(`${HASH}/large`);
  using other = sourceOf(store, { times: "listing" });
  assert.deepEqual(await other.recall(files), [null, null], "who cannot answer knows nothing");
});
