import assert from "node:assert/strict";
import { createStoreEngine } from "../engines/store.ts";
import { logDownloads } from "../observe/log.ts";
import { MemoryBudget } from "../lib/memory_budget.ts";
import type { Observer } from "../observe/observer.ts";
import { Checksums } from "../storage/checksums.ts";
import { StorageError } from "../storage/errors.ts";
import type { Listing } from "../storage/listing.ts";
import type { FileSource } from "../storage/source.ts";
import { captureLog } from "../testing/log.ts";
import { countTasks, MemorySource } from "../testing/memory_source.ts";
import { randomBytes } from "../testing/tree.ts";
import { longestBuffer } from "./archive.ts";
import { createHandler, type HandlerOptions } from "./mod.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const PATH = `/archive/${HASH}/`;

/** The handler over files in memory, of which listings may tell what they like */
function service(change: Partial<Listing> = {}, options: Partial<HandlerOptions> = {}) {
  const memory = new MemorySource({ [`${HASH}/1.jpg`]: randomBytes(8_000_000) });
  const instead: Partial<FileSource> = {
    list: async (hash) => {
      const listing = await memory.list(hash);
      return listing && { ...listing, ...change };
    },
  };
  const source = countTasks(memory, instead);
  const engine = createStoreEngine({ source, checksums: new Checksums(source) });
  const observer = logDownloads();
  const handler = createHandler({ source, engine, observer, listing: "off", ...options });
  const log = captureLog();
  return {
    /** What takes the place of the source's methods */
    instead,
    logged: log.lines,
    ask(path = PATH, headers: Readonly<Record<string, string>> = {}, signal?: AbortSignal) {
      const remoteAddr = { transport: "tcp", hostname: "203.0.113.9", port: 1 } as const;
      const request = new Request(`http://x${path}`, {
        headers: { host: "x", ...headers },
        signal,
      });
      return handler(request, { remoteAddr, completed: Promise.resolve() });
    },
    async [Symbol.asyncDispose]() {
      await engine.close();
      log[Symbol.dispose]();
    },
  };
}

Deno.test("?manifest is the manifest, and a query that only looks like it is not", async () => {
  await using site = service();
  assert.equal(
    (await site.ask(`${PATH}?manifest`)).headers.get("content-type"),
    "application/json",
  );
  const queries = [
    "manifesto",
    "xmanifest",
    "manifes",
    "Manifest",
    "a=manifest",
    "a&manifests",
    "",
  ];
  for (const query of queries) {
    const answer = await site.ask(`${PATH}?${query}`);
    assert.equal(answer.headers.get("content-type"), "application/zip", query);
    await answer.bytes();
  }
});

Deno.test("Last-Modified is never in the future", async () => {
  for (const ahead of [2, 3600, 10 ** 9]) {
    await using site = service({ lastModified: Math.floor(Date.now() / 1000) + ahead });
    const answer = await site.ask(PATH, { range: "bytes=0-0" });
    await answer.bytes();
    const date = answer.headers.get("last-modified");
    assert.ok(date === null || Date.parse(date) <= Date.now(), `${date}`);
    if (date === null) continue;
    const resumed = await site.ask(PATH, { range: "bytes=0-0", "if-range": date });
    await resumed.bytes();
    assert.equal(resumed.status, 200, "such a date names no state");
  }
});

Deno.test("If-Range takes a date only when its second is over, and so is the next", async () => {
  const { now } = Date;
  const time = 1_700_000_000;
  Date.now = () => time * 1000 + 500;
  try {
    const cases = [[0, true, 200], [1, true, 200], [2, true, 206], [9, true, 206], [9, false, 200]];
    for (const [age, settled, status] of cases as [number, boolean, number][]) {
      await using site = service({ lastModified: time - age, settled });
      const date = new Date((time - age) * 1000).toUTCString();
      const answer = await site.ask(PATH, { range: "bytes=0-0", "if-range": date });
      await answer.bytes();
      assert.equal(answer.status, status, `${age} seconds, ${settled ? "settled" : "unsettled"}`);
    }
  } finally {
    Date.now = now;
  }
});

Deno.test("Where entity tags tell of contents, the archive's own has them in it, and no date counts", async () => {
  const lastModified = 1_700_000_000;
  const date = new Date(lastModified * 1000).toUTCString();
  await using plain = service({ lastModified });
  await using site = service({ lastModified, revision: "0a1b" });
  const answer = await site.ask(PATH, { range: "bytes=0-0", "if-range": date });
  await answer.bytes();
  assert.deepEqual([answer.status, answer.headers.get("last-modified")], [200, null]);
  const unchanged = await site.ask(PATH, { "if-modified-since": date });
  await unchanged.bytes();
  assert.equal(unchanged.status, 200, "an object may be gone since");
  const etag = (await plain.ask(PATH, { "if-modified-since": date })).headers.get("etag");
  assert.equal(answer.headers.get("etag"), etag?.replace(/"$/, '-0a1b"'));
  const resumed = await site.ask(PATH, {
    range: "bytes=0-0",
    "if-range": answer.headers.get("etag") ?? "",
  });
  await resumed.bytes();
  assert.equal(resumed.status, 206);
});

Deno.test("archive(): what was left out is one line of the log, with a few of the names", async () => {
  const leftOut = Array.from({ length: 10_000 }, (_, i) => `links/${i}`);
  await using site = service({ leftOut });
  await (await site.ask()).bytes();
  const lines = site.logged.filter((line) => line.includes("left out"));
  assert.equal(lines.length, 1);
  assert.ok(lines[0].length < 1000, `${lines[0].length} characters`);
  const { count, paths } = JSON.parse(lines[0]).properties;
  assert.deepEqual([count, paths], [10_000, leftOut.slice(0, 5)]);

  await using whole = service();
  await (await whole.ask()).bytes();
  assert.ok(whole.logged.every((line) => !line.includes("left out")));
});

Deno.test("archive(): `release` frees each buffer when the next one is asked for, and only then", async () => {
  for (const release of [true, false, undefined]) {
    await using site = service({}, { release });
    const reader = (await site.ask()).body!.getReader();
    const buffers: ArrayBuffer[] = [];
    for (let read; !(read = await reader.read()).done;) {
      assert.ok(!read.value.buffer.detached, "it is there as long as it is needed");
      buffers.push(read.value.buffer);
    }
    assert.ok(buffers.length > 10);
    assert.ok(buffers.every(({ detached }) => detached === (release ?? false)), `${release}`);
  }
});

Deno.test("archive(): a delay cuts chunks to 256 KiB, and no delay leaves them as they are", async () => {
  const { now } = performance;
  performance.now = () => 0; // or a slow machine would be taken for a slow client
  try {
    for (const [delay, longest] of [[1, 256 << 10], [0, 1 << 20], [undefined, 1 << 20]]) {
      await using site = service({}, { delay });
      const lengths: number[] = [];
      for await (const chunk of (await site.ask()).body!) lengths.push(chunk.length);
      assert.equal(Math.max(...lengths), longest, `${delay}`);
    }
  } finally {
    performance.now = now;
  }
});

Deno.test("archive(): the observer is told which download it is, how far it came, and how it ended", async () => {
  const told: [string, ...unknown[]][] = [];
  const observer: Observer = {
    started: (download) => told.push(["started", download]),
    progressed: (download, bytes) => told.push(["progressed", download, bytes]),
    ended: (download, end) => told.push(["ended", download, end]),
  };
  const { now } = performance;
  let time = 0;
  performance.now = () => time;
  try {
    await using site = service({}, { observer });
    const whole = await site.ask();
    const [etag, size] = [whole.headers.get("etag"), Number(whole.headers.get("content-length"))];
    const reader = whole.body!.getReader();
    const { value } = await reader.read();
    time = 2500;
    const { value: next } = await reader.read();
    const bytes = value!.length + next!.length;
    await reader.cancel();
    const download = { hash: HASH, etag, size, start: 0, length: size };
    assert.deepEqual(told.splice(0), [
      ["started", download],
      ["progressed", download, bytes],
      ["ended", download, { kind: "cancelled", error: undefined, bytes, seconds: 2.5 }],
    ]);

    await (await site.ask(PATH, { range: "bytes=100-299" })).bytes();
    const part = { ...download, start: 100, length: 200 };
    assert.deepEqual(told, [
      ["started", part],
      ["ended", part, { kind: "complete", error: undefined, bytes: 200, seconds: 0 }],
    ]);
    assert.equal(told[0][1], told[1][1], "one object stands for it in every call");
  } finally {
    performance.now = now;
  }
});

Deno.test("archive(): an archive on a disk whose times tell nothing has no ranges", async () => {
  await using site = service({ steady: false, settled: false });
  const answer = await site.ask(PATH, { range: "bytes=0-9" });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("accept-ranges"), "none");
  assert.equal(answer.headers.get("content-range"), null);
  assert.match(answer.headers.get("etag") ?? "W/", /^W\//);
  assert.equal((await answer.bytes()).length, Number(answer.headers.get("content-length")));
});

Deno.test("archive(): a request that may succeed later is 503 and says when to ask again", async () => {
  const cases: [string, number, string | null, boolean][] = [
    ["EIO", 503, "5", true],
    ["EAGAIN", 503, "5", true],
    ["EACCES", 500, null, true],
    ["EUNSETTLED", 503, "10", false], // nothing is wrong
  ];
  for (const [code, status, retryAfter, isLogged] of cases) {
    await using site = service();
    site.instead.list = () => Promise.reject(new StorageError(code, `list folder: ${code}: /`));
    for (const path of [PATH, `${PATH}?manifest`]) {
      const answer = await site.ask(path, { "accept-language": "ru" });
      const text = await answer.text();
      assert.deepEqual([answer.status, answer.headers.get("retry-after")], [status, retryAfter]);
      assert.equal(answer.headers.get("content-language"), "ru");
      assert.match(answer.headers.get("content-security-policy") ?? "", /^default-src 'none'; /);
      assert.equal(/http-equiv="refresh" content="10/.test(text), code === "EUNSETTLED", code);
      assert.ok(!text.includes(code));
    }
    const errors = site.logged.filter((line) => line.includes('"level":"ERROR"'));
    assert.equal(errors.length, isLogged ? 2 : 0, code);
    for (const line of errors) {
      assert.match(line, /"archive":"5d1c…"/);
      assert.ok(line.includes(code) && line.includes(String(status)) && !line.includes(HASH));
    }
  }
});

Deno.test("archive(): a client that leaves before the answer is no error", async () => {
  await using site = service();
  const started = Promise.withResolvers<void>();
  site.instead.list = (_, options) =>
    new Promise((_, reject) => {
      options?.signal?.addEventListener("abort", () => reject(options.signal!.reason));
      started.resolve();
    });
  const leaving = new AbortController();
  const answer = site.ask(PATH, {}, leaving.signal);
  await started.promise;
  leaving.abort();
  const { status, body } = await answer;
  assert.deepEqual([status, body, site.logged], [499, null, []]);
});

Deno.test("?manifest tells files, their times in whole seconds, and the archive itself", async () => {
  await using site = service();
  const manifest = await (await site.ask(`${PATH}?manifest`)).json();
  const { headers, body } = await site.ask(PATH, { range: "bytes=0-0" });
  await new Response(body).bytes();
  const length = Number(headers.get("content-range")?.split("/")[1]);
  assert.deepEqual(manifest, {
    files: [{
      ...{ name: "1.jpg", size: 8_000_000, mtime: "2024-05-06T07:08:09Z" },
      ...{ offset: 44, crc32: null },
    }],
    count: 1,
    total: 8_000_000,
    archive: { length, etag: headers.get("etag") },
    ...{ title: null, expires: null, parts: null },
  });
});

Deno.test("createHandler(): its signal ends every wait with 503, which says when to ask again", async () => {
  const stopping = new AbortController();
  await using site = service({}, { signal: stopping.signal, listing: "on" });
  const hung = Promise.withResolvers<void>();
  site.instead.list = () => hung.promise.then(() => null);
  site.instead.folders = () => hung.promise.then(() => []);
  const waiting = [PATH, `${PATH}?manifest`, "/", "/?page=2"].map((path) => site.ask(path));
  await new Promise((resolve) => setTimeout(resolve)); // all of them have asked the source
  stopping.abort(new Error("the service is stopping"));
  for (const answer of await Promise.all([...waiting, site.ask(PATH)])) {
    assert.deepEqual([answer.status, answer.headers.get("retry-after")], [503, "5"]);
    assert.match(await answer.text(), /<!doctype html>/i);
  }
  assert.deepEqual(site.logged, []);
  hung.resolve(); // what nobody waits for any more ends in peace
});

Deno.test("createHandler(): an archive that is listed too late for the signal is not opened", async () => {
  const stopping = new AbortController();
  await using site = service({}, { signal: stopping.signal });
  const { list } = site.instead;
  const hung = Promise.withResolvers<void>();
  let late: Promise<Listing | null> | undefined;
  site.instead.list = (hash) => late = hung.promise.then(() => list!(hash));
  const answer = site.ask();
  stopping.abort(new Error("the service is stopping"));
  assert.equal((await answer).status, 503);
  hung.resolve();
  assert.ok(await late);
  await new Promise((resolve) => setTimeout(resolve, 500)); // all goes on that can, labels too
  assert.deepEqual(site.logged, []);
});

Deno.test("createHandler(): downloads count against the memory, and give it back however they end", async () => {
  const memory = new MemoryBudget({ limit: 1 << 20, patience: 10 });
  await using site = service({}, { memory });
  const whole = await site.ask();
  assert.ok(memory.used > 640 << 10, `${memory.used} bytes while it is sent`);
  await whole.bytes();
  assert.equal(memory.used, 0);

  await (await site.ask()).body!.cancel();
  assert.equal(memory.used, 0, "its client has left");
  for (const [path, headers] of [[PATH, { range: "bytes=9999999-" }], [`${PATH}?manifest`, {}]]) {
    await (await site.ask(path as string, headers as Record<string, string>)).body?.cancel();
    assert.equal(memory.used, 0, JSON.stringify(path));
  }
});

Deno.test("createHandler(): where there is no memory in time, a download is refused with 503", async () => {
  const memory = new MemoryBudget({ limit: 1 << 20, patience: 10 });
  await using site = service({}, { memory });
  using _others = memory.count(900 << 10);
  const { status, headers, body } = await site.ask();
  await body?.cancel();
  assert.deepEqual([status, headers.get("retry-after")], [503, "5"]);
  assert.match(site.logged.join(), /needs 0\.6 MiB, and 0\.\d MiB of --memory 1\.0 MiB are in use/);
  assert.equal(memory.used, 900 << 10);
});

Deno.test("longestBuffer(): a slow pace needs no long buffers, a fast one gets them", () => {
  const cases: [number, number, number, number | undefined][] = [ // delay, rate, in all, bytes
    [0, 0, 0, undefined],
    [1000, 0, 0, 256 << 10],
    [0, 1000, 0, 32 << 10],
    [0, 0, 1000, 32 << 10],
    [0, 1 << 20, 0, 128 << 10],
    [0, 4 << 20, 1 << 20, 128 << 10],
    [1000, 1 << 20, 0, 128 << 10],
    [1000, 1 << 30, 0, 256 << 10],
    [0, 1 << 30, 0, undefined],
  ];
  for (const [delay, limitRate, limitRateTotal, expected] of cases) {
    assert.equal(longestBuffer({ delay, limitRate, limitRateTotal }), expected);
  }
});

Deno.test("archive(): a rate cuts chunks into pieces, and all downloads share the one for all", async () => {
  using busy = new DisposableStack(); // the timers of a rate do not keep a process alive
  busy.adopt(setInterval(() => {}, 1000), clearInterval);
  await using site = service({}, { limitRate: 1 << 30, limitRateTotal: 256 << 10 });
  const begin = async () => (await site.ask()).body!.getReader();
  const lengthOfNext = async (reader: ReadableStreamDefaultReader<Uint8Array>) =>
    (await reader.read()).value!.length;
  const alone = await begin();
  assert.equal(await lengthOfNext(alone), Math.round((256 << 10) / 10));
  const others = [await begin(), await begin(), await begin()];
  for (const other of others) assert.ok(await lengthOfNext(other) <= (256 << 10) / 10 / 2);
  for (const reader of [alone, ...others]) await reader.cancel();
});
