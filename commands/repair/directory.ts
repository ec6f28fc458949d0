/**
 * Where everything stands in an archive, by its central directory. Pure.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { readZipEnd } from "../../lib/zip_end.ts";
import { RepairError } from "./errors.ts";

const CENTRAL_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
const ZIP64_TAG = 0x0001;

const CENTRAL_LENGTH = 46;
const LOCAL_LENGTH = 30;
const MAX_32 = 0xffff_ffff;
const MAX_16 = 0xffff;

/** A longer directory, of more than ten million files, would not fit into memory. Bytes. */
const MAX_DIRECTORY_BYTES = 1 << 30;

/** Bits of the flags that say that the sizes stand elsewhere, or that the data is encrypted. */
const UNUSABLE_FLAGS = 0b1001;

/** A run of bytes. */
export interface Range {
  /** First byte. */
  readonly start: number;
  /** End, exclusive. */
  readonly end: number;
}

/** Where a central directory stands, and how many entries it has. */
export interface DirectoryPlace extends Range {
  /** How many entries it has. */
  readonly entries: number;
}

/** One entry: its local file header, then its data, up to the next entry or the directory. */
export interface Member {
  /** Its name, as bytes of UTF-8. */
  readonly name: Buffer;
  /** Where its header starts. */
  readonly offset: number;
  /** Where its data starts. */
  readonly data: number;
  /** Where its data ends. */
  readonly end: number;
  /** CRC-32 of its data. */
  readonly crc32: number;
  /** The header as this program writes it; null if that is one of another length. */
  readonly header: Buffer | null;
}

/**
 * Where the central directory is, by the last {@link END_BYTES} bytes of an archive.
 *
 * @throws {RepairError} if they are not the end of an archive of this program
 */
export function findDirectory(tail: Uint8Array, length: number): DirectoryPlace {
  const records = readZipEnd(tail);
  if (!records) throw foreign("it has no end of a ZIP");
  const { entries, size, start } = records;
  const end = start + size;
  if (size > MAX_DIRECTORY_BYTES) throw foreign("its central directory is too long");
  if (end !== length - records.length) throw foreign("its end is another one");
  return { entries, start, end };
}

/**
 * The entries, in the order in which they stand in the archive.
 *
 * @throws {RepairError} if it is not an archive of stored files, one right after the other
 */
export function readDirectory(directory: Uint8Array, place: DirectoryPlace): Member[] {
  const bytes = Buffer.from(directory.buffer, directory.byteOffset, directory.length);
  const rows: Row[] = [];
  let at = 0;
  for (let i = 0; i < place.entries; i++) {
    const row = readRow(bytes, at);
    rows.push(row);
    at = row.next;
  }
  if (at !== bytes.length) throw foreign("its central directory is longer than its entries");
  rows.sort((a, b) => a.offset - b.offset);
  if ((rows[0]?.offset ?? place.start) !== 0) throw foreign("it does not begin with an entry");
  return rows.map((row, i) => memberOf(row, rows[i + 1]?.offset ?? place.start));
}

/** What a local file header says; null if there is none. */
export function readLocalHeader(
  bytes: Buffer,
): { readonly size: number; readonly crc32: number; readonly length: number } | null {
  if (bytes.length < LOCAL_LENGTH || bytes.readUInt32LE(0) !== LOCAL_SIGNATURE) return null;
  if (bytes.readUInt16LE(6) & UNUSABLE_FLAGS || bytes.readUInt16LE(8) !== 0) return null;
  const length = LOCAL_LENGTH + bytes.readUInt16LE(26) + bytes.readUInt16LE(28);
  const size = bytes.readUInt32LE(18);
  if (size !== MAX_32) return { size, crc32: bytes.readUInt32LE(14), length };
  const zip64 = LOCAL_LENGTH + bytes.readUInt16LE(26);
  if (bytes.length < zip64 + 20 || bytes.readUInt16LE(zip64) !== ZIP64_TAG) return null;
  return {
    size: Number(bytes.readBigUInt64LE(zip64 + 4)),
    crc32: bytes.readUInt32LE(14),
    length,
  };
}

/** Whether this may be the header of an entry, however the rest of it is written. */
export function isHeaderOf(member: Member, bytes: Buffer): boolean {
  const read = readLocalHeader(bytes);
  return read !== null && read.crc32 === member.crc32 &&
    read.size === member.end - member.data &&
    read.length === member.data - member.offset && hasName(member, bytes);
}

/** Whether a header has the entry's name. */
export function hasName({ name }: Member, bytes: Buffer): boolean {
  return bytes.length >= LOCAL_LENGTH && bytes.readUInt16LE(26) === name.length &&
    bytes.subarray(LOCAL_LENGTH, LOCAL_LENGTH + name.length).equals(name);
}

/** Sorted, with those joined between which there are no more than so many bytes. */
export function joinRanges(ranges: readonly Range[], gap = 0): Range[] {
  const joined: Range[] = [];
  for (const range of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = joined.at(-1);
    if (range.end <= range.start) continue;
    if (!last || range.start > last.end + gap) joined.push(range);
    else joined[joined.length - 1] = { ...last, end: Math.max(last.end, range.end) };
  }
  return joined;
}

/** Bytes of ranges that do not overlap. */
export function lengthOf(ranges: readonly Range[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0);
}

interface Row {
  readonly name: Buffer;
  readonly offset: number;
  readonly size: number;
  readonly crc32: number;
  /** From the version needed to the lengths, as both headers have it. */
  readonly common: Buffer;
  /** Extra fields but for ZIP64. */
  readonly extra: Buffer;
  readonly next: number;
}

function readRow(bytes: Buffer, at: number): Row {
  const isWhole = at + CENTRAL_LENGTH <= bytes.length &&
    bytes.readUInt32LE(at) === CENTRAL_SIGNATURE;
  if (!isWhole) throw foreign("its central directory is damaged on the server");
  const nameStart = at + CENTRAL_LENGTH;
  const extraStart = nameStart + bytes.readUInt16LE(at + 28);
  const extraEnd = extraStart + bytes.readUInt16LE(at + 30);
  const next = extraEnd + bytes.readUInt16LE(at + 32);
  if (next > bytes.length) throw foreign("its central directory is damaged on the server");
  const name = bytes.subarray(nameStart, extraStart);
  if (bytes.readUInt16LE(at + 8) & UNUSABLE_FLAGS || bytes.readUInt16LE(at + 10) !== 0) {
    throw foreign("its files are compressed or encrypted");
  }
  const { values, rest } = splitExtra(bytes.subarray(extraStart, extraEnd));
  const take = (value: number) => value === MAX_32 ? values.shift() ?? value : value;
  const size = take(bytes.readUInt32LE(at + 24));
  if (take(bytes.readUInt32LE(at + 20)) !== size) throw foreign("its files are compressed");
  const offset = take(bytes.readUInt32LE(at + 42));
  const common = bytes.subarray(at + 6, at + 28);
  return { name, offset, size, crc32: bytes.readUInt32LE(at + 16), common, extra: rest, next };
}

/** The values of the ZIP64 field (4.5.3), and the other fields. */
function splitExtra(extra: Buffer): { values: number[]; rest: Buffer } {
  const values: number[] = [];
  const rest: Buffer[] = [];
  for (let at = 0; at + 4 <= extra.length;) {
    const end = Math.min(at + 4 + extra.readUInt16LE(at + 2), extra.length);
    if (extra.readUInt16LE(at) === ZIP64_TAG) {
      for (let value = at + 4; value + 8 <= end; value += 8) {
        values.push(Number(extra.readBigUInt64LE(value)));
      }
    } else rest.push(extra.subarray(at, end));
    at = end;
  }
  return { values, rest: Buffer.concat(rest) };
}

function memberOf({ name, offset, size, crc32, common, extra }: Row, end: number): Member {
  const data = end - size;
  if (data < offset + LOCAL_LENGTH + name.length) throw foreign("its entries overlap");
  const header = headerOf({ name, size, common, extra });
  const isAsLong = header.length === data - offset;
  return { name, offset, data, end, crc32, header: isAsLong ? header : null };
}

/** The local file header (4.3.7) that goes with a central one: see `zip/records.ts`. */
function headerOf({ name, size, common, extra }: Omit<Row, "offset" | "crc32" | "next">): Buffer {
  const big = size >= MAX_32;
  const zip64 = Buffer.alloc(big ? 20 : 0);
  if (big) {
    zip64.writeUInt16LE(ZIP64_TAG, 0);
    zip64.writeUInt16LE(16, 2);
    zip64.writeBigUInt64LE(BigInt(size), 4);
    zip64.writeBigUInt64LE(BigInt(size), 12);
  }
  const fixed = Buffer.alloc(LOCAL_LENGTH);
  fixed.writeUInt32LE(LOCAL_SIGNATURE, 0);
  common.copy(fixed, 4);
  // The central one may need 4.5 for its offset alone.
  fixed.writeUInt16LE(big ? 45 : name.at(-1) === 0x2f ? 20 : 10, 4);
  fixed.writeUInt16LE(name.length, 26);
  fixed.writeUInt16LE(Math.min(zip64.length + extra.length, MAX_16), 28);
  return Buffer.concat([fixed, name, zip64, extra]);
}

function foreign(why: string) {
  return new RepairError(`the archive on the server is not one that can be repaired: ${why}`);
}
