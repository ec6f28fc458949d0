import assert from "node:assert/strict";
// @ts-types="../testing/yauzl.d.ts"
import * as yauzl from "yauzl";
import fc from "fast-check";
import { Buffer } from "node:buffer";
import { crc32 as zlib } from "node:zlib";
import { listWithPython, readWithAll } from "../testing/readers.ts";
import { testWith } from "../testing/tools.ts";
import { makeTree, randomBytes } from "../testing/tree.ts";
import { planZip, type PlanZipOptions, type ZipEntry, type ZipPlan } from "./mod.ts";

const MODIFIED = new Date("2024-05-06T07:08:09.500Z");

/** What an entry is made from, and what was asked of it */
interface File extends ZipEntry {
  readonly content: Uint8Array<ArrayBuffer>;
  readonly opened: string[];
}

interface FileOptions extends Partial<ZipEntry> {
  /** Bytes of each chunk of its stream; 0 is a chunk too @default all in one */
  readonly chunks?: readonly number[];
}

/** A file in memory, or a folder if its name ends in `/` */
function file(name: string, content: Uint8Array<ArrayBuffer>, options: FileOptions = {}): File {
  const { chunks, ...rest } = options;
  const opened: string[] = [];
  return {
    name,
    size: content.length,
    modified: MODIFIED,
    version: "1",
    content,
    opened,
    open: ({ start, end }) => {
      opened.push(`${start}-${end}`);
      return streamOf(content.slice(start, end), chunks);
    },
    ...rest,
  };
}

function streamOf(
  bytes: Uint8Array<ArrayBuffer>,
  chunks: readonly number[] = [],
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  let turn = 0;
  const longest = Math.max(0, ...chunks);
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      const length = longest === 0 ? bytes.length : chunks[turn++ % chunks.length];
      controller.enqueue(bytes.slice(at, at += length));
    },
  }, { highWaterMark: 0 });
}

async function bytesOf(plan: ZipPlan, start?: number, end?: number) {
  const range = start === undefined || end === undefined ? undefined : { start, end };
  return await new Response(plan.open(range)).bytes();
}

/** Names and contents, as a reader written by others finds them; it checks no CRC-32 of its own */
async function readWithYauzl(bytes: Uint8Array) {
  const zip = await yauzl.fromBufferPromise(Buffer.from(bytes), { lazyEntries: true });
  const found: { name: string; content: Buffer; crc32: number }[] = [];
  for await (const entry of zip.eachEntry()) {
    const chunks: Uint8Array[] = [];
    if (!entry.fileName.endsWith("/")) {
      for await (const chunk of await zip.openReadStreamPromise(entry)) chunks.push(chunk);
    }
    found.push({ name: entry.fileName, content: Buffer.concat(chunks), crc32: entry.crc32 });
  }
  return found;
}

const name = fc.array(
  fc.oneof(
    fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 8 }),
    fc.constantFrom("Фото", "ё.jpg", "😀👨‍👩‍👧", "日本語", "IMG_0001.JPG", " ", "-rf"),
  ).map((part) => part.replace(/[/\\:]|^\.{1,2}$/g, "_")),
  { minLength: 1, maxLength: 3 },
).map((parts) => parts.join("/"));

/** Files with contents of any length and streams in any pieces, and empty folders */
const files: fc.Arbitrary<File[]> = fc.uniqueArray(
  fc.record({
    name,
    folder: fc.boolean(),
    size: fc.oneof(fc.nat(40), fc.nat(70_000)),
    seed: fc.nat(),
    known: fc.boolean(),
    chunks: fc.array(fc.nat(9000), { maxLength: 3 }),
    mode: fc.option(fc.nat(0o777), { nil: undefined }),
  }),
  { selector: ({ name }) => name, maxLength: 6 },
).map((all) =>
  all.map(({ name, folder, size, seed, known, chunks, mode }) => {
    if (folder) return file(`${name}/`, new Uint8Array(), { mode });
    const content = randomBytes(size, seed);
    return file(name, content, { chunks, mode, ...known && { crc32: zlib(content) } });
  })
);

Deno.test("planZip(): the planned size is what is sent, and what readers see is what was given", async () => {
  const property = fc.asyncProperty(files, async (files) => {
    const plan = await planZip(files);
    const bytes = await bytesOf(plan);
    assert.equal(bytes.length, plan.size);
    files.forEach(({ content }, i) => {
      const start = plan.offsets[i];
      assert.deepEqual(bytes.subarray(start, start + content.length), content);
    });
    const found = await readWithYauzl(bytes);
    assert.deepEqual(
      found,
      files.map(({ name, content }) => {
        return { name, content: Buffer.from(content), crc32: zlib(content) };
      }),
    );
  });
  await fc.assert(property, { numRuns: 200 });
});

Deno.test("planZip(): any range is a slice of the whole, and no other byte of an entry is opened", async () => {
  const cuts = fc.tuple(fc.double({ min: 0, max: 1 }), fc.double({ min: 0, max: 1 }))
    .filter((cuts) => cuts.every(Number.isFinite));
  const property = fc.asyncProperty(files, cuts, async (files, cuts) => {
    const [whole, plan] = [await planZip(files), await planZip(files)];
    const bytes = await bytesOf(whole);
    const [start, end] = cuts.map((cut) => Math.floor(cut * plan.size)).sort((a, b) => a - b);
    for (const { opened } of files) opened.length = 0;
    assert.deepEqual(await bytesOf(plan, start, end), bytes.subarray(start, end));
    files.forEach(({ content, opened, crc32 }, i) => {
      if (crc32 === undefined) return; // it may have been read for that
      const from = Math.max(start - plan.offsets[i], 0);
      const to = Math.min(end - plan.offsets[i], content.length);
      assert.deepEqual(opened, from < to ? [`${from}-${to}`] : []);
    });
  });
  await fc.assert(property, { numRuns: 300 });
});

testWith(["python3", "unzip"], "planZip(): archives open in every reader", async () => {
  await using tree = await makeTree();
  const path = tree.join("a.zip");
  const plan = await planZip([
    file("Байкал/утро.jpg", randomBytes(5_000_000, 1)),
    file("b.jpg", randomBytes(70_000, 2), { chunks: [1000, 0, 7], mode: 0o600 }),
    file("empty", new Uint8Array()),
    file("folder/", new Uint8Array()),
  ]);
  await Deno.writeFile(path, await bytesOf(plan));
  await readWithAll(path);
  const listed = await listWithPython(path);
  assert.deepEqual(
    listed.map(({ name, size, externalAttributes }) => [name, size, externalAttributes >>> 16]),
    [
      ["Байкал/утро.jpg", 5_000_000, 0o100644],
      ["b.jpg", 70_000, 0o100600],
      ["empty", 0, 0o100644],
      ["folder/", 0, 0o040755],
    ],
  );
});

Deno.test("planZip(): the entity tag follows from all that the bytes follow from", async () => {
  const of = async (options: Partial<ZipEntry>, name = "a") => {
    return await planZip([file(name, randomBytes(100), options), file("b", randomBytes(3))]);
  };
  const plan = await of({});
  assert.match(plan.etag, /^"1-[0-9a-f]{32}"$/);
  assert.equal(plan.etag, `"${plan.version}"`);
  assert.equal((await of({ crc32: 1 })).etag, plan.etag, "the content has one CRC-32");
  assert.equal((await of({ mode: 0o644 })).etag, plan.etag, "the usual mode");
  const sameSecond = new Date("2024-05-06T07:08:09.999Z");
  assert.equal((await of({ modified: sameSecond })).etag, plan.etag, "the archive tells no more");
  const others = [
    await of({ version: "2" }),
    await of({ version: String(MODIFIED.getTime()) }),
    await of({ size: 101 }),
    await of({ mode: 0o600 }),
    await of({ modified: new Date("2024-05-06T07:08:10Z") }),
    await of({}, "c"),
    await planZip([...plan.entries].reverse()),
    await planZip(plan.entries.slice(0, 1)),
  ];
  const tags = new Set([plan, ...others].map(({ etag }) => etag));
  assert.equal(tags.size, 1 + others.length);
});

Deno.test("planZip(): without versions the tag is weak, and follows the time to the millisecond", async () => {
  const of = async (options: Partial<ZipEntry>) => {
    return await planZip([file("a", randomBytes(100), { version: undefined, ...options })]);
  };
  const plan = await of({});
  assert.match(plan.etag, /^W\/"1-[0-9a-f]{32}"$/);
  assert.equal(plan.settled, false);
  assert.notEqual((await of({ modified: new Date(MODIFIED.getTime() + 1) })).etag, plan.etag);
  const empty = file("a", new Uint8Array(), { version: undefined });
  assert.equal((await planZip([empty])).settled, true, "there is only one empty content");
});

Deno.test("planZip() refuses what cannot go into an archive, and says what it is", async () => {
  const content = randomBytes(10);
  const bad: [ZipEntry, string][] = [
    [file("", content), 'a name must not be empty: ""'],
    [file("/", new Uint8Array()), 'a name must not be empty: "/"'],
    [file("\ud800", content), 'a name must be well-formed Unicode: "\\ud800"'],
    [file("a\\b", content), 'a name must have neither \\ nor NUL in it: "a\\\\b"'],
    [file("a\0", content), 'a name must have neither \\ nor NUL in it: "a\\u0000"'],
    [file("C:/a", content), 'a name must not begin with a drive letter: "C:/a"'],
    ...["/a", "a//b", "../a", "a/../b", "./a", "a/.", "..", "a//"].map((
      name,
    ): [ZipEntry, string] => [
      file(name, new Uint8Array()),
      `a name must be a path without empty parts, . and ..: ${JSON.stringify(name)}`,
    ]),
    [file("a", content, { size: -1 }), "size must be a whole number of bytes, not -1: a"],
    [file("a", content, { size: 1.5 }), "size must be a whole number of bytes, not 1.5: a"],
    [file("a", content, { size: NaN }), "size must be a whole number of bytes, not NaN: a"],
    [file("a/", content), "a folder has no content, but size is 10: a/"],
    [file("a", content, { modified: new Date(NaN) }), "modified of a must be a valid Date"],
    [file("a", content, { crc32: -1 }), "crc32 must be a whole number of 32 bits: a"],
    [file("a", content, { crc32: 2 ** 32 }), "crc32 must be a whole number of 32 bits: a"],
    [file("a", content, { mode: 0o1000 }), "mode must be from 0 to 0o777: a"],
    [file("a", content, { open: undefined }), "open must be a function: a"],
  ];
  for (const [entry, message] of bad) {
    await assert.rejects(planZip([entry]), { message: `plan archive: ${message}` });
  }
  await assert.rejects(planZip([file("a", content), file("b", content), file("a", content)]), {
    name: "RangeError",
    message: "plan archive: two entries have the same name: a",
  });
  await assert.rejects(planZip([file("a", content, { size: 2 ** 53 - 1 })]), {
    name: "RangeError",
    message: "plan archive: longer than 9007199254740991 bytes",
  });
  const notText = { ...file("a", content), name: 1 } as unknown as ZipEntry;
  await assert.rejects(planZip([notText]), {
    message: "plan archive: a name must be a string, not number",
  });
  await assert.rejects(planZip([], { lastModified: new Date(NaN) }), {
    message: "plan archive: lastModified must be a valid Date",
  });
});

Deno.test("open() fails, and names the entry, where a stream is not what was planned", async () => {
  const content = randomBytes(100_000);
  const open = (make: () => unknown) => () => make() as ReadableStream<Uint8Array<ArrayBuffer>>;
  const broken = () =>
    new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        controller.error(new Error("403 Forbidden"));
      },
    });
  const cases: [FileOptions, string, string?][] = [
    [{ size: 100_001 }, "read entry: ended at byte 100000 instead of 100001: a"],
    [
      { size: 99_999, open: () => streamOf(content) },
      "read entry: there is more than was planned: a",
    ],
    [
      { size: 99_999, open: () => streamOf(content, [99_999]) },
      "read entry: there is more than was planned: a",
    ],
    [{ open: broken }, "read entry: the stream failed: a", "403 Forbidden"],
    [{ open: () => Promise.reject(new Error("no")) }, "read entry: the stream failed: a", "no"],
    [
      { open: open(() => null) },
      "read entry: the stream failed: a",
      "open() gave no ReadableStream",
    ],
    [
      { open: open(() => ReadableStream.from(["text"])) },
      "read entry: the stream failed: a",
      "a chunk is no Uint8Array: [object String]",
    ],
    [{ crc32: 7 }, "send entry: content changed after its checksum was sent: a"],
  ];
  for (const [options, message, cause] of cases) {
    const plan = await planZip([file("first", randomBytes(50_000)), file("a", content, options)]);
    await assert.rejects(bytesOf(plan), (error: Error) => {
      assert.equal(error.message, message);
      assert.equal((error.cause as Error | undefined)?.message, cause);
      return true;
    });
  }
});

Deno.test("open(): the range must be within the archive", async () => {
  const plan = await planZip([file("a", randomBytes(10))]);
  for (
    const range of [{ start: -1, end: 5 }, { start: 0, end: plan.size + 1 }, { start: 6, end: 5 }]
  ) {
    assert.throws(() => plan.open(range), RangeError);
  }
  assert.equal((await bytesOf(plan, 5, 5)).length, 0);
});

Deno.test("open(): nothing is opened before it is asked for, and little ahead of it", async () => {
  const all = Array.from({ length: 50 }, (_, i) => file(`${i}`, randomBytes(100_000, i)));
  const plan = await planZip(all);
  const opened = () => all.filter(({ opened }) => opened.length > 0).length;
  const body = plan.open();
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(opened(), 0);
  const reader = body.getReader();
  await reader.read();
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(opened() <= 2, `${opened()} are open`);
  await reader.cancel();
});

/** Lets all go on that can go on by itself */
function turn() {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/**
 * A stream that never comes to its end, and tells when nobody wants more of it. `settled` waits until
 * nothing of it goes on: a `pull` may still, when the stream is cancelled
 */
function endless() {
  const told = { cancelled: 0, aborted: 0 };
  let pulled: Promise<unknown> | undefined;
  const opened = Promise.withResolvers<void>();
  const open: ZipEntry["open"] = (_, signal) => {
    opened.resolve();
    signal.addEventListener("abort", () => void told.aborted++);
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      async pull(controller) {
        await (pulled = turn()); // as whatever waits for a disk
        controller.enqueue(new Uint8Array(1000));
      },
      cancel: () => void told.cancelled++,
    }, { highWaterMark: 0 });
  };
  const settled = async () => await pulled;
  return { told, open, opened: opened.promise, settled };
}

Deno.test("open(): when the body is cancelled, the entry's stream is", async (t) => {
  const size = 2 ** 40;
  await t.step("while it is sent", async () => {
    const { told, open, settled } = endless();
    const plan = await planZip([{ name: "a", size, modified: MODIFIED, crc32: 0, open }]);
    const reader = plan.open().getReader();
    for (let i = 0; i < 3; i++) await reader.read();
    await reader.cancel();
    assert.deepEqual(told, { cancelled: 1, aborted: 1 });
    await settled();
  });
  await t.step("while it is read for its CRC-32", async () => {
    const { told, open, opened, settled } = endless();
    const plan = await planZip([{ name: "a", size, modified: MODIFIED, open }]);
    const reader = plan.open().getReader();
    const read = reader.read();
    await opened;
    await turn();
    await reader.cancel();
    assert.equal((await read).done, true);
    assert.deepEqual(told, { cancelled: 1, aborted: 1 });
    await settled();
  });
  await t.step("while it is being opened", async () => {
    const { told, open, opened, settled } = endless();
    const goOn = Promise.withResolvers<void>();
    const late: ZipEntry["open"] = async (...given) => {
      const stream = open!(...given);
      await goOn.promise;
      return stream;
    };
    const plan = await planZip([{ name: "a", size, modified: MODIFIED, crc32: 0, open: late }]);
    const reader = plan.open().getReader();
    const read = reader.read();
    await opened;
    await reader.cancel();
    goOn.resolve();
    await read;
    await turn();
    assert.deepEqual(told, { cancelled: 1, aborted: 1 });
    await settled();
  });
  await t.step("and what else is open, when one fails", async () => {
    const { told, open, settled } = endless();
    const modified = MODIFIED;
    const plan = await planZip([
      { name: "a", size: 10_000, modified, open },
      { name: "b", size: 10_000, modified, open: () => Promise.reject(new Error("gone")) },
    ]);
    await assert.rejects(bytesOf(plan), { message: "read entry: the stream failed: b" });
    assert.deepEqual(told, { cancelled: 1, aborted: 1 });
    await settled();
  });
});

/** Archives whose entries are larger than the first buffers, so that they are read for their CRC-32 */
async function large(options: PlanZipOptions<File> = {}, extra: FileOptions = {}) {
  const all = [1, 2, 3].map((seed) => file(`${seed}`, randomBytes(100_000, seed), extra));
  const plan = await planZip(all, options);
  const opened = () => all.map((file) => file.opened.splice(0).length);
  return { all, plan, opened };
}

Deno.test("open(): CRC-32 values are read once for a plan, and not at all where they were given", async () => {
  const { plan, opened } = await large();
  const first = await bytesOf(plan);
  assert.deepEqual(opened(), [2, 2, 2], "for the CRC-32, and to be sent");
  assert.deepEqual(await bytesOf(plan), first);
  assert.deepEqual(opened(), [1, 1, 1]);

  const all = [1, 2, 3].map((seed) => randomBytes(100_000, seed));
  const given = all.map((content, i) => file(`${i + 1}`, content, { crc32: zlib(content) }));
  assert.deepEqual(await bytesOf(await planZip(given)), first);
  assert.deepEqual(given.map(({ opened }) => opened), Array(3).fill(["0-100000"]));
});

Deno.test("open(): a cache spares the next plan the reading", async () => {
  const checksums = new WeakMap<File, number>();
  const { all, plan, opened } = await large({ checksums });
  const first = await bytesOf(plan);
  opened();
  const again = await planZip(all, { checksums });
  assert.deepEqual(await bytesOf(again), first);
  assert.deepEqual(opened(), [1, 1, 1]);
});

Deno.test("open(): a wrong CRC-32 fails one download, the next one has the right one", async () => {
  for (const given of [true, false]) {
    const checksums = new Map<File, number>();
    const { all, plan } = await large({ checksums }, given ? { crc32: 7 } : {});
    if (!given) { for (const file of all) checksums.set(file, 7); }
    for (const name of ["1", "2", "3"]) {
      await assert.rejects(bytesOf(plan), {
        message: `send entry: content changed after its checksum was sent: ${name}`,
      });
    }
    const found = await readWithYauzl(await bytesOf(plan));
    assert.deepEqual(found.map(({ crc32 }) => crc32), all.map(({ content }) => zlib(content)));
  }
});

Deno.test("open(): downloads at the same time share what is read for the CRC-32", async () => {
  const { plan, opened } = await large();
  const bodies = await Promise.all([bytesOf(plan), bytesOf(plan), bytesOf(plan)]);
  assert.deepEqual(opened(), [4, 4, 4], "once for the CRC-32, and for each of the three");
  assert.deepEqual(bodies[1], bodies[0]);
  assert.deepEqual(bodies[2], bodies[0]);
});
