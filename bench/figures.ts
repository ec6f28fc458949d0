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
  const targets = figures.some(({ target }) => target !== undefined);
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
export function holds({ values, target = Infinity }: Figure): boolean {
  return spreadOf(values).median <= target;
}

function targetOf({ target }: Figure) {
  return target === undefined ? "" : `≤ ${target}`;
}

function verdictOf(figure: Figure) {
  return figure.target === undefined ? "" : holds(figure) ? "yes" : "**no**";
}
