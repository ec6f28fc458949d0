import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { ConfigError } from "../../lib/config.ts";
import type { RequestUpdate } from "../../lib/receipts.ts";
import { makeTree } from "../../testing/tree.ts";
import { ReceiptFile } from "./receipt_file.ts";
import { DiskReceipts } from "./receipts.ts";

const HASH = "3f0c62a9d81b4e57a6c2907f51e8bd34";

function update(change: Partial<RequestUpdate> = {}): RequestUpdate {
  return {
    id: "a",
    hash: HASH,
    etag: '"1-a"',
    size: 100,
    start: 0,
    bytes: 100,
    isFirst: true,
    ended: "complete",
    at: 1000,
    ...change,
  };
}

Deno.test("ReceiptFile: two processes add up parts in one file", async () => {
  await using tree = await makeTree();
  using one = new ReceiptFile(tree.join("state"));
  using other = new ReceiptFile(tree.join("state"));
  assert.deepEqual(one.apply([update({ bytes: 60, ended: "cancelled" })]), []);
  const [delivery, ...others] = other.apply([update({ id: "b", start: 60, bytes: 40, at: 2000 })]);
  assert.deepEqual([delivery.hash, delivery.deliveries, others], [HASH, 1, []]);
  const [{ requests, bytes, lastDelivery }] = one.find(HASH);
  assert.deepEqual([requests, bytes, lastDelivery], [2, 100, 2000]);
  assert.deepEqual(one.find("unknown"), []);
});

Deno.test("ReceiptFile: updates are taken in all, or none", async () => {
  await using tree = await makeTree();
  using file = new ReceiptFile(tree.join("state"));
  const bad = update({ hash: {} as unknown as string });
  assert.throws(() => file.apply([update(), bad]));
  assert.deepEqual(file.find(HASH), []);
  assert.equal(file.apply([update()]).length, 1);
});

Deno.test("ReceiptFile has a bound: the oldest go first", async () => {
  await using tree = await makeTree();
  using file = new ReceiptFile(tree.join("state"), { maxRows: 3, maxAge: 10_000 });
  for (const at of [1, 2, 3, 4, 5]) file.apply([update({ hash: `${HASH}${at}`, at })]);
  const known = () => [1, 2, 3, 4, 5, 6].filter((at) => file.find(`${HASH}${at}`).length > 0);
  assert.deepEqual(known(), [3, 4, 5]);
  file.apply([update({ hash: `${HASH}6`, at: 10_005 })]);
  assert.deepEqual(known(), [5, 6]);
});

Deno.test("ReceiptFile: choices of files have a bound of their own", async () => {
  await using tree = await makeTree();
  using file = new ReceiptFile(tree.join("state"), { maxChoices: 3 });
  file.apply([update(), update({ hash: "other", etag: '"c"', chosen: true })]);
  for (let i = 1; i <= 9; i++) {
    const [delivery] = file.apply([update({ etag: `"c${i}"`, chosen: true, at: 1000 + i })]);
    assert.equal(delivery.chosen, true);
  }
  assert.deepEqual(file.find(HASH).map(({ etag, chosen }) => [etag, chosen]), [
    ...['"c9"', '"c8"', '"c7"'].map((etag) => [etag, true]),
    ['"1-a"', undefined],
  ]);
  assert.equal(file.find("other").length, 1);
});

Deno.test("ReceiptFile: versions of an archive, the latest one first", async () => {
  await using tree = await makeTree();
  using file = new ReceiptFile(tree.join("state"));
  file.apply([update(), update({ etag: null, at: 3000 }), update({ etag: '"1-b"', at: 2000 })]);
  assert.deepEqual(file.find(HASH).map(({ etag }) => etag), [null, '"1-b"', '"1-a"']);
});

Deno.test("DiskReceipts: a file of others or a damaged one is a clear error, and left alone", async () => {
  await using tree = await makeTree({
    "text": "no database at all, but a long text".repeat(50),
    "folder": { directory: true },
  });
  const database = new DatabaseSync(tree.join("checksums"));
  database.exec("CREATE TABLE checksums (a); PRAGMA user_version = 1");
  database.close();
  {
    using file = new ReceiptFile(tree.join("damaged"));
    file.apply(Array.from({ length: 500 }, (_, i) => update({ hash: `${HASH}${i}` })));
  }
  using damaged = await Deno.open(tree.join("damaged"), { write: true });
  await damaged.seek(4096 * 3, Deno.SeekMode.Start);
  await damaged.write(new Uint8Array(4096 * 8).fill(0x5a));

  for (const name of ["text", "folder", "checksums", "damaged", "no folder/state"]) {
    const path = tree.join(name);
    const isFile = ["text", "checksums", "damaged"].includes(name);
    const before = isFile && await Deno.readFile(path);
    const receipts = new DiskReceipts(path);
    await assert.rejects(receipts.assertUsable(true), (error: Error) => {
      assert.ok(error instanceof ConfigError, name);
      assert.match(error.message, /^--state: ".*": \S[^\n]+; (?:name|delete) [^\n]+$/);
      return true;
    });
    receipts.close();
    if (isFile) assert.deepEqual(await Deno.readFile(path), before, name);
  }
});

Deno.test("DiskReceipts.assertUsable() leaves no file behind that was not there, if told so", async () => {
  await using tree = await makeTree();
  const receipts = new DiskReceipts(tree.join("state"));
  await receipts.assertUsable(false);
  assert.deepEqual([...Deno.readDirSync(tree.path)], []);
  await receipts.assertUsable(true);
  assert.deepEqual([...Deno.readDirSync(tree.path)].map(({ name }) => name), ["state"]);
  receipts.close();
});

Deno.test("DiskReceipts: a file that is deleted is made anew", async () => {
  await using tree = await makeTree();
  const receipts = new DiskReceipts(tree.join("state"));
  assert.equal((await receipts.apply([update()])).length, 1);
  await Deno.remove(tree.join("state"));
  assert.deepEqual(await receipts.find(HASH), []);
  const both = await Promise.all([receipts.apply([update()]), receipts.find(HASH)]);
  assert.deepEqual(both.map(({ length }) => length), [1, 1], "one task after the other");
  receipts.close();
});

Deno.test("DiskReceipts waits for another process that writes", async () => {
  await using tree = await makeTree();
  const receipts = new DiskReceipts(tree.join("state"));
  await receipts.assertUsable(true);
  const other = new DatabaseSync(tree.join("state"));
  other.exec("BEGIN IMMEDIATE");
  const applied = receipts.apply([update()]);
  other.exec("COMMIT");
  other.close();
  assert.equal((await applied).length, 1);
  receipts.close();
});
