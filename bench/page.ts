/**
 * The parts of `docs/performance.md` that are written from results.
 *
 * @module
 */

import { chartsOf } from "./http_charts.ts";
import { glanceTable, httpTable } from "./http_tables.ts";
import { describeLoad } from "./loads.ts";
import { type Machine, machinesOf, type MeasuredLoad, sourcesOf } from "./machines.ts";
import { markdownTable } from "./markdown.ts";
import {
  type Environment,
  type Figure,
  type HttpRow,
  readResults,
  type ResultFile,
} from "./results.ts";
import { figureTable } from "./figures.ts";

/** Results that the page shows. */
export interface PageResults {
  readonly http: readonly ResultFile<HttpRow>[];
  readonly memory: readonly ResultFile<Figure>[];
  readonly service: readonly ResultFile<Figure>[];
}

/** All results of `bench/results/`. */
export function pageResults(): PageResults {
  return {
    http: readResults<HttpRow>("http"),
    memory: readResults<Figure>("memory"),
    service: readResults<Figure>("service"),
  };
}

/** Each part by the name of its marks. */
export function pageParts({ http, memory, service }: PageResults): Record<string, string> {
  const machines = machinesOf(http);
  return {
    machines: machineTable(machines),
    glance: machines.map(glanceOf).join("\n\n"),
    charts: machines.map(chartLinks).join("\n\n"),
    memory: newestFigures(memory),
    service: newestFigures(service),
    tables: machines.map(allTables).join("\n\n"),
  };
}

function machineTable(machines: readonly Machine[]) {
  const head = ["Machine", "System and programs", "Measured", "Code", "Raw results"];
  const rows = machines.flatMap((machine) =>
    sourcesOf(machine).map(({ file, environment }) => [
      machine.name,
      systemOf(environment),
      environment.time.slice(0, 16).replace("T", " "),
      codeOf(environment),
      linkTo(file),
    ])
  );
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

function loadTable({ load, rows, file, environment }: MeasuredLoad) {
  const turns = Math.max(...rows.map(({ samples }) => samples.length));
  const about = `**${load}:** ${describeLoad(load)}; ${turns} turns; code ${codeOf(environment)}`;
  return `${about} (${linkTo(file)})\n\n${httpTable(rows)}`;
}

function newestFigures([newest]: readonly ResultFile<Figure>[]) {
  if (!newest) return "Not measured yet.";
  const { environment, file, results } = newest;
  const { cores, processor } = environment;
  const about = `${cores} cores, ${processor}; code ${codeOf(environment)} (${linkTo(file)})`;
  return `${about}\n\n${figureTable(results)}`;
}

function systemOf({ system, versions }: Environment) {
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [...(system ? [system] : []), ...programs].join(", ");
}

function codeOf({ commit }: Environment) {
  return commit ? `\`${commit}\`` : "not recorded";
}

function linkTo(file: string) {
  return `[${file}](../bench/results/${file})`;
}
