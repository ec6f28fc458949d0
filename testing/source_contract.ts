/**
 * What every source of files must do, as tests that run against each.
 *
 * @module
 */

import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { StorageError } from "../storage/errors.ts";
import type { ListedEntry, Listing } from "../storage/listing.ts";
import { compareFolders, type FileSource, sliceOf } from "../storage/source.ts";
import { DEFAULT_MTIME } from "./tree.ts";

/** Files by their path from the photos folder; modes are those of every file, 0644 */
export type ContractFiles = Readonly<Record<string, string>>;

/** A source, and the hand of whoever owns its files */
export interface ContractSetup extends AsyncDisposable {
  readonly source: FileSource;
  /** Writes a file anew, with another content */
  change(location: string, content: string): void | Promise<void>;
  remove(location: string): void | Promise<void>;
}

const HASH = "7c0e5b1fa2d94836b1f0c97e34d8a65b";
const OTHER = "90ab12cd34ef56789f8e7d6c5b4a3f2e";

/** Registers the tests for one kind of source */
export function testSource(
  name: string,
  setUp: (files: ContractFiles) => Promise<ContractSetup>,
): void {
  const inHash = (files: ContractFiles) =>
    Object.fromEntries(Object.entries(files).map(([path, text]) => [`${HASH}/${path}`, text]));

  Deno.test(`${name}: archives() and list() see what is there`, async () => {
    await using setup = await setUp({ [`${HASH}/a.jpg`]: "12345", [`${OTHER}/b.jpg`]: "1" });
    const { source } = setup;
    assert.deepEqual([...await source.archives()].sort(), [HASH, OTHER]);
    const { hash, entries } = await listed(source);
    assert.equal(hash, HASH);
    assert.deepEqual(entries.map(({ name, size, hash }) => [name, size, hash]), [
      ["a.jpg", 5, HASH],
    ]);
    for (const missing of ["e07b6a1d4c92583f", "..", "", `${HASH}/`, HASH.toUpperCase(), "NUL"]) {
      assert.equal(await source.list(missing), null, missing);
    }
  });

  Deno.test(`${name}: folders() are those of archives(), in the order of their times`, async () => {
    const names = [HASH, OTHER, "an album", ".hidden"];
    await using setup = await setUp(Object.fromEntries(names.map((name) => [`${name}/a`, "1"])));
    const folders = await setup.source.folders();
    assert.deepEqual(folders.map(({ name }) => name).sort(), [...names].sort());
    assert.deepEqual([...folders].sort(compareFolders), folders);
    for (const { mtimeMs } of folders) {
      assert.ok(mtimeMs >= DEFAULT_MTIME.getTime() && mtimeMs <= Date.now());
    }
  });

  Deno.test(`${name}: list() names, orders and fingerprints entries`, async () => {
    await using setup = await setUp(inHash({
      "b/z": "1",
      "b.x": "22",
      "b-x": "333",
      "a:b": "4444",
      "a_b": "55555",
      "Ёлка.txt": "6",
      ".hidden": "7",
      "Thumbs.db": "8",
      "lost+found/x": "8",
      "a.jpg.filepart": "cut",
      "a.jpg.download/a.jpg": "cut",
      "e\u0301": "9",
    }));
    const { entries, fingerprint, settled, leftOut } = await listed(setup.source);
    assert.deepEqual(entries.map(({ name, path, location }) => [name, path, location]), [
      ["a_b", "a_b", `${HASH}/a_b`],
      ["a_b (2)", "a:b", `${HASH}/a:b`],
      ["b-x", "b-x", `${HASH}/b-x`],
      ["b.x", "b.x", `${HASH}/b.x`],
      ["b/z", "b/z", `${HASH}/b/z`],
      ["é", "e\u0301", `${HASH}/e\u0301`],
      ["Ёлка.txt", "Ёлка.txt", `${HASH}/Ёлка.txt`],
    ]);
    const mtime = Math.floor(DEFAULT_MTIME.getTime() / 1000);
    assert.deepEqual(
      new Set(entries.map(({ mode, mtime }) => `${mode} ${mtime}`)),
      new Set([
        `${0o644} ${mtime}`,
      ]),
    );
    assert.equal(fingerprint, "bd76ccbd78eb6dfa2ea75dba7b332ca8");
    assert.deepEqual([settled, leftOut], [true, []]);
  });

  Deno.test(`${name}: list() knows a changed file, and no other, by its identity`, async () => {
    await using setup = await setUp(inHash({ "a": "1", "b": "2" }));
    const before = await listed(setup.source);
    await setup.change(`${HASH}/a`, "changed");
    const after = await listed(setup.source);
    const same = before.entries.map(({ identity }, i) => identity === after.entries[i].identity);
    assert.deepEqual(same, [false, true]);
    assert.notEqual(before.fingerprint, after.fingerprint);
  });

  Deno.test(`${name}: label() is the text of a label as it is now, and no label is listed`, async () => {
    const text = '{"title":"Ёлка"}';
    await using setup = await setUp({
      ...inHash({ "a": "1", ".zipferry.json": text, "b/.zipferry.json": "{}", "b/c": "1" }),
      [`${OTHER}/a`]: "1",
    });
    const { source } = setup;
    assert.ok(source.label);
    assert.equal(await source.label(HASH), text);
    assert.deepEqual((await listed(source)).entries.map(({ name }) => name), ["a", "b/c"]);
    for (const none of [OTHER, "e07b6a1d4c92583f", "..", "", `${HASH}/b`, HASH.toUpperCase()]) {
      assert.equal(await source.label(none), null, none);
    }
    await setup.change(`${HASH}/.zipferry.json`, "\ufeff{}");
    assert.equal(await source.label(HASH), "{}");
    const longest = "x".repeat(64 << 10);
    await setup.change(`${HASH}/.zipferry.json`, longest);
    assert.equal(await source.label(HASH), longest);
    await setup.change(`${HASH}/.zipferry.json`, `${longest}x`);
    const isRight = (error: unknown) =>
      error instanceof StorageError && error.code === "EFBIG" && !error.message.includes(HASH);
    await assert.rejects(source.label(HASH), isRight);
    await setup.remove(`${HASH}/.zipferry.json`);
    assert.equal(await source.label(HASH), null);
    const reason = new Error("left");
    await assert.rejects(source.label(HASH, { signal: AbortSignal.abort(reason) }), reason);
  });

  Deno.test(`${name}: a label is no part of the fingerprint, nor of the times`, async () => {
    await using setup = await setUp(inHash({ "a": "1", ".zipferry.json": "{}" }));
    const before = await listed(setup.source);
    await setup.change(`${HASH}/.zipferry.json`, '{"title":"x"}');
    const after = await listed(setup.source);
    const tellsOf = ({ fingerprint, lastModified, changed }: Listing) => [
      ...[fingerprint, lastModified, changed],
    ];
    assert.deepEqual(tellsOf(after), tellsOf(before));
  });

  Deno.test(`${name}: fill() puts slices in their places and leaves the gaps alone`, async () => {
    await using setup = await setUp(inHash({ "a": "abcdefghij", "b": "", "c": "0123456789" }));
    const [a, b, c] = (await listed(setup.source)).entries;
    const { buffer, checksums } = await setup.source.fill(20, [
      place(a, { offset: 0, length: 4, position: 2 }),
      place(b, { offset: 0, length: 0, position: 6 }),
      { ...place(c, { offset: 5, length: 5, position: 10 }), crc32: crc32("01234") },
    ]);
    assert.equal(new TextDecoder().decode(buffer), "\0\0abcd\0\0\0\x0056789\0\0\0\0\0");
    assert.deepEqual(checksums, [crc32("abcd"), 0, crc32("0123456789")]);
  });

  Deno.test(`${name}: checksum() goes on from the bytes before`, async () => {
    await using setup = await setUp(inHash({ "a": "abcdefghij" }));
    const [a] = (await listed(setup.source)).entries;
    const first = await setup.source.checksum(place(a, { offset: 0, length: 4, position: 0 }));
    const rest = { offset: 4, length: 6, crc32: first };
    assert.equal(await setup.source.checksum(sliceOf(a, rest)), crc32("abcdefghij"));
  });

  Deno.test(`${name}: a file that is not what was listed is an error that names it`, async () => {
    await using setup = await setUp(inHash({ "changed": "12", "gone": "12", "good": "12" }));
    const [changed, gone, good] = (await listed(setup.source)).entries;
    await setup.change(`${HASH}/changed`, "345");
    await setup.remove(`${HASH}/gone`);
    for (const [entry, code] of [[changed, "ESTALE"], [gone, "ENOENT"]] as const) {
      const slice = place(entry, { offset: 0, length: 2, position: 0 });
      const isRight = (error: unknown) =>
        error instanceof StorageError && error.code === code &&
        error.message.endsWith(`: ${entry.path}`) && !error.message.includes(HASH);
      await assert.rejects(setup.source.fill(2, [slice]), isRight);
      await assert.rejects(setup.source.checksum(slice), isRight);
    }
    const slice = place(good, { offset: 0, length: 2, position: 0 });
    assert.equal((await setup.source.fill(2, [slice])).buffer[0], 0x31, "it goes on");
  });

  Deno.test(`${name}: a signal ends the wait for a task`, async () => {
    await using setup = await setUp(inHash({ "a": "12" }));
    const [a] = (await listed(setup.source)).entries;
    const slice = place(a, { offset: 0, length: 2, position: 0 });
    const reason = new Error("left");
    const leaving = new AbortController();
    const late = [
      setup.source.fill(2, [slice], leaving),
      setup.source.checksum(slice, leaving),
      setup.source.archives(leaving),
      setup.source.folders(leaving),
    ];
    leaving.abort(reason);
    for (const task of late) await assert.rejects(task, reason);
    await assert.rejects(setup.source.fill(2, [slice], leaving), reason, "and begins none");
    assert.equal((await setup.source.fill(2, [slice])).buffer.length, 2, "it goes on");
  });

  Deno.test(`${name}: recall() knows what remember() was told, of unchanged files`, async () => {
    await using setup = await setUp(inHash({ "a": "1", "b": "2" }));
    const { source } = setup;
    const [a, b] = (await listed(source)).entries;
    assert.ok(source.keepsChecksums);
    assert.deepEqual(await source.recall([a, b]), [null, null]);
    await source.remember([{ file: a, crc32: 0 }, { file: b, crc32: 0xffffffff }]);
    assert.deepEqual(await source.recall([b, a]), [0xffffffff, 0]);
    await source.remember([{ file: a, crc32: null }]);
    assert.deepEqual(await source.recall([a, b]), [null, 0xffffffff]);
    await setup.change(`${HASH}/b`, "345");
    const changed = (await listed(source)).entries[1];
    assert.deepEqual(await source.recall([changed]), [null]);
  });

  Deno.test(`${name}: digests are kept by archive and version, until a CRC-32 proves wrong`, async () => {
    await using setup = await setUp({ [`${HASH}/a`]: "1", [`${OTHER}/b`]: "2" });
    const { digests } = setup.source;
    if (!digests) return; // it has no file to keep them in
    const [one, two] = ["1-aa", "1-bb"].map((version) => ({ hash: HASH, version }));
    const other = { ...one, hash: OTHER };
    const [first, second] = ["0a".repeat(32), "ff".repeat(32)];
    assert.equal(await digests.recall(one), null);
    await digests.remember({ ...one, sha256: first });
    await digests.remember({ ...other, sha256: second });
    assert.deepEqual([await digests.recall(one), await digests.recall(two)], [first, null]);
    const [a] = (await listed(setup.source)).entries;
    await setup.source.remember([{ file: a, crc32: 1 }]);
    assert.equal(await digests.recall(one), first);
    await setup.source.remember([{ file: a, crc32: null }]);
    assert.deepEqual([await digests.recall(one), await digests.recall(other)], [null, second]);
  });
}

async function listed(source: FileSource): Promise<Listing> {
  const listing = await source.list(HASH);
  assert.ok(listing);
  return listing;
}

function place(
  entry: ListedEntry,
  at: { readonly offset: number; readonly length: number; readonly position: number },
) {
  return sliceOf(entry, { ...at, crc32: 0 });
}
