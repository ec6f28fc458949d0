/**
 * The functions that run once a file or once a request: `deno task bench:functions`.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { parseRange } from "../zip/http/range.ts";
import { archivePage } from "../templates/mod.ts";
import { safeName, UniqueNames, utf8Order } from "../storage/names.ts";
import { dataOffset, partAt, planArchive } from "../zip/plan.ts";
import {
  type Entry,
  MAX_RECORD_LENGTH,
  writeCentralDirectoryHeader,
  writeEndOfCentralDirectory,
  writeLocalFileHeader,
} from "../zip/records.ts";

const target = new Uint8Array(MAX_RECORD_LENGTH);
const photo: Entry = { name: "IMG_0001.jpg", size: 3_500_000, mtime: 1_700_000_000, mode: 0o644 };
const cyrillic: Entry = { ...photo, name: "Байкал/Утро на мысе.jpg" };
const photos = Array.from({ length: 10_000 }, (_, i): Entry => {
  return { ...photo, name: `IMG_${String(i).padStart(5, "0")}.jpg`, mtime: photo.mtime + i };
});
const plan = planArchive(photos);
const buffer = crypto.getRandomValues(new Uint8Array(65_536));
const mebibyte = new Uint8Array(1 << 20).map((_, i) => buffer[i & 0xffff]);
const names = photos.map(({ name }) => name).toSorted(() => 0.5 - Math.random());

Deno.bench("local file header, ASCII name", { group: "records" }, () => {
  writeLocalFileHeader(target, photo, { crc32: 1 });
});

Deno.bench("local file header, Cyrillic name", { group: "records" }, () => {
  writeLocalFileHeader(target, cyrillic, { crc32: 1 });
});

Deno.bench("central directory header", { group: "records" }, () => {
  writeCentralDirectoryHeader(target, photo, { crc32: 1, offset: 1e10 });
});

Deno.bench("end of central directory, ZIP64", { group: "records" }, () => {
  writeEndOfCentralDirectory(target, { entries: 100_000, offset: 1e10, size: 1e7 });
});

Deno.bench("plan of 10,000 files", { group: "plan" }, () => {
  planArchive(photos);
});

Deno.bench("which of 10,000 parts a byte is in", { group: "plan" }, () => {
  dataOffset(plan, partAt(plan.headerOffsets, plan.size / 2));
});

Deno.bench("CRC-32 of 1 MiB", { group: "CRC-32" }, () => {
  crc32(mebibyte, 1);
});

Deno.bench("CRC-32 of 10 kB", { group: "CRC-32" }, () => {
  crc32(mebibyte.subarray(0, 10_000), 1);
});

Deno.bench("a range", { group: "range" }, () => {
  parseRange("bytes=3600000000-", 4_000_000_000);
});

Deno.bench("several ranges", { group: "range" }, () => {
  parseRange("bytes=0-99,200-299", 4_000_000_000);
});

Deno.bench("the archive name of a file", { group: "names" }, () => {
  safeName("Утро на мысе: 6.30.jpg");
});

Deno.bench("10,000 names made unique", { group: "names" }, () => {
  const unique = new UniqueNames();
  for (const name of names) unique.claim(name);
});

Deno.bench("10,000 names sorted", { group: "names" }, () => {
  names.toSorted(utf8Order(names));
});

const page = { language: "en", path: "/archive/x/", size: 35e9, newest: new Date(0) } as const;

Deno.bench("page of 10,000 files: its first piece", { group: "page" }, () => {
  archivePage({ ...page, entries: photos }).pieces[Symbol.iterator]().next();
});

Deno.bench("page of 10,000 files: all of it", { group: "page" }, () => {
  let length = 0;
  for (const piece of archivePage({ ...page, entries: photos }).pieces) length += piece.length;
  if (length === 0) throw new Error("no page");
});
