import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { endFields, planArchive } from "../../zip/plan.ts";
import {
  type Entry,
  MAX_RECORD_LENGTH,
  writeCentralDirectoryHeader,
  writeEndOfCentralDirectory,
  writeLocalFileHeader,
} from "../../zip/records.ts";
import { END_BYTES } from "../../lib/zip_end.ts";
import { findDirectory, joinRanges, lengthOf, readDirectory } from "./directory.ts";
import { RepairError } from "./errors.ts";

const scratch = Buffer.alloc(MAX_RECORD_LENGTH);

const DAY = { mtime: 1_714_979_289, mode: 0o644 };

/** The central directory of an archive, and all after it */
function endOf(entries: readonly Entry[]) {
  const plan = planArchive(entries);
  const records = entries.map((entry, i) => {
    const fields = { crc32: 0xfedc0000 + i, offset: plan.headerOffsets[i] };
    return Buffer.from(scratch.subarray(0, writeCentralDirectoryHeader(scratch, entry, fields)));
  });
  const last = Buffer.alloc(MAX_RECORD_LENGTH);
  const end = last.subarray(0, writeEndOfCentralDirectory(last, endFields(plan)));
  return { plan, bytes: Buffer.concat([...records, end]) };
}

function readEnd(bytes: Buffer, length: number) {
  const place = findDirectory(bytes.subarray(-END_BYTES), length);
  const start = bytes.length - (length - place.start);
  const end = bytes.length - (length - place.end);
  return { place, members: readDirectory(bytes.subarray(start, end), place) };
}

Deno.test("readDirectory() finds every record where planArchive() has put it", () => {
  const cases: Entry[][] = [
    [{ name: "a.jpg", size: 5, ...DAY }],
    [
      { name: "empty/", size: 0, ...DAY, mode: 0o755 },
      { name: "Ёлка.txt", size: 0, ...DAY },
      { name: "old.jpg", size: 7, mtime: -1, mode: 0o600 },
      { name: "late.jpg", size: 8, mtime: 2 ** 31, mode: 0o600 },
    ],
    [
      { name: "large.mov", size: 2 ** 32 - 1, ...DAY },
      { name: "larger.mov", size: 2 ** 33, ...DAY },
      { name: "after/", size: 0, ...DAY, mode: 0o755 },
      { name: "after.jpg", size: 9, ...DAY },
    ],
    Array.from({ length: 0xffff }, (_, i) => ({ name: `${i}.jpg`, size: i, ...DAY })),
  ];
  for (const entries of cases) {
    const { plan, bytes } = endOf(entries);
    const { members } = readEnd(bytes, plan.size);
    assert.equal(members.length, entries.length);
    for (const [i, member] of members.entries()) {
      const length = writeLocalFileHeader(scratch, entries[i], { crc32: 0xfedc0000 + i });
      assert.ok(member.header?.equals(scratch.subarray(0, length)), entries[i].name);
      assert.deepEqual(
        [member.offset, member.data, member.end, member.crc32],
        [
          plan.headerOffsets[i],
          plan.headerOffsets[i] + length,
          plan.headerOffsets[i + 1],
          0xfedc0000 + i,
        ],
      );
    }
  }
});

Deno.test("readDirectory() and findDirectory(): any damage is an error, or changes an entry", () => {
  const entries = ["a.jpg", "b.jpg"].map((name) => ({ name, size: 5, ...DAY }));
  const { plan, bytes } = endOf(entries);
  for (let at = 0; at < bytes.length; at++) {
    for (const bits of [1, 0x80, 0xff]) {
      const damaged = Buffer.from(bytes);
      damaged[at] ^= bits;
      try {
        readEnd(damaged, plan.size);
      } catch (error) {
        assert.ok(error instanceof RepairError, `byte ${at}: ${error}`);
      }
    }
  }
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => readEnd(bytes.subarray(0, length), plan.size), RepairError);
  }
});

Deno.test("joinRanges() joins what overlaps, touches or is near", () => {
  const ranges = [[30, 40], [0, 10], [10, 12], [5, 6], [15, 15], [20, 22]]
    .map(([start, end]) => ({ start, end }));
  assert.deepEqual(joinRanges(ranges).map(({ start, end }) => [start, end]), [
    ...[[0, 12], [20, 22], [30, 40]],
  ]);
  assert.deepEqual(joinRanges(ranges, 8), [{ start: 0, end: 40 }]);
  assert.equal(lengthOf(joinRanges(ranges)), 24);
});
