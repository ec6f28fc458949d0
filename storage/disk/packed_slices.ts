/**
 * Slices of many files on their way to a thread: columns, which cross over several times as fast as
 * objects do.
 *
 * @module
 */

import type { PlacedSlice } from "../source.ts";

/** Numbers in a row: offset, length, position, CRC-32. */
const NUMBERS = 4;

/** Stands between two strings; no path can hold it. */
const SEPARATOR = "\0";

/** A slice as the thread needs it, which knows one archive only. */
export type SliceToRead = Omit<PlacedSlice, "hash">;

/** Slices in columns. */
export interface PackedSlices {
  /** What errors call the files, with a zero between two. */
  readonly paths: string;
  /** Where the files are, likewise. */
  readonly locations: string;
  /** Their identities, likewise. */
  readonly identities: string;
  /** Four numbers a row: offset, length, position, CRC-32. */
  readonly numbers: Float64Array<ArrayBuffer>;
}

/** The slices in columns. */
export function packSlices(slices: readonly SliceToRead[]): PackedSlices {
  const numbers = new Float64Array(slices.length * NUMBERS);
  slices.forEach(({ offset, length, position, crc32 }, i) => {
    const at = i * NUMBERS;
    numbers[at] = offset;
    numbers[at + 1] = length;
    numbers[at + 2] = position;
    numbers[at + 3] = crc32;
  });
  return {
    paths: slices.map(({ path }) => path).join(SEPARATOR),
    locations: slices.map(({ location }) => location).join(SEPARATOR),
    identities: slices.map(({ identity }) => identity).join(SEPARATOR),
    numbers,
  };
}

/** The slices that were packed. */
export function unpackSlices({ numbers, ...columns }: PackedSlices): SliceToRead[] {
  if (numbers.length === 0) return [];
  const locations = columns.locations.split(SEPARATOR);
  const identities = columns.identities.split(SEPARATOR);
  return columns.paths.split(SEPARATOR).map((path, i) => {
    const at = i * NUMBERS;
    return {
      path,
      location: locations[i],
      identity: identities[i],
      offset: numbers[at],
      length: numbers[at + 1],
      position: numbers[at + 2],
      crc32: numbers[at + 3],
    };
  });
}
