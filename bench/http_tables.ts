/**
 * Tables of what servers did side by side.
 *
 * @module
 */

import { markdownTable } from "./markdown.ts";
import type { HttpRow, Sample, Total } from "./results.ts";
import { BASE, rivals } from "./rivals.ts";
import { formatSpread, pairRatios, spreadOf, tendency } from "./statistics.ts";

const OURS = rivals[0].name;

const HEAD = [
  "Server",
  ...["MB/s", "÷ Go"],
  ...["user", "kernel", "CPU-s per GB", "÷ Go"],
  ...["first byte, ms", "÷ Go"],
  ...["memory, MB", "÷ Go"],
];

/** Figures that have a ratio to the base's, and their digits. */
const FIGURES: readonly (readonly [key: Total, digits: number])[] = [
  ["megabytesPerSecond", 0],
  ["cpuSecondsPerGigabyte", 2],
  ["firstByteMs", 1],
  ["memory", 0],
];

/** All servers with one load: medians with minimum and maximum, and ratios turn by turn. */
export function httpTable(rows: readonly HttpRow[]): string {
  const base = rows.find(({ server }) => server === BASE)?.samples ?? [];
  return markdownTable([HEAD, ...rows.map((row) => cellsOf(row, base))]);
}

/** What this service gains and loses against Go, one line per load. */
export function glanceTable(loads: readonly (readonly HttpRow[])[]): string {
  const head = ["Load", "Speed ÷ Go", "CPU time ÷ Go", "First byte, ms (Go)", "Memory, MB (Go)"];
  return markdownTable([head, ...loads.flatMap(glance)]);
}

function cellsOf({ server, samples, missing }: HttpRow, base: readonly Sample[]): string[] {
  if (missing) return [server, `not measured: ${missing}`, ...HEAD.slice(2).map(() => "")];
  const [rate, cpu, firstByte, memory] = FIGURES.map(([key, digits]) => {
    const values = samples.map((sample) => sample[key]);
    const ratios = pairRatios(values, base.map((sample) => sample[key]));
    const ratio = ratios.length === 0 ? "–" : server === BASE ? "1" : formatSpread(ratios, 2);
    return [formatSpread(values, digits), ratio];
  });
  return [server, ...rate, ...parts(samples), ...cpu, ...firstByte, ...memory];
}

/** User and kernel apart, where they were measured apart. */
function parts(samples: readonly Sample[]) {
  const keys = ["userSecondsPerGigabyte", "kernelSecondsPerGigabyte"] as const;
  return keys.map((key) => {
    const values = samples.map((sample) => sample[key]).filter((value) => value !== undefined);
    return values.length === samples.length ? formatSpread(values, 2) : "–";
  });
}

function glance(rows: readonly HttpRow[]): string[][] {
  const [ours, base] = [OURS, BASE].map((name) =>
    rows.find(({ server }) => server === name)?.samples ?? []
  );
  if (ours.length === 0 || base.length === 0) return [];
  const values = (samples: readonly Sample[], key: Total) => samples.map((one) => one[key]);
  const ratios = (key: Total) => pairRatios(values(ours, key), values(base, key));
  const ratio = (key: Total, words: Readonly<Record<ReturnType<typeof tendency>, string>>) =>
    `${words[tendency(ratios(key))]}: ${formatSpread(ratios(key), 2)}`;
  const both = (key: Total, digits: number) => {
    const [one, other] = [ours, base].map((samples) =>
      spreadOf(values(samples, key)).median.toFixed(digits)
    );
    return `${tendency(ratios(key)) === "more" ? `**${one}**` : one} (${other})`;
  };
  return [[
    rows[0].load,
    ratio("megabytesPerSecond", { more: "faster", less: "**slower**", even: "even" }),
    ratio("cpuSecondsPerGigabyte", { more: "**more**", less: "less", even: "even" }),
    both("firstByteMs", 1),
    both("memory", 0),
  ]];
}
