import assert from "node:assert/strict";
import { MemoryObjects } from "../../testing/memory_objects.ts";
import { BucketSource } from "./bucket.ts";
import { gatherObjects } from "./gathering.ts";
import { KeyTree } from "./keys.ts";

const HASH = "7c0e5b1fa2d94836b1f0c97e34d8a65b";
const PREFIX = "photos/";

/** Names in the archive of objects with these keys after `<prefix><hash>/`, and what is read of each */
async function archiveOf(objects: Readonly<Record<string, string>>, options = {}) {
  const inside = Object.entries(objects).map(([key, text]) => [`${PREFIX}${HASH}/${key}`, text]);
  const store = new MemoryObjects(Object.fromEntries(inside));
  using source = new BucketSource({ store, bucket: "b", prefix: PREFIX, ...options });
  const listing = await source.list(HASH);
  const entries: [string, string][] = [];
  for (const entry of listing?.entries ?? []) {
    const slice = {
      ...entry,
      ...pick(entry),
      offset: 0,
      length: entry.size,
      position: 0,
      crc32: 0,
    };
    const text = entry.name.endsWith("/")
      ? "folder"
      : new TextDecoder().decode((await source.fill(entry.size, [slice])).buffer);
    entries.push([entry.name, text]);
  }
  return { entries, leftOut: listing?.leftOut };
}

/** Entries have getters, which a copy does not take along */
function pick({ hash, path, location, identity }: {
  hash: string;
  path: string;
  location: string;
  identity: string;
}) {
  return { hash, path, location, identity };
}

const KEYS: Record<string, [Record<string, string>, [string, string][]]> = {
  "folders": [{ "a/b": "1", "a/c/d": "2", "e": "3" }, [
    ["a/b", "1"],
    ["a/c/d", "2"],
    ["e", "3"],
  ]],
  "markers of folders": [{ "": "", "a/": "", "b/": "", "b/c": "1", "d/e/": "" }, [
    ["a/", "folder"],
    ["b/c", "1"],
    ["d/e/", "folder"],
  ]],
  "a marker with content is a file": [{ "a/": "1", "a/b": "2", "": "3" }, [
    ["_", "3"],
    ["a/_", "1"],
    ["a/b", "2"],
  ]],
  "empty names": [{ "/a": "1", "b//c": "2", "b/c": "3", "//": "", "d//": "x" }, [
    ["_/_/", "folder"],
    ["_/a", "1"],
    ["b/_/c", "2"],
    ["b/c", "3"],
    ["d/_/_", "x"],
  ]],
  "dots": [{ "./a": "1", "../b": "2", "c/../d": "3", "e/..": "4", "e/.": "5" }, [
    ["_/a", "1"],
    ["__/b", "2"],
    ["c/__/d", "3"],
    ["e/_", "5"],
    ["e/__", "4"],
  ]],
  "a file beside a folder of the same name": [{ "a": "1", "a/b": "2", "c": "3", "c/": "" }, [
    ["a (2)", "1"],
    ["a/b", "2"],
    ["c (2)", "3"],
    ["c/", "folder"],
  ]],
  "what no file system takes": [{
    "a\u0001b": "1",
    "c\\d": "2",
    "e:f": "3",
    "NUL": "4",
    "g\0h": "5",
  }, [
    ["_NUL", "4"],
    ["a_b", "1"],
    ["c_d", "2"],
    ["e_f", "3"],
    ["g_h", "5"],
  ]],
  "signs that mean something in URLs": [{ "a+b": "1", "a b": "2", "a%20b": "3", "é?&#": "4" }, [
    ["a b", "2"],
    ["a%20b", "3"],
    ["a+b", "1"],
    ["é_&#", "4"],
  ]],
  "hidden names and junk, at any depth": [{
    ".a": "1",
    "b/.c/d": "2",
    "e/Thumbs.db": "3",
    "__MACOSX/f": "4",
    "g.part": "5",
    "h": "6",
    ".zipferry.json": "7",
  }, [["h", "6"]]],
};

for (const [name, [objects, expected]] of Object.entries(KEYS)) {
  Deno.test(`BucketSource: keys as names in the archive: ${name}`, async () => {
    const { entries, leftOut } = await archiveOf(objects);
    assert.deepEqual(entries, expected);
    assert.deepEqual(leftOut, []);
  });
}

Deno.test("BucketSource: nothing but a marker, or hidden names, is no archive", async () => {
  assert.deepEqual((await archiveOf({ "": "" })).entries, []);
  assert.deepEqual((await archiveOf({ ".a": "1", "b/.c": "2" })).entries, []);
});

Deno.test("BucketSource: options let hidden names in, and junk", async () => {
  const objects = { ".a/b": "1", "Thumbs.db": "2", "c.part": "3" };
  assert.deepEqual((await archiveOf(objects, { hidden: true })).entries, [[".a/b", "1"]]);
  assert.deepEqual((await archiveOf(objects, { includeJunk: true })).entries, [["Thumbs.db", "2"]]);
});

Deno.test("BucketSource: a key of 1,024 bytes is shortened to a name, and still found", async () => {
  const long = "ф".repeat(490) + ".jpg";
  const deep = "a/".repeat(480) + "b";
  const { entries } = await archiveOf({ [long]: "1", [deep]: "2" });
  assert.deepEqual(entries.map(([, text]) => text), ["2", "1"]);
  assert.equal(entries[0][0], deep);
  assert.equal(new TextEncoder().encode(entries[1][0]).length <= 255, true);
  assert.match(entries[1][0], /^ф+\.jpg$/);
});

Deno.test("KeyTree refuses a key that was not asked for", () => {
  const tree = new KeyTree(`${PREFIX}${HASH}/`, {});
  const object = { key: "other/a", size: 1, etag: '"1"', lastModifiedMs: 0 };
  assert.throws(() => tree.add(object), { code: "EIO" });
});

Deno.test("gatherObjects(): many objects give the same listing in a thread as here", async () => {
  const keys = ["a/b", "a//c", "é\0f", "a/", "d/", ".hidden", "a"];
  const objects = keys.map((key, i) => ({
    key: `p/${HASH}/${key}`,
    etag: `"${i}"`,
    size: i === 3 || i === 4 ? 0 : i,
    lastModifiedMs: 1000 * i,
    mtimeMs: 2000 * i + 0.5,
  }));
  const options = { hash: HASH, start: `p/${HASH}/`, selection: {} };
  const here = await gatherObjects(objects, options);
  assert.equal(here?.names.split("\0").length, 5);
  assert.deepEqual(await gatherObjects(objects, { ...options, many: 3 }), here);
  assert.equal(await gatherObjects(objects.slice(5, 6), { ...options, many: 0 }), null);
  const wrong = { ...options, many: 0, start: "q/" };
  await assert.rejects(gatherObjects(objects, wrong), { name: "StorageError", code: "EIO" });
  const none = () => {
    throw new Error("no thread more");
  };
  assert.deepEqual(await gatherObjects(objects, { ...options, many: 0, lend: none }), here);
  const left = new AbortController();
  const gathered = gatherObjects(objects, { ...options, many: 0, signal: left.signal });
  left.abort(new Error("left"));
  await assert.rejects(gathered, /left/);
});
