import assert from "node:assert/strict";
import fc from "fast-check";
import { crc32 } from "node:zlib";
import { ODD_KEYS } from "../../testing/odd_keys.ts";
import {
  type LocalObjectStore,
  startObjectStore,
  STORE_REGION,
  testWithStore,
} from "../../testing/object_store.ts";
import { StorageError } from "../errors.ts";
import { BucketClient, type BucketObject, type BucketOptions } from "./client.ts";

const BUCKET = "photos";

function clientOf(store: LocalObjectStore, options: Partial<BucketOptions> = {}): BucketClient {
  return new BucketClient({
    ...{ bucket: BUCKET, prefix: "", region: STORE_REGION, endpoints: [store.endpoint] },
    ...{ pathStyle: true, credentials: () => Promise.resolve(store.rootCredentials) },
    ...options,
  });
}

async function objectsOf(client: BucketClient, prefix: string): Promise<BucketObject[]> {
  const objects: BucketObject[] = [];
  for await (const page of client.list(prefix)) objects.push(...page.objects);
  return objects;
}

async function read(client: BucketClient, object: BucketObject) {
  const into = new Uint8Array(object.size);
  const { crc32 } = await client.read(object, { offset: 0, into });
  return { bytes: into, crc32 };
}

function isError(code: string, message = /./) {
  return (error: unknown) =>
    error instanceof StorageError && error.code === code && message.test(error.message);
}

testWithStore(
  "BucketClient: any key that a store takes is listed, asked about and read",
  async () => {
    await using store = await startObjectStore();
    await store.createBucket(BUCKET);
    using client = clientOf(store);
    let stored = 0;
    const check = async (name: string) => {
      const prefix = `p${crypto.randomUUID()}/`;
      const key = `${prefix}${name}`;
      const body = new TextEncoder().encode(key);
      if (!await store.put(BUCKET, key, body).catch(() => null)) return; // no name of a file
      stored++;
      const objects = await objectsOf(client, prefix);
      assert.deepEqual(objects.map(({ key }) => key), [key]);
      const [object] = objects;
      const { mtimeMs, crc32: _, ...facts } = await client.head(key);
      assert.deepEqual({ ...facts, mtimeMs }, { ...object, mtimeMs: null });
      assert.deepEqual((await read(client, object)).bytes, body);
    };
    // This store knows no encoding-type, and Go's XML writes control characters as U+FFFD; a folder
    // knows no empty names, nor dots.
    const isListed = (name: string) =>
      // deno-lint-ignore no-control-regex
      !/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(name) && name.isWellFormed() &&
      name.split("/").every((segment) => !/^\.{0,2}$/.test(segment));
    const names = ODD_KEYS.filter(isListed);
    for (const name of names) await check(name);
    assert.ok(stored >= names.length / 2, `${stored} of ${names.length}`);

    const unit = fc.oneof(
      fc.constantFrom(
        ..." +%&#?=/\\\"'<>!()*;:@,$[]{}|^`~\t\n\r\u007f\u0085\u2028е\u0301é".split(""),
      ),
      fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 }),
    );
    const name = fc.array(unit, { minLength: 1, maxLength: 20 }).map((chars) => chars.join(""))
      .filter((name) => isListed(name) && !name.endsWith("/"));
    await fc.assert(fc.asyncProperty(name, check), { numRuns: 60 });
  },
);

testWithStore("BucketClient: a key of 1,024 bytes is a key like others", async () => {
  await using store = await startObjectStore();
  await store.createBucket(BUCKET);
  using client = clientOf(store);
  const key = Array.from({ length: 8 }, () => "ы".repeat(63)).join("/").padEnd(520, "x");
  assert.equal(new TextEncoder().encode(key).length, 1024);
  await store.put(BUCKET, key, "long");
  const [object] = await objectsOf(client, "ы");
  assert.equal(object.key, key);
  assert.equal(new TextDecoder().decode((await read(client, object)).bytes), "long");
});

testWithStore(
  "BucketClient: a list of several pages is whole, and prefixes have their pages too",
  async () => {
    await using store = await startObjectStore();
    await store.createBucket(BUCKET);
    const keys = Array.from({ length: 2100 }, (_, i) => `p/${`${i}`.padStart(4, "0")}/a`);
    const queue = keys.values();
    await Promise.all(Array.from({ length: 16 }, async () => {
      for (const key of queue) await store.put(BUCKET, key, "");
    }));
    await store.put(BUCKET, "q/a", "");
    using client = clientOf(store);
    const listed = await objectsOf(client, "p/");
    assert.deepEqual(listed.map(({ key }) => key), keys);
    assert.equal(client.stats().requests.list, 3);

    const prefixes: string[] = [];
    for await (const page of client.list("p/", { delimiter: "/", startAfter: "p/0099/a" })) {
      assert.deepEqual(page.objects, []);
      prefixes.push(...page.prefixes);
    }
    assert.deepEqual(prefixes.slice(-2000), keys.slice(100).map((key) => key.slice(0, 7)));
    assert.deepEqual(await objectsOf(client, "none/"), []);
  },
);

testWithStore("BucketClient: every run of bytes, of this version only", async () => {
  await using store = await startObjectStore();
  await store.createBucket(BUCKET);
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  await store.put(BUCKET, "a", bytes);
  using client = clientOf(store);
  const [object] = await objectsOf(client, "a");
  for (let start = 0; start <= bytes.length; start++) {
    for (let end = start; end <= bytes.length; end++) {
      const into = new Uint8Array(end - start);
      await client.read(object, { offset: start, into });
      assert.deepEqual(into, bytes.subarray(start, end));
    }
  }
  await store.put(BUCKET, "a", "another one.");
  const run = { offset: 3, into: new Uint8Array(4) };
  await assert.rejects(client.read(object, run), isError("ESTALE"));
  await store.remove(BUCKET, "a");
  await assert.rejects(client.read(object, run), isError("ENOENT"));
  await assert.rejects(client.head("a"), isError("ENOENT"));
  assert.equal(client.stats().retries, 0);
});

testWithStore("BucketClient: a large object is read piece by piece from one body", async () => {
  await using store = await startObjectStore();
  await store.createBucket(BUCKET);
  const bytes = new Uint8Array(20_000_000).map((_, i) => i * i >> 8);
  await store.put(BUCKET, "a", bytes);
  using client = clientOf(store);
  const [object] = await objectsOf(client, "a");
  const reader = client.open(object, { offset: 1, length: object.size - 1 });
  let sum = crc32(bytes.subarray(0, 1));
  for (let offset = 1; offset < bytes.length; offset += 1_000_003) {
    const into = new Uint8Array(Math.min(1_000_003, bytes.length - offset));
    await reader.read(into);
    sum = crc32(into, sum);
  }
  reader.close();
  assert.equal(sum, crc32(bytes));
  assert.equal(client.stats().requests.get, 1);
});

testWithStore("BucketClient: times and checksums that the store keeps", async () => {
  await using store = await startObjectStore();
  await store.createBucket(BUCKET);
  using client = clientOf(store);
  const mtime = new Date("2020-02-03T04:05:06.789Z");
  const [text, sum] = ["some photo", crc32("some photo")];
  await store.put(BUCKET, "kept", text, { checksum: true, mtime });
  await store.put(BUCKET, "none", text);
  const parts = [new Uint8Array(5 * 1024 * 1024), new Uint8Array(10).fill(7)];
  const whole = crc32(parts[1], crc32(parts[0]));
  await store.putParts(BUCKET, "composite", parts, { checksum: "COMPOSITE" });
  await store.putParts(BUCKET, "full", parts, { checksum: "FULL_OBJECT" });
  await store.putParts(BUCKET, "unfinished", parts, { unfinished: true });

  const objects = await objectsOf(client, "");
  assert.deepEqual(objects.map(({ key }) => key), ["composite", "full", "kept", "none"]);
  const sums = [null, whole, sum, null];
  for (const [i, object] of objects.entries()) {
    const { crc32, mtimeMs } = await client.head(object.key);
    assert.equal(crc32, sums[i], object.key);
    assert.equal((await read(client, object)).crc32, sums[i], object.key);
    assert.equal(mtimeMs, object.key === "kept" ? mtime.getTime() : null);
  }
  const [, full] = objects;
  const part = await client.read(full, { offset: 1, into: new Uint8Array(9) });
  assert.equal(part.crc32, null, "a range has none");
});

testWithStore("BucketClient: what a store refuses is told by its code", async () => {
  await using store = await startObjectStore();
  await store.createBucket(BUCKET);
  await store.put(BUCKET, "a", "1");
  const list = async (options: Partial<BucketOptions>) => {
    using client = clientOf(store, options);
    return await objectsOf(client, "");
  };
  const wrong = { ...store.rootCredentials, secretAccessKey: "wrong" };
  const unknown = { ...store.rootCredentials, accessKeyId: "unknown" };
  const refused: readonly (readonly [Partial<BucketOptions>, string, RegExp])[] = [
    [{ bucket: "nowhere" }, "ENODEV", /NoSuchBucket/],
    [{ credentials: () => Promise.resolve(wrong) }, "EACCES", /SignatureDoesNotMatch/],
    [{ credentials: () => Promise.resolve(unknown) }, "EACCES", /InvalidAccessKeyId/],
    [{ credentials: null }, "EACCES", /AccessDenied/],
  ];
  for (const [options, code, message] of refused) {
    await assert.rejects(list(options), isError(code, message));
  }
});
