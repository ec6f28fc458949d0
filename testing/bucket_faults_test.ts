import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import { copyToBucket, serveBucket } from "./bucket_program.ts";
import {
  type Fault,
  type SeenRequest,
  startFaultyStore,
  STORE_ERRORS,
  type StoreRequestKind,
} from "./faulty_store.ts";
import { type LocalObjectStore, testWithStore } from "./object_store.ts";
import { type Program, until } from "./process.ts";
import { exchange, type RawResponse } from "./raw.ts";
import { randomBytes } from "./tree.ts";

const FIRST = "a3f19c5e7b2d4806915ec7d04b8f26e3";

/** Retries in the test of lasting faults: enough to see that they end, few enough to wait for */
const FEW_RETRIES = ["--s3-retries", "2"];

/** What a download came to */
type Outcome =
  /** Byte for byte as it should be, with the end that was announced */
  | "whole"
  /** The connection broke before the announced end */
  | "broken"
  /** An answer that is no archive */
  | `refused ${number}`
  /** An end in order, and not the archive: never */
  | "WRONG";

/** A fault, where it happens, and what may come of it */
interface Case {
  readonly kind: StoreRequestKind;
  readonly fault: Fault | ((request: SeenRequest) => Fault | null);
  /** What a download comes to that meets it twice for each object or page, and never again */
  readonly once: RegExp;
  /** What a download comes to that always meets it */
  readonly always: RegExp;
}

const PASSES = /^whole$/;
const BREAKS = /^broken$/;
const REFUSED = /^refused 50[03]$/;

/** Faults of a download's own requests for bytes */
const GET_CASES: Readonly<Record<string, Case>> = {
  "500": get({ answer: STORE_ERRORS.internal }),
  "503 SlowDown": get({ answer: STORE_ERRORS.slowDown }),
  "403 ExpiredToken": { ...get({ answer: STORE_ERRORS.expired }), once: /^whole|broken$/ },
  "reset before the answer": get({ breaks: "reset" }),
  "closed before the answer": get({ breaks: "close" }),
  "reset in the body": get({ breaks: "reset", after: 20_000 }),
  "closed in the body": get({ breaks: "close", after: 20_000 }),
  "closed before the last byte": get({ breaks: "close", after: 59_999 }),
  "a body that is too short": { ...get({ lengthOff: -1000 }), once: /^whole|broken$/ },
  "a body shorter than announced": { ...get({ lengthOff: 1000 }), once: /^whole|broken$/ },
  "a body that is too long": { ...get({ lengthOff: 10, padded: true }), once: /^whole|broken$/ },
  "another ETag": { ...get({ headers: { etag: '"another"' } }), once: BREAKS },
  "no ETag": { ...get({ headers: { etag: null } }), once: /^whole|broken$/ },
  "another byte": { ...get({ flip: 33_333 }), once: /^whole|broken$/ },
  "another Content-Range": inRange({ headers: { "content-range": "bytes 7-8999999/9000000" } }),
  "a range that is too short": inRange({ lengthOff: -1000 }),
  "a range that is too long": inRange({ lengthOff: 10, padded: true }),
  "a range of another version": inRange({ headers: { etag: '"another"' } }),
  "the whole instead of a range": inRange({ ignoresRange: true }),
};

/** Faults of what is asked before a download has a status */
const LISTING_CASES: Readonly<Record<string, Case>> = {
  ...listing("500", { answer: STORE_ERRORS.internal }),
  ...listing("503 SlowDown", { answer: STORE_ERRORS.slowDown }),
  ...listing("reset before the answer", { breaks: "reset" }),
  ...listing("closed before the answer", { breaks: "close" }),
  "list: reset in the body": before("list", { breaks: "reset", after: 1000 }),
  "list: closed in the body": before("list", { breaks: "close", after: 1000 }),
  "list: a body shorter than announced": before("list", { lengthOff: 1000 }),
  "list: a body that is too short": {
    ...before("list", { lengthOff: -100 }),
    once: /^(whole|refused 50[03])$/,
  },
  "head: another ETag": {
    ...before("head", { headers: { etag: '"another"' } }),
    once: /^(whole|broken|refused 50[03])$/,
    always: /^(broken|refused 50[03])$/,
  },
  "head: another length": {
    ...before("head", { lengthOff: 5 }),
    once: /^(whole|broken|refused 50[03])$/,
    always: /^(broken|refused 50[03])$/,
  },
};

function get(fault: Case["fault"]): Case {
  return { kind: "get", fault, once: PASSES, always: BREAKS };
}

/** The first body of a large object breaks, and the answer that goes on has the fault */
function inRange(fault: Fault): Case {
  const cut = { breaks: "close", after: 1_000_000 } as const;
  const isRange = ({ headers }: SeenRequest) => headers.has("range");
  return { ...get((request) => isRange(request) ? fault : cut), once: /^whole|broken$/ };
}

function before(kind: "list" | "head", fault: Fault): Case {
  return { kind, fault, once: PASSES, always: REFUSED };
}

function listing(name: string, fault: Fault) {
  return { [`list: ${name}`]: before("list", fault), [`head: ${name}`]: before("head", fault) };
}

/** A store with as many archives of the same content as there are cases, and that archive */
async function setUp(count: number, options: { readonly checksum: boolean }) {
  const small = Array.from({ length: 12 }, (_, i) => [`${i}.jpg`, randomBytes(60_000, i)]);
  const large = [5_000_000, 9_000_000].map((size, i) => [`x${i}.jpg`, randomBytes(size, 50 + i)]);
  const files = Object.fromEntries(
    [...small, ...large].map(([name, content]) => [`photos/${FIRST}/${name}`, content]),
  );
  const copied = await copyToBucket(files, options);
  const hashes = Array.from({ length: count }, (_, i) => hash("md5", `${i}`));
  for (const name of hashes) linkObjects(copied.store, FIRST, name);
  return { ...copied, hashes };
}

/** Puts all objects of an archive into another one, with all that the store keeps of them */
function linkObjects(store: LocalObjectStore, from: string, to: string) {
  const site = `${store.folder}/photos/site`;
  Deno.mkdirSync(`${site}/${to}`);
  for (const { name } of Deno.readDirSync(`${site}/${from}`)) {
    Deno.linkSync(`${site}/${from}/${name}`, `${site}/${to}/${name}`);
  }
}

function download({ port }: Program, archive: string): Promise<RawResponse> {
  return exchange(port, `GET /archive/${archive}/ HTTP/1.1\r\nHost: x\r\n\r\n`, {
    within: 240_000,
  });
}

function outcomeOf({ status, complete, body }: RawResponse, whole: Uint8Array): Outcome {
  if (status !== 200) return status >= 500 ? `refused ${status}` : "WRONG";
  if (!complete) return "broken";
  return Buffer.from(body).equals(whole) ? "whole" : "WRONG";
}

async function assertWell({ url }: Program) {
  for (const [path, text] of [["healthz", "ok\n"], ["readyz", "ready\n"]]) {
    const response = await fetch(new URL(path, url));
    assert.deepEqual([response.status, await response.text()], [200, text]);
  }
}

/** The archive that a request is about */
function archiveOf({ path, prefix }: SeenRequest): string {
  return `${path}/${prefix}`.match(/[0-9a-f]{32}/)?.[0] ?? "";
}

/** How faults are met */
interface MeetOptions {
  readonly checksum: boolean;
  /** How often for each object or page */
  readonly times: number;
  /**
   * How often in all requests of a download, instead
   *
   * @default false
   */
  readonly inAll?: boolean;
  readonly args: readonly string[];
}

/** Meets each fault with a download of its own, all at the same time */
async function meet(
  cases: Readonly<Record<string, Case>>,
  options: MeetOptions,
) {
  const { times, args, inAll = false } = options;
  const all = Object.entries(cases);
  await using both = await setUp(all.length, options);
  const { hashes } = both;
  await using faulty = await startFaultyStore(both.store);
  await using program = await serveBucket(faulty, args);
  const expected = await download(program, FIRST);
  assert.ok(expected.complete);

  const met = new Map<string, number>();
  const struck = new Set<string>();
  faulty.rule = (request) => {
    const archive = archiveOf(request);
    const one = all[hashes.indexOf(archive)]?.[1];
    const name = inAll ? archive : `${request.path} ${request.prefix} ${request.page}`;
    const before = met.get(name) ?? 0;
    if (one?.kind !== request.kind || before >= times) return null;
    met.set(name, before + 1);
    struck.add(archive);
    return typeof one.fault === "function" ? one.fault(request) : one.fault;
  };
  const outcomes = await Promise.all(all.map(async ([name], i) => {
    const outcome = outcomeOf(await download(program, hashes[i]), expected.body);
    return [name, outcome] as const;
  }));
  assert.deepEqual([...struck].sort(), hashes.toSorted(), "each has met its fault");

  faulty.rule = null;
  await assertWell(program);
  for (const [i, [name]] of all.entries()) {
    assert.equal(outcomeOf(await download(program, hashes[i]), expected.body), "whole", name);
  }
  await until(() => faulty.active() === 0, "no request is left over");
  return outcomes;
}

function assertAll(
  outcomes: readonly (readonly [string, Outcome])[],
  allowed: (name: string) => RegExp,
) {
  const bad = outcomes.filter(([name, outcome]) => !allowed(name).test(outcome));
  assert.deepEqual(bad, [], JSON.stringify(outcomes, null, 1));
}

for (const checksum of [true, false]) {
  const kept = checksum ? "whose checksums the store keeps" : "without checksums";
  testWithStore(`bucket.md: a fault that passes, and objects ${kept}`, async () => {
    // A byte that is another one each time that it is read is the store's own without a checksum
    const { "another byte": _, ...most } = GET_CASES;
    const cases = checksum ? { ...GET_CASES, ...LISTING_CASES } : most;
    const outcomes = await meet(cases, { checksum, times: 2, args: [] });
    assertAll(outcomes, (name) => cases[name].once);
  });

  testWithStore(`bucket.md: a fault that lasts, and objects ${kept}`, async () => {
    const { "another byte": _, ...most } = GET_CASES;
    const cases = checksum ? { ...GET_CASES, ...LISTING_CASES } : most;
    const outcomes = await meet(cases, { checksum, times: Infinity, args: FEW_RETRIES });
    assertAll(outcomes, (name) => cases[name].always);
    assert.ok(outcomes.every(([, outcome]) => outcome !== "WRONG"));
  });
}

/** Where nothing comes any more: these take the limits of time that the service has */
const STALLS: Readonly<Record<string, Case>> = {
  "get: no answer": get({ breaks: "stall" }),
  "get: no body": get({ breaks: "stall", after: 0 }),
  "get: half a body": get({ breaks: "stall", after: 30_000 }),
  "get: all but the last byte": get({ breaks: "stall", after: 59_999 }),
  "list: no answer": before("list", { breaks: "stall" }),
  "list: half a page": before("list", { breaks: "stall", after: 1000 }),
  "head: no answer": before("head", { breaks: "stall" }),
};

testWithStore("bucket.md: a store that stalls", async () => {
  const checksum = true;
  const [once, always] = await Promise.all([
    meet(STALLS, { checksum, times: 1, inAll: true, args: [] }),
    meet(STALLS, { checksum, times: Infinity, args: ["--s3-retries", "0"] }),
  ]);
  assertAll(once, (name) => STALLS[name].once);
  assertAll(always, (name) => STALLS[name].always);
});

testWithStore("bucket.md: every fifth connection is dropped, 20 ms away", async () => {
  await using both = await setUp(3, { checksum: false });
  const { store, hashes } = both;
  await using near = await serveBucket(store);
  const expected = await download(near, FIRST);
  await using faulty = await startFaultyStore(store, { latencyMs: 20 });
  await using program = await serveBucket(faulty);
  faulty.rule = ({ kind, number }) => {
    if (number % 5 !== 0) return null;
    return { breaks: number % 2 ? "close" : "reset", after: kind === "get" ? 10_000 : "request" };
  };
  const all = await Promise.all(hashes.map((archive) => download(program, archive)));
  for (const one of all) assert.equal(outcomeOf(one, expected.body), "whole");
  assert.ok(faulty.faults() > 10, `${faulty.faults()} faults`);
});

testWithStore("bucket.md: a listing of several pages is whole, or there is none", async () => {
  const count = 2345;
  const name = "b7e10c4da95f4d2386f1c07e5d93a842";
  await using both = await setUp(0, { checksum: true });
  const { store } = both;
  const folder = `${store.folder}/photos/site`;
  Deno.mkdirSync(`${folder}/${name}`);
  for (let i = 0; i < count; i++) {
    Deno.linkSync(`${folder}/${FIRST}/0.jpg`, `${folder}/${name}/${i}.jpg`);
  }
  await using faulty = await startFaultyStore(store);
  await using program = await serveBucket(faulty, FEW_RETRIES);
  const countOf = async () => {
    const response = await fetch(`${program.url}archive/${name}/?manifest`);
    const text = await response.text();
    return response.ok ? JSON.parse(text).count : `status ${response.status}`;
  };
  assert.equal(await countOf(), count);
  for (const page of [1, 2, 3]) {
    const faults: Fault[] = [
      { answer: STORE_ERRORS.internal },
      { breaks: "close", after: 50_000 },
      { lengthOff: -5000 },
    ];
    for (const fault of faults) {
      let times = 0;
      faulty.rule = (request) =>
        request.prefix.includes(name) && request.page === page && times++ < 1 ? fault : null;
      assert.equal(await countOf(), count, `page ${page}, once`);
      assert.ok(times > 0);
      faulty.rule = (request) =>
        request.prefix.includes(name) && request.page === page ? fault : null;
      assert.equal(await countOf(), "status 503", `page ${page}, always`);
      faulty.rule = null;
      assert.equal(await countOf(), count);
    }
  }
  await assertWell(program);
});

testWithStore("bucket.md: a stored checksum that is wrong is found while it is sent", async () => {
  await using both = await setUp(0, { checksum: true });
  await using near = await serveBucket(both.store);
  const expected = await download(near, FIRST);
  await using faulty = await startFaultyStore(both.store);
  faulty.rule = ({ path }) =>
    /(x0|7)\.jpg$/.test(path) ? { headers: { "x-amz-checksum-crc32": "AAAAAA==" } } : null;
  await using program = await serveBucket(faulty);
  const outcomes: Outcome[] = [];
  while (outcomes.length < 5 && outcomes.at(-1) !== "whole") {
    outcomes.push(outcomeOf(await download(program, FIRST), expected.body));
  }
  assert.ok(faulty.faults() > 0);
  assert.ok(!outcomes.includes("WRONG"), outcomes.join());
  assert.equal(outcomes.at(-1), "whole", "what was found wrong is not believed again");
  assert.ok(outcomes.length > 1, "nobody reads a photo twice that has a checksum");
});

testWithStore("bucket.md: a store that is away, and comes back", async () => {
  await using both = await setUp(0, { checksum: true });
  await using faulty = await startFaultyStore(both.store);
  await using program = await serveBucket(faulty, FEW_RETRIES);
  const expected = await download(program, FIRST);
  const statusOf = async (path: string) => {
    const response = await fetch(new URL(path, program.url));
    await response.body?.cancel();
    return response.status;
  };
  faulty.rule = () => ({ breaks: "close" });
  assert.equal(await statusOf("healthz"), 200);
  assert.equal(await statusOf("readyz"), 503);
  assert.equal(await statusOf(`archive/${FIRST}/`), 503);
  assert.equal(await statusOf("archive/00000000000000000000000000000000/"), 503, "not 404");
  faulty.rule = null;
  await until(async () => await statusOf("readyz") === 200, "it is ready again", 30_000);
  assert.equal(outcomeOf(await download(program, FIRST), expected.body), "whole");
});

testWithStore(
  "bucket.md: requests at a time are bounded, and clients that leave end them",
  async () => {
    await using both = await setUp(20, { checksum: false });
    const { hashes } = both;
    await using faulty = await startFaultyStore(both.store, { latencyMs: 20 });
    await using program = await serveBucket(faulty, ["--max-per-client", "0"]);
    const downloads = hashes.map((archive) => download(program, archive));
    const all = await Promise.all(downloads);
    assert.ok(all.every(({ status, complete }) => status === 200 && complete));
    assert.ok(faulty.mostActive() <= 64, `${faulty.mostActive()} requests at a time`);

    faulty.rule = ({ kind }) => kind === "get" ? { breaks: "stall", after: 10_000 } : null;
    const leaving = hashes.map(async (archive) => {
      const controller = new AbortController();
      const { signal } = controller;
      const answer = await fetch(`${program.url}archive/${archive}/`, { signal });
      return () => {
        controller.abort();
        return answer.body?.cancel().catch(() => {});
      };
    });
    const leave = await Promise.all(leaving);
    await until(() => faulty.active() > 0, "some are read");
    await Promise.all(leave.map((leave) => leave()));
    await until(() => faulty.active() === 0, "nothing is read for nobody");
    faulty.rule = null;
    await assertWell(program);
  },
);
