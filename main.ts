/**
 * The process: options become a handler, the handler is served, signals end it. The only file that
 * touches arguments, environment and exit.
 *
 * Exit codes: 0 after a stop that was asked for, 1 if the service cannot go on, 2 for options that
 * cannot be used.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { delimiter, dirname, isAbsolute, join, resolve } from "node:path";
import project from "./deno.json" with { type: "json" };
import type { Engine } from "./engines/engine.ts";
import { createStoreEngine } from "./engines/store.ts";
import {
  createZipCommandEngine,
  findProgram,
  marksUtf8,
  type ZipCommandOptions,
} from "./engines/zip_command.ts";
import { DELAYED_CHUNK_BYTES } from "./handlers/archive.ts";
import { createHandler, type Handler } from "./handlers/mod.ts";
import { type Config, ConfigError, type Maintenance, readConfig, variables } from "./lib/config.ts";
import { configureLog, describeError, log, redact } from "./lib/log.ts";
import { Checksums, type ChecksumsOptions } from "./storage/checksums.ts";
import { FolderError } from "./storage/folder.ts";
import { isGuessable, isHash } from "./storage/names.ts";
import { Reader } from "./storage/reader.ts";
import { type ArchivedFile, type Progress, verify, warm } from "./storage/upkeep.ts";

/** How long connections get to end after their downloads were cut, in milliseconds. */
const LAST_WORDS_MS = 1000;

/** Folders that are searched for a name to try `zip` with. */
const PROBED_FOLDERS = 50;

const NAMED_FOLDERS = 3;

/** Where the code of the reader's threads is. */
const CODE = import.meta.dirname ? join(import.meta.dirname, "storage") : "storage";

/** Pause before listening again, in milliseconds. */
const RELISTEN_MS = 250;

const COMMIT_VARIABLE = "ZIPFERRY_COMMIT";

/** Thrown where the service cannot start although its options are right. One line, for the user. */
class StartError extends Error {}

async function main() {
  const invocation = readConfig({
    args: Deno.args,
    env: readVariable,
    dotenv: await readDotenv(),
    version: await describeVersion(),
  });
  if (invocation.action === "print") return console.log(invocation.text.trimEnd());
  await assertPermissions(invocation.config);
  await dropPermissions(invocation.config);
  const root = await openRoot(invocation.config.folder);
  const config = { ...invocation.config, folder: root };
  switch (invocation.action) {
    case "check":
      return console.log(JSON.stringify(config, null, 2));
    case "serve":
      return await run(config);
    default:
      Deno.exit(await maintain(config, invocation));
  }
}

/** The commit is told by whoever makes an executable or an image. */
async function describeVersion(): Promise<string> {
  const { state } = await Deno.permissions.query({ name: "env", variable: COMMIT_VARIABLE });
  const commit = state === "granted" && Deno.env.get(COMMIT_VARIABLE) || "unknown";
  const { version, build } = Deno;
  return `zipferry ${project.version} (commit ${commit}, Deno ${version.deno}, ${build.target})`;
}

/** An executable may write wherever it is told to; one that is not told to need not. */
async function dropPermissions({ checksums, unix }: Config) {
  if (!checksums && !unix) await Deno.permissions.revoke({ name: "write" });
}

/** Works through archives and says what came of it. The exit code is 1 if not all is well. */
async function maintain(config: Config, { action, hashes }: Maintenance): Promise<number> {
  configureLog();
  using reader = new Reader({ root: config.folder, ...config });
  let unusable: unknown;
  const onIndexFailure = (error: unknown) => unusable = error;
  const checksums = createChecksums(config, reader, { maxBytes: Infinity, onIndexFailure });
  const all = (await reader.folders()).filter(isHash);
  for (const hash of hashes) {
    if (!all.includes(hash)) throw new ConfigError(`${action}: no archive ${JSON.stringify(hash)}`);
  }
  const chosen = hashes.length > 0 ? hashes : all;
  const options = { reader, checksums, hashes: chosen, onProgress: progressBar() };
  if (action === "warm") {
    const failed = await warm(options);
    assertUsable(config, unusable);
    printFiles("cannot be read", failed);
    return failed.length > 0 ? 1 : 0;
  }
  const { good, unknown, changed, failed } = await verify(options);
  assertUsable(config, unusable);
  printFiles("changed under an unchanged size and time", changed);
  printFiles("cannot be read", failed);
  console.log(
    `${good} good, ${changed.length} changed, ${failed.length} failed, ${unknown} unknown`,
  );
  return changed.length + failed.length > 0 ? 1 : 0;
}

function assertUsable({ checksums }: Config, error: unknown) {
  if (error === undefined) return;
  throw new ConfigError(`--checksums: ${JSON.stringify(checksums)}: ${describeError(error)}`);
}

function printFiles(what: string, files: readonly ArchivedFile[]) {
  for (const { hash, path } of files) console.log(`${what}: ${JSON.stringify(`${hash}/${path}`)}`);
}

/** A line that is written anew as the work goes on; none where nobody would see it. */
function progressBar() {
  if (!Deno.stderr.isTerminal()) return undefined;
  let shown = -1;
  return ({ done, total }: Progress) => {
    const percent = Math.floor(100 * done / total);
    if (percent === shown) return;
    shown = percent;
    const bar = "#".repeat(percent >> 1).padEnd(50, ".");
    const end = percent === 100 ? "\n" : "";
    Deno.stderr.writeSync(new TextEncoder().encode(`\r[${bar}] ${percent} %${end}`));
  };
}

async function run(config: Config) {
  configureLog({ downloads: config.log });
  const reader = new Reader({ root: config.folder, ...config });
  const cut = new AbortController();
  const engine = await createEngine(config, reader);
  const handler = createHandler({
    ...config,
    reader,
    engine,
    release: true,
    signal: cut.signal,
  });
  await warnOfNames(reader);
  const listening = await serve(config, handler);
  const cutDownloads = () => cut.abort(new Error("the service is stopping"));
  onStopSignal({
    first: async () => {
      await stop(listening, cutDownloads, config.shutdownTimeout);
      await engine.close();
      Deno.exit(0);
    },
    second: () => {
      cutDownloads();
      engine.close();
      Deno.exit(1);
    },
  });
  announce(listening.server.addr); // last, so that whoever waits for it may send signals too
}

function announce(addr: Deno.NetAddr | Deno.UnixAddr) {
  if (!("port" in addr)) return console.log(`Listening on unix:${addr.path}`);
  const host = addr.hostname.includes(":") ? `[${addr.hostname}]` : addr.hostname;
  console.log(`Listening on http://${host}:${addr.port}/`);
}

function createEngine(config: Config, reader: Reader): Engine | Promise<Engine> {
  if (config.engine === "zip") return createZipEngine(config, reader);
  const maxBuffer = config.delay > 0 ? DELAYED_CHUNK_BYTES : undefined;
  return createStoreEngine({ reader, checksums: createChecksums(config, reader), maxBuffer });
}

function createChecksums(config: Config, reader: Reader, options: ChecksumsOptions = {}) {
  const index = config.checksums && resolve(config.checksums);
  const onIndexFailure = (error: unknown) =>
    log.warn("going on without the file of --checksums: {why}", { why: describeError(error) });
  return new Checksums(reader, { index, onIndexFailure, ...options });
}

async function createZipEngine(config: Config, reader: Reader): Promise<Engine> {
  const program = await findZip();
  const { level, followSymlinks } = config;
  const onWarning = (text: string) => log.warn("zip says: {text}", { text });
  const options: ZipCommandOptions = { program, level, followSymlinks, reader, onWarning };
  await warnOfLocale(options);
  return createZipCommandEngine(options);
}

async function findZip(): Promise<string> {
  const program = await findProgram("zip", readVariable("PATH") ?? "");
  if (program) return program;
  throw new ConfigError("--engine zip: no program zip on the PATH; install it, or use store");
}

/** Tries `zip` with a name of the photos folder that is not ASCII, if there is one. */
async function warnOfLocale(options: ZipCommandOptions) {
  try {
    if (await findMark(options) !== false) return;
    log.warn(
      "zip does not mark names as UTF-8: on Windows they will be gibberish; " +
        "give the system the locale en_US.UTF-8, or use the engine store",
    );
  } catch (error) {
    log.error("zip does not work: {why}", { why: describeError(error) });
  }
}

async function findMark(options: ZipCommandOptions): Promise<boolean | null> {
  for (const hash of (await options.reader.folders()).slice(0, PROBED_FOLDERS)) {
    const listing = await options.reader.list(hash).catch(() => null);
    const marked = listing && await marksUtf8(listing, options);
    if (marked !== null) return marked;
  }
  return null;
}

/** A folder that no link reaches is a mistake; a name that can be guessed is no secret. */
async function warnOfNames(reader: Reader) {
  const folders = await reader.folders();
  const unreachable = folders.filter((name) => !isHash(name));
  if (unreachable.length > 0) {
    log.warn("folders that no link can reach: use letters, digits, - and _ for their names", {
      count: unreachable.length,
      names: unreachable.slice(0, NAMED_FOLDERS),
    });
  }
  const guessable = folders.filter((name) => isHash(name) && isGuessable(name));
  if (guessable.length > 0) {
    log.warn("folders with names short enough to guess: use 16 characters or more, at random", {
      count: guessable.length,
      names: guessable.slice(0, NAMED_FOLDERS).map(redact),
    });
  }
}

/** What serves now: another server after each failure of the listening socket. */
interface Listening {
  server: Server;
  stopping: boolean;
}

type Server = Deno.HttpServer<Deno.NetAddr | Deno.UnixAddr>;

async function serve({ hostname, port, unix }: Config, handler: Handler): Promise<Listening> {
  const options = {
    automaticCompression: false,
    onListen: () => {},
    // Only bodies that fail come here, and they are logged where they fail.
    onError: () => new Response(null, { status: 500 }),
  };
  const listen = (port: number): Server =>
    unix
      ? Deno.serve({ ...options, path: unix }, handler)
      : Deno.serve({ ...options, hostname, port }, handler);
  if (unix) await removeStaleSocket(unix);
  const first = firstServer(() => listen(port));
  const { addr } = first;
  const listening = { server: first, stopping: false };
  keepListening(listening, async () => {
    if (unix) await removeStaleSocket(unix);
    return listen("port" in addr ? addr.port : port);
  });
  return listening;
}

/** A socket that a killed process left behind would be in the way; one in use is left alone. */
async function removeStaleSocket(path: string) {
  const name = JSON.stringify(path);
  const stat = await Deno.lstat(path).catch(() => null);
  if (!stat) return;
  if (!stat.isSocket) throw new ConfigError(`--unix: ${name} is there and is no socket`);
  const inUse = await Deno.connect({ transport: "unix", path })
    .then((connection) => (connection.close(), true), () => false);
  if (inUse) throw new StartError(`listen: another process listens on ${name}`);
  await Deno.remove(path);
}

function firstServer<T>(listen: () => T): T {
  try {
    return listen();
  } catch (error) {
    throw new StartError(`listen: ${describeError(error)}`);
  }
}

/** An error of `accept`, as when files run out, ends a server: another one takes its place. */
async function keepListening(listening: Listening, listen: () => Promise<Server>) {
  while (!listening.stopping) {
    await listening.server.finished.catch((error) => {
      log.error("accept failed, listening again: {why}", { why: describeError(error) });
    });
    for (let server = null; !server;) {
      if (!listening.stopping) await sleep(RELISTEN_MS);
      if (listening.stopping) return;
      server = await tryToListen(listen);
      listening.server = server ?? listening.server;
    }
  }
}

async function tryToListen<T>(listen: () => Promise<T>): Promise<T | null> {
  try {
    return await listen();
  } catch (error) {
    log.error("cannot listen, trying again: {why}", { why: describeError(error) });
    return null;
  }
}

/** Calls back at the first signal to stop; at the second one the process ends at once. */
function onStopSignal({ first, second }: { first: () => void; second: () => void }) {
  let asked = false;
  const signals: readonly Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT", "SIGBREAK"]
    : ["SIGINT", "SIGTERM"];
  for (const signal of signals) {
    Deno.addSignalListener(signal, () => {
      if (asked) return second();
      asked = true;
      first();
    });
  }
}

/** No new connections; downloads may finish within the time-out, then they are cut. */
async function stop(listening: Listening, cut: () => void, seconds: number) {
  log.info("stopping");
  listening.stopping = true;
  const finished = listening.server.shutdown();
  if (!await endsWithin(finished, seconds * 1000)) {
    cut();
    await endsWithin(finished, LAST_WORDS_MS);
  }
}

async function endsWithin(work: Promise<void>, milliseconds: number): Promise<boolean> {
  return await Promise.race([work.then(() => true), sleep(milliseconds, false)]);
}

function readVariable(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    const names = ["PATH", ...variables].join();
    throw new ConfigError(`${name}: may not be read, start deno with --allow-env=${names}`);
  }
}

async function readDotenv(): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(".env");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof Deno.errors.NotCapable) {
      throw new ConfigError(".env: may not be read, start deno with --allow-read=.env");
    }
    throw new ConfigError(`.env: cannot be read: ${describeError(error)}`);
  }
}

/** Says at once, and in one line, which permission of Deno is missing. */
async function assertPermissions(config: Config) {
  const { folder, hostname, port, unix, engine, checksums } = config;
  const needed: [Deno.PermissionDescriptor, string][] = [
    [{ name: "read", path: folder }, `--allow-read=${folder}`],
  ];
  if (unix) {
    needed.push([{ name: "read", path: unix }, `--allow-read=${unix}`]);
    needed.push([{ name: "write", path: unix }, `--allow-write=${unix}`]);
  } else {
    needed.push([
      { name: "net", host: `${hostname}:${port}` },
      `--allow-net=${hostname}:${port}`,
    ]);
  }
  // The reader's threads load their code when they start; in an executable it is inside.
  if (!Deno.build.standalone) {
    needed.push([{ name: "read", path: CODE }, `--allow-read=${CODE}`]);
  }
  if (engine === "zip") {
    for (const path of readVariable("PATH")?.split(delimiter).filter(isAbsolute) ?? []) {
      needed.push([{ name: "read", path }, `--allow-read=${path}`]);
    }
    await requirePermissions(needed.splice(0));
    await findZip(); // Deno drops its permission for a program that is not there
    needed.push([{ name: "run", command: "zip" }, "--allow-run=zip"]);
  }
  if (checksums) needed.push([{ name: "write", path: checksums }, `--allow-write=${checksums}`]);
  await requirePermissions(needed);
}

async function requirePermissions(needed: [Deno.PermissionDescriptor, string][]) {
  for (const [descriptor, flag] of needed) {
    const { state } = await Deno.permissions.query(descriptor);
    if (state !== "granted") {
      throw new ConfigError(`${descriptor.name}: not permitted, start deno with ${flag}`);
    }
  }
}

/** The photos folder's absolute path without symlinks, if it is one that can be read. */
async function openRoot(folder: string): Promise<string> {
  const name = JSON.stringify(folder);
  try {
    const root = await Deno.realPath(folder);
    if (dirname(root) === root) {
      throw new ConfigError(`--folder: ${name} is a whole disk, give a folder in it`);
    }
    for await (const _ of Deno.readDir(root)) break;
    return root;
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`--folder: ${name} cannot be read as a folder: ${reasonOf(error)}`);
  }
}

function reasonOf(error: unknown) {
  if (error instanceof Deno.errors.NotFound) return "there is none";
  if (error instanceof Deno.errors.NotADirectory) return "it is a file";
  return describeError(error);
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    const expected = [ConfigError, StartError, FolderError];
    if (error instanceof Error && expected.some((kind) => error instanceof kind)) {
      console.error(`zipferry: ${error.message}`);
      Deno.exit(error instanceof ConfigError ? 2 : 1);
    }
    throw error;
  }
}
