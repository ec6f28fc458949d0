/**
 * The parts of `docs/performance.md` that are written from results.
 *
 * @module
 */

import { figureTable } from "./figures.ts";
import { chartsOf } from "./http_charts.ts";
import { glanceTable, httpTable } from "./http_tables.ts";
import { describeLoad } from "./loads.ts";
import {
  type Machine,
  machinesOf,
  type MeasuredLoad,
  nameOf,
  type Source,
  sourcesOf,
} from "./machines.ts";
import { markdownTable } from "./markdown.ts";
import {
  type Environment,
  type Figure,
  type HttpRow,
  readResults,
  type ResultFile,
} from "./results.ts";

/** Results that the page shows. */
export interface PageResults {
  readonly http: readonly ResultFile<HttpRow>[];
  readonly memory: readonly ResultFile<Figure>[];
  readonly service: readonly ResultFile<Figure>[];
  readonly bucket: readonly ResultFile<Figure>[];
}

/** All results of `bench/results/`. */
export function pageResults(): PageResults {
  return {
    http: readResults<HttpRow>("http"),
    memory: readResults<Figure>("memory"),
    service: readResults<Figure>("service"),
    bucket: readResults<Figure>("bucket"),
  };
}

/** Each part by the name of its marks. */
export function pageParts(
  { http, memory, service, bucket }: PageResults,
): Record<string, string> {
  const machines = machinesOf(http);
  return {
    machines: machineTable([
      ...machines.flatMap(sourcesOf),
      ...memory.slice(0, 1),
      ...service.slice(0, 1),
      ...bucket.slice(0, 1),
    ]),
    glance: machines.map(glanceOf).join("\n\n"),
    charts: machines.map(chartLinks).join("\n\n"),
    memory: newestFigures(memory),
    service: newestFigures(service),
    bucket: newestFigures(bucket),
    tables: machines.map(allTables).join("\n\n"),
  };
}

/** Every file that the page shows, with what it was measured on. */
function machineTable(files: readonly Source[]) {
  const head = ["Raw results", "Measured", "Machine", "Code", "System and programs"];
  const rows = files.map(({ file, environment }) => [
    linkTo(file),
    environment.time.slice(0, 16).replace("T", " "),
    nameOf(environment),
    codeOf(environment),
    systemOf(environment),
  ]);
  return markdownTable([head, ...rows]);
}

function glanceOf({ name, loads }: Machine) {
  return `**${name}:**\n\n${glanceTable(loads.map(({ rows }) => rows))}`;
}

function chartLinks(machine: Machine) {
  return chartsOf(machine).map(({ file, title }) => `![${title}](performance/${file})`).join(
    "\n\n",
  );
}

function allTables(machine: Machine) {
  return [`### ${machine.name}`, ...machine.loads.map(loadTable)].join("\n\n");
}

function loadTable({ load, rows, file }: MeasuredLoad) {
  const turns = Math.max(...rows.map(({ samples }) => samples.length));
  const about = `#### ${load}: ${describeLoad(load)}\n\n${turns} turns: ${linkTo(file)}`;
  return `${about}\n\n${httpTable(rows)}`;
}

function newestFigures([newest]: readonly ResultFile<Figure>[]) {
  if (!newest) return "Not measured yet.";
  return `${linkTo(newest.file)}\n\n${figureTable(newest.results)}`;
}

function systemOf({ system, versions, loadAverage }: Environment) {
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const load = loadAverage === undefined ? [] : [`load before ${loadAverage.toFixed(1)}`];
  return [...(system ? [system] : []), ...programs, ...load].join(", ");
}

function codeOf({ commit }: Environment) {
  return commit ? `\`${commit}\`` : "not recorded";
}

function linkTo(file: string) {
  return `[${file}](../bench/results/${file})`;
}
