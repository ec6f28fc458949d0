import assert from "node:assert/strict";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { run, tool } from "../../testing/tools.ts";
import { makeTree, randomBytes, type Tree, type TreeFile } from "../../testing/tree.ts";
import { StorageError } from "../errors.ts";
import type { ListedEntry } from "../listing.ts";
import { sliceOf } from "../source.ts";
import { DiskSource } from "./disk.ts";

const HASH = "0123456789abcdef";
const OTHER = "fedcba9876543210";
const windows = Deno.build.os === "windows";

function photos(files: Record<string, string | Uint8Array | TreeFile>): Promise<Tree> {
  const inside = Object.entries(files).map(([name, file]) => [`${HASH}/${name}`, file]);
  return makeTree(Object.fromEntries(inside));
}

async function entriesOf(source: DiskSource): Promise<readonly ListedEntry[]> {
  const listing = await source.list(HASH);
  assert.ok(listing);
  return listing.entries;
}

/** A slice of a file; its place in the buffer is right behind nothing */
function slice(entry: ListedEntry, offset = 0, length = entry.size - offset, position = 0) {
  return sliceOf(entry, { offset, length, position, crc32: 0 });
}

/** What becomes of a promise, if that is clear in time */
async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("no answer in time")), milliseconds);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Counts the threads that are started, until it is disposed */
function countThreads() {
  const { Worker } = globalThis;
  const threads = {
    started: 0,
    ended: 0,
    [Symbol.dispose]: () => void (globalThis.Worker = Worker),
  };
  globalThis.Worker = class extends Worker {
    constructor(...args: ConstructorParameters<typeof Worker>) {
      super(...args);
      threads.started++;
    }
    override terminate() {
      threads.ended++;
      super.terminate();
    }
  };
  return threads;
}

Deno.test("list() and archives() see what is there", async () => {
  await using tree = await makeTree({
    [`${HASH}/a.jpg`]: "12345",
    [`${HASH}/.b`]: "hidden",
    "empty": { directory: true },
    "file": "",
  });
  using source = new DiskSource({ root: tree.path });
  assert.deepEqual((await entriesOf(source)).map(({ name, size }) => [name, size]), [["a.jpg", 5]]);
  for (const hash of ["empty", "missing", "file", "..", ""]) {
    assert.equal(await source.list(hash), null);
  }
  assert.deepEqual((await source.archives()).toSorted(), [HASH, "empty"]);

  using hidden = new DiskSource({ root: tree.path, hidden: true, workers: 1 });
  assert.deepEqual((await entriesOf(hidden)).map(({ name }) => name), [".b", "a.jpg"]);
});

Deno.test("DiskSource: who lists an unchanged folder shares the listing of those who use it", async () => {
  const changes: [string, (path: string) => void | Promise<void>][] = [
    ["a new time", (path) => Deno.utimeSync(path, new Date(), new Date("2001-01-01"))],
    ["another mode", (path) => Deno.chmodSync(path, 0o600)],
    ["another file of the same size and time", async (path) => {
      assert.equal((await run("cp", ["-p", path, `${path}2`])).code, 0);
      Deno.renameSync(`${path}2`, path);
    }],
    ["a new name", (path) => Deno.renameSync(path, `${path}2`)],
  ];
  for (const [what, change] of windows ? changes.slice(0, 1) : changes) {
    await using tree = await photos({ "a": "1", "b/c": "2" });
    using source = new DiskSource({ root: tree.path });
    const [first, second] = await Promise.all([source.list(HASH), source.list(HASH)]);
    assert.equal(second, first);
    assert.equal(await source.list(HASH), first);
    await change(tree.join(HASH, "a"));
    assert.notEqual(await source.list(HASH), first, what);
  }
});

Deno.test("DiskSource: a photos folder that is not there is an error, no unknown archive", async () => {
  await using tree = await makeTree();
  using source = new DiskSource({ root: tree.join("missing"), workers: 1 });
  await assert.rejects(source.list(HASH), { code: "ENOROOT", message: "photos folder: ENOENT" });
  await assert.rejects(source.archives(), (error: StorageError) => {
    assert.ok(error instanceof StorageError && error.code === "ENOENT");
    return !error.message.includes(tree.path);
  });
});

Deno.test("fill() puts slices in their places and leaves the gaps alone", async () => {
  await using tree = await photos({ "a": "abcdefghij", "b": "", "c": "0123456789" });
  using source = new DiskSource({ root: tree.path, workers: 1 });
  const [a, b, c] = await entriesOf(source);
  const { buffer, checksums } = await source.fill(20, [
    slice(a, 0, 4, 2),
    slice(b, 0, 0, 6),
    { ...slice(c, 5, 5, 10), crc32: crc32("01234") },
    { ...slice(a, 4, 1, 18), crc32: crc32("abcd") },
  ]);
  const text = new TextDecoder().decode(buffer).replaceAll("\0", ".");
  assert.equal(text, "..abcd....56789...e.");
  assert.deepEqual(checksums, ["abcd", "", "0123456789", "abcde"].map((text) => crc32(text)));
  assert.deepEqual(await source.fill(3, []), { buffer: new Uint8Array(3), checksums: [] });
});

Deno.test("checksum() goes through files longer than any buffer", async () => {
  const content = randomBytes(3_000_001);
  await using tree = await photos({ "a": content });
  using source = new DiskSource({ root: tree.path, workers: 1 });
  const [a] = await entriesOf(source);
  assert.equal(await source.checksum(slice(a)), crc32(content));
  const rest = { ...slice(a, 1_234_567), crc32: crc32(content.subarray(0, 1_234_567)) };
  assert.equal(await source.checksum(rest), crc32(content));
  assert.equal(await source.checksum({ ...slice(a, 5, 0), crc32: 42 }), 42);
});

Deno.test(
  "DiskSource: a file that is not what was listed is not read",
  { ignore: windows },
  async (t) => {
    const secret = "a file outside of the folder";
    const cases: [string, string, (file: string) => void | Promise<unknown>][] = [
      ["changed", "ESTALE", (file) => Deno.writeTextFile(file, "54321")],
      ["shrunk", "ESTALE", (file) => Deno.truncate(file, 4)],
      ["grown", "ESTALE", (file) => Deno.writeTextFile(file, "6", { append: true })],
      ["gone", "ENOENT", (file) => Deno.remove(file)],
      ["a symlink", "ESTALE", async (file) => {
        await Deno.rename(file, `${file}2`);
        await Deno.symlink(`${file}2`, file);
      }],
      ["a symlink to outside", "ESTALE", async (file) => {
        await Deno.remove(file);
        await Deno.symlink("../../secret", file);
      }],
      ["a folder", "ESTALE", async (file) => {
        await Deno.remove(file);
        await Deno.mkdir(file);
      }],
      ["a pipe", "ESTALE", async (file) => {
        await Deno.remove(file);
        await run("mkfifo", [file]);
      }],
      [
        "in a folder that is gone",
        "ENOENT",
        (file) => Deno.rename(dirname(file), `${dirname(file)}2`),
      ],
    ];
    for (const [name, code, change] of cases) {
      await t.step({
        name,
        ignore: name === "a pipe" && tool("mkfifo") === null,
        async fn() {
          await using tree = await makeTree({
            [`photos/${HASH}/in/Фото.jpg`]: "12345",
            "secret": secret,
          });
          using source = new DiskSource({ root: tree.join("photos"), workers: 1 });
          const [entry] = await entriesOf(source);
          await change(tree.join("photos", entry.location));
          const reads: (() => Promise<unknown>)[] = [
            () => source.fill(5, [slice(entry)]),
            () => source.checksum(slice(entry)),
          ];
          for (const read of reads) {
            await assert.rejects(within(5000, read()), (error: StorageError) => {
              assert.ok(error instanceof StorageError, String(error));
              assert.equal(error.code, code);
              assert.match(error.message, /^read file: .*: in\/Фото\.jpg$/);
              assert.ok(!error.message.includes(HASH), "the link is secret");
              return true;
            });
          }
        },
      });
    }
  },
);

Deno.test("DiskSource: one bad slice fails the whole buffer", async () => {
  await using tree = await photos({ "a": "1", "b": "2" });
  using source = new DiskSource({ root: tree.path, workers: 1 });
  const [a, b] = await entriesOf(source);
  await Deno.remove(tree.join(b.location));
  const slices = [slice(a), slice(b, 0, 1, 1)];
  await assert.rejects(source.fill(2, slices), { code: "ENOENT", message: /: b$/ });
  assert.equal((await source.fill(1, [slice(a)])).buffer[0], 0x31, "the source goes on");
});

Deno.test("DiskSource: more tasks than workers: each gets its own answer", async () => {
  const files = Array.from(
    { length: 100 },
    (_, i) => [`${i}`.padStart(3, "0"), randomBytes(5000, i)],
  );
  await using tree = await photos(Object.fromEntries(files));
  using threads = countThreads();
  using source = new DiskSource({ root: tree.path, workers: 3 });
  assert.equal(threads.started, 0);
  const entries = await entriesOf(source);
  assert.equal(threads.started, 1);
  const answers = await Promise.all(entries.flatMap((entry) => [
    source.fill(entry.size, [slice(entry)]).then(({ checksums }) => checksums[0]),
    source.checksum(slice(entry)),
  ]));
  const expected = files.map(([, content]) => crc32(content as Uint8Array));
  assert.deepEqual(answers, expected.flatMap((crc) => [crc, crc]));
  assert.equal(threads.started, 3);
});

Deno.test("DiskSource: a thread that is held up is replaced, but not for its own folder", async () => {
  await using tree = await makeTree({
    [`${HASH}/huge`]: { size: 2 ** 38 }, // takes longer than any test
    [`${HASH}/small`]: "1",
    [`${OTHER}/photo`]: "2",
  });
  using source = new DiskSource({ root: tree.path, workers: 1, heldUpAfter: 50 });
  const [huge, small] = await entriesOf(source);
  let ended = 0;
  const held = [source.checksum(slice(huge)), source.fill(1, [slice(small)])];
  const closed = held.map((task) => assert.rejects(task.finally(() => ended++), StorageError));
  for (let i = 0; i < 3; i++) {
    assert.equal((await source.list(OTHER))?.entries.length, 1);
    assert.equal((await source.archives()).length, 2);
  }
  assert.equal(ended, 0);
  source[Symbol.dispose]();
  await Promise.all(closed);
});

Deno.test("DiskSource: a thread that comes back makes the spare one go", async () => {
  await using tree = await makeTree({ [`${HASH}/large`]: { size: 2 ** 30 }, [`${OTHER}/1`]: "1" });
  using threads = countThreads();
  using source = new DiskSource({ root: tree.path, workers: 1, heldUpAfter: 1 });
  const [large] = await entriesOf(source);
  await Promise.all([source.checksum(slice(large)), source.list(OTHER), source.list(OTHER)]);
  assert.ok(threads.started > 1);
  assert.equal(threads.started - threads.ended, 1);
});

Deno.test("DiskSource.stats() tells how listings ended, and how many wait", async () => {
  await using tree = await photos({ "a.jpg": "1" });
  using source = new DiskSource({ root: tree.path, workers: 1 });
  const none = { done: 0, failed: 0, abandoned: 0, waiting: 0 };
  assert.deepEqual(source.stats().listings, none);
  const listing = source.list(HASH);
  assert.deepEqual(source.stats().listings, { ...none, waiting: 1 });
  await listing;
  assert.equal(await source.list("unknown"), null);
  const leaving = new AbortController();
  const left = source.list(HASH, { signal: leaving.signal });
  leaving.abort();
  await assert.rejects(left);
  const { listings, threads, reads } = source.stats();
  assert.deepEqual(reads, { running: 0, waiting: 0 });
  assert.deepEqual(listings, { ...none, done: 2, abandoned: 1 });
  assert.equal(threads.busy + threads.idle, 1);
  source[Symbol.dispose]();
  await assert.rejects(source.list(HASH));
  assert.equal(source.stats().listings.failed, 1);
});

Deno.test("DiskSource: a disposed source rejects what waits, and what comes", async () => {
  await using tree = await photos({ "huge": { size: 2 ** 36 } });
  const source = new DiskSource({ root: tree.path, workers: 2 });
  const [huge] = await entriesOf(source);
  const tasks = [1, 2, 3, 4].map(() => source.checksum(slice(huge)));
  source[Symbol.dispose]();
  const closed = { name: "StorageError", code: "ECANCELED" };
  await within(5000, Promise.all(tasks.map((task) => assert.rejects(task, closed))));
  try {
    await assert.rejects(within(5000, source.list(HASH)), closed);
  } finally {
    source[Symbol.dispose](); // and what the call above may have started
  }
});
