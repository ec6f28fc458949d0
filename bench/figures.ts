/**
 * Tables of single figures, with or without a target.
 *
 * @module
 */

import { markdownTable } from "./markdown.ts";
import type { Figure } from "./results.ts";
import { formatSpread, spreadOf } from "./statistics.ts";

/** One line per figure; target and whether it holds if any figure has a target. */
export function figureTable(figures: readonly Figure[]): string {
  const targets = figures.some((figure) => targetOf(figure) !== "");
  const head = ["What", "median (least–most)", ...(targets ? ["target", "holds"] : [])];
  return markdownTable([
    head,
    ...figures.map((figure) => {
      const { what, values, digits } = figure;
      const judged = targets ? [targetOf(figure), verdictOf(figure)] : [];
      return [what, formatSpread(values, digits), ...judged];
    }),
  ]);
}

/** Whether the median is within the target; a figure without a target always is. */
export function holds({ values, target = Infinity, least = -Infinity }: Figure): boolean {
  const { median } = spreadOf(values);
  return least <= median && median <= target;
}

function targetOf({ target, least }: Figure) {
  return [
    ...(least === undefined ? [] : [`≥ ${least}`]),
    ...(target === undefined ? [] : [`≤ ${target}`]),
  ].join(", ");
}

function verdictOf(figure: Figure) {
  return targetOf(figure) === "" ? "" : holds(figure) ? "yes" : "**no**";
}
