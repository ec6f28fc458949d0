import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import { copyToBucket, serveBucket, untilQuiet } from "./bucket_program.ts";
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
import { DEFAULT_MTIME, randomBytes } from "./tree.ts";

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
  readonly fault: Fault;
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
  "no ETag": { ...get({ headers: { etag: null } }), once: /^whole|broken$/, always: /./ },
  "another byte": { ...get({ flip: 33_333 }), once: /^whole|broken$/ },
  "another Content-Range": {
    ...get({ headers: { "content-range": "bytes 7-59999/60000" } }),
    once: /^whole|broken$/,
    always: /./, // of the whole objects there is none, and it means nothing
  },
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

function get(fault: Fault): Case {
  return { kind: "get", fault, once: PASSES, always: BREAKS };
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

/** Makes all objects such that nobody who has asked about one knows it; links are one object */
function forgetObjects(store: LocalObjectStore) {
  for (const { name } of Deno.readDirSync(`${store.folder}/photos/site/${FIRST}`)) {
    store.touch("photos", `site/${FIRST}/${name}`, DEFAULT_MTIME);
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

/** Meets each fault with a download of its own, all at the same time */
async function meet(
  cases: Readonly<Record<string, Case>>,
  options: { readonly checksum: boolean; readonly times: number; readonly args: string[] },
) {
  const { times, args } = options;
  const all = Object.entries(cases);
  await using both = await setUp(all.length, options);
  const { store, hashes } = both;
  await using faulty = await startFaultyStore(store);
  await using program = await serveBucket(faulty, args);
  const expected = await download(program, FIRST);
  assert.ok(expected.complete);

  await untilQuiet(faulty); // the start has looked at all archives
  forgetObjects(store);
  const met = new Map<string, number>();
  const struck = new Set<string>();
  faulty.rule = (request) => {
    const archive = archiveOf(request);
    const one = all[hashes.indexOf(archive)]?.[1];
    const name = `${request.path} ${request.prefix} ${request.page}`;
    const before = met.get(name) ?? 0;
    if (one?.kind !== request.kind || before >= times) return null;
    met.set(name, before + 1);
    struck.add(archive);
    return one.fault;
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
  if (Deno.env.get("DEBUG_FAULTS")) console.log(JSON.stringify(outcomes, null, 0));
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
