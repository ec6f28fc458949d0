import assert from "node:assert/strict";
import { type LocalObjectStore, startObjectStore, testWithStore } from "./object_store.ts";
import { randomBytes } from "./tree.ts";

const MTIME = new Date("2024-05-06T07:08:09.125Z");

/** What an object's answer says, with the store's checksum asked for */
async function get(store: LocalObjectStore, path: string, headers: Record<string, string> = {}) {
  const asked = { "x-amz-checksum-mode": "ENABLED", ...headers };
  const response = await store.request({ path, headers: asked });
  const body = await response.bytes();
  const [etag, mtime, crc, type] = ["etag", "x-amz-meta-mtime", "x-amz-checksum-crc32"]
    .concat("x-amz-checksum-type")
    .map((name) => response.headers.get(name));
  return { status: response.status, etag, mtime, crc, type, body };
}

async function statusOf(response: Promise<Response>): Promise<number> {
  const { status, body } = await response;
  await body?.cancel();
  return status;
}

testWithStore("startObjectStore() keeps objects, their times and checksums", async () => {
  await using store = await startObjectStore();
  await store.createBucket("photos");
  for (const key of ["a/plain.txt", "a/Ёлка + 100%.txt", "a/it's (2)!*.txt", "a/q?x&y=#z.txt"]) {
    const etag = await store.put("photos", key, "Привет", { mtime: MTIME, checksum: true });
    const object = await get(store, `photos/${key}`);
    assert.equal(object.status, 200, key);
    assert.equal(new TextDecoder().decode(object.body), "Привет");
    assert.equal(object.etag, etag);
    assert.equal(object.mtime, "1714979289.125");
    assert.equal(object.crc, "qOqxmQ==");
    assert.equal(object.type, "FULL_OBJECT");
    assert.equal(Deno.readTextFileSync(`${store.folder}/photos/${key}`), "Привет");
  }
  assert.equal(await statusOf(store.request({ path: "photos/a/none" })), 404);
  await store.remove("photos", "a/plain.txt");
  assert.equal((await get(store, "photos/a/plain.txt")).status, 404);

  const wrong = { "x-amz-checksum-crc32": "AAAAAA==" };
  const put = { method: "PUT", path: "photos/b", headers: wrong, body: "x" };
  assert.equal(await statusOf(store.request(put)), 400);

  await store.put("photos", "c", "1");
  assert.equal((await get(store, "photos/c")).mtime, null);
  store.touch("photos", "c", MTIME);
  const head = await store.request({ method: "HEAD", path: "photos/c" });
  assert.equal(head.headers.get("last-modified"), "Mon, 06 May 2024 07:08:09 GMT");
});

testWithStore("putParts() stores an object of several parts, once it is finished", async () => {
  await using store = await startObjectStore();
  await store.createBucket("photos");
  const parts = [randomBytes(5 << 20, 1), randomBytes(70_001, 2)];
  const whole = new Uint8Array(await new Blob(parts).arrayBuffer());
  for (const [checksum, crc] of [["COMPOSITE", /==-2$/], ["FULL_OBJECT", /^[^-]+==$/]] as const) {
    const etag = await store.putParts("photos", checksum, parts, { checksum, mtime: MTIME });
    const object = await get(store, `photos/${checksum}`);
    assert.equal(object.etag, etag);
    assert.match(etag, /^"[0-9a-f]{32}-2"$/);
    assert.deepEqual(object.body, whole);
    assert.match(`${object.crc}`, crc);
    assert.equal(object.type, checksum);
    assert.equal(object.mtime, "1714979289.125");
    const part = await get(store, `photos/${checksum}`, { range: "bytes=5242879-5242880" });
    assert.deepEqual([...part.body], [...whole.subarray(5242879, 5242881)]);
  }
  assert.equal(await store.putParts("photos", "half", parts, { unfinished: true }), "");
  assert.equal((await get(store, "photos/half")).status, 404);
});

testWithStore("createUser() and setPolicy() grant no more than is said", async () => {
  await using store = await startObjectStore();
  await store.createBucket("photos");
  await store.put("photos", "a/b", "1");
  const credentials = { accessKeyId: "reader", secretAccessKey: "readersecret" };
  await store.createUser(credentials, "user");
  const read = { path: "photos/a/b", credentials };
  assert.equal(await statusOf(store.request(read)), 403);
  await store.setPolicy("photos", {
    Version: "2012-10-17",
    Statement: [{
      Effect: "Allow",
      Principal: { AWS: ["reader"] },
      Action: "s3:GetObject",
      Resource: "arn:aws:s3:::photos/*",
    }],
  });
  assert.equal(await statusOf(store.request(read)), 200);
  assert.equal(await statusOf(store.request({ ...read, method: "PUT", body: "2" })), 403);
  assert.equal(await statusOf(store.request({ path: "photos", credentials })), 403);
  assert.equal(await statusOf(store.request({ ...read, credentials: null })), 403);
  const other = { ...credentials, secretAccessKey: "wrong" };
  assert.equal(await statusOf(store.request({ ...read, credentials: other })), 403);
});
