/**
 * Charts of what servers did side by side on one machine.
 *
 * @module
 */

import { type Bar, barChart, type Panel } from "./bars.ts";
import { describeLoad } from "./loads.ts";
import type { Machine, MeasuredLoad } from "./machines.ts";
import type { HttpRow, Sample, Total } from "./results.ts";
import { BASE, rivals } from "./rivals.ts";
import { pairRatios, spreadOf } from "./statistics.ts";

/** Go stands next to this service, whatever the order of an older file. */
const ORDER = rivals.map(({ name }) => name);
const [OURS] = ORDER;

/** A bar has at most so many times the length of the longer one of this service and the base. */
const LONGEST = 2.5;

/** What a chart shows. */
interface Figure {
  /** The end of the file's name. */
  readonly name: "cpu" | "rate" | "memory";
  readonly title: string;
  /** Which end is better. */
  readonly better: string;
  readonly digits: number;
  readonly total: Total;
  /** Parts of the total, in the order of their names. */
  readonly parts?: readonly (keyof Sample)[];
}

const FIGURES: readonly Figure[] = [
  {
    name: "cpu",
    title: "CPU seconds of the server per GB sent",
    better: "shorter is better",
    digits: 2,
    total: "cpuSecondsPerGigabyte",
    parts: ["userSecondsPerGigabyte", "kernelSecondsPerGigabyte"],
  },
  {
    name: "rate",
    title: "MB per second, all clients together",
    better: "longer is better",
    digits: 0,
    total: "megabytesPerSecond",
  },
  {
    name: "memory",
    title: "Peak memory of the server, MB",
    better: "shorter is better",
    digits: 0,
    total: "memory",
  },
];

/** A chart as a file. */
export interface ChartFile {
  /** Its name without the folder. */
  readonly file: string;
  /** What it shows, for those who do not see it. */
  readonly title: string;
  /** The text of the SVG. */
  readonly svg: string;
}

/** All charts of one machine. */
export function chartsOf(machine: Machine): ChartFile[] {
  return FIGURES.map((figure) => {
    const title = `${figure.title}: ${machine.name}`;
    const panels = machine.loads.map((load) => panelOf(load, figure));
    const svg = barChart({
      title,
      description: panels.map(describePanel).join(" "),
      note:
        `Medians; ${figure.better}. Each load has its own scale; what is far longer is cut off.`,
      parts: panels.some(({ bars }) => bars.some(({ parts }) => parts.length > 1))
        ? ["user", "kernel"]
        : [],
      panels,
    });
    return { file: `${machine.slug}-${figure.name}.svg`, title, svg };
  });
}

function panelOf({ load, rows }: MeasuredLoad, figure: Figure): Panel {
  const measured = rows.filter(({ samples }) => samples.length > 0)
    .toSorted((a, b) => ORDER.indexOf(a.server) - ORDER.indexOf(b.server));
  const median = (row: HttpRow) => medianOf(row.samples, figure.total);
  const longest = Math.max(...measured.map(median));
  const compared = measured.filter(({ server }) => server === OURS || server === BASE).map(median);
  const limit = compared.length > 0 ? LONGEST * Math.max(...compared) : longest;
  const base = rows.find(({ server }) => server === BASE)?.samples ?? [];
  return {
    title: `${load} – ${describeLoad(load)}`,
    bars: measured.map((row) => barOf(row, base, figure)),
    full: Math.min(longest, limit),
  };
}

function barOf({ server, samples }: HttpRow, base: readonly Sample[], figure: Figure): Bar {
  const { total, digits } = figure;
  const value = medianOf(samples, total);
  const ratios = pairRatios(samples.map((one) => one[total]), base.map((one) => one[total]));
  const ratio = server === BASE || ratios.length === 0
    ? ""
    : ` · ${spreadOf(ratios).median.toFixed(2)} × Go`;
  return {
    label: server,
    parts: partsOf(samples, figure, value),
    text: `${value.toFixed(digits)}${ratio}`,
    kind: server === OURS ? "ours" : server === BASE ? "base" : "other",
  };
}

/** Medians of the parts, in proportion to the median of the total, which need not be their sum. */
function partsOf(samples: readonly Sample[], { parts = [] }: Figure, total: number) {
  if (parts.some((key) => samples.some((sample) => sample[key] === undefined))) return [total];
  const medians = parts.map((key) => medianOf(samples, key));
  const sum = medians.reduce((a, b) => a + b, 0);
  return sum > 0 ? medians.map((median) => median * total / sum) : [total];
}

function medianOf(samples: readonly Sample[], key: keyof Sample) {
  return spreadOf(samples.map((sample) => sample[key]!)).median;
}

function describePanel({ title, bars }: Panel) {
  return `${title}: ${bars.map(({ label, text }) => `${label} ${text}`).join(", ")}.`;
}
