/**
 * Median, minimum and maximum, and how two servers compare that were measured in turns.
 *
 * @module
 */

/** What several measurements of one thing come to. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/**
 * Median, minimum and maximum.
 *
 * @throws {RangeError} if there are no values
 */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError("median: no values");
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1
    ? sorted[middle]
    : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, least: sorted[0], most: sorted[sorted.length - 1] };
}

/** `median (least–most)`, or the value alone if there is one. */
export function formatSpread(values: readonly number[], digits: number): string {
  const { median, least, most } = spreadOf(values);
  if (values.length === 1) return median.toFixed(digits);
  return `${median.toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`;
}

/**
 * Each value divided by the one that was measured in the same turn. What slowed the machine down
 * during a turn slowed both down, so ratios differ less than the values themselves.
 */
export function pairRatios(values: readonly number[], base: readonly number[]): number[] {
  return values.slice(0, base.length).map((value, turn) => value / base[turn]);
}

/** "more" or "less" if all ratios lie on one side of 1, "even" if they do not. */
export function tendency(ratios: readonly number[]): "more" | "less" | "even" {
  const { least, most } = spreadOf(ratios);
  return least > 1 ? "more" : most < 1 ? "less" : "even";
}
