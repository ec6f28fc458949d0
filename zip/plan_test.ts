import assert from "node:assert/strict";
import fc from "fast-check";
import { crc32 } from "node:zlib";
import { dataOffset, endFields, partAt, planArchive } from "./plan.ts";
import type { Entry } from "./records.ts";
import { ArchiveStream, type Source } from "./stream.ts";

const LOCAL_FILE_HEADER = "504b0304";
const CENTRAL_DIRECTORY_HEADER = "504b0102";

/** A file or an empty folder, with a name as people give them */
const entry: fc.Arbitrary<Entry> = fc.record({
  name: fc.tuple(
    fc.array(
      fc.oneof(
        fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }),
        fc.constantFrom("Фото", "ё.jpg", "😀👨‍👩‍👧", "日本語", "IMG_0001.JPG", " ", "-rf"),
      ),
      { minLength: 1, maxLength: 3 },
    ),
    fc.boolean(),
  ).map(([parts, folder]) => parts.join("/") + (folder ? "/" : "")),
  size: fc.oneof(fc.constant(0), fc.nat(100), fc.nat(3000)),
  mtime: fc.oneof(fc.integer(), fc.integer({ min: -1e11, max: 1e11 })),
  mode: fc.nat(0o777),
}).map((entry) => entry.name.endsWith("/") ? { ...entry, size: 0 } : entry);

const entries = fc.uniqueArray(entry, { selector: ({ name }) => name, maxLength: 12 });

/** Every byte of file i is i + 1 */
function content(index: number, size: number): Uint8Array {
  return new Uint8Array(size).fill(index + 1);
}

function sourceOf(entries: readonly Entry[]): Source {
  return {
    knownChecksum: () => undefined,
    checksum: (i) => Promise.resolve(crc32(content(i, entries[i].size))),
    learnChecksum: () => {},
    forgetChecksum: () => {},
    fill(length, slices) {
      const buffer = new Uint8Array(length);
      const checksums = slices.map(({ index, length, position, crc32: before }) => {
        const bytes = content(index, length);
        buffer.set(bytes, position);
        return crc32(bytes, before);
      });
      return Promise.resolve({ buffer, checksums });
    },
  };
}

Deno.test("planArchive() plans what ArchiveStream makes", async () => {
  const property = fc.asyncProperty(entries, fc.integer({ min: 1, max: 5000 }), check);
  await fc.assert(property, { numRuns: 1000 });

  async function check(entries: Entry[], bufferLength: number) {
    const plan = planArchive(entries);
    const stream = new ArchiveStream(plan, sourceOf(entries));
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    for (let chunk; (chunk = await stream.next(bufferLength));) chunks.push(chunk);
    const bytes = await new Blob(chunks).bytes();
    assert.equal(bytes.length, plan.size);

    const signature = (offset: number) => bytes.subarray(offset, offset + 4).toHex();
    entries.forEach(({ size }, i) => {
      const data = dataOffset(plan, i);
      assert.equal(signature(plan.headerOffsets[i]), LOCAL_FILE_HEADER);
      assert.deepEqual(bytes.subarray(data, plan.headerOffsets[i + 1]), content(i, size));
      assert.equal(signature(plan.centralOffsets[i]), CENTRAL_DIRECTORY_HEADER);
    });
    assert.equal(plan.size - plan.centralOffsets[entries.length], 22);
  }
});

Deno.test("planArchive() adds up the lengths, beyond 4 GiB too", () => {
  const file = { mtime: 0, mode: 0o644 };
  const sizes = [3, 0, 2 ** 32 - 1, 2 ** 32 - 2, 0];
  const entries = sizes.map((size, i) => ({ ...file, name: `${i}`, size }));
  const plan = planArchive(entries);
  const header = 30 + 1 + 9;
  const offsets = [0, header + 3];
  offsets.push(offsets[1] + header);
  offsets.push(offsets[2] + header + 20 + 2 ** 32 - 1); // ZIP64: two sizes
  offsets.push(offsets[3] + header + 2 ** 32 - 2);
  offsets.push(offsets[4] + header);
  assert.deepEqual([...plan.headerOffsets], offsets);
  assert.deepEqual(entries.map((_, i) => dataOffset(plan, i) + sizes[i]), offsets.slice(1));

  const central = 46 + 1 + 9;
  // ZIP64: both sizes for the third entry, an offset for each of the last two
  const lengths = [central, central, central + 20, central + 12, central + 12];
  const centralOffsets = lengths.reduce((all, n) => [...all, all.at(-1)! + n], [offsets[5]]);
  assert.deepEqual([...plan.centralOffsets], centralOffsets);
  assert.deepEqual(endFields(plan), {
    entries: 5,
    offset: offsets[5],
    size: 5 * central + 44,
  });
  assert.equal(plan.size, centralOffsets[5] + 56 + 20 + 22);
});

Deno.test("planArchive() of nothing is the end record alone", () => {
  const plan = planArchive([]);
  assert.equal(plan.size, 22);
  assert.deepEqual(endFields(plan), { entries: 0, offset: 0, size: 0 });
});

Deno.test("partAt() finds the last offset at or before a byte", () => {
  const offsets = fc.uniqueArray(fc.nat(1000), { minLength: 1, maxLength: 50 })
    .map((numbers) => Float64Array.from([0, ...numbers.map((n) => n + 1)].sort((a, b) => a - b)));
  fc.assert(fc.property(offsets, fc.nat(1000), (offsets, position) => {
    assert.equal(partAt(offsets, position), offsets.findLastIndex((start) => start <= position));
  }));
  assert.equal(partAt(Float64Array.of(0), 0), 0);
});
