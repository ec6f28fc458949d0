import assert from "node:assert/strict";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { until } from "../../testing/process.ts";
import { run, tool } from "../../testing/tools.ts";
import { makeTree, randomBytes, type Tree } from "../../testing/tree.ts";
import type { StorageError } from "../errors.ts";
import { identityOf } from "../listing.ts";
import { type FilledBuffer, type PlacedSlice, sliceOf } from "../source.ts";
import { DiskSource } from "./disk.ts";
import { isOnLocalDisk } from "./file_system.ts";
import { type FillRequest, LocalFiles } from "./local_files.ts";
import { stateOf } from "./stat.ts";
import type { Call } from "./worker.ts";

const HASH = "0123456789abcdef";
const LARGE = 256 << 10;
const PART = 64 << 10; // shorter ones are for clients that have only begun
const windows = Deno.build.os === "windows";

/** Why a source takes no file here by this way, null if it does */
const obstacle = await (async () => {
  await using tree = await makeTree();
  return isOnLocalDisk(tree.path) ? null : "temporary files are on no local disk";
})();

/** Registers a test of a source that has its files on a local disk */
function testOnLocalDisk(name: string, fn: (t: Deno.TestContext) => Promise<void>) {
  if (obstacle === null) Deno.test(name, fn);
  else Deno.test({ name: `${name} (skipped: ${obstacle})`, ignore: true, fn });
}

/** A file with its content */
interface Photo {
  readonly name: string;
  readonly content: Uint8Array;
}

function photosOf(sizes: readonly number[]): Photo[] {
  return sizes.map((size, i) => ({ name: `${i}.jpg`, content: randomBytes(size, i + 1) }));
}

function treeOf(photos: readonly Photo[]): Promise<Tree> {
  return makeTree(
    Object.fromEntries(photos.map(({ name, content }) => [`${HASH}/${name}`, content])),
  );
}

/** A run of bytes of a file, as it is on the disk now */
function sliceAt(tree: Tree, name: string, part: Partial<PlacedSlice> = {}): PlacedSlice {
  const state = stateOf(Deno.lstatSync(tree.join(HASH, name)));
  const file = { hash: HASH, path: name, location: `${HASH}/${name}`, identity: identityOf(state) };
  return sliceOf(file, { offset: 0, length: 0, position: 0, crc32: 0, ...part });
}

/**
 * What a reader asks for who goes through the photos by windows of that size, and what it should get.
 * Before each photo is a gap of one byte; between two windows is one without anything in it.
 */
function* readThrough(tree: Tree, photos: readonly Photo[], size: number) {
  const whole = new Uint8Array(photos.reduce((sum, { content }) => sum + 1 + content.length, 0));
  let end = 0;
  const places = photos.map(({ name, content }) => {
    whole.set(content, end + 1);
    const start = end + 1;
    end = start + content.length;
    return { slice: sliceAt(tree, name), content, start, end };
  });
  for (let from = 0; from < whole.length; from += size) {
    const to = Math.min(whole.length, from + size);
    const slices: PlacedSlice[] = [];
    const checksums: number[] = [];
    for (const { slice, content, start, end } of places) {
      if (start > to || end < from) continue;
      const offset = Math.max(from - start, 0);
      const length = Math.min(to, end) - start - offset;
      const before = crc32(content.subarray(0, offset));
      slices.push({ ...slice, offset, length, position: start + offset - from, crc32: before });
      checksums.push(crc32(content.subarray(0, offset + length)));
    }
    if (slices.length === 0) continue;
    const request = { length: to - from, slices };
    yield { request, expected: { buffer: whole.slice(from, to), checksums } };
    const { position: _, ...last } = slices.at(-1)!;
    const empty = { ...last, offset: last.offset + last.length, length: 0, position: 0 };
    yield {
      request: { length: 0, slices: [{ ...empty, crc32: checksums.at(-1)! }] },
      expected: { buffer: new Uint8Array(), checksums: [checksums.at(-1)!] },
    };
  }
}

/** Watches which files are opened in this thread, and which are still open, until it is disposed */
function watchFiles() {
  const { open } = Deno;
  const files = {
    opened: 0,
    open: new Set<string>(),
    /** Called before a file is opened */
    onOpen: (): void | Promise<void> => {},
    /** Called when a read is over, before its caller hears of it */
    onRead: (): void | Promise<void> => {},
    [Symbol.dispose]: () => void (Deno.open = open),
  };
  Deno.open = async (path, options) => {
    await files.onOpen();
    const file = await open(path, options);
    const id = `${files.opened++} ${path}`;
    files.open.add(id);
    const close = file.close.bind(file);
    const read = file.read.bind(file);
    return Object.assign(file, {
      close() {
        files.open.delete(id);
        close();
      },
      async read(target: Uint8Array) {
        const count = await read(target);
        await files.onRead();
        return count;
      },
    });
  };
  return files;
}

/** Lets a watched read wait, when it has begun, until it is told to go on */
function holdReads(files: ReturnType<typeof watchFiles>) {
  const begun = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  files.onRead = () => (begun.resolve(), goOn.promise);
  return { begun: begun.promise, goOn: goOn.resolve };
}

/** Counts the buffers that threads of the pool are asked for, until it is disposed */
function countFills() {
  const { Worker } = globalThis;
  const fills = { count: 0, [Symbol.dispose]: () => void (globalThis.Worker = Worker) };
  globalThis.Worker = class extends Worker {
    override postMessage(call: Call) {
      if (call.task === "fill") fills.count++;
      super.postMessage(call);
    }
  };
  return fills;
}

/** The first bytes of a file, which are followed by others */
function begin(tree: Tree, name: string, reader: object, length = 10): FillRequest {
  return { length, slices: [sliceAt(tree, name, { length })], reader };
}

Deno.test("LocalFiles: whatever the window, a reader gets the bytes that are there", async () => {
  const photos = photosOf([37, 1, 64, 5]);
  await using tree = await treeOf(photos);
  using files = watchFiles();
  using local = new LocalFiles(tree.path);
  for (let size = 1; size <= 112; size++) {
    const reader = {};
    for (const { request, expected } of readThrough(tree, photos, size)) {
      assert.deepEqual(await local.fill({ ...request, reader }), expected, `windows of ${size}`);
    }
    local.close(reader);
  }
  assert.equal(files.open.size, 0);
});

Deno.test("LocalFiles: a range may start anywhere, and go back", async () => {
  const [photo] = photosOf([5000]);
  await using tree = await treeOf([photo]);
  using local = new LocalFiles(tree.path);
  const reader = {};
  for (const [offset, length] of [[4000, 100], [17, 300], [317, 1], [0, 4999], [4999, 1], [2, 0]]) {
    const before = crc32(photo.content.subarray(0, offset));
    const slice = sliceAt(tree, photo.name, { offset, length, position: 3, crc32: before });
    const filled = await local.fill({ length: length + 5, slices: [slice], reader });
    const buffer = new Uint8Array(length + 5);
    buffer.set(photo.content.subarray(offset, offset + length), 3);
    const checksums = [crc32(photo.content.subarray(0, offset + length))];
    assert.deepEqual(filled, { buffer, checksums }, `${length} from ${offset}`);
  }
});

Deno.test("LocalFiles: a read may bring less than was asked for", async () => {
  const [photo] = photosOf([1000]);
  await using tree = await treeOf([photo]);
  const { open } = Deno;
  Deno.open = async (path) => {
    const file = await open(path);
    const read = file.read.bind(file);
    return Object.assign(file, { read: (target: Uint8Array) => read(target.subarray(0, 7)) });
  };
  try {
    using local = new LocalFiles(tree.path);
    const filled = await local.fill(begin(tree, photo.name, {}, 1000));
    assert.deepEqual(filled?.buffer, photo.content);
    assert.deepEqual(filled.checksums, [crc32(photo.content)]);
  } finally {
    Deno.open = open;
  }
});

Deno.test("LocalFiles: a file stays open while its reader goes on, and is closed at its end", async () => {
  const [photo] = photosOf([400]);
  await using tree = await treeOf([photo]);
  using files = watchFiles();
  using local = new LocalFiles(tree.path);
  const reader = {};
  for (let offset = 0; offset < 400; offset += 100) {
    const slices = [sliceAt(tree, photo.name, { offset, length: 100 })];
    const filled = await local.fill({ length: 100, slices, reader });
    assert.deepEqual(filled?.buffer, photo.content.slice(offset, offset + 100));
    assert.equal(files.open.size, offset < 300 ? 1 : 0, `${offset}`);
  }
  assert.equal(files.opened, 1);
});

Deno.test("LocalFiles: a reader who goes to another file has only that one open", async () => {
  const photos = photosOf([400, 400]);
  await using tree = await treeOf(photos);
  using files = watchFiles();
  using local = new LocalFiles(tree.path);
  const reader = {};
  for (const [i, { name }] of photos.entries()) {
    assert.ok(await local.fill(begin(tree, name, reader)));
    assert.deepEqual([...files.open], [`${i} ${tree.join(HASH, name)}`]);
  }
  assert.ok(await local.fill(begin(tree, photos[0].name, {})));
  assert.equal(files.open.size, 2, "another reader has its own");
});

Deno.test("LocalFiles: close() closes what its reader has open, and nothing else", async () => {
  const [photo] = photosOf([400]);
  await using tree = await treeOf([photo]);
  using files = watchFiles();
  using local = new LocalFiles(tree.path);
  const readers = [{}, {}];
  for (const reader of readers) assert.ok(await local.fill(begin(tree, photo.name, reader)));
  local.close(readers[0]);
  local.close(readers[0]);
  local.close({});
  assert.deepEqual([...files.open], [`1 ${tree.join(HASH, photo.name)}`]);
});

Deno.test("LocalFiles: a file that its reader left alone is closed after a moment", async () => {
  const [photo] = photosOf([400]);
  await using tree = await treeOf([photo]);
  using files = watchFiles();
  using local = new LocalFiles(tree.path);
  const readers = [{}, {}];
  for (const reader of readers) assert.ok(await local.fill(begin(tree, photo.name, reader)));
  await until(async () => {
    assert.ok(await local.fill(begin(tree, photo.name, readers[1])));
    return files.open.size < 2;
  }, "that of the reader who does not go on is closed");
  assert.deepEqual([...files.open], [`1 ${tree.join(HASH, photo.name)}`]);
  await until(() => files.open.size === 0, "the other one too");
  assert.ok(await local.fill(begin(tree, photo.name, readers[0])));
  assert.deepEqual([files.opened, files.open.size], [3, 1], "it was opened again, and is kept");
  await until(() => files.open.size === 0, "and closed again");
});

Deno.test("LocalFiles: whoever stops later than another one has its file closed later", async () => {
  const [photo] = photosOf([400]);
  await using tree = await treeOf([photo]);
  using files = watchFiles();
  using local = new LocalFiles(tree.path);
  const readers = [{}, {}];
  const started = performance.now();
  await local.fill(begin(tree, photo.name, readers[0]));
  await until(async () => {
    await local.fill(begin(tree, photo.name, readers[1]));
    return performance.now() - started > 200;
  }, "some time has passed");
  await until(() => files.open.size === 0, "both are closed");
});

Deno.test("LocalFiles: however many read, few files stay open between two reads", async () => {
  const [photo] = photosOf([400]);
  await using tree = await treeOf([photo]);
  using files = watchFiles();
  using local = new LocalFiles(tree.path, { openFiles: 3 });
  const readers = Array.from({ length: 5 }, () => ({}));
  for (let round = 0; round < 2; round++) {
    for (const reader of readers) {
      const filled = await local.fill(begin(tree, photo.name, reader));
      assert.deepEqual(filled?.buffer, photo.content.slice(0, 10));
    }
    assert.equal(files.open.size, 3);
  }
  assert.equal(files.opened, 5 + 2, "those of the others are opened again");
});

Deno.test("LocalFiles: what was listed anew is opened anew", {
  ignore: windows, // puts nothing in the place of a file that is open
}, async () => {
  const [photo, other] = photosOf([400, 400]);
  await using tree = await treeOf([photo, other]);
  using files = watchFiles();
  using local = new LocalFiles(tree.path);
  const reader = {};
  assert.ok(await local.fill(begin(tree, photo.name, reader)));
  await Deno.rename(tree.join(HASH, other.name), tree.join(HASH, photo.name));
  const filled = await local.fill(begin(tree, photo.name, reader));
  assert.deepEqual(filled?.buffer, other.content.slice(0, 10));
  assert.deepEqual([files.opened, files.open.size], [2, 1]);
});

Deno.test("LocalFiles: disposal closes all files, and none is opened any more", async () => {
  const [photo] = photosOf([400]);
  await using tree = await treeOf([photo]);
  using files = watchFiles();
  const local = new LocalFiles(tree.path);
  for (let i = 0; i < 3; i++) assert.ok(await local.fill(begin(tree, photo.name, {})));
  assert.equal(files.open.size, 3);
  local[Symbol.dispose]();
  assert.equal(files.open.size, 0);
  assert.equal(await local.fill(begin(tree, photo.name, {})), null);
  assert.equal(files.opened, 3);
});

Deno.test("LocalFiles: a read that comes back after its reader has ended leaves nothing open", async () => {
  const [photo] = photosOf([400]);
  const endings: ((local: LocalFiles, reader: object) => void)[] = [
    (local, reader) => local.close(reader),
    (local) => local[Symbol.dispose](),
  ];
  for (const end of endings) {
    for (const wasOpen of [false, true]) {
      await using tree = await treeOf([photo]);
      using files = watchFiles();
      using local = new LocalFiles(tree.path);
      const reader = {};
      if (wasOpen) assert.ok(await local.fill(begin(tree, photo.name, reader)));
      const read = holdReads(files);
      const filled = local.fill(begin(tree, photo.name, reader));
      await read.begun;
      end(local, reader);
      assert.equal(files.open.size, 1, "it is being read");
      read.goOn();
      await filled;
      assert.equal(files.open.size, 0);
    }
  }
});

Deno.test("LocalFiles: a file whose opening comes back after disposal is closed", async () => {
  const [photo] = photosOf([400]);
  await using tree = await treeOf([photo]);
  using files = watchFiles();
  using local = new LocalFiles(tree.path);
  const begun = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  files.onOpen = () => (begun.resolve(), goOn.promise);
  const filled = local.fill(begin(tree, photo.name, {}));
  await begun.promise;
  local[Symbol.dispose]();
  goOn.resolve();
  await filled;
  assert.deepEqual([files.opened, files.open.size], [1, 0]);
});

Deno.test("LocalFiles: two fills of one reader at the same time do not mix", async () => {
  const photos = photosOf([3000, 3000]);
  await using tree = await treeOf(photos);
  using files = watchFiles();
  using local = new LocalFiles(tree.path);
  const reader = {};
  for (let round = 0; round < 5; round++) {
    const fills = Array.from({ length: 12 }, async (_, i) => {
      const { name, content } = photos[i % 2];
      const offset = 100 * i + round;
      const slices = [sliceAt(tree, name, { offset, length: 900 })];
      const filled = await local.fill({ length: 900, slices, reader });
      assert.deepEqual(filled?.buffer, content.slice(offset, offset + 900));
    });
    await Promise.all(fills);
    assert.ok(files.open.size <= 1, "one file a reader");
  }
  local.close(reader);
  assert.equal(files.open.size, 0);
});

Deno.test("LocalFiles: reads that hang take the slots of their device only", async () => {
  const photos = photosOf([400]);
  const [{ name }] = photos;
  await using tree = await treeOf(photos);
  using files = watchFiles();
  using local = new LocalFiles(tree.path, { ofDevice: 2, ofAll: 9, maxWait: 20 });
  const { begun, goOn } = holdReads(files);
  const hanging = [local.fill(begin(tree, name, {})), local.fill(begin(tree, name, {}))];
  await begun;
  assert.equal(await local.fill(begin(tree, name, {})), null, "none came back in time");
  const [slice] = begin(tree, name, {}).slices;
  const [device, ...rest] = slice.identity.split(":");
  const elsewhere = { ...slice, identity: [Number(device) + 1, ...rest].join(":") };
  files.onRead = () => {};
  assert.equal(await local.fill({ length: 10, slices: [elsewhere], reader: {} }), null);
  assert.equal(files.opened, 3, "it got as far as to be compared");
  goOn();
  for (const filled of await Promise.all(hanging)) assert.ok(filled);
  assert.ok(await local.fill(begin(tree, name, {})), "the slots are free again");
});

Deno.test("LocalFiles.suits(): large files of one device", async () => {
  await using tree = await treeOf(photosOf([LARGE, LARGE + 1, LARGE - 1, 0]));
  using local = new LocalFiles(tree.path);
  const { dev } = Deno.statSync(tree.path);
  const [exact, larger, smaller, empty] = [0, 1, 2, 3].map((i) => sliceAt(tree, `${i}.jpg`));
  const request = (slices: PlacedSlice[]) => ({ length: LARGE, slices, reader: {} });
  const cases: [PlacedSlice[], boolean][] = [
    [[exact], true],
    [[larger], true],
    [[exact, larger, exact], true],
    [[smaller], false],
    [[empty], false],
    [[exact, smaller], false],
    [[smaller, exact], false],
    [[], false],
  ];
  for (const [slices, suits] of cases) {
    assert.equal(local.suits(request(slices), dev), suits, slices.map(({ path }) => path).join());
  }
  assert.equal(local.suits(request([exact]), dev + 1), false, "on another device");
  assert.ok(!local.suits({ ...request([exact]), length: PART - 1 }, dev), "for who has only begun");
  assert.ok(local.suits({ ...request([exact]), length: PART }, dev));
  const timeless = { ...exact, identity: exact.identity.replace(/[^:]*$/, "") };
  assert.equal(
    local.suits(request([timeless]), dev),
    false,
    "only the pool can tell whether it is the same",
  );
});

/** What may become of a file after it was listed, and the error that the pool has for it */
const changes: [string, string, (file: string) => void | Promise<unknown>][] = [
  ["other content and time", "ESTALE", (file) => Deno.writeFile(file, randomBytes(LARGE + 9, 7))],
  ["another time", "ESTALE", (file) => Deno.utime(file, 1e9, 1e9)],
  ["cut off where it is read", "ESTALE", (file) => Deno.truncate(file, 4)],
  ["cut off behind", "ESTALE", (file) => Deno.truncate(file, LARGE + 8)],
  ["grown", "ESTALE", (file) => Deno.writeTextFile(file, "6", { append: true })],
  ["gone", "ENOENT", (file) => Deno.remove(file)],
  ["another file", "ESTALE", async (file) => {
    await Deno.writeFile(`${file}2`, randomBytes(LARGE + 9, 7));
    await Deno.rename(`${file}2`, file);
  }],
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
  ["in a folder that is gone", "ENOENT", (file) => Deno.rename(dirname(file), `${dirname(file)}2`)],
];

/** Changes that a file which is open may not show until it is opened by its path again */
const MOVED = ["a symlink", "in a folder that is gone"];

/** The clock, so many milliseconds later */
function later(ms: number) {
  const { now } = performance;
  performance.now = () => now.call(performance) + ms;
  return { [Symbol.dispose]: () => void (performance.now = now) };
}

/** A tree with a large photo, and the request for its first bytes */
async function makeLarge(reader: object) {
  const [photo] = photosOf([LARGE + 9]);
  const secret = randomBytes(LARGE + 9, 9);
  const tree = await makeTree({ [`photos/${HASH}/in/0.jpg`]: photo.content, secret });
  const path = tree.join("photos", HASH, "in/0.jpg");
  const identity = identityOf(stateOf(Deno.lstatSync(path)));
  const file = { hash: HASH, path: "in/0.jpg", location: `${HASH}/in/0.jpg`, identity };
  const part = { offset: 0, length: 100, position: 0, crc32: 0 };
  const request: FillRequest = { length: 100, slices: [sliceOf(file, part)], reader };
  return { tree, root: tree.join("photos"), path, photo, request };
}

Deno.test("LocalFiles: a file that is not what was listed gives nothing", {
  ignore: windows,
}, async (t) => {
  for (const [name, , change] of changes) {
    for (const isOpen of [false, true]) {
      await t.step({
        name: `${name}${isOpen ? ", while it is open" : ""}`,
        ignore: name === "a pipe" && tool("mkfifo") === null,
        async fn() {
          const { tree, root, path, photo, request } = await makeLarge({});
          await using _ = tree;
          using files = watchFiles();
          using local = new LocalFiles(root);
          if (isOpen) assert.ok(await local.fill(request));
          await change(path);
          let filled = await local.fill(request);
          if (isOpen && MOVED.includes(name) && filled) {
            assert.deepEqual(filled.buffer, photo.content.slice(0, 100));
            using _clock = later(1000); // by then the path is gone another time
            filled = await local.fill(request);
          }
          assert.equal(filled, null);
          assert.equal(files.open.size, 0);
        },
      });
    }
  }
});

Deno.test("LocalFiles: what is swapped in between the look and the opening shows", {
  ignore: windows,
}, async () => {
  const { tree, root, path, request } = await makeLarge({});
  await using _ = tree;
  using files = watchFiles();
  using local = new LocalFiles(root);
  files.onOpen = () => {
    Deno.renameSync(path, `${path}2`);
    Deno.symlinkSync("../../../secret", path);
  };
  assert.equal(await local.fill(request), null);
  assert.deepEqual([files.opened, files.open.size], [1, 0]);
});

Deno.test("LocalFiles: one bad slice fails the whole buffer", async () => {
  const photos = photosOf([400, 400]);
  await using tree = await treeOf(photos);
  using files = watchFiles();
  using local = new LocalFiles(tree.path);
  const [a, b] = photos.map(({ name }, i) => sliceAt(tree, name, { length: 10, position: 10 * i }));
  await Deno.remove(tree.join(b.location));
  assert.equal(await local.fill({ length: 20, slices: [a, b], reader: {} }), null);
  local[Symbol.dispose]();
  assert.equal(files.open.size, 0);
});

/** A source with the listing that it must have made, or it does not know the disk */
async function openSource(root: string) {
  const source = new DiskSource({ root, workers: 1 });
  assert.ok(await source.list(HASH));
  return source;
}

async function listedSlices(source: DiskSource): Promise<PlacedSlice[]> {
  const { entries } = (await source.list(HASH))!;
  return entries.map((entry) =>
    sliceOf(entry, { offset: 0, length: entry.size, position: 0, crc32: 0 })
  );
}

testOnLocalDisk("DiskSource: large files are read by no thread of the pool", async () => {
  const photos = photosOf([LARGE, 700_001, LARGE + 1]);
  await using tree = await treeOf(photos);
  using files = watchFiles();
  using fills = countFills();
  using source = await openSource(tree.path);
  for (const size of [65_536, 100_003, LARGE, 1 << 20, 2 << 20]) {
    const { signal } = new AbortController();
    const reader = {};
    for (const { request, expected } of readThrough(tree, photos, size)) {
      const { length, slices } = request;
      assert.deepEqual(await source.fill(length, slices, { reader, signal }), expected, `${size}`);
    }
    assert.equal(files.open.size, 0, "all were read to their ends");
  }
  const rests = fills.count;
  assert.ok(rests <= 5, "at most a short rest of each size, of a file that is not open yet");
  const [{ request }] = readThrough(tree, photos, 65_536);
  const read = (options = {}) => source.fill(request.length, request.slices, options);
  assert.deepEqual(await read(), await read({ reader: {} }));
  assert.equal(fills.count, rests + 1, "that of nobody");
});

testOnLocalDisk(
  "DiskSource: small files, and those of other devices, are left to the pool",
  async () => {
    const photos = photosOf([LARGE - 1, LARGE]);
    await using tree = await treeOf(photos);
    using files = watchFiles();
    using fills = countFills();
    using source = await openSource(tree.path);
    const [small, large] = await listedSlices(source);
    const { length } = small;
    const both = [small, { ...large, position: length, length: 10 }];
    const filled = await source.fill(length + 10, both, { reader: {} });
    assert.deepEqual(filled.buffer.subarray(0, length), photos[0].content);
    assert.equal(fills.count, 1);
    const [device, ...rest] = large.identity.split(":");
    const elsewhere = { ...large, identity: [Number(device) + 1, ...rest].join(":") };
    await assert.rejects(source.fill(LARGE, [elsewhere], { reader: {} }), { code: "ESTALE" });
    assert.equal(fills.count, 2);
    assert.equal(files.opened, 0);
  },
);

testOnLocalDisk(
  "DiskSource: the pool says what is wrong with a file that was not read",
  async (t) => {
    for (const [name, code, change] of changes) {
      await t.step({
        name,
        ignore: name === "a pipe" && tool("mkfifo") === null,
        async fn() {
          const { tree, root, path, request } = await makeLarge({});
          await using _ = tree;
          using files = watchFiles();
          using source = await openSource(root);
          await change(path);
          const { length, slices, reader } = request;
          const signal = AbortSignal.timeout(10_000); // a pipe must not be waited for
          await assert.rejects(source.fill(length, slices, { reader, signal }), (error) => {
            assert.equal((error as StorageError).code, code, String(error));
            assert.match(String(error), /read file: .*: in\/0\.jpg$/);
            return true;
          });
          assert.equal(files.open.size, 0);
        },
      });
    }
  },
);

testOnLocalDisk("DiskSource: without a descriptor for it, a file is left to the pool", async () => {
  const photos = photosOf([LARGE, LARGE]);
  await using tree = await treeOf(photos);
  using files = watchFiles();
  using fills = countFills();
  using source = await openSource(tree.path);
  files.onOpen = () => {
    throw Object.assign(new Error("Too many open files (os error 24)"), { code: "EMFILE" });
  };
  const reader = {};
  for (const { request, expected } of readThrough(tree, photos, 200_000)) {
    assert.deepEqual(await source.fill(request.length, request.slices, { reader }), expected);
  }
  assert.ok(fills.count > 0);
  const before = fills.count;
  files.onOpen = () => {};
  const [slice] = await listedSlices(source);
  assert.ok(await source.fill(LARGE, [slice], { reader }));
  assert.equal(fills.count, before, "one error decides nothing");
});

testOnLocalDisk("DiskSource: an error in a read is left to the pool too", async () => {
  const [photo] = photosOf([LARGE]);
  await using tree = await treeOf([photo]);
  using files = watchFiles();
  using source = await openSource(tree.path);
  files.onRead = () => {
    throw Object.assign(new Error("Input/output error (os error 5)"), { code: "EIO" });
  };
  const [slice] = await listedSlices(source);
  const { buffer, checksums } = await source.fill(LARGE, [slice], { reader: {} });
  assert.deepEqual(buffer, photo.content);
  assert.deepEqual(checksums, [crc32(photo.content)]);
  assert.deepEqual([files.opened, files.open.size], [1, 0]);
});

testOnLocalDisk("DiskSource: a file is closed when its reader's signal aborts", async () => {
  await using tree = await treeOf(photosOf([LARGE]));
  using files = watchFiles();
  using source = await openSource(tree.path);
  const [slice] = await listedSlices(source);
  const client = new AbortController();
  const { signal } = client;
  const reader = {};
  for (const offset of [0, PART]) {
    await source.fill(PART, [{ ...slice, offset, length: PART }], { reader, signal });
  }
  assert.deepEqual([files.opened, files.open.size], [1, 1]);
  client.abort();
  assert.equal(files.open.size, 0);
});

testOnLocalDisk("DiskSource: whoever leaves does not wait for a read", async () => {
  await using tree = await treeOf(photosOf([LARGE]));
  using files = watchFiles();
  using fills = countFills();
  using source = await openSource(tree.path);
  const [slice] = await listedSlices(source);
  const client = new AbortController();
  const read = holdReads(files);
  const { signal } = client;
  const filled = source.fill(PART, [{ ...slice, length: PART }], { reader: {}, signal });
  await read.begun;
  client.abort(new Error("left"));
  await assert.rejects(filled, { message: "left" });
  assert.equal(files.open.size, 1, "the read goes on");
  read.goOn();
  await until(() => files.open.size === 0, "the file is closed", 300); // before it is idle
  assert.equal(fills.count, 0);
});

testOnLocalDisk("DiskSource: nothing is opened for whoever has left before", async () => {
  await using tree = await treeOf(photosOf([LARGE]));
  using files = watchFiles();
  using source = await openSource(tree.path);
  const [slice] = await listedSlices(source);
  const signal = AbortSignal.abort(new Error("left"));
  await assert.rejects(source.fill(LARGE, [slice], { reader: {}, signal }), { message: "left" });
  assert.equal(files.opened, 0);
});

testOnLocalDisk("DiskSource: a source that is disposed leaves no file open", async () => {
  await using tree = await treeOf(photosOf([LARGE]));
  using files = watchFiles();
  const source = await openSource(tree.path);
  const [slice] = await listedSlices(source);
  const part = { ...slice, length: PART };
  for (let i = 0; i < 3; i++) await source.fill(PART, [part], { reader: {} });
  assert.equal(files.open.size, 3);
  const read = holdReads(files);
  const late = source.fill(PART, [part], { reader: {} });
  await read.begun;
  source[Symbol.dispose]();
  assert.equal(files.open.size, 1, "the one that is being read");
  read.goOn();
  await late.then(({ buffer }: FilledBuffer) => assert.equal(buffer.length, PART));
  assert.equal(files.open.size, 0);
});
