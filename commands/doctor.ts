/**
 * `zipferry doctor`: looks at an archive from outside, as visitors see it.
 *
 * @module
 */

import { examine } from "./doctor/examine.ts";
import { hasFault } from "../lib/findings.ts";
import { jsonReport, textReport } from "./doctor/report.ts";

/** What is examined. */
export interface DoctorOptions {
  /** Public address of an archive. */
  readonly url: URL;
  /** Print JSON instead of lines for people. */
  readonly json: boolean;
}

/** Prints what was found; 1 if there is a fault, else 0. */
export async function doctorCommand({ url, json }: DoctorOptions): Promise<number> {
  const examination = await examine(url);
  const report = json ? jsonReport : textReport;
  console.log(report({ url, ...examination }));
  return hasFault(examination.findings) ? 1 : 0;
}
