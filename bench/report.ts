/**
 * How all benchmarks report what they measured.
 *
 * @module
 */

import { join } from "node:path";

/** Median, with minimum and maximum. */
export function spread(values: readonly number[], digits: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  const median = sorted[sorted.length >> 1].toFixed(digits);
  if (values.length === 1) return median;
  const [low, high] = [sorted[0], sorted[sorted.length - 1]].map((n) => n.toFixed(digits));
  return `${median} (${low}–${high})`;
}

/** Processor and version of Deno. */
export async function machine(): Promise<string> {
  const cpu = /model name\s*: (.*)/.exec(await Deno.readTextFile("/proc/cpuinfo"))?.[1];
  return `${navigator.hardwareConcurrency} cores, ${cpu}, Deno ${Deno.version.deno}`;
}

/** Writes raw results to a file of their own. */
export async function save(name: string, results: unknown) {
  const folder = join(import.meta.dirname!, "results");
  await Deno.mkdir(folder, { recursive: true });
  const time = new Date().toISOString().replaceAll(/[-:]|\..*/g, "");
  const text = JSON.stringify({ machine: await machine(), results }, null, 2);
  await Deno.writeTextFile(join(folder, `${name}-${time}.json`), `${text}\n`);
}
