import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type Fault, type FaultyStore, startFaultyStore, STORE_ERRORS } from "./faulty_store.ts";
import { openObjectStore, startObjectStore, testWithStore } from "./object_store.ts";
import { until } from "./process.ts";
import { randomBytes } from "./tree.ts";

const SIZE = 300_000;

/** Whoever has said nothing more by then has stalled, in milliseconds */
const STALL_MS = 1500;

const CONTENT = randomBytes(SIZE, 7);

/** A store with one object, a proxy before it, and a client that asks the proxy */
async function setUp() {
  const stack = new AsyncDisposableStack();
  const store = stack.use(await startObjectStore());
  await store.createBucket("photos");
  await store.put("photos", "a/b + c.jpg", CONTENT);
  const faulty = stack.use(await startFaultyStore(store));
  const { request } = openObjectStore(faulty.endpoint);
  return { store, faulty, request, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

type Request = Awaited<ReturnType<typeof setUp>>["request"];

/** What came of an object: its bytes, an error of the store, or how the answer ended too early */
async function get(request: Request, within = 20_000): Promise<string | Uint8Array> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), within);
  const ended = () => late.signal.aborted ? "stalled" : "broken";
  const chunks: Uint8Array[] = [];
  let response: Response | undefined;
  try {
    response = await request({ path: "photos/a/b + c.jpg", signal: late.signal });
    if (!response.ok) return `${response.status} ${/<Code>(\w+)/.exec(await response.text())?.[1]}`;
    for await (const chunk of response.body!) chunks.push(chunk);
    return Buffer.concat(chunks);
  } catch {
    return response ? `${ended()} after ${sizeOf(chunks)}` : ended();
  } finally {
    clearTimeout(timer);
  }
}

function sizeOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, { length }) => sum + length, 0);
}

testWithStore("startFaultyStore() passes everything on, and counts it", async () => {
  await using setup = await setUp();
  const { faulty, request } = setup;
  assert.deepEqual(Buffer.from(await get(request) as Uint8Array), Buffer.from(CONTENT));
  const head = await request({ method: "HEAD", path: "photos/a/b + c.jpg" });
  assert.equal(head.headers.get("content-length"), `${SIZE}`);
  const put = await request({ method: "PUT", path: "photos/a/d", body: CONTENT });
  await put.body?.cancel();
  assert.equal(put.status, 200);
  const list = async (query: Record<string, string>) => {
    const all = { "list-type": "2", "prefix": "a/", "max-keys": "1", ...query };
    return await (await request({ path: "photos", query: all })).text();
  };
  const token = /<NextContinuationToken>(.*)<\/Next/.exec(await list({}))![1];
  for (let i = 0; i < 2; i++) await list({ "continuation-token": token });

  assert.deepEqual(faulty.counts(), { list: 3, head: 1, get: 1, other: 1 });
  assert.deepEqual(faulty.seen().map(({ kind, path, page }) => [kind, path, page]), [
    ["get", "photos/a/b + c.jpg", 0],
    ["head", "photos/a/b + c.jpg", 0],
    ["other", "photos/a/d", 0],
    ["list", "photos", 1],
    ["list", "photos", 2],
    ["list", "photos", 2],
  ]);
  assert.equal(faulty.mostActive(), 1);
  assert.equal(faulty.faults(), 0);
  faulty.forget();
  assert.deepEqual(faulty.counts(), { list: 0, head: 0, get: 0, other: 0 });

  await Promise.all(Array.from({ length: 8 }, () => {
    faulty.rule = () => ({ delayMs: 200 });
    return get(request);
  }));
  assert.equal(faulty.mostActive(), 8);
  await until(() => faulty.active() === 0, "all are answered");
});

testWithStore("startFaultyStore() fails in each way", async (t) => {
  await using setup = await setUp();
  const { faulty, request } = setup;
  const changed = (at: number) => {
    const content = Uint8Array.from(CONTENT);
    content[at] ^= 0xff;
    return content;
  };
  const cases: [string, Fault, string | Uint8Array][] = [
    ["500", { answer: STORE_ERRORS.internal }, "500 InternalError"],
    ["503", { answer: STORE_ERRORS.slowDown }, "503 SlowDown"],
    ["403", { answer: STORE_ERRORS.expired }, "403 ExpiredToken"],
    ["reset before the head", { breaks: "reset" }, "broken"],
    ["closed before the head", { breaks: "close" }, "broken"],
    ["no head", { breaks: "stall" }, "stalled"],
    ["reset", { breaks: "reset", after: 70_000 }, "broken after"],
    ["closed", { breaks: "close", after: 70_000 }, "broken after 70000"],
    ["stalled", { breaks: "stall", after: 70_000 }, "stalled after 70000"],
    ["stalled after the head", { breaks: "stall", after: 0 }, "stalled after 0"],
    ["too short", { lengthOff: -1000 }, CONTENT.subarray(0, SIZE - 1000)],
    ["too long", { lengthOff: 10 }, `broken after ${SIZE}`],
    [
      "padded",
      { lengthOff: 10, padded: true },
      Buffer.concat([CONTENT, new Uint8Array(10)]),
    ],
    ["another byte", { flip: 222_222 }, changed(222_222)],
  ];
  for (const [name, fault, expected] of cases) {
    await t.step(name, async () => {
      faulty.forget();
      faulty.rule = () => fault;
      const stalls = `${expected}`.startsWith("stalled");
      const seen = await get(request, stalls ? STALL_MS : undefined);
      if (typeof expected === "string") assert.ok(`${seen}`.startsWith(expected), `${seen}`);
      else assert.ok(Buffer.from(expected).equals(Buffer.from(seen as Uint8Array)));
      // fetch() asks once more where a connection that was kept breaks before the answer
      assert.ok(faulty.faults() >= 1 && faulty.faults() === faulty.seen().length);
      faulty.rule = null;
      assert.equal((await get(request)).length, SIZE);
    });
  }
  await t.step("another ETag", async () => {
    faulty.rule = () => ({ headers: { "etag": '"other"', "last-modified": null } });
    const { headers } = await request({ method: "HEAD", path: "photos/a/b + c.jpg" });
    assert.equal(headers.get("etag"), '"other"');
    assert.equal(headers.get("last-modified"), null);
  });
  await t.step("no Range", async () => {
    faulty.rule = () => ({ ignoresRange: true });
    const part = { path: "photos/a/b + c.jpg", headers: { range: "bytes=5-9" } };
    const response = await request(part);
    assert.deepEqual([response.status, (await response.bytes()).length], [200, SIZE]);
  });
  await t.step("every third request", async () => {
    faulty.forget();
    faulty.rule = ({ nth }) => nth % 3 === 0 ? { breaks: "close", after: 5 } : null;
    const all = [];
    for (let i = 0; i < 6; i++) all.push((await get(request)).length === SIZE);
    assert.deepEqual(all, [true, true, false, true, true, false]);
  });
});

testWithStore("startFaultyStore() lets go of a client that has left", async () => {
  await using setup = await setUp();
  const faulty: FaultyStore = setup.faulty;
  faulty.rule = () => ({ breaks: "stall", after: 1000 });
  assert.equal(await get(setup.request, STALL_MS), "stalled after 1000");
  await until(() => faulty.active() === 0 && faulty.connections() === 0, "nothing is open");
});
