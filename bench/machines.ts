/**
 * What is known of each machine: for every load the newest measurement.
 *
 * @module
 */

import { DEFAULT_LOADS } from "./loads.ts";
import type { Environment, HttpRow, ResultFile } from "./results.ts";

/** The newest measurement of one load. */
export interface MeasuredLoad {
  readonly load: string;
  readonly rows: readonly HttpRow[];
  /** The file it is in. */
  readonly file: string;
  readonly environment: Environment;
}

/** A file of results without them. */
export type Source = Pick<ResultFile<unknown>, "file" | "environment">;

/** A machine, and what was measured on it. */
export interface Machine {
  /** Number of cores and model of the processor. */
  readonly name: string;
  /** The same for names of files. */
  readonly slug: string;
  /** In the order of the default loads. */
  readonly loads: readonly MeasuredLoad[];
}

/** Machines of some files of results, the one that was measured last first. */
export function machinesOf(files: readonly ResultFile<HttpRow>[]): Machine[] {
  const newestFirst = files.toSorted((a, b) => a.environment.time < b.environment.time ? 1 : -1);
  const groups = Map.groupBy(newestFirst, ({ environment }) => nameOf(environment));
  return [...groups].map(([name, files]) => {
    return { name, slug: slugOf(name), loads: newestLoads(files) };
  });
}

/** Files that the newest measurements are in, with what they ran on; the newest first. */
export function sourcesOf({ loads }: Machine): Source[] {
  const files = new Map(loads.map(({ file, environment }) => [file, environment]));
  return [...files].map(([file, environment]) => ({ file, environment }))
    .sort((a, b) => a.environment.time < b.environment.time ? 1 : -1);
}

/** Number of cores and model of the processor. */
export function nameOf({ cores, processor }: Environment) {
  return `${cores} cores of ${processor.replaceAll(/\((?:R|TM)\)/gi, "")}`;
}

function slugOf(name: string) {
  return name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-|-$/g, "");
}

function newestLoads(files: readonly ResultFile<HttpRow>[]): MeasuredLoad[] {
  const order = DEFAULT_LOADS.split(",");
  const loads = new Set(files.flatMap(({ results }) => results.map(({ load }) => load)));
  return [...loads].sort((a, b) => rank(order, a) - rank(order, b)).map((load) => {
    const { file, environment, results } = files.find(({ results }) =>
      results.some((row) => row.load === load)
    )!;
    return { load, file, environment, rows: results.filter((row) => row.load === load) };
  });
}

function rank(order: readonly string[], load: string) {
  return (order.indexOf(load) + 1) || order.length + 1;
}
