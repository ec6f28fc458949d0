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

/** One range. Positions have any number of digits (section 14.1.2: `1*DIGIT`). */
const ONE_RANGE = /^bytes=(\d*)-(\d*)$/i;

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
  if (last !== "" && isLess(last, first)) return null;
  // From 2^53 on, a number is only near what the digits say. But no whole is as long as that.
  const start = Number(first);
  if (start >= size) return "unsatisfiable";
  return { start, end: last === "" ? size : Math.min(Number(last) + 1, size) };
}

/** Compares what two runs of digits say, exactly at any length. */
function isLess(a: string, b: string) {
  const [left, right] = [a, b].map((digits) => digits.replace(/^0+/, ""));
  return left.length === right.length ? left < right : left.length < right.length;
}
