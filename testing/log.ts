/**
 * The log of a test, in memory.
 *
 * @module
 */

import { configureSync, jsonLinesFormatter, resetSync } from "@logtape/logtape";

/** Lines that were logged since {@link captureLog} was called */
export interface CapturedLog extends Disposable {
  /** JSON, as the program writes them */
  readonly lines: string[];
}

/** Keeps the log in memory, until the result is disposed of */
export function captureLog(): CapturedLog {
  const lines: string[] = [];
  configureSync({
    reset: true,
    sinks: { memory: (record) => lines.push(jsonLinesFormatter(record)) },
    loggers: [
      { category: "zipferry", sinks: ["memory"] },
      { category: ["logtape", "meta"], sinks: ["memory"], lowestLevel: "warning" },
    ],
  });
  return { lines, [Symbol.dispose]: resetSync };
}
