import assert from "node:assert/strict";
import {
  type Entry,
  isFolder,
  MAX_RECORD_LENGTH,
  writeCentralDirectoryHeader,
  writeEndOfCentralDirectory,
  writeLocalFileHeader,
} from "./records.ts";

const MAY_6 = Date.parse("2024-05-06T07:08:09Z") / 1000; // 0x663881d9
const PHOTO: Entry = { name: "a.jpg", size: 5, mtime: MAY_6, mode: 0o644 };
const FOLDER: Entry = { name: "b/", size: 0, mtime: MAY_6, mode: 0o755 };
const CRC = { crc32: 0x12345678 };
/** Fills the buffer: a record must neither depend on what was there, nor leave a byte of it. */
const DIRT = 0xee;

/** The record as hexadecimal digits */
function local(entry: Entry): string {
  return record((target) => writeLocalFileHeader(target, entry, CRC));
}

function central(entry: Entry, offset = 0): string {
  return record((target) => writeCentralDirectoryHeader(target, entry, { ...CRC, offset }));
}

function end(entries: number, offset: number, size: number): string {
  return record((target) => writeEndOfCentralDirectory(target, { entries, offset, size }));
}

function record(write: (target: Uint8Array) => number): string {
  const target = new Uint8Array(MAX_RECORD_LENGTH).fill(DIRT);
  const length = write(target);
  assert.ok(target.subarray(length).every((byte) => byte === DIRT), "written beyond the record");
  return target.subarray(0, length).toHex();
}

/** Hexadecimal digits without the spaces that group them */
function hex(...fields: string[]): string {
  return fields.join("").replaceAll(" ", "");
}

/** The bytes from `start` on, `length` of them */
function field(record: string, start: number, length: number): string {
  return record.slice(2 * start, 2 * (start + length));
}

Deno.test("writeLocalFileHeader() writes every field of APPNOTE 4.3.7", async (t) => {
  const cases: [string, Entry, string][] = [
    [
      "file",
      PHOTO,
      hex(
        "504b0304 0a00 0008 0000 0439a658 78563412 05000000 05000000 0500 0900",
        "612e6a7067 5554 0500 01 d9813866",
      ),
    ],
    [
      "folder",
      FOLDER,
      hex(
        "504b0304 1400 0008 0000 0439a658 78563412 00000000 00000000 0200 0900",
        "622f 5554 0500 01 d9813866",
      ),
    ],
    [
      "name beyond ASCII",
      { ...PHOTO, name: "ё😀" },
      hex(
        "504b0304 0a00 0008 0000 0439a658 78563412 05000000 05000000 0600 0900",
        "d191f09f9880 5554 0500 01 d9813866",
      ),
    ],
    [
      "5 GiB: the ZIP64 extra comes first",
      { ...PHOTO, size: 5 * 2 ** 30 },
      hex(
        "504b0304 2d00 0008 0000 0439a658 78563412 ffffffff ffffffff 0500 1d00",
        "612e6a7067 0100 1000 0000004001000000 0000004001000000 5554 0500 01 d9813866",
      ),
    ],
  ];
  for (const [name, entry, expected] of cases) {
    await t.step(name, () => assert.equal(local(entry), expected));
  }
});

Deno.test("writeCentralDirectoryHeader() writes every field of APPNOTE 4.3.12", async (t) => {
  const cases: [string, Entry, number, string][] = [
    [
      "file",
      PHOTO,
      0x1234,
      hex(
        "504b0102 3f03 0a00 0008 0000 0439a658 78563412 05000000 05000000 0500 0900",
        "0000 0000 0000 0000a481 34120000 612e6a7067 5554 0500 01 d9813866",
      ),
    ],
    [
      "folder",
      FOLDER,
      0,
      hex(
        "504b0102 3f03 1400 0008 0000 0439a658 78563412 00000000 00000000 0200 0900",
        "0000 0000 0000 1000ed41 00000000 622f 5554 0500 01 d9813866",
      ),
    ],
    [
      "large and far away",
      { ...PHOTO, size: 2 ** 32 },
      2 ** 33 + 1,
      hex(
        "504b0102 3f03 2d00 0008 0000 0439a658 78563412 ffffffff ffffffff 0500 2500",
        "0000 0000 0000 0000a481 ffffffff 612e6a7067",
        "0100 1800 0000000001000000 0000000001000000 0100000002000000 5554 0500 01 d9813866",
      ),
    ],
    [
      "folder far away",
      FOLDER,
      2 ** 32,
      hex(
        "504b0102 3f03 2d00 0008 0000 0439a658 78563412 00000000 00000000 0200 1500",
        "0000 0000 0000 1000ed41 ffffffff 622f 0100 0800 0000000001000000 5554 0500 01 d9813866",
      ),
    ],
  ];
  for (const [name, entry, offset, expected] of cases) {
    await t.step(name, () => assert.equal(central(entry, offset), expected));
  }
});

Deno.test("writeLocalFileHeader() and writeCentralDirectoryHeader() need ZIP64 from 4,294,967,295 on", () => {
  const values: [number, string, string | null][] = [ // value, 32-bit field, ZIP64 field
    [0, "00000000", null],
    [2 ** 32 - 2, "feffffff", null],
    [2 ** 32 - 1, "ffffffff", "ffffffff00000000"],
    [2 ** 32, "ffffffff", "0000000001000000"],
    [2 ** 32 + 1, "ffffffff", "0100000001000000"],
    [2 ** 53 - 1, "ffffffff", "ffffffffffff1f00"],
  ];
  const timestamp = "5554050001d9813866";
  for (const [size, size32, size64] of values) {
    const entry = { ...PHOTO, size };
    const header = local(entry);
    assert.equal(field(header, 4, 2), size64 ? "2d00" : "0a00", `version needed, size ${size}`);
    assert.equal(field(header, 18, 8), size32 + size32);
    const extra = size64 ? `01001000${size64}${size64}${timestamp}` : timestamp;
    assert.equal(header.slice(2 * 35), extra);

    for (const [offset, offset32, offset64] of values) {
      const header = central(entry, offset);
      const fields = (size64 ? size64 + size64 : "") + (offset64 ?? "");
      const tag = fields && `0100${(fields.length / 2).toString(16).padStart(2, "0")}00`;
      assert.equal(field(header, 6, 2), fields ? "2d00" : "0a00", `${size} at ${offset}`);
      assert.equal(field(header, 20, 8), size32 + size32);
      assert.equal(field(header, 42, 4), offset32);
      assert.equal(header.slice(2 * 51), tag + fields + timestamp);
    }
  }
});

Deno.test("writeEndOfCentralDirectory() writes ZIP64 records only where a value needs them", async (t) => {
  const cases: [string, number, number, number, string][] = [
    ["nothing in it", 0, 0, 0, "504b0506 0000 0000 0000 0000 00000000 00000000 0000"],
    ["some entries", 258, 7, 0x102, "504b0506 0000 0000 0201 0201 02010000 07000000 0000"],
    [
      "as much as fits",
      65_534,
      2 ** 32 - 2,
      2 ** 32 - 2,
      "504b0506 0000 0000 feff feff feffffff feffffff 0000",
    ],
    [
      "65,535 entries",
      65_535,
      0x10,
      0x20,
      "504b0606 2c00000000000000 3f03 2d00 00000000 00000000 ffff000000000000 ffff000000000000" +
      "2000000000000000 1000000000000000 504b0607 00000000 3000000000000000 01000000" +
      "504b0506 0000 0000 ffff ffff 20000000 10000000 0000",
    ],
    [
      "65,536 entries",
      65_536,
      0x10,
      0x20,
      "504b0606 2c00000000000000 3f03 2d00 00000000 00000000 0000010000000000 0000010000000000" +
      "2000000000000000 1000000000000000 504b0607 00000000 3000000000000000 01000000" +
      "504b0506 0000 0000 ffff ffff 20000000 10000000 0000",
    ],
    [
      "directory at 4,294,967,295",
      1,
      2 ** 32 - 1,
      0x40,
      "504b0606 2c00000000000000 3f03 2d00 00000000 00000000 0100000000000000 0100000000000000" +
      "4000000000000000 ffffffff00000000 504b0607 00000000 3f00000001000000 01000000" +
      "504b0506 0000 0000 0100 0100 40000000 ffffffff 0000",
    ],
    [
      "directory at 4 GiB",
      1,
      2 ** 32,
      0x40,
      "504b0606 2c00000000000000 3f03 2d00 00000000 00000000 0100000000000000 0100000000000000" +
      "4000000000000000 0000000001000000 504b0607 00000000 4000000001000000 01000000" +
      "504b0506 0000 0000 0100 0100 40000000 ffffffff 0000",
    ],
    [
      "directory of 4,294,967,295 bytes",
      1,
      0,
      2 ** 32 - 1,
      "504b0606 2c00000000000000 3f03 2d00 00000000 00000000 0100000000000000 0100000000000000" +
      "ffffffff00000000 0000000000000000 504b0607 00000000 ffffffff00000000 01000000" +
      "504b0506 0000 0000 0100 0100 ffffffff 00000000 0000",
    ],
  ];
  for (const [name, entries, offset, size, expected] of cases) {
    await t.step(name, () => assert.equal(end(entries, offset, size), hex(expected)));
  }
});

Deno.test("writeLocalFileHeader() and writeCentralDirectoryHeader() write times in UTC, clamped", async (t) => {
  const cases: [string, string, string | null][] = [ // time, DOS time and date, extended timestamp
    ["1900-01-01T00:00:00Z", "00002100", null],
    ["1901-12-13T20:45:51Z", "00002100", null],
    ["1901-12-13T20:45:52Z", "00002100", null],
    ["1950-01-06T00:00:00Z", "00002100", null],
    ["1969-12-31T23:59:59Z", "00002100", null],
    ["1970-01-01T00:00:00Z", "00002100", "00000000"],
    ["1979-12-31T23:59:59Z", "00002100", "ffa5ce12"],
    ["1980-01-01T00:00:00Z", "00002100", "00a6ce12"],
    ["1980-01-01T00:00:01Z", "00002100", "01a6ce12"],
    ["1980-01-01T00:00:02Z", "01002100", "02a6ce12"],
    ["2000-02-29T23:59:59Z", "7dbf5d28", "7f5dbc38"],
    ["2024-12-31T12:34:57Z", "5c649f59", "f1e47367"],
    ["2038-01-19T03:14:07Z", "c3193374", "ffffff7f"],
    ["2038-01-19T03:14:08Z", "c4193374", null],
    ["2107-12-31T23:59:57Z", "7cbf9fff", null],
    ["2107-12-31T23:59:58Z", "7dbf9fff", null],
    ["2107-12-31T23:59:59Z", "7dbf9fff", null],
    ["2108-01-01T00:00:00Z", "7dbf9fff", null],
    ["9999-12-31T23:59:59Z", "7dbf9fff", null],
  ];
  for (const [time, dos, timestamp] of cases) {
    await t.step(time, () => {
      const entry = { ...PHOTO, mtime: Date.parse(time) / 1000 };
      const extra = timestamp === null ? "" : `5554050001${timestamp}`;
      assert.equal(field(local(entry), 10, 4), dos);
      assert.equal(local(entry).slice(2 * 35), extra);
      assert.equal(field(central(entry), 12, 4), dos);
      assert.equal(central(entry).slice(2 * 51), extra);
    });
  }
});

Deno.test("writeLocalFileHeader() writes the DOS date of every day from 1980 to 2107", () => {
  const target = new Uint8Array(MAX_RECORD_LENGTH); // one for all: it is large
  const view = new DataView(target.buffer);
  for (let mtime = 315_532_800; mtime <= 4_354_819_198; mtime += 86_400) {
    const day = new Date(mtime * 1000);
    const year = day.getUTCFullYear() - 1980;
    const date = year << 9 | day.getUTCMonth() + 1 << 5 | day.getUTCDate();
    writeLocalFileHeader(target, { ...PHOTO, mtime }, CRC);
    assert.equal(view.getUint16(12, true), date, day.toISOString());
  }
});

Deno.test("writeLocalFileHeader() writes the same bytes in every time zone", () => {
  const here = local(PHOTO);
  const before = Deno.env.get("TZ");
  try {
    Deno.env.set("TZ", "Asia/Kathmandu");
    // Windows need not take its time zone from a variable.
    const isThere = new Date(0).getMinutes() === 30;
    assert.ok(isThere || Deno.build.os === "windows", "the time zone took effect");
    assert.equal(local(PHOTO), here);
  } finally {
    if (before === undefined) Deno.env.delete("TZ");
    else Deno.env.set("TZ", before);
  }
});

Deno.test("writeCentralDirectoryHeader() writes mode bits without setuid, setgid and sticky", () => {
  const cases: [string, number, string][] = [
    ["a", 0o644, "0000a481"],
    ["a", 0o755, "0000ed81"],
    ["a", 0, "00000080"],
    ["a", 0o7777, "0000ff81"],
    ["a/", 0o700, "1000c041"],
    ["a/", 0o1777, "1000ff41"],
  ];
  for (const [name, mode, expected] of cases) {
    assert.equal(field(central({ ...PHOTO, name, mode }), 38, 4), expected, `${name} ${mode}`);
  }
});

Deno.test("isFolder() is true for a name that ends in /", () => {
  assert.equal(isFolder(FOLDER), true);
  assert.equal(isFolder(PHOTO), false);
  assert.equal(isFolder({ ...PHOTO, name: "a/b" }), false);
});

Deno.test("writeLocalFileHeader() and writeCentralDirectoryHeader() take names of up to 65,535 bytes", () => {
  const far = { size: 2 ** 32, mtime: MAY_6, mode: 0o644 };
  for (const name of ["a".repeat(65_535), "я".repeat(32_767) + "a", "😀".repeat(16_383) + "abc"]) {
    const entry = { ...far, name };
    const bytes = new TextEncoder().encode(name).toHex();
    assert.equal(field(local(entry), 26, 2), "ffff");
    assert.equal(field(local(entry), 30, 65_535), bytes);
    assert.equal(field(central(entry, 2 ** 32), 28, 2), "ffff");
    assert.equal(field(central(entry, 2 ** 32), 46, 65_535), bytes);
  }
  for (const name of ["a".repeat(65_536), "я".repeat(32_768), "😀".repeat(16_384)]) {
    const tooLong = { name: "RangeError", message: /^write entry name: more than 65535 bytes: / };
    assert.throws(() => local({ ...far, name }), tooLong);
    assert.throws(() => central({ ...far, name }), tooLong);
  }
});
