import assert from "node:assert/strict";
import type { Delivery, ReceiptStore, RequestUpdate } from "../lib/receipts.ts";
import { MemoryReceipts } from "./memory_receipts.ts";
import type { Download, DownloadEnd } from "./observer.ts";
import { Receipts } from "./receipts.ts";

const DOWNLOAD: Download = { hash: "h", etag: '"1-a"', size: 100, start: 0, length: 100 };
const COMPLETE: DownloadEnd = { kind: "complete", bytes: 100, seconds: 1 };

/** A store that notes what it is given, and answers as it is told */
class Store implements ReceiptStore {
  readonly batches: (readonly RequestUpdate[])[] = [];
  readonly memory = new MemoryReceipts();
  isOpen = true;
  answer: () => Promise<void> = () => Promise.resolve();

  async apply(updates: readonly RequestUpdate[]) {
    this.batches.push(updates);
    await this.answer();
    return await this.memory.apply(updates);
  }

  async find(hash: string) {
    await this.answer();
    return await this.memory.find(hash);
  }

  close() {
    this.isOpen = false;
  }
}

Deno.test("Receipts gathers what one request does into one update", async () => {
  const store = new Store();
  const delivered: Delivery[] = [];
  const receipts = new Receipts({ store, onDelivered: (delivery) => delivered.push(delivery) });
  receipts.started(DOWNLOAD);
  receipts.progressed(DOWNLOAD, 40);
  receipts.ended(DOWNLOAD, COMPLETE);
  await receipts.close();
  const [[update, ...others], ...batches] = store.batches;
  assert.deepEqual([others, batches, store.isOpen], [[], [], false]);
  const { id: _id, at: _at, ...rest } = update;
  const { length: _length, ...expected } = DOWNLOAD;
  assert.deepEqual(rest, { ...expected, bytes: 100, isFirst: true, ended: "complete" });
  assert.deepEqual(delivered.map(({ hash, deliveries }) => [hash, deliveries]), [["h", 1]]);
});

Deno.test("Receipts knows a choice of files from the whole, and counts none without a tag", async () => {
  const store = new Store();
  const delivered: Delivery[] = [];
  const receipts = new Receipts({ store, onDelivered: (delivery) => delivered.push(delivery) });
  const choice = { ...DOWNLOAD, etag: '"1-b"', chosen: true };
  for (const download of [DOWNLOAD, choice, { ...choice, etag: null }]) {
    receipts.started(download);
    receipts.progressed(download, 50);
    receipts.ended(download, COMPLETE);
  }
  await receipts.close();
  assert.deepEqual(delivered.map(({ etag, chosen }) => [etag, chosen]), [
    ['"1-a"', undefined],
    ['"1-b"', true],
  ]);
  assert.equal((await store.find("h")).length, 2);
});

Deno.test("Receipts keeps in memory what the store does not take, and tells of it once", async () => {
  const store = new Store();
  const failures: unknown[] = [];
  const receipts = new Receipts({ store, onFailure: (error) => failures.push(error) });
  const error = new Error("no room");
  await assert.doesNotReject(receipts.find("h"));
  store.answer = () => Promise.reject(error);
  await assert.rejects(receipts.find("h"), error);
  for (const download of [DOWNLOAD, { ...DOWNLOAD }]) {
    receipts.started(download);
    receipts.ended(download, COMPLETE);
    await receipts.flush();
  }
  assert.deepEqual(failures, [error]);
  assert.deepEqual((await receipts.find("h")).map(({ deliveries }) => deliveries), [2]);
  store.answer = () => Promise.resolve();
  assert.deepEqual((await receipts.find("h")).map(({ deliveries }) => deliveries), [2]);
  await receipts.close();
});

Deno.test("Receipts: while the store takes its time, what waits has a bound", async () => {
  const store = new Store();
  let drops = 0;
  const receipts = new Receipts({ store, onDrop: () => drops++ });
  const { promise, resolve } = Promise.withResolvers<void>();
  store.answer = () => promise;
  receipts.started(DOWNLOAD);
  const first = receipts.flush();
  await Promise.resolve(); // the store has the first update
  for (let i = 0; i < 10_005; i++) receipts.started({ ...DOWNLOAD });
  resolve();
  await first;
  await receipts.close();
  assert.equal(drops, 1);
  assert.deepEqual(store.batches.map(({ length }) => length), [1, 10_000]);
});

Deno.test("MemoryReceipts has a bound: the archive that was asked for last stays", async () => {
  const store = new MemoryReceipts(3);
  const update = { id: "a", size: 1, start: 0, bytes: 1, isFirst: true, at: 1 } as const;
  const apply = (hash: string, etag: string) =>
    store.apply([{ ...update, hash, etag, ended: "complete" }]);
  for (const hash of ["a", "b", "c", "d"]) await apply(hash, '"1"');
  const known = async () => {
    const found = await Promise.all(["a", "b", "c", "d"].map((hash) => store.find(hash)));
    return found.map(({ length }) => length);
  };
  assert.deepEqual(await known(), [0, 1, 1, 1]);
  await apply("d", '"2"');
  assert.deepEqual(await known(), [0, 0, 1, 2]);
  assert.deepEqual((await store.find("d")).map(({ etag }) => etag), ['"2"', '"1"']);
  const roomy = new MemoryReceipts();
  for (let i = 0; i < 50; i++) {
    await roomy.apply([{ ...update, hash: "a", etag: `${i}`, ended: null }]);
  }
  assert.equal((await roomy.find("a")).length, 20);
});

Deno.test("MemoryReceipts: choices of files take the place of none but each other", async () => {
  const store = new MemoryReceipts();
  const update = { hash: "a", size: 1, start: 0, bytes: 1, isFirst: true, ended: null } as const;
  for (let i = 0; i < 5; i++) await store.apply([{ ...update, id: "a", etag: `w${i}`, at: 1 }]);
  for (let i = 0; i < 50; i++) {
    await store.apply([{ ...update, id: "a", etag: `${i}`, chosen: true, at: 2 }]);
  }
  const found = (await store.find("a")).map(({ etag }) => etag);
  const choices = Array.from({ length: 15 }, (_, i) => `${49 - i}`);
  assert.deepEqual(found, [...choices, "w4", "w3", "w2", "w1", "w0"]);
});
