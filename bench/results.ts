/**
 * The files in `bench/results/`: what was measured, on what, and of which code.
 *
 * @module
 */

import { join } from "node:path";

/** Files of whole measurements. */
export const RESULTS = join(import.meta.dirname!, "results");

/** Files of trial runs, which no page shows and git ignores. */
export const TRIALS = join(RESULTS, "tmp");

const ROOT = join(import.meta.dirname!, "..");

/** kB of `/proc`, which are 1,024 bytes, counted as 1,000 of them a MB: so older files have it. */
const OLD_MEGABYTE = 1.024;

/** What a measurement ran on. */
export interface Environment {
  /** When it began, in ISO 8601. */
  readonly time: string;
  /** Model name of the processor. */
  readonly processor: string;
  readonly cores: number;
  /** `/etc/os-release` and the version of the kernel; older files do not tell. */
  readonly system?: string;
  /** Versions of programs by name, of those that are installed. */
  readonly versions: Readonly<Record<string, string>>;
  /** The code that was measured, with `+changes` if some were not committed; older files lack it. */
  readonly commit?: string;
  /** Load average of the last minute before it began: what else the machine had to do. */
  readonly loadAverage?: number;
}

/** A file of results. */
export interface ResultFile<T> {
  /** Its name without the folder. */
  readonly file: string;
  readonly environment: Environment;
  readonly results: readonly T[];
}

/** What one server did with one load. */
export interface HttpRow {
  readonly server: string;
  readonly load: string;
  /** One for each turn; the same turn has the same index in all rows of a load. */
  readonly samples: readonly Sample[];
  /** Why there are no samples. */
  readonly missing?: string;
}

/** One turn of one server: a download, several in a row, or several at the same time. */
export interface Sample {
  readonly megabytesPerSecond: number;
  /** CPU time of program code, in seconds for 10⁹ bytes; older files know only the sum. */
  readonly userSecondsPerGigabyte?: number;
  /** CPU time of the kernel on behalf of the server, in seconds for 10⁹ bytes. */
  readonly kernelSecondsPerGigabyte?: number;
  /** The sum of both. */
  readonly cpuSecondsPerGigabyte: number;
  /** For the client that waited longest; the mean if there were several downloads in a row. */
  readonly firstByteMs: number;
  /** Peak resident memory of the server so far plus that of its children, in 10⁶ bytes. */
  readonly memory: number;
}

/** A figure of a sample that every file has. */
export type Total = "megabytesPerSecond" | "cpuSecondsPerGigabyte" | "firstByteMs" | "memory";

/** One line of a table of single figures. */
export interface Figure {
  readonly what: string;
  readonly values: readonly number[];
  /** Digits after the decimal point. */
  readonly digits: number;
  /** What it shall be at most. */
  readonly target?: number;
  /** What it shall be at least. */
  readonly least?: number;
}

/** Processor, versions and commit, as they are now. */
export async function environment(): Promise<Environment> {
  const cpu = /model name\s*: (.*)/.exec(await Deno.readTextFile("/proc/cpuinfo"))?.[1];
  const system = /PRETTY_NAME="(.*)"/.exec(await Deno.readTextFile("/etc/os-release"))?.[1];
  const go = /go([\d.]+)/.exec(await output("go", "version"))?.[1];
  const nginx = /nginx\/([\d.]+)/.exec(await output("nginx", "-v"))?.[1];
  const curl = /curl ([\d.]+)/.exec(await output("curl", "--version"))?.[1];
  return {
    time: new Date().toISOString(),
    processor: cpu ?? "unknown processor",
    cores: navigator.hardwareConcurrency,
    system: `${system}, Linux ${Deno.osRelease()}`,
    versions: { Deno: Deno.version.deno, ...defined({ Go: go, nginx, curl }) },
    commit: await commit(),
    loadAverage: Deno.loadavg()[0],
  };
}

/** Processor, cores and versions in one line. */
export function describeEnvironment({ processor, cores, versions }: Environment): string {
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [`${cores} cores, ${processor}`, ...programs].join(", ");
}

/** The text of a file of results. */
export function resultText(environment: Environment, results: unknown): string {
  return `${JSON.stringify({ environment, results }, null, 2)}\n`;
}

/**
 * Writes results to a file of their own and says where. Trial runs go to {@linkcode TRIALS}.
 *
 * @param name what was measured: `http`, `service`, `memory` or `bucket`
 */
export async function save(
  name: string,
  results: unknown,
  { environment, trial }: { readonly environment: Environment; readonly trial: boolean },
) {
  const folder = trial ? TRIALS : RESULTS;
  await Deno.mkdir(folder, { recursive: true });
  const path = join(folder, `${name}-${environment.time.replaceAll(/[-:]|\..*/g, "")}.json`);
  await Deno.writeTextFile(path, resultText(environment, results));
  console.log(`\n${trial ? "A trial run, kept apart" : "Raw results"}: ${path}`);
}

/** All files of one name, the newest first. */
export function readResults<T>(name: string, folder = RESULTS): ResultFile<T>[] {
  return [...Deno.readDirSync(folder)]
    .filter(({ name: file }) => file.startsWith(`${name}-`) && file.endsWith(".json"))
    .map(({ name: file }) => parseResult<T>(file, Deno.readTextFileSync(join(folder, file))))
    .sort((a, b) => a.environment.time < b.environment.time ? 1 : -1);
}

/** Reads a file of results, also one that tells its machine in a single line. */
export function parseResult<T>(file: string, text: string): ResultFile<T> {
  const { environment, machine, results } = JSON.parse(text);
  if (environment) return { file, environment, results };
  const [, cores, processor, deno] = /^(\d+) cores, (.*), Deno (.*)$/.exec(machine)!;
  const time = file.replace(/^.*-(....)(..)(..T..)(..)(..).*$/, "$1-$2-$3:$4:$5Z");
  const versions = { Deno: deno };
  return {
    file,
    environment: { time, processor, cores: Number(cores), versions },
    results: results.map(withNewMegabytes),
  };
}

function withNewMegabytes(row: { samples?: Sample[] }) {
  if (!row.samples) return row;
  const samples = row.samples.map((sample) => {
    return { ...sample, memory: sample.memory * OLD_MEGABYTE };
  });
  return { ...row, samples };
}

async function commit() {
  const hash = (await output("git", "-C", ROOT, "rev-parse", "--short=9", "HEAD")).trim();
  const code = [".", ":!bench/results", ":!docs"]; // what a measurement itself writes
  const changes = await output("git", "-C", ROOT, "status", "--porcelain", "--", ...code);
  return `${hash || "unknown"}${changes ? "+changes" : ""}`;
}

/** What a program prints, or nothing if it is not there. */
async function output(program: string, ...args: string[]) {
  try {
    const { stdout, stderr } = await new Deno.Command(program, { args }).output();
    return new TextDecoder().decode(stdout) || new TextDecoder().decode(stderr);
  } catch {
    return "";
  }
}

function defined(values: Readonly<Record<string, string | undefined>>) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
