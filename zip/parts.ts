/**
 * Where an archive is cut so that it becomes several, each of them no longer than a given size.
 * Entries stay whole and in their order. The lengths come from the functions that write the records.
 *
 * @module
 */

import {
  type Entry,
  MAX_RECORD_LENGTH,
  writeCentralDirectoryHeader,
  writeEndOfCentralDirectory,
  writeLocalFileHeader,
} from "./records.ts";

/** One of the archives. */
export interface PartExtent {
  /** Index of its first entry. */
  readonly start: number;
  /** Index of the one after its last entry. */
  readonly end: number;
  /** Its length in bytes: more than was asked for only where a single entry needs it. */
  readonly length: number;
}

/**
 * Cuts an archive: each part takes as many of the entries that are left as fit. An entry that alone is
 * longer is a part by itself.
 *
 * @param size most bytes of a part
 * @throws {RangeError} if a name has more than 65,535 bytes
 */
export function cutIntoParts(entries: readonly Entry[], size: number): PartExtent[] {
  const parts: PartExtent[] = [];
  const scratch = new Uint8Array(MAX_RECORD_LENGTH);
  let part = new GrowingPart(scratch);
  let start = 0;
  entries.forEach((entry, index) => {
    const length = part.lengthWith(entry);
    if (length <= size || index === start) return part.add();
    parts.push({ start, end: index, length: part.length });
    start = index;
    part = new GrowingPart(scratch);
    part.lengthWith(entry);
    part.add();
  });
  if (entries.length > 0) parts.push({ start, end: entries.length, length: part.length });
  return parts;
}

/** The lengths of what is in an archive. */
interface Lengths {
  readonly entries: number;
  /** Of the entries' headers and data, in bytes: where the central directory starts. */
  readonly offset: number;
  /** Of the central directory, in bytes. */
  readonly size: number;
}

/** An archive to which one entry after the other is added. */
class GrowingPart {
  readonly #scratch: Uint8Array;
  #now: Lengths = { entries: 0, offset: 0, size: 0 };
  #next: Lengths = this.#now;

  /** Nothing is in it yet; records are written into `scratch` to see how long they are. */
  constructor(scratch: Uint8Array) {
    this.#scratch = scratch;
  }

  /** Length in bytes. */
  get length(): number {
    return this.#lengthOf(this.#now);
  }

  /** How long it would be with one entry more. */
  lengthWith(entry: Entry): number {
    const { entries, offset, size } = this.#now;
    const header = writeLocalFileHeader(this.#scratch, entry, { crc32: 0 });
    const central = writeCentralDirectoryHeader(this.#scratch, entry, { crc32: 0, offset });
    this.#next = {
      entries: entries + 1,
      offset: offset + header + entry.size,
      size: size + central,
    };
    return this.#lengthOf(this.#next);
  }

  /** Adds the entry of the last look. */
  add() {
    this.#now = this.#next;
  }

  #lengthOf(lengths: Lengths) {
    return lengths.offset + lengths.size + writeEndOfCentralDirectory(this.#scratch, lengths);
  }
}
