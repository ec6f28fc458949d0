/**
 * `warm --digest`, and what the service says of it, with real processes.
 *
 * @module
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { startObjectStore, testWithStore } from "./object_store.ts";
import { type Program, runToEnd, start } from "./process.ts";
import { makeTree, randomBytes, type Tree } from "./tree.ts";

const HASH = "c41b7e90d5a2483f9e60b8127cf3da54";
const OTHER = "0d93fa6b21e7458c8a5f64c0b7e1923d";

function makePhotos() {
  return makeTree({
    [`photos/${HASH}/a.jpg`]: randomBytes(3_000_000),
    [`photos/${HASH}/dir/b.jpg`]: randomBytes(70_000),
    [`photos/${OTHER}/c.jpg`]: "c",
  });
}

function warm(tree: Tree, ...args: string[]) {
  const options = ["--folder", tree.join("photos"), "--checksums", tree.join("index.db")];
  return runToEnd(["warm", ...args, ...options], { task: "start:checksums" });
}

function serve(tree: Tree) {
  const args = ["--folder", tree.join("photos"), "--checksums", tree.join("index.db")];
  return start(args, { task: "start:checksums" });
}

async function ask(program: Program, init?: RequestInit, hash = HASH, query = "") {
  const answer = await fetch(`${program.url}archive/${hash}/${query}`, init);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  return { status: answer.status, digest: answer.headers.get("repr-digest"), answer, bytes };
}

function fieldOf(bytes: Uint8Array) {
  return `sha-256=:${createHash("sha256").update(bytes).digest("base64")}:`;
}

Deno.test("warm --digest: Repr-Digest on 200, 206 and HEAD, and in the manifest", async () => {
  await using tree = await makePhotos();
  assert.deepEqual(await warm(tree), { code: 0, stdout: "", stderr: "" });
  {
    await using program = await serve(tree);
    assert.equal((await ask(program)).digest, null, "warm alone computes none");
  }
  const runs = await Promise.all([warm(tree, "--digest"), warm(tree, "--digest", HASH)]);
  assert.deepEqual(runs.map(({ code, stderr }) => [code, stderr]), [[0, ""], [0, ""]]);
  await using program = await serve(tree);
  const whole = await ask(program);
  const expected = fieldOf(whole.bytes);
  assert.deepEqual([whole.status, whole.digest], [200, expected]);
  const part = await ask(program, { headers: { range: "bytes=5-9" } });
  assert.deepEqual([part.status, part.digest, part.bytes.length], [206, expected, 5]);
  assert.equal((await ask(program, { method: "HEAD" })).digest, expected);
  const etag = whole.answer.headers.get("etag")!;
  const same = await ask(program, { headers: { "if-none-match": etag } });
  assert.deepEqual([same.status, same.digest], [304, null]);
  const beyond = await ask(program, { headers: { range: "bytes=999999999-" } });
  assert.deepEqual([beyond.status, beyond.digest], [416, null]);
  const { bytes } = await ask(program, undefined, HASH, "?manifest");
  const { archive } = JSON.parse(new TextDecoder().decode(bytes));
  const sha256 = createHash("sha256").update(whole.bytes).digest("hex");
  assert.deepEqual(archive, { length: whole.bytes.length, etag, sha256 });
  const other = await ask(program, undefined, OTHER);
  assert.equal(other.digest, fieldOf(other.bytes));
});

Deno.test("warm --digest: another state has no digest until it is computed again", async () => {
  await using tree = await makePhotos();
  assert.equal((await warm(tree, "--digest")).code, 0);
  await using program = await serve(tree);
  const before = await ask(program);
  const path = tree.join("photos", HASH, "a.jpg");
  Deno.writeFileSync(path, randomBytes(100));
  Deno.utimeSync(path, new Date("2024-06-01"), new Date("2024-06-01"));
  const changed = await ask(program);
  assert.deepEqual([changed.status, changed.digest], [200, null]);
  assert.notDeepEqual(changed.bytes, before.bytes);
  const again = await warm(tree, "--digest");
  assert.deepEqual(again, { code: 0, stdout: "", stderr: "" });
  await using second = await serve(tree);
  const after = await ask(second);
  assert.equal(after.digest, fieldOf(after.bytes));
});

Deno.test("warm --digest: the file may be deleted while the service runs", async () => {
  await using tree = await makePhotos();
  assert.equal((await warm(tree, "--digest")).code, 0);
  await using program = await serve(tree);
  for (const end of ["", "-wal", "-shm"]) {
    await Deno.remove(tree.join(`index.db${end}`)).catch(() => {});
  }
  const { status, digest } = await ask(program);
  assert.deepEqual([status, digest], [200, null]);
});

Deno.test("warm --digest: photos that change under the same size and time", async () => {
  await using tree = await makePhotos();
  assert.equal((await warm(tree)).code, 0);
  const path = tree.join("photos", HASH, "a.jpg");
  const { mtime } = Deno.statSync(path);
  const file = Deno.openSync(path, { write: true });
  file.writeSync(new TextEncoder().encode("other bytes"));
  file.close();
  Deno.utimeSync(path, mtime!, mtime!);
  assert.deepEqual(await warm(tree, "--digest"), { code: 0, stdout: "", stderr: "" });
  await using program = await serve(tree);
  const whole = await ask(program);
  assert.equal(whole.digest, fieldOf(whole.bytes), "the CRC-32 that was kept was wrong");
});

testWithStore(
  "warm --digest: an archive in a bucket, until one of its objects is another",
  async () => {
    await using store = await startObjectStore();
    await store.createBucket("photos");
    await store.put("photos", `${HASH}/a.jpg`, randomBytes(5_000_000));
    await store.put("photos", `${HASH}/b.jpg`, randomBytes(1000, 2));
    const { accessKeyId, secretAccessKey } = store.rootCredentials;
    await using tree = await makeTree();
    const options = {
      env: {
        PHOTOS_DIR: "s3://photos",
        ZIPFERRY_CHECKSUMS: tree.join("index.db"),
        AWS_ENDPOINT_URL_S3: store.endpoint.href,
        AWS_ACCESS_KEY_ID: accessKeyId,
        AWS_SECRET_ACCESS_KEY: secretAccessKey,
      },
      task: "start:checksums" as const,
    };
    const warmed = await runToEnd(["warm", "--digest"], options);
    assert.deepEqual([warmed.code, warmed.stdout], [0, ""], warmed.stderr);
    await using program = await start([], options);
    const whole = await ask(program);
    assert.equal(whole.digest, fieldOf(whole.bytes));
    await store.put("photos", `${HASH}/b.jpg`, randomBytes(1000, 3));
    const changed = await ask(program);
    assert.deepEqual([changed.status, changed.digest], [200, null]);
  },
);

Deno.test("--digest is refused where it means nothing", async () => {
  const cases: [string[], RegExp][] = [
    [["--digest"], /^zipferry: --digest: only for the command warm\n$/],
    [["verify", "--digest", "--checksums", "x"], /--digest: only for the command warm/],
    [["warm", "--digest"], /warm: needs --checksums/],
    [
      ["warm", "--digest", "--engine", "zip", "--checksums", "x"],
      /--digest: not with --engine zip/,
    ],
  ];
  for (const [args, message] of cases) {
    const { code, stdout, stderr } = await runToEnd(args);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, message);
  }
});
