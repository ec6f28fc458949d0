/**
 * `zipferry repair`: fetches what is damaged or missing in an archive that was downloaded.
 *
 * Exit codes: 0 if the file is whole, 1 if it could not be repaired, 3 if the archive on the server is
 * another one by now; 2 is for command lines that cannot be used.
 *
 * @module
 */

import { basename } from "node:path";
import { ConfigError } from "../lib/config.ts";
import { describeError } from "../lib/log.ts";
import { quote } from "../lib/quote.ts";
import { RepairError } from "./repair/errors.ts";
import { mend, type MendOptions, type Outcome, type Plan, workPath } from "./repair/mend.ts";
import { print, progressBar } from "./terminal.ts";

/** What is repaired. */
export interface RepairOptions {
  /** Absolute path of the file, without symlinks. */
  readonly file: string;
  /** Address of its archive. */
  readonly url: URL;
  /** Print JSON instead of lines for people. */
  readonly json: boolean;
}

/** The paths that the command reads and writes. */
export function repairPaths(file: string): readonly string[] {
  return [file, workPath(file)];
}

/**
 * The file as the system finds it, symlinks resolved.
 *
 * @throws {ConfigError} if it is not there, or no file
 */
export async function findDamaged(file: string): Promise<string> {
  const text = quote(file);
  try {
    const path = await Deno.realPath(file);
    if ((await Deno.stat(path)).isFile) return path;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new ConfigError(`repair: no file ${text}; to download an archive, use a browser or curl`);
  }
  throw new ConfigError(`repair: ${text} is no file`);
}

/** Repairs a file, and tells how it went; the exit code. */
export async function repairCommand({ file, url, json }: RepairOptions): Promise<number> {
  const name = basename(file);
  const onPlan = (plan: Plan) => json || print(`${name}: ${planText(plan)}`);
  const onProgress: MendOptions["onProgress"] = progressBar();
  try {
    const outcome = await mend({ file, work: workPath(file), url, onPlan, onProgress });
    print(
      json ? JSON.stringify({ ...outcome, file }, null, 2) : `${name}: ${outcomeText(outcome)}`,
    );
    return 0;
  } catch (error) {
    const failure = failureOf(error);
    const message = `${failure.message}${failure.kind === "unreachable" ? GO_ON : ""}`;
    if (json) print(JSON.stringify({ state: failure.kind, message, file }, null, 2));
    else print(`zipferry: repair: ${message}`, Deno.stderr);
    return failure.kind === "other version" ? 3 : 1;
  }
}

const GO_ON = "; run repair again, and it goes on from here";

/** Of the errors of the system, those that have to do with the file. */
function failureOf(error: unknown): RepairError {
  if (error instanceof RepairError) return error;
  if (error instanceof Error && "code" in error) return new RepairError(describeError(error));
  throw error;
}

function planText({ damaged, files, bytes, length }: Plan) {
  const entries = damaged === 0 ? "only its end is" : `${damaged} of ${files} entries are`;
  return `${entries} damaged or missing; ${inUnits(bytes)} of ${inUnits(length)} to fetch`;
}

function outcomeText({ state, fetched, requests, sha256 }: Outcome) {
  const checked = sha256 === null ? "each CRC-32 is right" : "its SHA-256 is that of the server";
  if (state === "whole") return `is whole, nothing to repair; ${checked}`;
  return `is whole now; ${inUnits(fetched)} in ${requests} requests; ${checked}`;
}

/** A size for people, as in `12.4 MB`. */
function inUnits(bytes: number): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const power = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  return new Intl.NumberFormat("en", {
    style: "unit",
    unit: units[power],
    unitDisplay: power === 0 ? "long" : "short",
    maximumFractionDigits: 1,
  }).format(bytes / 1000 ** power);
}
