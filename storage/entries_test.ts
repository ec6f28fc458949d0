import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type Child, type FolderContent, gatherEntries } from "./entries.ts";
import { type EntryState, type Listing, unpackListing } from "./listing.ts";

const HASH = "0123456789abcdef";
const OLD = Date.UTC(2020, 0);

function state(values: Partial<EntryState> = {}): EntryState {
  return { size: 1, mtimeMs: OLD, mode: 0o644, dev: 1, ino: 1, ...values };
}

function child(original: string, values: Partial<EntryState> = {}): Child {
  return { original, isDirectory: original.endsWith("/"), state: state(values), target: null };
}

/** Lists one folder with these in it, and nothing in its folders */
async function list(children: readonly Child[], folder = state()): Promise<Listing> {
  const content: FolderContent = { state: folder, children, leftOut: [] };
  const packed = await gatherEntries({
    hash: HASH,
    read: ({ parent }) => parent ? { ...content, children: [] } : content,
  });
  assert.ok(packed);
  return unpackListing(packed);
}

Deno.test("gatherEntries() lets the owner read and write every file, and enter every folder", async () => {
  const modes = [0, 0o040, 0o004, 0o111, 0o400, 0o440, 0o600, 0o644, 0o755, 0o777];
  const files = modes.map((mode, i) => child("abcdefghij"[i], { mode }));
  const { entries } = await list(files);
  assert.deepEqual(
    entries.map(({ mode }) => mode),
    [0o600, 0o640, 0o604, 0o711, 0o600, 0o640, 0o600, 0o644, 0o755, 0o777],
  );
  for (const [mode, expected] of [[0, 0o700], [0o555, 0o755], [0o755, 0o755]]) {
    const folder = { ...child("a", { mode }), isDirectory: true };
    assert.equal((await list([folder], state({ mode }))).entries[0].mode, expected);
  }
});

Deno.test("gatherEntries() fingerprints the modes that are in the archive", async () => {
  const of = async (mode: number) => (await list([child("a", { mode })])).fingerprint;
  assert.equal(await of(0o040), await of(0o640));
  assert.notEqual(await of(0o640), await of(0o644));
});

Deno.test("gatherEntries() tells times that every program can read", async () => {
  const latest = Date.parse("9999-12-31T23:59:59Z") / 1000;
  const earliest = Date.parse("1601-01-01T00:00:00Z") / 1000;
  const cases: [number, number][] = [ // as the source tells it, in milliseconds; in seconds
    [0, 0],
    [1999, 1],
    [-1, -1],
    [Date.UTC(1955, 5), Date.UTC(1955, 5) / 1000],
    [latest * 1000, latest],
    [latest * 1000 + 1000, latest],
    [8.64e15, latest],
    [Infinity, latest],
    [NaN, latest], // beyond what a Date can hold
    [earliest * 1000, earliest],
    [earliest * 1000 - 1, earliest],
    [-8.64e15, earliest],
  ];
  for (const [mtimeMs, expected] of cases) {
    const file = await list([child("a", { mtimeMs })], state({ mtimeMs: -Infinity }));
    assert.equal(file.entries[0].mtime, expected);
    assert.equal(file.lastModified, expected, `${mtimeMs}`);
    assert.equal(file.settled, true);
    const folder = await list([child("a", { mtimeMs: -8.64e15 })], state({ mtimeMs }));
    assert.equal(folder.lastModified, expected, `${mtimeMs}`);
    new Date(folder.lastModified * 1000).toISOString();
  }
});

Deno.test("gatherEntries() of a source that knows no times at all", async () => {
  const folder = { ...child("a", { mtimeMs: -Infinity }), isDirectory: true };
  assert.equal((await list([folder], state({ mtimeMs: -Infinity }))).lastModified, 0);
});

Deno.test("gatherEntries() gives entries from before 1970 another fingerprint than their old layout had", async () => {
  const of = async (mtimeMs: number) => {
    const state = { size: 1, mtimeMs, mode: 0o644, dev: 1, ino: 1 };
    const content = {
      state: { ...state, size: 0, mtimeMs: 0 },
      children: [{ original: "a", isDirectory: false, state, target: null }],
      leftOut: [],
    };
    return (await gatherEntries({ hash: "h", read: () => content }))?.fingerprint;
  };
  const plain = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 32);
  assert.equal(await of(1000), plain("a\0" + "1 1000 420\0"));
  assert.notEqual(await of(-1000), plain("a\0" + "1 -1000 420\0"));
});

Deno.test("gatherEntries(): entity tags tell contents apart, and are no part of the fingerprint", async () => {
  const of = (...etags: (string | undefined)[]) =>
    list(etags.map((etag, i) => child("abc"[i], { etag, size: 5 })));
  const plain = await of(undefined, undefined);
  assert.equal("revision" in plain, false);
  const [one, same, other, swapped] = await Promise.all([
    of('"1"', '"2"'),
    of('"1"', '"2"'),
    of('"1"', '"3"'),
    of('"2"', '"1"'),
  ]);
  for (const { fingerprint } of [one, same, other, swapped]) {
    assert.equal(fingerprint, plain.fingerprint);
  }
  assert.equal(one.revision, same.revision);
  assert.equal(new Set([one.revision, other.revision, swapped.revision]).size, 3);
  assert.deepEqual(one.entries.map(({ identity }) => identity), ['5:"1"', '5:"2"']);
  assert.ok(one.memory > plain.memory);
});

Deno.test("gatherEntries(): a source may know when a file was changed apart from its time", async () => {
  const now = Date.now();
  const fresh = await list([child("a", { changedMs: now }), child("b")]);
  assert.deepEqual([fresh.settled, fresh.changed], [false, now]);
  assert.equal(fresh.lastModified, OLD / 1000);
  const old = await list([child("a", { mtimeMs: now, changedMs: OLD })]);
  assert.deepEqual([old.settled, old.changed], [true, OLD]);
});
