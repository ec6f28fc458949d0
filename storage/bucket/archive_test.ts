import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mapAtMost } from "../../lib/concurrency.ts";
import { createStoreEngine } from "../../engines/store.ts";
import { type FaultyStore, startFaultyStore } from "../../testing/faulty_store.ts";
import {
  type LocalObjectStore,
  type PutOptions,
  startObjectStore,
  testWithStore,
} from "../../testing/object_store.ts";
import { until } from "../../testing/process.ts";
import { DEFAULT_MTIME, makeTree, randomBytes, type TreeFile } from "../../testing/tree.ts";
import { Checksums } from "../checksums.ts";
import { DiskSource } from "../disk/disk.ts";
import type { FileSource } from "../source.ts";
import { BucketSource, type BucketSourceOptions } from "./bucket.ts";
import { BucketClient } from "./client.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const BUCKET = "photos";
const PREFIX = "site/";
const LONG_AGO = new Date("2024-01-02T03:04:05Z");
const MIB = 1 << 20;

interface Setup extends AsyncDisposable {
  readonly server: LocalObjectStore;
  /** Between the source and the server */
  readonly proxy: FaultyStore;
  /** The same as `replica()`, to begin with */
  readonly source: BucketSource;
  put(path: string, content: string | Uint8Array<ArrayBuffer>, options?: PutOptions): Promise<void>;
  /** Another source of the same bucket, as a replica has it */
  replica(options?: Partial<BucketSourceOptions>): BucketSource;
}

async function setUp(): Promise<Setup> {
  const all = new AsyncDisposableStack();
  try {
    const server = all.use(await startObjectStore());
    await server.createBucket(BUCKET);
    const proxy = all.use(await startFaultyStore(server));
    const replica = (options: Partial<BucketSourceOptions> = {}) => {
      const store = all.use(
        new BucketClient({
          bucket: BUCKET,
          prefix: PREFIX,
          region: server.region,
          endpoints: [proxy.endpoint],
          pathStyle: true,
          credentials: () => Promise.resolve(server.rootCredentials),
        }),
      );
      return all.use(new BucketSource({ store, bucket: BUCKET, prefix: PREFIX, ...options }));
    };
    return {
      server,
      proxy,
      replica,
      source: replica(),
      async put(path, content, options) {
        const key = `${PREFIX}${HASH}/${path}`;
        await server.put(BUCKET, key, content, options);
        server.touch(BUCKET, key, LONG_AGO);
      },
      [Symbol.asyncDispose]: () => all.disposeAsync(),
    };
  } catch (error) {
    await all.disposeAsync();
    throw error;
  }
}

/** An archive of a source, and how to download it */
async function archiveOf(source: FileSource) {
  const listing = await source.list(HASH);
  assert.ok(listing);
  const checksums = new Checksums(source);
  const engine = createStoreEngine({ source, checksums });
  const archive = engine.prepare(listing);
  const open = (start?: number, end = archive.size!) =>
    archive.open(start === undefined ? undefined : { start, end });
  return {
    listing,
    checksums,
    size: archive.size!,
    version: archive.version!,
    open,
    bytes: async (start?: number, end?: number) => {
      const bytes = await new Response(await open(start, end)).bytes();
      await engine.close();
      return bytes;
    },
  };
}

function sha256(bytes: Uint8Array) {
  return createHash("sha256").update(bytes).digest("hex");
}

const FILES: Readonly<Record<string, TreeFile>> = {
  "IMG_1.jpg": { content: randomBytes(3_000_000, 1) },
  "IMG_2.jpg": { content: randomBytes(6_000_000, 2), mtime: new Date("2023-04-05T06:07:08.912Z") },
  "empty": { content: "" },
  "old.txt": { content: "old", mtime: new Date("1969-12-31T23:59:58Z") },
  "Байкал/Лёд в марте.jpg": { content: randomBytes(70_000, 3) },
  "Байкал/e\u0301 + 100%.txt": { content: "text" },
  "a:b": { content: "1" },
  "a_b": { content: "2" },
  "z/deep/er/file": { content: randomBytes(300_000, 4) },
};

testWithStore("BucketSource: the same files give the same archive as a disk", async () => {
  await using setup = await setUp();
  await using tree = await makeTree(
    Object.fromEntries(
      Object.entries(FILES).map(([path, file]) => [`${HASH}/${path}`, { mode: 0o644, ...file }]),
    ),
  );
  for (const [path, { content = "", mtime = DEFAULT_MTIME }] of Object.entries(FILES)) {
    await setup.put(path, content as Uint8Array<ArrayBuffer>, { mtime });
  }
  using disk = new DiskSource({ root: tree.path });
  const expected = await archiveOf(disk);
  const whole = await expected.bytes();
  for (const source of [setup.source, setup.source, setup.replica()]) {
    const found = await archiveOf(source);
    assert.equal(found.listing.fingerprint, expected.listing.fingerprint);
    assert.equal(found.size, expected.size);
    assert.equal(found.version, `${expected.version}-${found.listing.revision}`);
    assert.equal(sha256(await found.bytes()), sha256(whole));
    const { length } = whole;
    const ranges = [[0, 1], [1, length], [MIB, MIB + 5], [3_000_010, 8_000_000], [
      length - 9,
      length,
    ]];
    for (const [start, end] of ranges) {
      const part = await (await archiveOf(source)).bytes(start, end);
      assert.equal(sha256(part), sha256(whole.subarray(start, end)), `${start} to ${end}`);
    }
  }
});

testWithStore(
  "BucketSource: an archive goes on at another replica, which never saw it",
  async () => {
    await using setup = await setUp();
    for (let i = 0; i < 5; i++) {
      await setup.put(`${i}`, randomBytes(2_000_000, i), {
        checksum: true,
      });
    }
    const first = await archiveOf(setup.source);
    const whole = await first.bytes();
    using replica = setup.replica();
    const second = await archiveOf(replica);
    assert.equal(second.version, first.version);
    setup.proxy.forget();
    const at = 5_500_000;
    const rest = await second.bytes(at);
    assert.equal(sha256(rest), sha256(whole.subarray(at)));
    const { get, head, list } = setup.proxy.counts();
    assert.deepEqual({ head, list }, { head: 0, list: 0 });
    assert.ok(get <= 4, `the files before the byte are not read: ${get} requests`);
  },
);

testWithStore("BucketSource: an object replaced in mid-download breaks it", async () => {
  for (const size of [3_000_000, 9_000_000]) {
    await using setup = await setUp();
    const put = (seed: number) => setup.put("a", randomBytes(size, seed), { checksum: true });
    await put(1);
    await setup.put("b", randomBytes(9_000_000, 2), { checksum: true });
    const before = await archiveOf(setup.source);
    const reader = (await before.open()).getReader();
    await reader.read();
    await setup.put("b", randomBytes(9_000_000, 3), { checksum: true });
    const readAll = async () => {
      while (!(await reader.read()).done);
    };
    await assert.rejects(readAll(), { name: "StorageError", code: "ESTALE", message: /: b$/ });
    const after = await archiveOf(setup.source);
    assert.equal(after.size, before.size);
    assert.equal(after.listing.fingerprint, before.listing.fingerprint);
    assert.notEqual(after.version, before.version, "its tag tells");
    assert.equal((await after.bytes()).length, after.size);
  }
});

testWithStore("BucketSource: what a thousand photos cost in requests", async () => {
  await using setup = await setUp();
  const sizes = Array.from({ length: 1000 }, (_, i) => i % 100 === 0 ? 2_000_000 : 20_000 + i);
  await mapAtMost(sizes.entries().toArray(), async ([i, size]) => {
    await setup.put(`${i}.jpg`, randomBytes(size, i), { mtime: DEFAULT_MTIME });
  }, { limit: 8 });
  const { proxy, source } = setup;

  proxy.forget();
  const first = await archiveOf(source);
  assert.deepEqual(costs(proxy), { list: 1, head: 1000, get: 0 });
  assert.ok(proxy.mostActive() <= 32 && proxy.mostActive() >= 8, "many at a time, and bounded");
  proxy.forget();
  const whole = await first.bytes();
  assert.deepEqual(costs(proxy), { list: 0, head: 0, get: 1000 }, "each photo is one request");
  assert.ok(proxy.mostActive() <= 64 && proxy.mostActive() >= 8, "many at a time, and bounded");

  proxy.forget();
  const second = await archiveOf(source);
  assert.deepEqual(costs(proxy), { list: 1, head: 0, get: 0 }, "nothing is asked again");
  assert.equal(sha256(await second.bytes()), sha256(whole));
  assert.equal(costs(proxy).get, 1000);

  proxy.forget();
  const at = whole.length - 3_000_000;
  assert.equal(sha256(await second.bytes(at)), sha256(whole.subarray(at)));
  const { get } = costs(proxy);
  assert.ok(get < 120, `a resume reads what is left: ${get} requests`);

  proxy.forget();
  using listed = setup.replica({ times: "listing" });
  await archiveOf(listed);
  assert.deepEqual(costs(proxy), { list: 1, head: 0, get: 0 });
});

testWithStore(
  "BucketSource: stored checksums spare the second reading of a large file",
  async () => {
    await using setup = await setUp();
    const { proxy } = setup;
    await setup.put("a.mov", randomBytes(9_000_000, 1), { checksum: true });
    await setup.put("b.jpg", randomBytes(1_000_000, 2), { checksum: true });
    const whole = await (await archiveOf(setup.source)).bytes();
    proxy.forget();
    using replica = setup.replica();
    assert.equal(sha256(await (await archiveOf(replica)).bytes()), sha256(whole));
    assert.deepEqual(costs(proxy), { list: 1, head: 2, get: 2 });
    proxy.forget();
    using listed = setup.replica({ times: "listing" });
    await (await archiveOf(listed)).bytes();
    assert.deepEqual(costs(proxy), { list: 1, head: 1, get: 2 }, "asked for the large one only");
  },
);

testWithStore("BucketSource: without a stored checksum a large file is scanned once", async () => {
  await using setup = await setUp();
  await using tree = await makeTree();
  const { proxy } = setup;
  const parts = [randomBytes(5 * MIB, 1), randomBytes(4 * MIB, 2)];
  const options = { checksum: "COMPOSITE" } as const;
  const key = `${PREFIX}${HASH}/a.mov`;
  await setup.server.putParts(BUCKET, key, parts, options);
  await setup.server.putParts(BUCKET, `${key}.b`, parts, { unfinished: true });
  setup.server.touch(BUCKET, key, LONG_AGO);
  const index = tree.join("index.sqlite");
  using first = setup.replica({ index });
  const whole = await (await archiveOf(first)).bytes();
  assert.equal(costs(proxy).get, 2, "once for the checksum, once to send it");
  proxy.forget();
  using second = setup.replica({ index });
  const archive = await archiveOf(second);
  assert.deepEqual(archive.listing.entries.map(({ name }) => name), ["a.mov"]);
  assert.equal(sha256(await archive.bytes()), sha256(whole));
  assert.equal(costs(proxy).get, 1, "another replica has it from the file");
});

testWithStore("BucketSource: a client that leaves, or stalls, frees the sockets", async () => {
  await using setup = await setUp();
  await setup.put("a.mov", randomBytes(30 * MIB, 1), { checksum: true });
  const { proxy } = setup;
  for (const end of ["leaves", "stalls"]) {
    const reader = (await (await archiveOf(setup.source)).open()).getReader();
    await reader.read();
    assert.equal(proxy.active(), 1);
    if (end === "leaves") await reader.cancel();
    await until(() => proxy.active() === 0, `it ${end}`);
    await reader.cancel();
  }
});

function costs(proxy: FaultyStore) {
  const { list, head, get } = proxy.counts();
  return { list, head, get };
}
