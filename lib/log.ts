/**
 * The log, on standard error: one JSON object per line, so that nothing in a request can forge a
 * line; on a terminal a line for people, in which control characters are escaped. And standard output,
 * for the access log. Neither holds up anything else, whoever reads it or does not.
 *
 * @module
 */

import {
  configureSync,
  getConsoleSink,
  getLogger,
  jsonLinesFormatter,
  type LogRecord,
  type Sink,
} from "@logtape/logtape";
import { LineWriter } from "./line_writer.ts";
import { formatLine } from "./log_line.ts";
import { isCaptured } from "./telemetry.ts";

/** How important a line must be to be logged. */
export type LogLevel = "info" | "warn" | "error";

/** How long whoever ends the process waits for lines to be written, in milliseconds. */
const LAST_LINES_MS = 1000;

/** How much is logged. */
export interface LogOptions {
  /** The least important lines that are logged. @default "warn" */
  readonly level?: LogLevel;
  /**
   * Absolute path of the photos folder: in whatever is logged, the names right below it are
   * shortened. Errors of the runtime hold whole paths, and so the secret of a link.
   *
   * @default nothing is shortened
   */
  readonly folder?: string;
  /** Lines for people instead of JSON. @default whether standard error is a terminal */
  readonly forPeople?: boolean;
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

const standardError = new LineWriter(Deno.stderr);

const standardOutput = new LineWriter(Deno.stdout, {
  onLost: (count) =>
    log.warn("{count} lines of the access log were lost: standard output takes them too slowly", {
      count,
    }),
});

/** Writes a line, with its end, to standard output. Never waits for whoever reads it. */
export function printLine(line: string): void {
  standardOutput.write(line);
}

/** Resolves when all lines are written, or after a second: a process that ends cannot wait longer. */
export async function flushLog(): Promise<void> {
  await Promise.all([standardError, standardOutput].map((writer) => writer.flush(LAST_LINES_MS)));
}

/** Sends the log to standard error. To be called once, by the process. */
export function configureLog(options: LogOptions = {}) {
  const forPeople = options.forPeople ?? Deno.stderr.isTerminal();
  const format = forPeople ? formatLine : jsonLinesFormatter;
  const shorten = shortenBelow(options.folder);
  const formatter = (record: LogRecord) => format(withShortened(record, shorten));
  const { level = "warn" } = options;
  configureSync({
    sinks: { stderr: isCaptured() ? consoleSink(formatter) : writerSink(formatter) },
    loggers: [
      {
        category: "zipferry",
        sinks: ["stderr"],
        lowestLevel: level === "warn" ? "warning" : level,
      },
      { category: ["logtape", "meta"], sinks: ["stderr"], lowestLevel: "warning" },
    ],
  });
}

function writerSink(formatter: (record: LogRecord) => string): Sink {
  return (record) => standardError.write(formatter(record));
}

/** What the runtime exports of the log is what goes through the console. */
function consoleSink(formatter: (record: LogRecord) => string): Sink {
  // By default LogTape calls `console.info` for `info`, and that is standard output.
  const toStandardError = {
    trace: "error",
    debug: "error",
    info: "error",
    warning: "error",
    error: "error",
    fatal: "error",
  } as const;
  return getConsoleSink({ formatter, levelMap: toStandardError });
}

/** The first 4 characters of a hash: enough to find it, too few to use it. */
export function redact(hash: string): string {
  return `${hash.slice(0, 4)}…`;
}

/**
 * An error and its causes in one line.
 *
 * @param hash the archive that it is about: where the text holds the hash, it is shortened
 */
export function describeError(error: unknown, hash?: string): string {
  const text = describe(error);
  return hash ? text.replaceAll(hash, redact(hash)) : text;
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${describe(error.cause)}`;
}

/** Takes the ends of signed links out of a text, with the choice of files that they are for. */
export function hideSignatures(text: string): string {
  return text.replaceAll(/\b(signature|expires|selection)=[^\s&"'<>]*/g, "$1=…");
}

/** Shortens the hashes of links in a text, and takes their signatures out. */
export const shortenLinks: (text: string) => string = shortenBelow(undefined);

/** Shortens the names that follow a folder's path in a text, and those in links. */
function shortenBelow(folder: string | undefined): (text: string) => string {
  // A separator may be doubled, where a text holds a quoted path of Windows.
  const separator = "[\\\\/]{1,2}";
  const path = folder?.split(/[\\/]/).map((part) => RegExp.escape(part)).join(separator);
  const starts = [path && path + separator, "/archive/"].filter(Boolean);
  const below = new RegExp(`(${starts.join("|")})([\\w-]{5,})`, "g");
  return (text) => hideSignatures(text.replaceAll(below, (_, start, name) => start + redact(name)));
}

function withShortened(record: LogRecord, shorten: (text: string) => string): LogRecord {
  const walk = (value: unknown): unknown => {
    if (typeof value === "string") return shorten(value);
    if (value instanceof Error) return shorten(describeError(value));
    if (Array.isArray(value)) return value.map(walk);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item)]));
  };
  return {
    ...record,
    message: record.message.map(walk),
    properties: walk(record.properties) as Record<string, unknown>,
  };
}
