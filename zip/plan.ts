/**
 * Where every byte of an archive goes, known before any file is opened.
 *
 * An archive is a list of parts: for each entry its local file header and its data, then a central
 * directory header for each entry, then the end. The plan holds where each part starts. The lengths
 * come from the functions that write the records, so what is announced is what is sent.
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

/** The layout of one archive. Offsets are bytes from its start. */
export interface Plan<E extends Entry = Entry> {
  /** The entries, in the order of the archive. */
  readonly entries: readonly E[];
  /** Start of each entry's local file header, then one more: the end of the last one's data. */
  readonly headerOffsets: Float64Array;
  /** Start of each central directory header, then one more: where the last one ends. */
  readonly centralOffsets: Float64Array;
  /** Length of the whole archive in bytes. */
  readonly size: number;
  /** Length of the longest record in bytes: a buffer of this length has room for any of them. */
  readonly longestRecord: number;
}

/**
 * Lays out an archive of these entries, in the given order.
 *
 * @throws {RangeError} if a name has more than 65,535 bytes
 */
export function planArchive<E extends Entry>(entries: readonly E[]): Plan<E> {
  const scratch = new Uint8Array(MAX_RECORD_LENGTH);
  const count = entries.length;
  const headerOffsets = new Float64Array(count + 1);
  const centralOffsets = new Float64Array(count + 1);

  let offset = 0;
  let longestRecord = 0;
  const place = (record: number) => {
    longestRecord = Math.max(longestRecord, record);
    offset += record;
  };
  for (let i = 0; i < count; i++) {
    headerOffsets[i] = offset;
    place(writeLocalFileHeader(scratch, entries[i], { crc32: 0 }));
    offset += entries[i].size;
  }
  headerOffsets[count] = offset;
  for (let i = 0; i < count; i++) {
    centralOffsets[i] = offset;
    const fields = { crc32: 0, offset: headerOffsets[i] };
    place(writeCentralDirectoryHeader(scratch, entries[i], fields));
  }
  centralOffsets[count] = offset;
  const plan = { entries, headerOffsets, centralOffsets };
  place(writeEndOfCentralDirectory(scratch, endFields(plan)));
  return { ...plan, size: offset, longestRecord };
}

/** Start of an entry's data, which ends where the next entry's header starts. */
export function dataOffset(plan: Plan, index: number): number {
  return plan.headerOffsets[index + 1] - plan.entries[index].size;
}

/** The values in the end of central directory record of this archive. */
export function endFields(plan: Pick<Plan, "entries" | "centralOffsets">): {
  readonly entries: number;
  readonly offset: number;
  readonly size: number;
} {
  const entries = plan.entries.length;
  const offset = plan.centralOffsets[0];
  return { entries, offset, size: plan.centralOffsets[entries] - offset };
}

/** Index of the part that holds a byte: of the ascending offsets, the last one at or before it. */
export function partAt(offsets: Float64Array, position: number): number {
  let low = 0;
  let high = offsets.length;
  while (low + 1 < high) {
    const middle = low + high >>> 1;
    if (offsets[middle] <= position) low = middle;
    else high = middle;
  }
  return low;
}
