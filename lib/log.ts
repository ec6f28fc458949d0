/**
 * The log: one JSON object per line on standard error. So nothing in a request can forge a line.
 *
 * @module
 */

import { configureSync, getConsoleSink, getLogger, jsonLinesFormatter } from "@logtape/logtape";

/** How much is logged. */
export interface LogOptions {
  /** Downloads too, not only warnings and errors. @default false */
  readonly downloads?: boolean;
}

/** Takes a message, in which `{name}` stands for a property, and these properties. */
export type Write = (message: string, properties?: Record<string, unknown>) => void;

/** The part of LogTape's logger that is used here. */
export interface Log {
  /** What is of interest only now and then: how downloads go. */
  readonly info: Write;
  /** What the owner of the site should fix some day. */
  readonly warn: Write;
  /** What failed. */
  readonly error: Write;
}

/** The one logger of this program. Silent until {@link configureLog} is called. */
export const log: Log = getLogger("zipferry");

/** Sends the log to standard error. To be called once, by the process. */
export function configureLog(options: LogOptions = {}) {
  // By default LogTape calls `console.info` for `info`, and that is standard output.
  const toStandardError = {
    trace: "error",
    debug: "error",
    info: "error",
    warning: "error",
    error: "error",
    fatal: "error",
  } as const;
  const stderr = getConsoleSink({ formatter: jsonLinesFormatter, levelMap: toStandardError });
  configureSync({
    sinks: { stderr },
    loggers: [
      {
        category: "zipferry",
        sinks: ["stderr"],
        lowestLevel: options.downloads ? "info" : "warning",
      },
      { category: ["logtape", "meta"], sinks: ["stderr"], lowestLevel: "warning" },
    ],
  });
}

/** The first 4 characters of a hash: enough to find it, too few to use it. */
export function redact(hash: string): string {
  return `${hash.slice(0, 4)}…`;
}

/** An error and its causes in one line. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined
    ? error.message
    : `${error.message}: ${describeError(error.cause)}`;
}
