import assert from "node:assert/strict";
import { until } from "../../testing/process.ts";
import {
  type ScriptedReply,
  type ScriptedRequest,
  type ScriptedStore,
  scriptStore,
} from "../../testing/scripted_store.ts";
import { StorageError } from "../errors.ts";
import { BucketClient, type BucketOptions } from "./client.ts";

const ETAG = '"e1"';
const KEY = "p/secret/a b.jpg";
const BYTES = crypto.getRandomValues(new Uint8Array(40_000));
const OBJECT = { key: KEY, etag: ETAG, size: BYTES.length };
const TIME = "Fri, 02 Jan 2026 03:04:05 GMT";
const CREDENTIALS = { accessKeyId: "AKID", secretAccessKey: "not told" };

/** A client of these servers that gives up soon */
function clientOf(
  stores: ScriptedStore | readonly URL[],
  options: Partial<BucketOptions> = {},
): BucketClient {
  const endpoints = "url" in stores ? [stores.url] : stores;
  return new BucketClient({
    ...{ bucket: "b", prefix: "p/", region: "us-east-1", endpoints, pathStyle: true },
    ...{ credentials: () => Promise.resolve(CREDENTIALS), retries: 1 },
    ...options,
  });
}

/** What GetObject answers with for the object of these tests */
function getReply({ headers }: ScriptedRequest): ScriptedReply {
  const [, from] = /^bytes=(\d+)-\d+$/.exec(headers.get("range") ?? "") ?? [];
  const to = Number(/-(\d+)$/.exec(headers.get("range") ?? "")?.[1] ?? BYTES.length - 1);
  const common = { etag: ETAG, "last-modified": TIME };
  if (from === undefined) {
    return { headers: { ...common, "x-amz-checksum-crc32": "y/Q5Jg==" }, body: BYTES };
  }
  const range = `bytes ${from}-${to}/${BYTES.length}`;
  return {
    status: 206,
    headers: { ...common, "content-range": range },
    body: BYTES.subarray(Number(from), to + 1),
  };
}

function page(keys: readonly string[], token?: string): ScriptedReply {
  const contents = keys.map((key) =>
    `<Contents><Key>${key}</Key><LastModified>2026-01-02T03:04:05Z</LastModified>` +
    `<ETag>${ETAG}</ETag><Size>1</Size></Contents>`
  );
  const next = token ? `<NextContinuationToken>${token}</NextContinuationToken>` : "";
  const body = `<ListBucketResult><IsTruncated>${token !== undefined}</IsTruncated>${next}${
    contents.join("")
  }</ListBucketResult>`;
  return { body };
}

function refuse(status: number, code: string): ScriptedReply {
  return { status, body: `<Error><Code>${code}</Code><Key>${KEY}</Key></Error>` };
}

/** Answers each request with the next of these, and those behind the last with the last */
function inTurn(...replies: readonly (ScriptedReply | ((r: ScriptedRequest) => ScriptedReply))[]) {
  return (request: ScriptedRequest) => {
    const reply = replies[Math.min(request.number, replies.length) - 1];
    return typeof reply === "function" ? reply(request) : reply;
  };
}

async function readWhole(client: BucketClient, signal?: AbortSignal) {
  const into = new Uint8Array(OBJECT.size);
  const { crc32 } = await client.read(OBJECT, { offset: 0, into, signal });
  assert.deepEqual(into, BYTES);
  return crc32;
}

async function keysOf(client: BucketClient, prefix = "p/") {
  const keys: string[] = [];
  for await (const { objects } of client.list(prefix)) keys.push(...objects.map(({ key }) => key));
  return keys;
}

/** True for an error of this code that tells neither key nor secret */
function isError(code: string, message = /./) {
  return (error: unknown) => {
    assert.ok(error instanceof StorageError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    assert.doesNotMatch(`${error.message} ${error.stack} ${error.cause}`, /p\/secret|not told/);
    return true;
  };
}

Deno.test("BucketClient.list() follows continuation to the end", async () => {
  await using store = await scriptStore(inTurn(
    page(["p/a", "p/b"], "to+ken/=2"),
    page([], "token3"),
    page(["p/c"]),
  ));
  using client = clientOf(store);
  const pages: string[][] = [];
  const options = { delimiter: "/", startAfter: "p/ +" } as const;
  for await (const { objects } of client.list("p/", options)) {
    pages.push(objects.map(({ key }) => key));
  }
  assert.deepEqual(pages, [["p/a", "p/b"], [], ["p/c"]]);
  const base = "/b?list-type=2&encoding-type=url&prefix=p%2F&delimiter=%2F&start-after=p%2F%20%2B";
  assert.deepEqual(store.requests.map(({ target }) => target), [
    base,
    `${base}&continuation-token=to%2Bken%2F%3D2`,
    `${base}&continuation-token=token3`,
  ]);
  assert.deepEqual(client.stats().requests, { list: 3, head: 0, get: 0 });
});

Deno.test("BucketClient.list() asks for no page beyond maxPages, nor before it is wanted", async () => {
  await using store = await scriptStore(({ number }) => page([`p/${number}`], `t${number}`));
  using client = clientOf(store);
  const keys: string[] = [];
  for await (const { objects } of client.list("p/", { maxPages: 2 })) keys.push(objects[0].key);
  assert.deepEqual([keys, store.requests.length], [["p/1", "p/2"], 2]);
  for await (const _ of client.list("p/")) break;
  assert.equal(store.requests.length, 3);
});

Deno.test("BucketClient.list(): a page that cannot be had is an error, and no shorter list", async () => {
  const first = page(["p/a"], "t");
  const whole = page(["p/b"]).body as string;
  const faults: readonly (readonly [string, ScriptedReply, number])[] = [
    ["EIO", refuse(500, "InternalError"), 3],
    ["EIO", refuse(503, "SlowDown"), 3],
    // The runtime itself sends a request again whose kept connection was closed meanwhile.
    ["EIO", { cut: "everything", then: "reset" }, 4],
    ["EIO", { body: whole, cut: 40, then: "close" }, 3],
    ["EIO", { body: whole.slice(0, -1) }, 3],
    ["EIO", { body: "<html><body>Login</body></html>" }, 3],
    ["EIO", { body: "" }, 3],
    ["EPROTO", page(["p/b"], ""), 2],
    ["EPROTO", page(["p/b"], "t"), 2],
    ["EPROTO", page(["other/b"]), 2],
    ["EACCES", refuse(403, "AccessDenied"), 2],
    ["ENODEV", refuse(404, "NoSuchBucket"), 2],
  ];
  for (const [code, reply, requests] of faults) {
    await using store = await scriptStore(inTurn(first, reply));
    using client = clientOf(store);
    await assert.rejects(keysOf(client), isError(code));
    assert.equal(store.requests.length, requests, JSON.stringify(reply));
  }
});

Deno.test("BucketClient.list(): a chunked page without its end is no page", async () => {
  const body = `400\r\n${page(["p/a"]).body}`; // as if it were whole: the chunk is not
  const headers = { "content-length": null, "transfer-encoding": "chunked" };
  await using store = await scriptStore(() => ({ headers, body, then: "close" }));
  using client = clientOf(store);
  await assert.rejects(keysOf(client), isError("EIO"));
});

Deno.test("BucketClient: what passes is tried again, what does not is not", async () => {
  const passing: readonly ScriptedReply[] = [
    ...[429, 500, 502, 503, 504].map((status) => refuse(status, "SlowDown")),
    { cut: "everything", then: "reset" },
    { cut: "everything", then: "close" },
  ];
  for (const reply of passing) {
    await using store = await scriptStore(inTurn(reply, getReply));
    using client = clientOf(store);
    await readWhole(client);
    const { requests, retries } = client.stats();
    assert.deepEqual([store.requests.length, requests.get, retries], [2, 2, 1]);
  }
  for (const status of [301, 400, 401, 403, 404, 405, 409, 412, 416, 501]) {
    await using store = await scriptStore(() => refuse(status, "Other"));
    using client = clientOf(store);
    await assert.rejects(readWhole(client), StorageError);
    assert.equal(store.requests.length, 1, `${status}`);
  }
});

Deno.test("BucketClient gives up after as many retries as it has, and says how many", async () => {
  await using store = await scriptStore(() => refuse(500, "InternalError"));
  using client = clientOf(store, { retries: 2 });
  const text = /^head object: status 500, 3 tries$/;
  await assert.rejects(client.head(KEY), isError("EIO", text));
  using other = clientOf(store, { retries: 0 });
  await assert.rejects(other.head(KEY), isError("EIO", /^head object: status 500$/));
  assert.equal(store.requests.length, 4);
});

Deno.test("BucketClient waits as long as Retry-After says", async () => {
  const busy = { ...refuse(503, "SlowDown"), headers: { "retry-after": "1" } };
  await using store = await scriptStore(inTurn(busy, getReply));
  using client = clientOf(store);
  const before = performance.now();
  await readWhole(client);
  assert.ok(performance.now() - before >= 1000);
});

Deno.test("BucketClient goes on at the next endpoint, and stays there", async () => {
  await using bad = await scriptStore(() => refuse(500, "InternalError"));
  await using good = await scriptStore(getReply);
  using client = clientOf([await closedPort(), bad.url, good.url], { retries: 0 });
  await readWhole(client);
  await readWhole(client);
  assert.deepEqual([bad.requests.length, good.requests.length], [1, 2]);
});

Deno.test("BucketClient leaves an endpoint once, however many bodies break with it", async () => {
  const half = (request: ScriptedRequest) => ({ ...getReply(request), cut: 20_000 });
  const dying = await scriptStore((request) => ({ ...half(request), then: "stall" }));
  await using good = await scriptStore(getReply);
  using client = clientOf([dying.url, good.url], { retries: 0 });
  const reads = Array.from({ length: 4 }, () => readWhole(client));
  await until(() => client.stats().bytes === 4 * 20_000, "each has the half of it");
  await dying[Symbol.asyncDispose]();
  await Promise.all(reads);
  assert.deepEqual([client.stats().retries, good.requests.length], [4, 4]);
  await readWhole(client);
  assert.equal(good.requests.length, 5, "the next one is asked there too");
});

Deno.test("BucketClient.read() goes on at its byte at the next endpoint", async () => {
  await using bad = await scriptStore((request) => ({
    ...getReply(request),
    ...{ cut: 10_000, then: "reset" },
  }));
  await using good = await scriptStore(getReply);
  using client = clientOf([bad.url, good.url], { retries: 0 });
  await readWhole(client);
  assert.deepEqual(good.requests.map(({ headers }) => headers.get("range")), ["bytes=10000-39999"]);
  assert.equal(bad.requests.length, 1);
});

Deno.test("BucketClient.open(): tries are counted anew after much has come", async () => {
  const size = 6 * 1024 * 1024;
  const step = 1024 * 1024 + 1;
  await using store = await scriptStore(({ headers }) => {
    const start = Number(/^bytes=(\d+)/.exec(headers.get("range") ?? "")?.[1] ?? 0);
    const range = `bytes ${start}-${size - 1}/${size}`;
    return {
      status: start === 0 ? 200 : 206,
      headers: { etag: ETAG, ...(start > 0 && { "content-range": range }) },
      body: new Uint8Array(size - start),
      cut: Math.min(step, size - start),
      then: start + step < size ? "close" : "keep",
    };
  });
  using client = clientOf(store, { retries: 1 });
  const reader = client.open({ key: KEY, etag: ETAG, size }, { offset: 0, length: size });
  await reader.read(new Uint8Array(size));
  reader.close();
  assert.deepEqual([store.requests.length, client.stats().retries], [6, 5]);
});

Deno.test("BucketClient: an endpoint that does not answer in time is left", async () => {
  await using silent = await scriptStore(() => ({ cut: "everything", then: "stall" }));
  await using good = await scriptStore(getReply);
  const options = { connectTimeout: 100, firstByteTimeout: 100, retries: 0 };
  using client = clientOf([silent.url, good.url], options);
  await readWhole(client);
  assert.deepEqual([silent.requests.length, good.requests.length], [1, 1]);
  await until(() => silent.open() === 0, "the silent one sees the end of its connection");
  using alone = clientOf(silent, options);
  await assert.rejects(readWhole(alone), isError("ETIMEDOUT", /no answer in time/));
});

Deno.test("BucketClient: an endpoint that takes no connection is left before its answer is due", async () => {
  await using full = await fullListener();
  await using good = await scriptStore(getReply);
  const options = { connectTimeout: 100, firstByteTimeout: 600_000, retries: 0 };
  using client = clientOf([full.url, good.url], options);
  await readWhole(client);
  using alone = clientOf([full.url], options);
  await assert.rejects(readWhole(alone), isError("ETIMEDOUT", /no connection in time/));
});

Deno.test("BucketClient.head() tells what the store knows", async () => {
  const headers = {
    ...{ "content-length": "5000000000", etag: ETAG, "last-modified": TIME },
    ...{ "x-amz-meta-mtime": "1700000000.25", "x-amz-checksum-crc32": "y/Q5Jg==" },
  };
  await using store = await scriptStore(() => ({ headers }));
  using client = clientOf(store);
  assert.deepEqual(await client.head(KEY), {
    ...{ key: KEY, size: 5_000_000_000, etag: ETAG, lastModifiedMs: Date.parse(TIME) },
    ...{ mtimeMs: 1_700_000_000_250, crc32: 0xcbf43926 },
  });
  await client.head(KEY);
  const [{ method, headers: sent, connection }, second] = store.requests;
  assert.deepEqual([method, sent.get("x-amz-checksum-mode")], ["HEAD", "ENABLED"]);
  assert.equal(connection, second.connection, "the connection is kept");
});

Deno.test("BucketClient.read() asks for the version, and for the whole without a range", async () => {
  await using store = await scriptStore(getReply);
  using client = clientOf(store);
  assert.equal(await readWhole(client), 0xcbf43926);
  const into = new Uint8Array(7);
  assert.deepEqual(await client.read(OBJECT, { offset: 5, into }), { crc32: null });
  assert.deepEqual(into, BYTES.subarray(5, 12));
  const [whole, part] = store.requests.map(({ headers }) => headers);
  assert.deepEqual([whole.get("if-match"), part.get("if-match")], [ETAG, ETAG]);
  assert.deepEqual([whole.get("range"), part.get("range")], [null, "bytes=5-11"]);
  assert.equal(whole.get("x-amz-checksum-mode"), "ENABLED");
  assert.equal(whole.get("accept-encoding"), "identity");
  assert.equal(new Set(store.requests.map(({ connection }) => connection)).size, 1);
  assert.equal(client.stats().bytes, BYTES.length + 7);
});

Deno.test("BucketClient.read() of no bytes asks for nothing", async () => {
  await using store = await scriptStore(getReply);
  using client = clientOf(store);
  const into = new Uint8Array();
  assert.deepEqual(await client.read(OBJECT, { offset: 9, into }), { crc32: null });
  assert.equal(store.requests.length, 0);
  const far = { offset: OBJECT.size - 1, into: new Uint8Array(2) };
  await assert.rejects(client.read(OBJECT, far), RangeError);
});

Deno.test("BucketClient.read() leaves the rest of the buffer to others", async () => {
  await using store = await scriptStore(getReply);
  using client = clientOf(store);
  const buffer = new Uint8Array(1000);
  const reads = Array.from({ length: 10 }, (_, i) => {
    const into = buffer.subarray(i * 100, i * 100 + 50);
    return client.read(OBJECT, { offset: i * 50, into });
  });
  await Promise.all(reads);
  const expected = new Uint8Array(1000);
  for (let i = 0; i < 10; i++) expected.set(BYTES.subarray(i * 50, i * 50 + 50), i * 100);
  assert.deepEqual(buffer, expected);
});

Deno.test("BucketClient.read() goes on at its byte when the body breaks", async () => {
  const breaks = ["reset", "close", "stall"] as const;
  for (const then of breaks) {
    const cut = (bytes: number) => (request: ScriptedRequest): ScriptedReply => ({
      ...getReply(request),
      ...{ cut: bytes, then },
    });
    await using store = await scriptStore(inTurn(cut(10_000), cut(5000), getReply));
    using client = clientOf(store, { retries: 2, silenceTimeout: 100 });
    assert.equal(await readWhole(client), 0xcbf43926, "from the first answer");
    const ranges = store.requests.map(({ headers }) => headers.get("range"));
    assert.deepEqual(ranges, [null, "bytes=10000-39999", "bytes=15000-39999"], then);
    assert.ok(store.requests.every(({ headers }) => headers.get("if-match") === ETAG));
    assert.deepEqual([client.stats().bytes, client.stats().active], [BYTES.length, 0]);
  }
});

Deno.test("BucketClient.read() never takes a body that ends early", async () => {
  const stalled = { retries: 1, silenceTimeout: 50 };
  const cases: readonly (readonly [string, Partial<ScriptedReply>])[] = [
    ["EIO", { cut: 100, then: "close" }],
    ["EIO", { cut: 100, then: "reset" }],
    ["ETIMEDOUT", { cut: 100, then: "stall" }],
    ["EIO", { headers: { "content-length": null, etag: ETAG }, cut: 100, then: "close" }],
  ];
  for (const [code, fault] of cases) {
    await using store = await scriptStore((request) => ({ ...getReply(request), ...fault }));
    using client = clientOf(store, stalled);
    const into = new Uint8Array(OBJECT.size);
    const read = client.read(OBJECT, { offset: 0, into });
    await assert.rejects(read, (error) => error instanceof StorageError);
    await assert.rejects(client.read(OBJECT, { offset: 0, into }), (error) => {
      if (fault.headers) return true; // the second answer has no Content-Range
      return isError(code, /2 tries$/)(error);
    });
    assert.equal(client.stats().active, 0);
  }
});

Deno.test("BucketClient.read(): a chunked body is counted as well", async () => {
  const chunked = (body: Uint8Array): ScriptedReply => ({
    headers: { etag: ETAG, "content-length": null, "transfer-encoding": "chunked" },
    body: new Uint8Array([
      ...new TextEncoder().encode(`${body.length.toString(16)}\r\n`),
      ...body,
      ...new TextEncoder().encode("\r\n0\r\n\r\n"),
    ]),
  });
  await using store = await scriptStore(inTurn(
    chunked(BYTES),
    chunked(BYTES.subarray(0, 39_999)),
    getReply,
    chunked(new Uint8Array([...BYTES, 1])),
  ));
  using client = clientOf(store);
  await readWhole(client);
  await readWhole(client);
  assert.equal(store.requests[2].headers.get("range"), "bytes=39999-39999");
  await assert.rejects(readWhole(client), isError("EPROTO", /more bytes/));
});

Deno.test("BucketClient.read(): another version or another run is an error at once", async () => {
  const into = new Uint8Array(10);
  const range = "bytes 5-14/40000";
  const cases: readonly (readonly [string, ScriptedReply])[] = [
    ["EPROTO", { headers: { etag: ETAG }, body: BYTES }],
    ["EPROTO", { status: 206, headers: { etag: ETAG }, body: into }],
    ["EPROTO", {
      status: 206,
      headers: { etag: ETAG, "content-range": "bytes 0-9/40000" },
      body: into,
    }],
    ["ESTALE", { status: 206, headers: { etag: '"e2"', "content-range": range }, body: into }],
    ["ESTALE", {
      status: 206,
      headers: { etag: ETAG, "content-range": "bytes 5-14/15" },
      body: into,
    }],
    ["ESTALE", refuse(412, "PreconditionFailed")],
    ["ENOENT", refuse(404, "NoSuchKey")],
  ];
  for (const [code, reply] of cases) {
    await using store = await scriptStore(() => reply);
    using client = clientOf(store);
    await assert.rejects(client.read(OBJECT, { offset: 5, into }), isError(code));
    assert.equal(store.requests.length, 1);
    await until(() => client.stats().active === 0 && store.open() <= 1, "nothing is held");
  }
});

Deno.test("BucketClient.read(): an object that changes between two attempts is another one", async () => {
  const cut = (request: ScriptedRequest): ScriptedReply => ({
    ...getReply(request),
    ...{ cut: 10_000, then: "reset" },
  });
  await using store = await scriptStore(inTurn(cut, refuse(412, "PreconditionFailed")));
  using client = clientOf(store);
  await assert.rejects(readWhole(client), isError("ESTALE"));
});

Deno.test("BucketClient: credentials that have ended are asked for again, once", async () => {
  let asked = 0;
  const credentials = () => Promise.resolve({ ...CREDENTIALS, sessionToken: `session${++asked}` });
  await using store = await scriptStore(inTurn(refuse(400, "ExpiredToken"), getReply));
  using client = clientOf(store, { credentials, retries: 0 });
  await readWhole(client);
  const tokens = store.requests.map(({ headers }) => headers.get("x-amz-security-token"));
  assert.deepEqual(tokens, ["session1", "session2"]);

  await using expired = await scriptStore(() => refuse(403, "ExpiredToken"));
  using other = clientOf(expired, { credentials });
  await assert.rejects(readWhole(other), isError("EACCES", /ExpiredToken/));
  await assert.rejects(other.head(KEY), isError("EACCES", /403/));
  assert.equal(expired.requests.length, 4);
});

Deno.test("BucketClient: credentials that cannot be had are an error that says why", async () => {
  await using store = await scriptStore(getReply);
  const credentials = () => Promise.reject(new Error("the file is empty"));
  using client = clientOf(store, { credentials });
  await assert.rejects(readWhole(client), isError("EACCES", /no credentials: the file is empty/));
  assert.equal(store.requests.length, 0);
});

Deno.test("BucketClient signs requests, or none of them", async () => {
  await using store = await scriptStore(getReply);
  using client = clientOf(store);
  await readWhole(client);
  using anonymous = clientOf(store, { credentials: null });
  await readWhole(anonymous);
  const [signed, plain] = store.requests.map(({ headers }) => headers);
  assert.match(
    signed.get("authorization") ?? "",
    /^AWS4-HMAC-SHA256 Credential=AKID\/\d{8}\/us-east-1\/s3\/aws4_request, SignedHeaders=host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date, Signature=[0-9a-f]{64}$/,
  );
  assert.equal(signed.get("x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
  assert.deepEqual([plain.get("authorization"), plain.get("x-amz-date")], [null, null]);
});

Deno.test("BucketClient has no more requests and connections than it may", async () => {
  const { promise: go, resolve } = Promise.withResolvers<void>();
  await using store = await scriptStore(async (request) => {
    await go;
    return getReply(request);
  });
  using client = clientOf(store, { maxRequests: 5 });
  const reads = Array.from({ length: 40 }, () => readWhole(client));
  await until(() => store.requests.length === 5, "five have come");
  assert.equal(client.stats().active, 5);
  resolve();
  await Promise.all(reads);
  assert.equal(store.requests.length, 40);
  assert.equal(client.stats().active, 0);

  assert.equal(store.mostOpen(), 5);
});

Deno.test("BucketClient: a signal ends a request at once, and its connection", async () => {
  const reason = new Error("left");
  for (const cut of ["everything", 100] as const) {
    await using store = await scriptStore((request) => ({
      ...getReply(request),
      cut,
      then: "stall",
    }));
    using client = clientOf(store);
    const leaving = new AbortController();
    const read = readWhole(client, leaving.signal);
    await until(() => store.requests.length === 1, "the request has come");
    leaving.abort(reason);
    await assert.rejects(read, reason);
    assert.equal(client.stats().active, 0);
    await until(() => store.open() === 0, "the store sees the end of the connection");
    await assert.rejects(readWhole(client, leaving.signal), reason);
    assert.equal(store.requests.length, 1);
  }
});

Deno.test("BucketClient: a signal ends the wait for a place, and for the next attempt", async () => {
  const reason = new Error("left");
  await using store = await scriptStore(({ number }) => {
    if (number === 1) return { cut: "everything", then: "stall" };
    return { ...refuse(503, "SlowDown"), headers: { "retry-after": "600" } };
  });
  using client = clientOf(store, { maxRequests: 1 });
  const [first, second, third] = [0, 1, 2].map(() => new AbortController());
  const reads = [first, second].map(({ signal }) => readWhole(client, signal));
  await until(() => store.requests.length === 1, "one has come");
  second.abort(reason);
  await assert.rejects(reads[1], reason);
  first.abort(reason);
  await assert.rejects(reads[0], reason);
  const waiting = readWhole(client, third.signal);
  await until(() => store.requests.length === 2 && client.stats().active === 0, "it waits");
  third.abort(reason);
  await assert.rejects(waiting, reason);
  assert.equal(store.requests.length, 2);
});

Deno.test("BucketClient.open() reads one body piece by piece, and waits for whoever reads", async () => {
  await using store = await scriptStore(getReply);
  using client = clientOf(store, { silenceTimeout: 50 });
  const reader = client.open(OBJECT, { offset: 100, length: 39_900 });
  assert.equal(store.requests.length, 0, "nothing is asked for before the first read");
  for (let offset = 100; offset < 40_000; offset += 13_300) {
    const into = new Uint8Array(13_300);
    await reader.read(into);
    assert.deepEqual(into, BYTES.subarray(offset, offset + 13_300));
    await new Promise((resolve) => setTimeout(resolve, 120)); // the reader is slow, not the store
  }
  assert.deepEqual([store.requests.length, client.stats().active], [1, 0]);
  await assert.rejects(reader.read(new Uint8Array(1)), RangeError);
  reader.close();
  await assert.rejects(reader.read(new Uint8Array()), TypeError);
});

Deno.test("BucketClient.open(): close() and a signal free the connection at once", async () => {
  await using store = await scriptStore((request) => ({
    ...getReply(request),
    ...{ cut: 20_000, then: "stall" },
  }));
  using client = clientOf(store);
  const leaving = new AbortController();
  const first = client.open(OBJECT, { offset: 0, length: OBJECT.size });
  const second = client.open(OBJECT, {
    ...{ offset: 0, length: OBJECT.size },
    signal: leaving.signal,
  });
  for (const reader of [first, second]) await reader.read(new Uint8Array(10_000));
  assert.equal(client.stats().active, 2);
  first.close();
  leaving.abort(new Error("left"));
  assert.equal(client.stats().active, 0);
  await until(() => store.open() === 0, "the store sees the end of both");
  second.close();

  const third = client.open(OBJECT, { offset: 0, length: OBJECT.size });
  await third.read(new Uint8Array(20_000));
  const pending = third.read(new Uint8Array(10));
  third.close();
  await assert.rejects(pending, isError("ECANCELED"));
  assert.equal(store.requests.length, 3, "it is not taken up again");
});

Deno.test("BucketClient.open(): begin() asks once, and a failure is one of the first read", async () => {
  await using store = await scriptStore(inTurn(getReply, refuse(503, "SlowDown"), getReply));
  using client = clientOf(store);
  for (const requests of [1, 3]) {
    const reader = client.open(OBJECT, { offset: 0, length: OBJECT.size });
    reader.begin();
    reader.begin();
    await until(() => store.requests.length > requests / 2, "it is asked for");
    const into = new Uint8Array(OBJECT.size);
    await reader.read(into);
    assert.deepEqual(into, BYTES);
    reader.close();
    assert.equal(store.requests.length, requests);
  }
  assert.deepEqual([client.stats().active, client.stats().retries], [0, 1]);
});

Deno.test("BucketClient.open(): what was begun is given up at once, with and without an answer", async () => {
  await using store = await scriptStore((request) => ({
    ...getReply(request),
    ...{ cut: request.number % 2 ? 20_000 : "everything", then: "stall" },
  }));
  using client = clientOf(store);
  for (const number of [1, 2]) {
    const leaving = new AbortController();
    const run = { offset: 0, length: OBJECT.size, signal: leaving.signal };
    const readers = [client.open(OBJECT, run), client.open(OBJECT, run)];
    for (const reader of readers) reader.begin();
    await until(() => store.requests.length === 2 * number, "both are asked for");
    await new Promise((resolve) => setTimeout(resolve, 50)); // for the head of the first answer
    readers[number - 1].close();
    leaving.abort(new Error("left"));
    await until(() => client.stats().active === 0, "no place is taken");
    await until(() => store.open() === 0, "the store sees the end of both");
    await assert.rejects(readers[2 - number].read(new Uint8Array(1)), /left/);
    readers[2 - number].close();
  }
});

Deno.test("BucketClient: disposal ends what is under way", async () => {
  await using store = await scriptStore(() => ({ cut: "everything", then: "stall" }));
  const client = clientOf(store, { maxRequests: 1 });
  const reads = [readWhole(client), readWhole(client)];
  await until(() => store.requests.length === 1, "one has come");
  client[Symbol.dispose]();
  for (const read of reads) await assert.rejects(read, isError("ECANCELED"));
  await assert.rejects(readWhole(client), isError("ECANCELED"));
  client[Symbol.dispose]();
  await until(() => store.open() === 0, "the connection is closed");
});

/** An address where nobody listens */
async function closedPort() {
  await using store = await scriptStore(() => ({}));
  return store.url;
}

/** An address whose queue of connections is full: another one is never answered */
async function fullListener() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 1 });
  const { port } = listener.addr;
  const connections: Deno.Conn[] = [];
  for (;;) {
    try {
      const signal = AbortSignal.timeout(300);
      connections.push(await Deno.connect({ hostname: "127.0.0.1", port, signal }));
    } catch {
      break;
    }
  }
  const url = new URL(`http://127.0.0.1:${port}`);
  return {
    url,
    [Symbol.asyncDispose]() {
      for (const connection of connections) connection.close();
      listener.close();
      return Promise.resolve();
    },
  };
}
