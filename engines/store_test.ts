import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import { countTasks, type TaskCounts } from "../testing/memory_source.ts";
import { until } from "../testing/process.ts";
import { assertSameTree, extract, listWithPython, readWithAll } from "../testing/readers.ts";
import { testWith } from "../testing/tools.ts";
import { makeTree, randomBytes, type Tree, type TreeFile } from "../testing/tree.ts";
import { Checksums } from "../storage/checksums.ts";
import type { Listing } from "../storage/listing.ts";
import type { FileSource } from "../storage/source.ts";
import { DiskSource } from "../storage/disk/disk.ts";
import { dataOffset, planArchive } from "../zip/plan.ts";
import type { Archive } from "./engine.ts";
import { createStoreEngine } from "./store.ts";

const HASH = "0123456789abcdef";
const KIB = 1 << 10;

type Files = Record<string, string | Uint8Array | TreeFile>;

/** A folder as an archive, with what is asked of the disk */
interface Setup extends AsyncDisposable {
  readonly tree: Tree;
  readonly listing: Listing;
  readonly archive: Archive;
  readonly source: FileSource;
  readonly tasks: TaskCounts;
}

async function setUp(files: Files, options: { readonly maxBuffer?: number } = {}): Promise<Setup> {
  const inside = Object.entries(files).map(([name, file]) => [`${HASH}/${name}`, file]);
  const tree = await makeTree({ [HASH]: { directory: true }, ...Object.fromEntries(inside) });
  const disk = new DiskSource({ root: tree.path });
  const listing = await disk.list(HASH);
  assert.ok(listing);

  const source = countTasks(disk);
  const engine = createStoreEngine({ source, checksums: new Checksums(source), ...options });
  return {
    tree,
    listing,
    archive: engine.prepare(listing),
    source,
    tasks: source.counts,
    async [Symbol.asyncDispose]() {
      await engine.close();
      disk[Symbol.dispose]();
      await tree[Symbol.asyncDispose]();
    },
  };
}

async function bytesOf(archive: Archive, start?: number, end?: number) {
  const range = start === undefined || end === undefined ? undefined : { start, end };
  return await new Response(await archive.open(range)).bytes();
}

/** Nobody is slow while the clock stands still */
function stopClock(): Disposable {
  const { now } = performance;
  performance.now = () => 0;
  return { [Symbol.dispose]: () => void (performance.now = now) };
}

const TREES: Record<string, Files> = {
  "plain": {
    "a.jpg": randomBytes(5000, 1),
    "b.jpg": randomBytes(3_000_000, 2),
    "c/d/e.txt": { content: "text", mode: 0o600 },
    "f.txt": { content: "old", mtime: new Date("1970-01-02T00:00:01Z") },
  },
  "Cyrillic and emoji": { "Ёлка 🎄.txt": "с новым годом", "Фото/Байкал.jpg": randomBytes(900, 3) },
  "empty files and folders": { "a": "", "b/c/d": { directory: true }, "e": { directory: true } },
  "names that look like something else": {
    "-rf": "1",
    "@x": "2",
    "[a]": "3",
    "--help": "4",
    " lead": "5",
    "'quotes'": "6",
    "$(id);&": "7",
    "a,b~c%d": "8",
  },
  "many small files": Object.fromEntries(
    Array.from({ length: 1200 }, (_, i) => [`${i % 10}/${i}`, randomBytes(i, i)]),
  ),
  "archives inside": { "a.bin": Uint8Array.fromHex("504b0304504b0506504b0102".repeat(99)) },
};

for (const [name, files] of Object.entries(TREES)) {
  testWith(
    ["unzip", "diff"],
    `createStoreEngine(): every reader takes a folder: ${name}`,
    async () => {
      await using setup = await setUp(files);
      const { tree, archive } = setup;
      const bytes = await bytesOf(archive);
      assert.equal(bytes.length, archive.size);
      const path = tree.join("a.zip");
      await Deno.writeFile(path, bytes);
      await readWithAll(path);
      await extract(path, tree.join("out"));
      await assertSameTree(tree.join(HASH), tree.join("out"));
    },
  );
}

testWith(
  ["python3"],
  "createStoreEngine(): names that not every system can create are written as others",
  async () => {
    const files = { "a:b": "1", "a?b": "2", "c\\d": "3", "e\nf": "4", "NUL": "5", "g.": "6" };
    await using setup = await setUp(files);
    const path = setup.tree.join("a.zip");
    await Deno.writeFile(path, await bytesOf(setup.archive));
    await readWithAll(path);
    const names = (await listWithPython(path)).map(({ name }) => name);
    assert.deepEqual(names, ["_NUL", "a_b", "a_b (2)", "c_d", "e_f", "g_"]);
  },
);

Deno.test("createStoreEngine(): parts of an archive are parts of the whole, checksums known or not", async () => {
  const files = { "a": randomBytes(300 * KIB, 1), "b": "1", "c": randomBytes(200 * KIB, 2) };
  await using warm = await setUp(files);
  const whole = await bytesOf(warm.archive);
  const cuts = [0, 1, 100_000, 307_300, 307_400, 400_000, whole.length - 100, whole.length];
  for (const [i, start] of cuts.entries()) {
    for (const end of cuts.slice(i)) {
      await using cold = await setUp(files);
      assert.equal(cold.archive.version, warm.archive.version, "a copy is the same archive");
      for (const { archive } of [warm, cold]) {
        const part = await bytesOf(archive, start, end);
        assert.ok(Buffer.compare(part, whole.subarray(start, end)) === 0, `${start}-${end}`);
      }
    }
  }
});

Deno.test("createStoreEngine(): the version tells what is in it", async () => {
  const mtime = new Date("2024-01-01T00:00:00Z");
  const base: Files = { "a": { content: "1", mtime, mode: 0o644 } };
  const others: Files[] = [
    { "b": { content: "1", mtime, mode: 0o644 } },
    { "a": { content: "12", mtime, mode: 0o644 } },
    { "a": { content: "1", mtime: new Date(mtime.getTime() + 1), mode: 0o644 } },
    // Windows has no modes.
    ...(Deno.build.os === "windows" ? [] : [{ "a": { content: "1", mtime, mode: 0o600 } }]),
    { ...base, "b": { directory: true } },
  ];
  const versions = await Promise.all([base, base, ...others].map(async (files) => {
    await using setup = await setUp(files);
    return setup.archive.version;
  }));
  assert.equal(versions[0], versions[1]);
  assert.equal(new Set(versions).size, others.length + 1);
  for (const version of versions) assert.match(version!, /^[\w-]+$/);
});

Deno.test("createStoreEngine(): clients of one archive share its plan", async () => {
  await using setup = await setUp({ "a": "1", "b": "2" });
  let looks = 0;
  const entries = setup.listing.entries.map((entry) =>
    new Proxy(entry, {
      get(target, key) {
        if (key === "name") looks++;
        return Reflect.get(target, key, target);
      },
    })
  );
  const engine = createStoreEngine({
    source: setup.source,
    checksums: new Checksums(setup.source),
  });
  const listing = { ...setup.listing, entries };
  const { size } = engine.prepare(listing);
  assert.equal(size, setup.archive.size);
  const before = looks;
  assert.equal(engine.prepare(listing).size, size);
  assert.equal(looks, before, "it is worked out once");
  assert.equal(engine.prepare({ ...listing }).size, size);
  assert.ok(looks > before, "and for another listing anew");
});

Deno.test("createStoreEngine(): nothing is read before the client asks", async () => {
  await using setup = await setUp({ "a": randomBytes(2_000_000) });
  const isUntouched = () => Object.values(setup.tasks).every((count) => count === 0);
  const stream = await setup.archive.open();
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.ok(isUntouched(), JSON.stringify(setup.tasks));
  await stream.cancel();
  assert.ok(isUntouched(), JSON.stringify(setup.tasks));
});

Deno.test("createStoreEngine(): a checksum is worked out once, and for small files with the read", async () => {
  await using setup = await setUp({ "a": randomBytes(2_000_000), "b": "small", "c": "small too" });
  const first = await bytesOf(setup.archive);
  assert.equal(setup.tasks.checksum, 1);
  assert.deepEqual(await bytesOf(setup.archive), first);
  assert.equal(setup.tasks.checksum, 1);
});

Deno.test("createStoreEngine(): buffers grow with the download, up to the limit", async () => {
  using _ = stopClock();
  for (const maxBuffer of [undefined, 256 * KIB]) {
    const limit = maxBuffer ?? 1024 * KIB;
    await using setup = await setUp({ "a": { size: 60_000 * KIB } }, { maxBuffer });
    const lengths: number[] = [];
    for await (const chunk of await setup.archive.open()) lengths.push(chunk.length);
    lengths.pop(); // the rest
    assert.ok(lengths[0] <= 64 * KIB);
    assert.ok(lengths.every((length) => length <= limit));
    assert.equal(Math.max(...lengths), limit);
  }
});

Deno.test("createStoreEngine(): the more clients keep up, the shorter their buffers are; all get the same bytes", async () => {
  const files = { "a": randomBytes(3_000_000), "b": randomBytes(5_000_000, 2), "c": "small" };
  await using setup = await setUp({ ...files, "d": { size: 20_000 * KIB } });
  const whole = await bytesOf(setup.archive);
  using _ = stopClock(); // else a slow machine would be taken for slow clients
  for (const clients of [1, 40]) {
    const streams = await Promise.all(Array.from({ length: clients }, () => setup.archive.open()));
    const readers = streams.map((stream) => stream.getReader());
    const hashes = readers.map(() => createHash("sha256"));
    const lengths: number[] = [];
    for (let open = clients; open > 0;) { // all are read at the same pace
      const reads = await Promise.all(readers.map((reader) => reader.read()));
      open = reads.filter(({ done }) => !done).length;
      reads.forEach(({ value }, i) => {
        if (!value) return;
        hashes[i].update(value);
        if (i === 0) lengths.push(value.length);
      });
    }
    const expected = createHash("sha256").update(whole).digest("hex");
    assert.deepEqual(hashes.map((hash) => hash.digest("hex")), Array(clients).fill(expected));
    const late = lengths.slice(-10, -2); // when all of them are known to keep up
    if (clients > 1) assert.ok(late.every((length) => length <= 512 * KIB), late.join());
  }
});

Deno.test("createStoreEngine(): downloads that have ended, one way or the other, take no share of the others", async () => {
  await using setup = await setUp({ "a": { size: 6_000 * KIB }, "b": { size: 6_000 * KIB } });
  using _ = stopClock();
  const longest = async () => {
    const reader = (await setup.archive.open()).getReader();
    const lengths: number[] = [];
    for (let read; !(read = await reader.read()).done;) lengths.push(read.value.length);
    return Math.max(...lengths);
  };
  assert.equal(await longest(), 1024 * KIB);
  for (let i = 0; i < 20; i++) await bytesOf(setup.archive);
  assert.equal(await longest(), 1024 * KIB, "after complete ones");
  for (let i = 0; i < 20; i++) {
    const reader = (await setup.archive.open()).getReader();
    for (let bytes = 0; bytes < 6_000 * KIB;) bytes += (await reader.read()).value!.length;
    await reader.cancel();
  }
  assert.equal(await longest(), 1024 * KIB, "after cancelled ones");

  const file = setup.tree.join(HASH, "b");
  await Deno.rename(file, `${file}2`);
  for (let i = 0; i < 20; i++) await assert.rejects(bytesOf(setup.archive));
  await Deno.rename(`${file}2`, file);
  assert.equal(await longest(), 1024 * KIB, "after failed ones");
});

Deno.test("createStoreEngine(): who leaves stops all work", async (t) => {
  const after = async (stream: ReadableStream, tasks: Setup["tasks"]) => {
    await stream.cancel();
    const { fill, checksum } = tasks;
    await until(() => tasks.running === 0, "what was begun ends");
    await new Promise((resolve) => setTimeout(resolve, 0));
    assert.equal(tasks.running, 0);
    return { fill: tasks.fill - fill, checksum: tasks.checksum - checksum };
  };
  await t.step("while a file is sent", async () => {
    await using setup = await setUp({ "a": randomBytes(500_000), "b": { size: 2 ** 33 } });
    const stream = await setup.archive.open();
    const reader = stream.getReader();
    await reader.read();
    reader.releaseLock();
    assert.deepEqual(await after(stream, setup.tasks), { fill: 0, checksum: 0 });
  });
  await t.step("while a file is scanned", async () => {
    await using setup = await setUp({ "huge": { size: 2 ** 36 } });
    const stream = await setup.archive.open();
    const reader = stream.getReader();
    const read = reader.read();
    await until(() => setup.tasks.checksum > 0, "the scan begins");
    reader.releaseLock();
    await assert.rejects(read, TypeError); // the lock was given up
    assert.deepEqual(await after(stream, setup.tasks), { fill: 0, checksum: 0 });
  });
});

Deno.test("createStoreEngine(): a file that changes during the download fails it, and is named", async (t) => {
  const cases: [string, RegExp, (file: string) => Promise<void>][] = [
    ["grown", /changed since it was listed/, (file) => {
      return Deno.writeTextFile(file, "more", { append: true });
    }],
    ["shrunk", /changed since it was listed/, (file) => Deno.truncate(file, 1_500_000)],
    ["touched", /changed since it was listed/, (file) => Deno.utime(file, 1, 1)],
    ["gone", /ENOENT/, (file) => Deno.remove(file)],
    ["replaced", /changed since it was listed/, async (file) => {
      await Deno.remove(file);
      await Deno.writeFile(file, new Uint8Array(2_000_000));
    }],
  ];
  for (const [name, expected, change] of cases) {
    await t.step(name, async () => {
      await using setup = await setUp({ "b/Фото.jpg": randomBytes(2_000_000), "c": "1" });
      const reader = (await setup.archive.open()).getReader();
      await reader.read();
      await change(setup.tree.join(HASH, "b/Фото.jpg"));
      await assert.rejects(async () => {
        while (!(await reader.read()).done);
      }, (error: Error) => {
        assert.match(error.message, expected);
        return error.message.endsWith(": b/Фото.jpg") && !error.message.includes(HASH);
      });
    });
  }
});

Deno.test("createStoreEngine(): what changes behind an unchanged time is found out by its checksum", async () => {
  await using setup = await setUp({ "a": randomBytes(2_000_000, 1) });
  const file = setup.tree.join(HASH, "a");
  const { mtime } = await Deno.stat(file);
  await bytesOf(setup.archive); // from now on the checksum is known
  await Deno.writeFile(file, randomBytes(2_000_000, 2));
  await Deno.utime(file, mtime!, mtime!);
  await assert.rejects(bytesOf(setup.archive), /content changed after its checksum was sent: a$/);
  const { length } = await bytesOf(setup.archive); // the true one is known now
  assert.equal(length, setup.archive.size);
});

Deno.test("createStoreEngine(): 2,000 ranges of an archive beyond 4 GiB are those bytes of the whole", async () => {
  const HOLE = 2 ** 32 + 5;
  const last = randomBytes(50_000, 9);
  await using setup = await setUp({
    "a.jpg": randomBytes(70_000, 8),
    "hole.bin": { size: HOLE },
    "z.jpg": last,
  });
  const { archive } = setup;
  const size = archive.size!;
  // Only what stands before and behind the hole is held; in between there are zeros.
  const front = await bytesOf(archive, 0, 80_000);
  const hole = dataOffset(planArchive(setup.listing.entries), 1);
  const back = await bytesOf(archive, hole + HOLE, size);
  assert.ok(Buffer.from(back).includes(Buffer.from(last)));

  function expected(start: number, end: number) {
    const bytes = new Uint8Array(end - start);
    for (const [offset, known] of [[0, front.subarray(0, hole)], [hole + HOLE, back]] as const) {
      const from = Math.max(start, offset);
      const to = Math.min(end, offset + known.length);
      if (from < to) bytes.set(known.subarray(from - offset, to - offset), from - start);
    }
    return bytes;
  }

  const noise = new Uint32Array(randomBytes(2000 * 8, 10).buffer);
  for (let i = 0; i < noise.length; i += 2) {
    // A third each: around the front, around the back, anywhere.
    const starts = [noise[i] % 160_000, size - 1 - noise[i] % 120_000, noise[i] * 1.0001];
    const start = Math.floor(starts[i % 3]);
    const end = Math.min(start + 1 + noise[i + 1] % 3000, size);
    const bytes = await bytesOf(archive, start, end);
    assert.ok(Buffer.compare(bytes, expected(start, end)) === 0, `${start}-${end}`);
  }
});

Deno.test("a CRC-32 that proved wrong is not given to the next client of the same listing", async () => {
  const content = randomBytes(3_000_000);
  await using tree = await makeTree({ [`${HASH}/a.jpg`]: { content } });
  using disk = new DiskSource({ root: tree.path });
  const listing = await disk.list(HASH);
  assert.ok(listing);
  const checksums = new Checksums(disk);
  checksums.set(listing.entries[0], 42);
  const engine = createStoreEngine({ source: disk, checksums, maxBuffer: 64 * KIB });
  await assert.rejects(bytesOf(engine.prepare(listing)), /content changed after its checksum/);
  const alone = createStoreEngine({ source: disk, checksums: new Checksums(disk) });
  assert.deepEqual(await bytesOf(engine.prepare(listing)), await bytesOf(alone.prepare(listing)));
});

Deno.test("clients of one listing read each file once for its CRC-32, also where none is remembered", async () => {
  await using tree = await makeTree({ [`${HASH}/a.jpg`]: { content: randomBytes(3_000_000) } });
  using disk = new DiskSource({ root: tree.path });
  const listing = await disk.list(HASH);
  assert.ok(listing);
  const source = countTasks(disk);
  const checksums = new Checksums(source, { maxBytes: 1 });
  const engine = createStoreEngine({ source, checksums, maxBuffer: 64 * KIB });
  const first = await bytesOf(engine.prepare(listing));
  assert.equal(source.counts.checksum, 1);
  assert.deepEqual(await bytesOf(engine.prepare(listing)), first);
  assert.equal(source.counts.checksum, 1);
});
