import assert from "node:assert/strict";
import { createStoreEngine } from "../engines/store.ts";
import type { Answer, Observer } from "../observe/observer.ts";
import { Checksums } from "../storage/checksums.ts";
import { DiskSource } from "../storage/disk/disk.ts";
import { captureLog } from "../testing/log.ts";
import { makeTree } from "../testing/tree.ts";
import { createHandler, type HandlerOptions } from "./mod.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";
const UNKNOWN = "e07b6a1d4c92583fb6d07f3a18c5e924";

const INFO: Deno.ServeHandlerInfo = {
  remoteAddr: { transport: "tcp", hostname: "127.0.0.1", port: 1 },
  completed: Promise.resolve(),
};

async function serve(options: Partial<HandlerOptions> = {}) {
  const tree = await makeTree({ [`${HASH}/a.jpg`]: "a" });
  const source = new DiskSource({ root: tree.path, workers: 1 });
  const engine = createStoreEngine({ source, checksums: new Checksums(source) });
  const log = captureLog();
  const told: Answer[] = [];
  const observer: Observer = {
    answered: (answer) => told.push(answer),
    started() {},
    progressed() {},
    ended() {},
  };
  const handler = createHandler({ source, engine, observer, listing: "off", ...options });
  return {
    told,
    async ask(path: string, init: RequestInit = {}) {
      const headers = { host: "localhost", ...init.headers };
      const response = await handler(
        new Request(`http://localhost${path}`, { ...init, headers }),
        INFO,
      );
      await response.body?.pipeTo(new WritableStream());
      return response;
    },
    async [Symbol.asyncDispose]() {
      source[Symbol.dispose]();
      log[Symbol.dispose]();
      await tree[Symbol.asyncDispose]();
    },
  };
}

Deno.test("createHandler(): the observer is told of every answer, and of no path or query", async () => {
  await using server = await serve();
  const etag = (await server.ask(`/archive/${HASH}/`, { method: "HEAD" })).headers.get("etag")!;
  const requests: [string, RequestInit][] = [
    [`/archive/${HASH}/`, {}],
    [`/archive/${HASH}/`, { headers: { range: "bytes=0-1" } }],
    [`/archive/${HASH}/`, { headers: { range: "bytes=9999999-" } }],
    [`/archive/${HASH}/`, { headers: { "if-none-match": etag } }],
    [`/archive/${HASH}/?manifest`, {}],
    [`/archive/${UNKNOWN}/?secret`, {}],
    [`/archive/a.b/`, {}],
    ["/", {}],
    ["/healthz", {}],
    ["/nowhere?secret", {}],
    [`/archive/${HASH}/`, { method: "DELETE" }],
  ];
  for (const [path, init] of requests) await server.ask(path, init);
  assert.deepEqual(
    server.told.slice(1).map(({ route, method, status, hash }) => [route, method, status, hash]),
    [
      ["archive", "GET", 200, HASH],
      ["archive", "GET", 206, HASH],
      ["archive", "GET", 416, HASH],
      ["archive", "GET", 304, HASH],
      ["manifest", "GET", 200, HASH],
      ["archive", "GET", 404, UNKNOWN],
      ["other", "GET", 404, undefined],
      ["list", "GET", 200, undefined],
      ["health", "GET", 200, undefined],
      ["other", "GET", 404, undefined],
      ["archive", "DELETE", 405, HASH],
    ],
  );
  assert.ok(!JSON.stringify(server.told).includes("secret"));
});

Deno.test("createHandler(): who is not admitted gets 503 and a closed connection, but for a look at the health", async () => {
  let room = false;
  const seen: unknown[] = [];
  const admit = (ended: Promise<void>) => (seen.push(ended), room);
  await using server = await serve({ admit });
  for (const path of [`/archive/${HASH}/`, "/", `/archive/${HASH}/?manifest`]) {
    const { status, headers } = await server.ask(path);
    assert.deepEqual(
      [status, headers.get("retry-after"), headers.get("connection")],
      [503, "5", "close"],
    );
  }
  assert.equal((await server.ask("/healthz")).status, 200);
  room = true;
  const { status, headers } = await server.ask(`/archive/${HASH}/`);
  assert.deepEqual([status, headers.get("connection")], [200, null]);
  assert.deepEqual(seen, Array(4).fill(INFO.completed));
  assert.deepEqual(server.told.map(({ status }) => status), [503, 503, 503, 200, 200]);
});

Deno.test("createHandler(): an error that holds the hash is logged without it", async () => {
  const fail = () => Promise.reject(new Error(`cannot read ${HASH}/a.jpg`));
  const source = {
    archives: () => Promise.resolve([]),
    folders: () => Promise.resolve([]),
    list: fail,
    fill: fail,
    checksum: fail,
    keepsChecksums: false,
    recall: fail,
    remember: fail,
  };
  await using server = await serve({ source });
  using log = captureLog();
  assert.equal((await server.ask(`/archive/${HASH}/`)).status, 500);
  assert.equal(log.lines.length, 1);
  assert.match(log.lines[0], /cannot read 5d1c…\/a\.jpg/);
  assert.ok(!log.lines[0].includes(HASH));
});
