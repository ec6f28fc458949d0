/**
 * Sets of byte ranges: which parts of a whole there are. Pure.
 *
 * @module
 */

/** Bytes from `start` up to `end`, without the one at `end`. */
export interface ByteRange {
  /** The first byte. */
  readonly start: number;
  /** The byte after the last one. */
  readonly end: number;
}

/** How many ranges a set may have unless told otherwise. */
const MAX_RANGES = 256;

/**
 * The set with one more range: sorted, without overlaps, and neighbours joined. Where there would be
 * too many ranges, the shortest ones are left out: a set may know less than the truth, never more.
 *
 * @param max how many ranges there may be
 */
export function addRange(
  ranges: readonly ByteRange[],
  added: ByteRange,
  max: number = MAX_RANGES,
): ByteRange[] {
  if (added.end <= added.start) return [...ranges];
  const apart = ranges.filter(({ start, end }) => end < added.start || start > added.end);
  const touching = ranges.filter(({ start, end }) => end >= added.start && start <= added.end);
  const joined = {
    start: Math.min(added.start, ...touching.map(({ start }) => start)),
    end: Math.max(added.end, ...touching.map(({ end }) => end)),
  };
  const sorted = [...apart, joined].sort((a, b) => a.start - b.start);
  return sorted.length > max ? withoutShortest(sorted) : sorted;
}

/** How many bytes a set has. */
export function countBytes(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0);
}

/** True if a set has every byte of a whole of this size. */
export function isWhole([first]: readonly ByteRange[], size: number): boolean {
  return size === 0 || first !== undefined && first.start <= 0 && first.end >= size;
}

function withoutShortest(ranges: readonly ByteRange[]) {
  const lengths = ranges.map(({ start, end }) => end - start);
  return ranges.toSpliced(lengths.indexOf(Math.min(...lengths)), 1);
}
