import assert from "node:assert/strict";
import fc from "fast-check";
import { MemorySource } from "../testing/memory_source.ts";
import type { Listing } from "./listing.ts";
import { findRows, joinRows, MissingFilesError } from "./selection.ts";
import { decodeSelection, encodeSelection, StaleSelectionError } from "./selection_token.ts";
import { type Rows, Subsets } from "./subset.ts";

const HASH = "5d1c0f7a9b3e48268f04c2ab71e9d360";

async function listingOf(names: readonly string[]): Promise<Listing> {
  const files = Object.fromEntries(names.map((name) => [`${HASH}/${name}`, `of ${name}`]));
  const listing = await new MemorySource(files).list(HASH);
  assert.ok(listing);
  return listing;
}

function namesOf(listing: Listing, rows: readonly Rows[]) {
  return rows.flatMap(({ start, end }) => listing.entries.slice(start, end)).map(({ name }) =>
    name
  );
}

/** Above U+FFFF the order of UTF-8 is not the one of UTF-16 */
const ODD = ["a.jpg", "a/1.jpg", "a/2.jpg", "a/b/3.jpg", "a-b/4.jpg", "ab/5.jpg", "Ёлка.jpg"];
const NAMES = [...ODD, "\u{1f600}.jpg", "\uffee.jpg", "\u{1f600}/x.jpg", "\uffee/y.jpg"];

Deno.test("findRows() finds each file and each folder, whatever its name", async () => {
  const listing = await listingOf(NAMES);
  for (const name of NAMES) assert.deepEqual(namesOf(listing, findRows(listing, [name])), [name]);
  const folders = ["a/", "a/b/", "a-b/", "ab/", "\u{1f600}/", "\uffee/"];
  for (const folder of folders) {
    const expected = listing.entries.map(({ name }) => name).filter((n) => n.startsWith(folder));
    assert.deepEqual(namesOf(listing, findRows(listing, [folder])), expected);
  }
});

Deno.test("findRows() names all that is not there, as it was given", async () => {
  const listing = await listingOf(NAMES);
  const wrong = ["a", "a.jpg/", "b/", "A.jpg", "a/3.jpg", "", "\u{10ffff}", "../a.jpg", "/"];
  assert.throws(() => findRows(listing, ["a.jpg", ...wrong, "a/"]), (error) => {
    assert.ok(error instanceof MissingFilesError);
    assert.deepEqual(error.names, wrong);
    return true;
  });
});

Deno.test("findRows(): the same choice in any order, however often, is the same rows", async () => {
  const listing = await listingOf(NAMES);
  const all = [...NAMES, "a/", "a/b/", "\u{1f600}/"];
  await fc.assert(fc.asyncProperty(
    fc.array(fc.constantFrom(...all), { minLength: 1 }),
    fc.array(fc.nat(), { minLength: 40, maxLength: 40 }),
    (names, order) => {
      const shuffled = names.map((name, i) => ({ name, key: order[i % 40] }))
        .sort((a, b) => a.key - b.key).map(({ name }) => name);
      const rows = findRows(listing, names);
      assert.deepEqual(findRows(listing, [...shuffled, ...names]), rows);
      const expected = listing.entries.map(({ name }) => name).filter((name) =>
        names.some((chosen) => name === chosen || chosen.endsWith("/") && name.startsWith(chosen))
      );
      assert.deepEqual(namesOf(listing, rows), expected);
      return Promise.resolve();
    },
  ));
});

/** Any rows of a listing of so many */
function rowsOf(count: number) {
  return fc.array(fc.boolean(), { minLength: count, maxLength: count })
    .filter((chosen) => chosen.some(Boolean))
    .map((chosen) =>
      joinRows(chosen.flatMap((is, row) => is ? [{ start: row, end: row + 1 }] : []))
    );
}

Deno.test("decodeSelection() reads what encodeSelection() writes, for any choice", async () => {
  for (const count of [1, 7, 8, 9, 300]) {
    const listing = await listingOf(Array.from({ length: count }, (_, i) => `${i}.jpg`));
    fc.assert(fc.property(rowsOf(count), (rows) => {
      assert.deepEqual(decodeSelection(listing, encodeSelection(listing, rows)), rows);
    }));
  }
});

Deno.test("encodeSelection(): any half of 10,000 files fits into a link", async () => {
  const listing = await listingOf(Array.from({ length: 10_000 }, (_, i) => `Фото ${i}.jpg`));
  const rows = fc.sample(rowsOf(10_000), { numRuns: 1, seed: 1 })[0];
  assert.ok(encodeSelection(listing, rows).length < 1700);
  assert.ok(encodeSelection(listing, [{ start: 5, end: 9000 }]).length < 24);
});

Deno.test("decodeSelection() refuses any other text, and one of other names", async () => {
  const listing = await listingOf(NAMES);
  const text = encodeSelection(listing, [{ start: 1, end: 3 }, { start: 5, end: 6 }]);
  const prefix = text.slice(0, 11);
  fc.assert(
    fc.property(fc.base64String(), (tail) => {
      const given = prefix + tail.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
      let rows: Rows[] | null = null;
      try {
        rows = decodeSelection(listing, given);
      } catch (error) {
        assert.ok(error instanceof StaleSelectionError);
      }
      if (rows === null) return;
      assert.ok(rows.length > 0 && rows.every(({ start, end }) => start < end));
      assert.ok(rows.at(-1)!.end <= listing.entries.length);
      assert.deepEqual(joinRows(rows), rows);
    }),
    { numRuns: 2000 },
  );
  for (const wrong of ["", "x", `${text}=`, `${text} `, `${text}A`.slice(1), "A".repeat(12)]) {
    try {
      assert.equal(decodeSelection(listing, wrong), null, wrong);
    } catch (error) {
      assert.ok(error instanceof StaleSelectionError, wrong);
    }
  }
  const other = await listingOf([...NAMES, "one more.jpg"]);
  assert.throws(() => decodeSelection(other, text), StaleSelectionError);
  assert.deepEqual(decodeSelection(await listingOf(NAMES), text), [
    { start: 1, end: 3 },
    { start: 5, end: 6 },
  ]);
});

Deno.test("Subsets: a subset has the fingerprint of a folder with just these files", async () => {
  const [listing, subsets] = [await listingOf(NAMES), new Subsets()];
  const chosen = ["a/1.jpg", "a/b/3.jpg", "\u{1f600}.jpg", "Ёлка.jpg"];
  const subset = subsets.take(listing, findRows(listing, chosen));
  const alone = await listingOf(chosen);
  assert.equal(subset.fingerprint, alone.fingerprint);
  assert.deepEqual(subset.entries.map(({ name }) => name), alone.entries.map(({ name }) => name));
  for (const entry of subset.entries) {
    const { name, path, location, size, mtime, mode, identity, version } = entry;
    const whole = listing.entries.find((other) => other.name === name)!;
    assert.deepEqual(
      { path, location, size, mtime, mode, identity, version },
      {
        ...{ path: whole.path, location: whole.location, size: whole.size, mtime: whole.mtime },
        ...{ mode: whole.mode, identity: whole.identity, version: whole.version },
      },
    );
  }
  assert.ok(subset.memory < listing.memory);
  assert.equal(subsets.take(listing, [{ start: 0, end: NAMES.length }]), listing);
});

Deno.test("Subsets: who chooses the same shares it, also when the folder was listed again", async () => {
  const source = new MemorySource({ [`${HASH}/1`]: "1", [`${HASH}/2`]: "2", [`${HASH}/3`]: "3" });
  const [first, again] = [await source.list(HASH), await source.list(HASH)];
  assert.ok(first && again);
  const subsets = new Subsets();
  const subset = subsets.take(first, findRows(first, ["1", "3"]));
  assert.equal(subsets.take(first, findRows(first, ["3", "1", "3"])), subset);
  assert.equal(subsets.take(again, findRows(again, ["1", "3"])), subset);
  assert.notEqual(subsets.take(first, findRows(first, ["1", "2"])), subset);
  source.put(`${HASH}/1`, "1"); // another file of the same content and time
  const replaced = await source.list(HASH);
  assert.ok(replaced);
  const other = subsets.take(replaced, findRows(replaced, ["1", "3"]));
  assert.notEqual(other, subset);
  assert.equal(other.fingerprint, subset.fingerprint);
});
