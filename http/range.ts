/**
 * The Range header (RFC 9110 section 14).
 *
 * @module
 */

/** A run of bytes. */
export interface ByteRange {
  /** First byte. */
  readonly start: number;
  /** End, exclusive. */
  readonly end: number;
}

/** One range; 16 digits are enough for every length that a number can hold exactly. */
const ONE_RANGE = /^bytes=(\d{0,16})-(\d{0,16})$/i;

/**
 * The one range of bytes that a header asks for, cut to the size of the whole (section 14.1.2).
 * Null if the answer is the whole: for no header, another unit, several ranges, a malformed header,
 * or a last byte before the first. `"unsatisfiable"` if no byte of the whole is in the range
 * (section 15.5.17).
 *
 * @param header the Range header, null if there is none
 * @param size size of the whole in bytes
 */
export function parseRange(
  header: string | null,
  size: number,
): ByteRange | "unsatisfiable" | null {
  const [, first, last] = ONE_RANGE.exec(header ?? "") ?? [];
  if (first === undefined || first === "" && last === "") return null;
  if (first === "") {
    const start = Math.max(size - Number(last), 0);
    return start < size ? { start, end: size } : "unsatisfiable";
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return null;
  if (start >= size) return "unsatisfiable";
  return { start, end: last === "" ? size : Math.min(Number(last) + 1, size) };
}
