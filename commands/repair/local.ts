/**
 * The damaged file: what of an archive is in it, and where. Everything here blocks.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import {
  hasName,
  isHeaderOf,
  joinRanges,
  lengthOf,
  type Member,
  type Range,
  readLocalHeader,
} from "./directory.ts";

/** A file is gone through by this many bytes at a time. */
const READ_BYTES = 1 << 20;

/** So many zeros in a row, on a border of so many, never arrived: some programs reserve the space. */
const HOLE_BYTES = 4096;

/** With more holes in one entry, all of it is fetched. */
const MAX_HOLES = 64;

/** What a header starts with. */
const LOCAL_SIGNATURE = Buffer.from("PK\x03\x04", "latin1");

/** The longest local file header that this program writes, in bytes. */
const MAX_HEADER_BYTES = 30 + 0xffff + 64;

const ZEROS = Buffer.alloc(HOLE_BYTES);

/** An open file, read and written at any place. Disposal closes it. */
export class LocalFile implements Disposable {
  readonly #file: Deno.FsFile;

  /** Takes over an open file. */
  constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  /** Its length in bytes. */
  get size(): number {
    return this.#file.statSync().size;
  }

  /** Up to this many bytes from a place on; fewer at the end of the file. */
  read(at: number, length: number): Buffer<ArrayBuffer> {
    const bytes = Buffer.alloc(length);
    this.#file.seekSync(at, Deno.SeekMode.Start);
    let done = 0;
    while (done < length) {
      const count = this.#file.readSync(bytes.subarray(done));
      if (count === null) break;
      done += count;
    }
    return bytes.subarray(0, done);
  }

  /** The bytes of a range, piece by piece; they end with the file. */
  *pieces({ start, end }: Range): Generator<{ readonly bytes: Buffer; readonly at: number }> {
    for (let at = start; at < end; at += READ_BYTES) {
      const bytes = this.read(at, Math.min(READ_BYTES, end - at));
      if (bytes.length === 0) return;
      yield { bytes, at };
    }
  }

  /** Writes bytes at a place. */
  write(at: number, bytes: Uint8Array) {
    this.#file.seekSync(at, Deno.SeekMode.Start);
    for (let done = 0; done < bytes.length;) done += this.#file.writeSync(bytes.subarray(done));
  }

  /** Cuts the file, or adds zeros. */
  resize(length: number) {
    this.#file.truncateSync(length);
  }

  /** Waits until the disk has everything. */
  sync() {
    this.#file.syncSync();
  }

  /** Closes the file. */
  [Symbol.dispose]() {
    this.#file.close();
  }
}

/** What was found of an entry. */
export interface Judgement {
  /** The entry. */
  readonly member: Member;
  /** Whether its header is as this program writes it. */
  readonly header: boolean;
  /** Whether its data has its CRC-32. */
  readonly data: boolean;
  /** What of its data never arrived; empty if that cannot be told. */
  readonly missing: readonly Range[];
}

/** Whether there is nothing to do for an entry. */
export function isGood({ header, data }: Judgement): boolean {
  return header && data;
}

/** Looks for an entry in its place; `onBytes` is told how many bytes were read. */
export function judge(
  file: LocalFile,
  member: Member,
  onBytes: (bytes: number) => void = () => {},
): Judgement {
  const length = member.data - member.offset;
  const bytes = file.read(member.offset, length);
  const header = member.header?.equals(bytes) ?? false;
  const data = crcOf(file, member.data, member) === member.crc32;
  onBytes(member.end - member.offset);
  // With a header of its own that is another one, the data is hardly a part of this entry's.
  const mayBePart = header || bytes.every((byte) => byte === 0);
  const missing = data || !mayBePart ? [] : holesIn(file, member);
  return { member, header, data, missing };
}

/** The CRC-32 of an entry's data, wherever it stands; null where the file ends before it. */
export function crcOf(
  file: LocalFile,
  start: number,
  { data, end }: Pick<Member, "data" | "end">,
): number | null {
  let checksum = 0;
  let length = 0;
  for (const { bytes } of file.pieces({ start, end: start + end - data })) {
    checksum = crc32(bytes, checksum);
    length += bytes.length;
  }
  return length === end - data ? checksum : null;
}

/** Where a whole entry stands that is damaged in its place: bytes were put in before it, or lost. */
export function findMoved(
  file: LocalFile,
  members: readonly Member[],
  ranges: readonly Range[],
): Map<Member, number> {
  const wanted = new Map(
    members.filter(({ header }) => header !== null)
      .map((member) => [member.header!.toString("latin1"), member]),
  );
  const found = new Map<Member, number>();
  for (const range of ranges) {
    for (const at of signaturesIn(file, range)) {
      const member = memberAt(file, at, wanted);
      if (!member || found.has(member)) continue;
      const start = at + member.data - member.offset;
      if (crcOf(file, start, member) === member.crc32) found.set(member, start);
    }
  }
  return found;
}

/**
 * Whether another entry stands in the place of this one, whole by its own account, or by its header
 * the same file in another state: no damage does that.
 */
export function isOfOtherVersion(file: LocalFile, { member, data }: Judgement): boolean {
  if (data) return false;
  const isHeader = file.read(member.offset, LOCAL_SIGNATURE.length).equals(LOCAL_SIGNATURE);
  const bytes = isHeader ? file.read(member.offset, MAX_HEADER_BYTES) : ZEROS;
  const read = readLocalHeader(bytes);
  if (!read || isHeaderOf(member, bytes)) return false;
  const { size, length } = read;
  const start = member.offset + length;
  if (size > 0 && crcOf(file, start, { data: 0, end: size }) === read.crc32) return true;
  const differs = size !== member.end - member.data && read.crc32 !== member.crc32;
  return differs && hasName(member, bytes) && start + size > file.size;
}

/** The SHA-256 of a file up to a byte, followed by other bytes. */
export function sha256Of(
  file: LocalFile,
  end: number,
  rest: Uint8Array = ZEROS.subarray(0, 0),
): string {
  const sha256 = createHash("sha256");
  for (const { bytes } of file.pieces({ start: 0, end })) sha256.update(bytes);
  return sha256.update(rest).digest("hex");
}

/**
 * Runs of zeros, and what is beyond the end of the file. None if it is not worth it. Runs may begin
 * before the data or end after it: so there is a look at a block more on both sides.
 */
function holesIn(file: LocalFile, { data, end }: Member): Range[] {
  const holes: Range[] = [{ start: Math.min(Math.max(file.size, data), end), end }];
  const first = Math.max(0, data - data % HOLE_BYTES - HOLE_BYTES);
  const last = Math.ceil(end / HOLE_BYTES) * HOLE_BYTES + HOLE_BYTES;
  for (const { bytes, at } of file.pieces({ start: first, end: last })) {
    for (let i = 0; i < bytes.length; i += HOLE_BYTES) {
      const block = bytes.subarray(i, i + HOLE_BYTES);
      if (!block.equals(ZEROS.subarray(0, block.length))) continue;
      holes.push({ start: at + i, end: at + i + block.length });
    }
  }
  const widened = joinRanges(holes).map((run) => widen(file, run))
    .map(({ start, end: stop }) => ({ start: Math.max(start, data), end: Math.min(stop, end) }));
  const runs = joinRanges(widened);
  const isWorthIt = runs.length <= MAX_HOLES && lengthOf(runs) < end - data;
  return isWorthIt ? runs : [];
}

/** With the zeros before and after a run that are no whole block. */
function widen(file: LocalFile, { start, end }: Range): Range {
  const from = Math.max(start - HOLE_BYTES, 0);
  const before = file.read(from, start - from);
  const after = file.read(end, HOLE_BYTES);
  const last = before.findLastIndex((byte) => byte !== 0);
  const next = after.findIndex((byte) => byte !== 0);
  return { start: from + last + 1, end: end + (next < 0 ? after.length : next) };
}

function* signaturesIn(file: LocalFile, range: Range): Generator<number> {
  const overlap = LOCAL_SIGNATURE.length - 1;
  for (let start = range.start; start < range.end; start += READ_BYTES) {
    const bytes = file.read(start, Math.min(READ_BYTES, range.end - start) + overlap);
    for (let at = bytes.indexOf(LOCAL_SIGNATURE); at >= 0;) {
      if (at < READ_BYTES) yield start + at;
      at = bytes.indexOf(LOCAL_SIGNATURE, at + 1);
    }
  }
}

function memberAt(file: LocalFile, at: number, wanted: ReadonlyMap<string, Member>) {
  const fixed = file.read(at, 30);
  if (fixed.length < 30) return undefined;
  const length = 30 + fixed.readUInt16LE(26) + fixed.readUInt16LE(28);
  return wanted.get(file.read(at, length).toString("latin1"));
}
