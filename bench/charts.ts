/**
 * Draws the charts of `docs/performance.md` from the newest results of each processor:
 * `deno task bench:charts`.
 *
 * @module
 */

import { join } from "node:path";
import { chartsOf } from "./http_charts.ts";
import { machinesOf } from "./machines.ts";
import { type HttpRow, readResults } from "./results.ts";

/** Where the charts are. */
export const CHARTS = join(import.meta.dirname!, "../docs/performance");

/** Writes all charts, and removes those of machines that have no results any more. */
async function main() {
  await Deno.remove(CHARTS, { recursive: true }).catch(() => {});
  await Deno.mkdir(CHARTS, { recursive: true });
  for (const { file, svg } of machinesOf(readResults<HttpRow>("http")).flatMap(chartsOf)) {
    await Deno.writeTextFile(join(CHARTS, file), svg);
    console.log(`docs/performance/${file}`);
  }
}

if (import.meta.main) await main();
