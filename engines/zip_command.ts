/**
 * The engine of the original service: the Info-ZIP program, its output streamed as it comes. For
 * files that do compress. It gets the names of the very entries that the other engine would store;
 * the length is unknown until the end.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { delimiter, isAbsolute, join } from "node:path";
import { filesOf, type ListedEntry, type Listing } from "../storage/listing.ts";
import { describeError, log } from "../lib/log.ts";
import { lastBytes, readZipEnd } from "../lib/zip_end.ts";
import { type FileSource, sliceOf } from "../storage/source.ts";
import {
  type Archive,
  type ArchiveBody,
  DOWNLOAD_BYTES,
  type Engine,
  EngineUnavailableError,
} from "./engine.ts";

/** The end of what the program says that is kept, in characters. */
const STDERR_TAIL = 2048;

/** Where general purpose bit 11 stands in a local file header (APPNOTE 4.3.7). */
const UTF8_FLAG_OFFSET = 7;
const UTF8_FLAG = 1 << 3;

/** The program has this long to show that it marks names, in milliseconds. */
const PROBE_MS = 2000;

/** A process that was killed ends at once, unless its disk hangs. Milliseconds. */
const CLOSE_MS = 2000;

/** Folders that are searched for a name to try the program with. */
const PROBED_FOLDERS = 50;

/** A status is held back this long for the first byte, in milliseconds. */
const PATIENCE_MS = 500;

/**
 * Bytes of names that are handed over as arguments. Systems allow 1 MiB or more for all arguments
 * together, Linux 128 KiB for each.
 */
const MAX_ARGUMENT_BYTES = 64 << 10;

const UNMARKED = "zip does not mark names as UTF-8: on Windows they will be gibberish; " +
  "give the system the locale en_US.UTF-8, or use the engine store";

const ASCII_ONLY = "zip takes only names of ASCII on Windows: an archive with another name gets " +
  "status 500; use the engine store";

/** How the program is called. */
export interface ZipCommandOptions {
  /** Absolute path of the program. */
  readonly program: string;
  /** Compression level, 0 to 9. */
  readonly level: number;
  /** Store symlinks as what they lead to; else a file that became one is stored as a link. */
  readonly followSymlinks: boolean;
  /** Absolute path of the photos folder, in which the program reads. */
  readonly root: string;
  /** The same folder as a source, to see afterwards that nothing changed meanwhile. */
  readonly source: FileSource;
  /** Told what the program writes to its standard error, if it ends well. */
  readonly onWarning?: (text: string) => void;
  /**
   * The system that the program runs on.
   *
   * @default the one of this process
   */
  readonly system?: typeof Deno.build.os;
}

/** The engine that runs `zip`. */
export function createZipCommandEngine(options: ZipCommandOptions): Engine {
  const running = new Set<ZipProcess>();
  const start = (listing: Listing) => {
    const child = startZip(listing, options);
    running.add(child);
    child.ended.catch(() => {}).finally(() => running.delete(child));
    return child;
  };
  return {
    prepare(listing: Listing): Archive {
      assertCarried(listing.entries, options);
      const open = async () => await openStream(start(listing), listing, options);
      return { size: null, version: null, memory: DOWNLOAD_BYTES, open };
    },
    close: async () => {
      const ended = [...running].map((child) => child.ended);
      for (const child of running) child.kill();
      await within(CLOSE_MS, Promise.allSettled(ended));
    },
  };
}

/** Waits for it, and not for ever: null if it takes longer. */
async function within<T>(ms: number, work: Promise<T>): Promise<T | null> {
  const timer = new AbortController();
  try {
    return await Promise.race([work, sleep(ms, null, { signal: timer.signal }).catch(() => null)]);
  } finally {
    timer.abort();
  }
}

/**
 * Whether the program marks names outside of ASCII as UTF-8. It does only where the system has the
 * locale `en_US.UTF-8`, whatever the environment says; without the mark, Windows shows such names as
 * gibberish. Null if the folder has no such name to try it with.
 *
 * @throws {EngineUnavailableError} if the program cannot be started, or does not answer
 */
export async function marksUtf8(
  listing: Listing,
  options: ZipCommandOptions,
): Promise<boolean | null> {
  const probe = listing.entries.find(({ path }) => isBeyondAscii(path));
  if (!probe) return null;
  const child = startZip({ ...listing, entries: [probe] }, options);
  const impatience = setTimeout(() => child.kill(), PROBE_MS);
  const { value } = await child.output.read(); // the local file header is written at once
  clearTimeout(impatience);
  child.kill();
  await child.ended;
  if (!value) throw new EngineUnavailableError("run zip: no output");
  return (value[UTF8_FLAG_OFFSET] & UTF8_FLAG) !== 0;
}

/**
 * Logs a warning if the program does not take names outside of ASCII, does not mark them as UTF-8,
 * or does not work at all. Tried with a name of the photos folder, if there is such a one.
 */
export async function warnOfLocale(options: ZipCommandOptions): Promise<void> {
  try {
    const probe = await findProbe(options);
    if (!probe) return;
    if (isOnWindows(options)) log.warn(ASCII_ONLY);
    else if (await marksUtf8(probe, options) === false) log.warn(UNMARKED);
  } catch (error) {
    log.error("zip does not work: {why}", { why: describeError(error) });
  }
}

/** The first archive with a name outside of ASCII. */
async function findProbe({ source }: ZipCommandOptions): Promise<Listing | null> {
  for (const hash of (await source.archives()).slice(0, PROBED_FOLDERS)) {
    const listing = await source.list(hash, { background: true }).catch(() => null);
    if (listing?.entries.some(({ path }) => isBeyondAscii(path))) return listing;
  }
  return null;
}

/** The absolute path of a program that is on the PATH and can be run, or null. */
export async function findProgram(name: string, path: string): Promise<string | null> {
  const suffix = Deno.build.os === "windows" ? ".exe" : "";
  for (const directory of path.split(delimiter)) {
    const file = join(directory, name + suffix);
    if (!isAbsolute(directory)) continue;
    const stat = await Deno.stat(file).catch(() => null);
    // What can be run on Windows is told by the suffix. The modes that the runtime makes up never say.
    const executable = suffix !== "" || ((stat?.mode ?? 0) & 0o111) !== 0;
    if (stat?.isFile && executable) return file;
  }
  return null;
}

async function openStream(
  child: ZipProcess,
  listing: Listing,
  options: ZipCommandOptions,
): Promise<ArchiveBody> {
  let first: Promise<ReadResult> | null = child.output.read();
  let tail: Uint8Array = new Uint8Array();
  if (await endsAtOnce(first)) {
    await finish(child, listing, options);
    throw new Error("run zip: ended without an archive");
  }
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const { value, done } = await (first ?? child.output.read());
      first = null;
      if (!done) {
        tail = lastBytes(tail, value);
        return controller.enqueue(value);
      }
      await finish(child, listing, options);
      assertWhole(tail, listing);
      controller.close();
    },
    cancel: () => child.kill(),
  }, { highWaterMark: 0 });
}

/**
 * Waits a moment for the first bytes, while a status can still be chosen. Not longer: only when the
 * stream is with the client do we learn that the client has left.
 */
async function endsAtOnce(first: Promise<ReadResult>): Promise<boolean> {
  const result = await within(PATIENCE_MS, first);
  return result?.done ?? false;
}

type ReadResult = ReadableStreamReadResult<Uint8Array<ArrayBuffer>>;

/** A running `zip`. */
interface ZipProcess {
  readonly output: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  /** How it ended, and the end of what it wrote to its standard error. */
  readonly ended: Promise<{ readonly status: Deno.CommandStatus; readonly stderr: string }>;
  /** Ends it at once; nothing it could leave behind. */
  kill(): void;
}

/** @throws {EngineUnavailableError} if the program cannot be started */
function startZip(listing: Listing, options: ZipCommandOptions): ZipProcess {
  const names = listing.entries.map(({ path }) => `./${path}`); // none is taken for an option
  const child = spawnZip(names.filter(hasLineBreak), join(options.root, listing.hash), options);
  feed(child.stdin, names.filter((name) => !hasLineBreak(name)));
  const output = child.stdout.getReader();
  const ended = Promise.all([child.status, readTail(child.stderr)]);
  return {
    output,
    ended: ended.then(([status, stderr]) => ({ status, stderr })),
    kill: () => {
      output.cancel().catch(() => {}); // whoever waits for it goes on
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended by itself: there is no other reason why this could fail.
      }
    },
  };
}

function spawnZip(names: readonly string[], cwd: string, options: ZipCommandOptions) {
  // The program for Windows has no symlinks, and ends at once with an option that it does not know.
  const links = options.followSymlinks || isOnWindows(options) ? [] : ["-y"];
  const args = ["-X", "-q", "-nw", `-${options.level}`, ...links, "-@", "-", ...names];
  const pipes = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
  try {
    // Without an environment: ZIPOPT in it would change the archive.
    return new Deno.Command(options.program, { args, cwd, clearEnv: true, ...pipes }).spawn();
  } catch (error) {
    // Not the message: it may hold the folder's path, and so the secret hash.
    const why = error instanceof Error ? error.name : String(error);
    throw new EngineUnavailableError(`run zip: cannot start ${options.program}: ${why}`);
  }
}

/** Hands over names, one a line. */
async function feed(stdin: WritableStream<Uint8Array>, names: readonly string[]) {
  const lines = names.map((name) => `${name}\n`).join("");
  const input = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(lines));
      controller.close();
    },
  });
  // If the program does not read to the end, its exit status says why.
  await input.pipeTo(stdin).catch(() => {});
}

/** Reads to the end, so that the program never waits for us, and keeps the last words. */
async function readTail(stderr: ReadableStream<Uint8Array<ArrayBuffer>>) {
  let tail = "";
  for await (const text of stderr.pipeThrough(new TextDecoderStream())) {
    tail = (tail + text).slice(-STDERR_TAIL);
  }
  return tail.trim();
}

/** The end of the output is the end of the archive only if `zip` says so and no file changed. */
async function finish(
  child: ZipProcess,
  listing: Listing,
  { source, onWarning }: ZipCommandOptions,
) {
  const { status, stderr } = await child.ended;
  if (!status.success) {
    await assertReadable(listing, source);
    const how = status.signal ? `killed by ${status.signal}` : `exit code ${status.code}`;
    throw new Error(`run zip: ${how}: ${stderr || "no message"}`);
  }
  if (stderr) onWarning?.(stderr);
  const now = await source.list(listing.hash);
  // Not by their identity: some network disks give a file another inode now and then.
  const versions = new Map(now?.entries.map(({ path, version }) => [path, version]));
  for (const { path, version } of filesOf(listing)) {
    if (versions.get(path) !== version) {
      throw new Error(`run zip: changed while it was read: ${path}`);
    }
  }
}

/**
 * The program leaves out what it does not find, and ends well all the same.
 *
 * @throws {Error} if the archive has fewer entries than the listing, or is none
 */
function assertWhole(tail: Uint8Array, { entries }: Listing) {
  const end = readZipEnd(tail);
  if (end?.entries === entries.length) return;
  const found = end ? `an archive with ${end.entries}` : "no archive";
  throw new Error(`run zip: made ${found} of ${entries.length} files and folders`);
}

/** Opens every file, so that the error names the one that could not be read: `zip` does not. */
async function assertReadable(listing: Listing, source: FileSource) {
  const nothing = { offset: 0, length: 0, position: 0, crc32: 0 };
  await source.fill(0, filesOf(listing).map((entry) => sliceOf(entry, nothing)));
}

/**
 * A name with a line break is two names to `-@`, which knows no way to escape one. As an argument the
 * program takes it as it is; but a system limits the length of all arguments. On Windows the program
 * reads names in the code page of the system, which nobody can know here.
 *
 * @throws {RangeError} if the names with line breaks are too long for that, or on Windows for a name
 *   that is not ASCII
 */
function assertCarried(entries: readonly ListedEntry[], options: ZipCommandOptions) {
  const foreign = isOnWindows(options) && entries.find(({ path }) => isBeyondAscii(path));
  if (foreign) {
    throw new RangeError(
      `run zip: on Windows it takes only names of ASCII, not ${JSON.stringify(foreign.path)}; ` +
        "use the engine store",
    );
  }
  let bytes = 0;
  for (const { path } of entries) {
    if (!hasLineBreak(path)) continue;
    bytes += new TextEncoder().encode(path).length;
    if (bytes <= MAX_ARGUMENT_BYTES) continue;
    throw new RangeError(
      `run zip: cannot carry so many names with line breaks: ${JSON.stringify(path)}`,
    );
  }
}

function isOnWindows({ system = Deno.build.os }: ZipCommandOptions) {
  return system === "windows";
}

function hasLineBreak(name: string) {
  return /[\r\n]/.test(name);
}

function isBeyondAscii(text: string) {
  // deno-lint-ignore no-control-regex
  return /[^\x00-\x7f]/.test(text);
}
