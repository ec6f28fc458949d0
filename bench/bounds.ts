/**
 * Bounds that a measurement must not exceed.
 *
 * @module
 */

import { formatSpread, spreadOf } from "./statistics.ts";

/** What was measured for one load. */
export interface Measured {
  readonly load: string;
  /** What the values are, as in `CPU time ÷ Go`. */
  readonly figure: string;
  readonly values: readonly number[];
}

/** A measurement beside its bound. */
export interface Verdict {
  /** Load, figure, values and bound in one line. */
  readonly text: string;
  readonly holds: boolean;
}

/** Compares the median with the bound of the load. */
export function judge(
  { load, figure, values }: Measured,
  bounds: Readonly<Record<string, number>>,
): Verdict {
  const bound = bounds[load];
  if (bound === undefined) throw new RangeError(`bound of load: ${load} has none in guard.json`);
  const holds = spreadOf(values).median <= bound;
  const text = `${load}: ${figure} ${formatSpread(values, 2)}, bound ${bound}`;
  return { text: `${holds ? "ok    " : "OVER  "} ${text}`, holds };
}

/**
 * Bounds with some replaced, as in `P=1.2`.
 *
 * @throws {RangeError} if one is no load and number
 */
export function withBounds(
  bounds: Readonly<Record<string, number>>,
  replaced: readonly string[],
): Record<string, number> {
  const pairs = replaced.map((text): [string, number] => {
    const [, load, bound] = /^([^=]+)=(\d+(?:\.\d+)?)$/.exec(text) ?? [];
    if (!load) throw new RangeError(`--bound: ${text}: write a load and a number, as in P=1.2`);
    return [load, Number(bound)];
  });
  return { ...bounds, ...Object.fromEntries(pairs) };
}
