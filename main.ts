/**
 * Composes the program and ends the process: settings, source, engine and command are put together
 * here, and nowhere else.
 *
 * Exit codes: 0 after a stop that was asked for, 1 if the service cannot go on, 2 for options that
 * cannot be used.
 *
 * @module
 */

import { delimiter, isAbsolute, join, resolve } from "node:path";
import { checkCommand, type OpenPhotos } from "./commands/check.ts";
import { checkConfigCommand } from "./commands/check_config.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { newCommand } from "./commands/new.ts";
import { findDamaged, repairCommand, repairPaths } from "./commands/repair.ts";
import { serveCommand } from "./commands/serve.ts";
import { signCommand } from "./commands/sign.ts";
import { print } from "./commands/terminal.ts";
import { verifyCommand } from "./commands/verify.ts";
import { warmCommand } from "./commands/warm.ts";
import project from "./deno.json" with { type: "json" };
import { createStoreEngine } from "./engines/store.ts";
import { createZipCommandEngine, findProgram, warnOfLocale } from "./engines/zip_command.ts";
import { longestBuffer } from "./handlers/archive.ts";
import {
  type Config,
  ConfigError,
  type GivenSetting,
  type Invocation,
  readConfig,
  type Repair,
  variableLookup,
} from "./lib/config.ts";
import { configureLog, describeError, flushLog, log, redact, shortenLinks } from "./lib/log.ts";
import { MemoryBudget } from "./lib/memory_budget.ts";
import type { ReceiptStore } from "./lib/receipts.ts";
import type { SourceStats } from "./lib/stats.ts";
import { guardSpans } from "./lib/telemetry.ts";
import { createMetrics } from "./observe/metrics.ts";
import { readCertificate } from "./process/certificate.ts";
import { DescriptorReserve } from "./process/descriptors.ts";
import { misspeltVariables, readCommit, readDotenv, readVariable } from "./process/environment.ts";
import { StartError } from "./process/listen.ts";
import {
  CONTAINER_MEMORY_VARIABLE,
  defaultBudget,
  type MemoryFacts,
  memoryFacts,
  memoryLimit,
  MemoryWatch,
  RUNTIME_BYTES,
} from "./process/memory.ts";
import {
  dropPermissions,
  keepFiles,
  keepOnlyNet,
  missingPermissions,
  type NeededPermission,
  netTo,
  permissionsFor,
  read,
  requirePermissions,
  write,
} from "./process/permissions.ts";
import { readSecret, readSecretPair } from "./process/secrets.ts";
import { muteLegacyAbortWarning } from "./process/warnings.ts";
import { openBucket } from "./storage/bucket/open.ts";
import {
  type BucketAccess,
  bucketUrls,
  completeSettings,
  folderName,
} from "./storage/bucket/settings.ts";
import { Checksums } from "./storage/checksums.ts";
import { DiskSource } from "./storage/disk/disk.ts";
import { assertUsableIndex } from "./storage/disk/index_file.ts";
import { DiskReceipts } from "./storage/disk/receipts.ts";
import { openRoot } from "./storage/disk/root.ts";
import { StorageError } from "./storage/errors.ts";
import type { FileSource } from "./storage/source.ts";
import { MAX_SHARED_BYTES } from "./zip/pace.ts";

/** Of the memory for requests, one part in this many is for CRC-32 values, and for long buffers. */
const CHECKSUMS_SHARE = 8;
const BUFFERS_SHARE = 16;

/** Connections to a bucket, for each file that a disk's source would keep open. */
const SOCKETS_A_FILE = 2;

/** A service that starts waits this long for an object store, in milliseconds. */
const STORE_PATIENCE_MS = 30_000;

/** More memory for CRC-32 values is not worth having, in bytes. */
const MAX_CHECKSUMS_BYTES = 32 << 20;

/** What the command line can ask for that is about a photos folder and all in it. */
type Command = Exclude<
  Invocation,
  { action: "print" | "new" | "sign" | "doctor" | "repair" | "check" }
>;

/** Looks up an environment variable, also in `.env`; empty counts as not set. */
type Lookup = (name: string) => string | undefined;

/** Settings that say where the photos are without an open question. */
type Settings = Config & { readonly bucket?: BucketAccess };

/** Where the photos are. */
interface Photos extends Disposable {
  readonly source: FileSource & { stats(): SourceStats };
  /** Starts what otherwise comes with the first request. */
  start?(): Promise<void>;
}

/** Does what the command line asks for; the exit code of the process. */
async function main(): Promise<number> {
  guardSpans(shortenLinks);
  const warnings: string[] = [];
  const given: GivenSetting[] = [];
  const dotenv = await readDotenv();
  const root = Deno.build.standalone ? undefined : import.meta.dirname;
  const commit = await readCommit(root) ?? "unknown";
  const version = describeVersion(commit);
  const invocation = readConfig({
    args: Deno.args,
    env: readVariable,
    dotenv,
    version,
    onWarning: (text) => warnings.push(text),
    onGiven: (setting) => given.push(setting),
  });
  if (invocation.action === "print") {
    console.log(invocation.text.trimEnd());
    return 0;
  }
  if (invocation.action === "doctor") {
    await requirePermissions([netTo(invocation.url)]);
    await keepOnlyNet();
    return await doctorCommand(invocation);
  }
  if (invocation.action === "repair") return await repair(invocation);
  if (invocation.action === "new") {
    const { folder } = invocation.config;
    await requirePermissions([read(folder)]);
    const photos = await openRoot(folder);
    return await newCommand({ ...invocation, selection: invocation.config, photos });
  }
  if (invocation.action === "sign") {
    const { secretFile } = invocation.config;
    if (secretFile !== undefined) await requirePermissions([read(secretFile)]);
    return signCommand({ ...invocation, secrets: await readLinkSecrets(invocation.config) });
  }
  const env = variableLookup({ env: readVariable, dotenv });
  if (invocation.action === "check") {
    const misspelt = [...warnings, ...await misspeltVariables()];
    return await check({ ...invocation, env, given, misspelt, version });
  }
  await assertPermitted(invocation.config);
  const secrets = await readSecrets(invocation.config);
  const where = await findPhotos(invocation.config, env);
  await dropPermissions(invocation.config, where.folder);
  configureLog({ level: invocation.config.logLevel, folder: where.folder });
  for (const text of [...warnings, ...await misspeltVariables()]) log.warn("{text}", { text });
  const config = { ...invocation.config, ...secrets, ...where };
  return await runCommand({ ...invocation, config, env, commit });
}

/** May connect to the server, and read and write the file and the copy that takes its place. */
async function repair({ file, ...options }: Repair): Promise<number> {
  const needed = (path: string) => repairPaths(path).flatMap((path) => [read(path), write(path)]);
  const net = netTo(options.url);
  await requirePermissions([net, ...needed(resolve(file))]);
  const found = await findDamaged(resolve(file));
  await requirePermissions(needed(found));
  await keepFiles(found);
  return await repairCommand({ ...options, file: found });
}

async function runCommand(
  command: Command & Pick<PhotosParts, "config" | "env"> & Pick<Parts, "commit">,
) {
  const { config, env, commit } = command;
  using descriptors = new DescriptorReserve();
  const facts = memoryFacts(env(CONTAINER_MEMORY_VARIABLE));
  using watch = new MemoryWatch(facts, { counted: () => memory.used });
  const memory: MemoryBudget = new MemoryBudget({
    limit: config.memory ?? defaultBudget(facts),
    room: () => watch.room(),
  });
  const index = config.checksums && resolve(config.checksums);
  const patience = command.action === "serve" ? STORE_PATIENCE_MS : 0;
  using photos = await openPhotos({ config, env, memory, index, descriptors, patience });
  const { source } = photos;
  if (index !== undefined) {
    await assertUsableIndex(index, { source, keep: command.action !== "check-config" });
  }
  const receipts = config.state === undefined ? undefined : new DiskReceipts(resolve(config.state));
  if (command.action !== "warm" && command.action !== "verify") {
    await receipts?.assertUsable(command.action === "serve");
  }
  switch (command.action) {
    case "check-config":
      await checkCertificate(config);
      checkConfigCommand(config);
      return 0;
    case "serve":
      return await serve({ config, photos, descriptors, memory, facts, receipts, commit });
    case "warm":
      return await warmCommand({ ...command, config, source });
    case "verify":
      return await verifyCommand({ config, source, hashes: command.hashes });
  }
}

/** What `check` is told besides the command line. */
type Checked = Extract<Invocation, { action: "check" }> & {
  readonly env: Lookup;
  readonly given: readonly GivenSetting[];
  readonly misspelt: readonly string[];
  readonly version: string;
};

/** Hands over the parts of a service: none is put together before it is looked at. */
async function check({ env, ...options }: Checked): Promise<number> {
  const { config } = options;
  using descriptors = new DescriptorReserve();
  const missing = await missingPermissions(permissionsOf(config));
  await dropPermissions(config, config.folder);
  const facts = memoryFacts(env(CONTAINER_MEMORY_VARIABLE));
  const usual = defaultBudget(facts);
  const memory = new MemoryBudget({ limit: config.memory ?? usual });
  const index = config.checksums && resolve(config.checksums);
  const open = async (): Promise<OpenPhotos> => {
    const where = await findPhotos(config, env);
    const parts = { env, memory, index, descriptors, patience: 0 };
    const photos = await openPhotos({ ...parts, config: { ...config, ...where } });
    return Object.assign(photos, { folder: where.folder });
  };
  const state = config.state === undefined ? undefined : new DiskReceipts(resolve(config.state));
  return await checkCommand({
    ...options,
    descriptors,
    missing: missing.map(({ flag }) => flag),
    memory: { there: memoryLimit(facts), given: config.memory, usual, runtime: RUNTIME_BYTES },
    readLinks: async () => (await readSecrets(config)).links,
    openPhotos: open,
    tryChecksums: (source) => assertUsableIndex(index ?? "", { source, keep: false }),
    tryState: async () => await state?.assertUsable(false),
    findEngine: async () => config.engine === "zip" ? await permittedZip() : "built in",
  });
}

async function findPhotos(
  { folder, bucket: settings }: Config,
  env: Lookup,
): Promise<{ folder: string; bucket: BucketAccess | undefined }> {
  if (!settings) return { folder: await openRoot(folder), bucket: undefined };
  const bucket = await completeSettings(settings, env);
  await requirePermissions(bucketUrls(bucket).map(netTo));
  return { folder: folderName(bucket), bucket };
}

/** What the source of the photos is put together from. */
interface PhotosParts extends Pick<Parts, "memory" | "descriptors"> {
  readonly config: Settings;
  readonly env: Lookup;
  readonly index?: string;
  /** How long an object store that does not answer is waited for, in milliseconds. */
  readonly patience: number;
}

async function openPhotos(parts: PhotosParts): Promise<Photos> {
  const { config, env, descriptors, ...others } = parts;
  const { bucket: access, hidden, includeJunk } = config;
  if (!access) return openDisk(parts);
  const sockets = descriptors.size > 0 ? SOCKETS_A_FILE * descriptors.openFiles : undefined;
  const lend = <T>(work: () => T) => descriptors.lend(work);
  return await openBucket({ ...others, access, env, hidden, includeJunk, sockets, lend });
}

function openDisk({ config, memory, index, descriptors }: PhotosParts): Photos {
  const onUnsteady = (hash: string) =>
    log.warn("an archive cannot be resumed: its disk tells no times to go by", {
      archive: redact(hash),
    });
  const source = new DiskSource({
    ...config,
    root: config.folder,
    memory,
    index,
    descriptors,
    strict: config.settle > 0,
    onUnsteady,
  });
  return {
    source,
    start: () => source.start(),
    [Symbol.dispose]: () => source[Symbol.dispose](),
  };
}

/** What may also stand in files. */
async function readSecrets(config: Config) {
  const adminToken = await readSecret({
    variable: "ZIPFERRY_ADMIN_TOKEN",
    value: config.adminToken,
    flag: "--admin-token-file",
    file: config.adminTokenFile,
  });
  const webhookSecret = await readSecret({
    variable: "ZIPFERRY_WEBHOOK_SECRET",
    value: config.webhookSecret,
    flag: "--webhook-secret-file",
    file: config.webhookSecretFile,
  });
  if (config.webhook !== undefined && webhookSecret === undefined) {
    throw new ConfigError("--webhook: needs ZIPFERRY_WEBHOOK_SECRET or --webhook-secret-file");
  }
  const secrets = await readLinkSecrets(config);
  const { links = secrets.length > 0 ? "both" : "open" } = config;
  if (links !== "open" && secrets.length === 0) {
    throw new ConfigError(`--links ${links}: needs ZIPFERRY_SECRET or --secret-file`);
  }
  return { adminToken, webhookSecret, links, secret: secrets.join() || undefined };
}

/** The secrets that sign links, the one for new links first. */
function readLinkSecrets({ secret, secretFile }: Config): Promise<string[]> {
  return readSecretPair({
    variable: "ZIPFERRY_SECRET",
    value: secret,
    flag: "--secret-file",
    file: secretFile,
  });
}

/** What the service is put together from. */
interface Parts {
  readonly config: Config;
  readonly photos: Photos;
  readonly descriptors: DescriptorReserve;
  readonly memory: MemoryBudget;
  readonly facts: MemoryFacts;
  readonly receipts?: ReceiptStore;
  /** The commit that the program is of, or `unknown`. */
  readonly commit: string;
}

/** Files that the service would refuse are refused here too. */
async function checkCertificate({ tlsCert: cert, tlsKey: key }: Config) {
  if (cert !== undefined && key !== undefined) await readCertificate({ cert, key });
}

async function serve(parts: Parts) {
  const { config, photos, memory, facts, commit } = parts;
  const { source } = photos;
  const checksums = config.engine === "store" ? createChecksums(source, memory) : undefined;
  const engine = checksums
    ? createStore({ config, source, memory, checksums })
    : await createZipEngine(config, source);
  using metrics = createMetrics({
    engine: config.engine,
    build: { version: project.version, commit },
    memoryLimit: memoryLimit(facts),
    budget: memory,
    source: () => source.stats(),
    checksums: checksums && (() => checksums.stats()),
  });
  await photos.start?.();
  return await serveCommand({ ...parts, source, engine, metrics });
}

function createChecksums(source: FileSource, memory: MemoryBudget): Checksums {
  const onKeepFailure = (error: unknown) =>
    log.warn("going on without the file of --checksums: {why}", { why: describeError(error) });
  const maxBytes = Math.min(memory.limit / CHECKSUMS_SHARE, MAX_CHECKSUMS_BYTES);
  return new Checksums(source, { onKeepFailure, maxBytes });
}

interface StoreParts extends Pick<Parts, "config" | "memory"> {
  readonly source: FileSource;
  readonly checksums: Checksums;
}

function createStore({ config, source, memory, checksums }: StoreParts) {
  const maxBuffer = longestBuffer(config);
  const sharedBuffers = Math.min(memory.limit / BUFFERS_SHARE, MAX_SHARED_BYTES);
  return createStoreEngine({ source, checksums, maxBuffer, sharedBuffers });
}

async function createZipEngine(config: Config, source: FileSource) {
  const { folder, level, followSymlinks } = config;
  const program = await findZip();
  const onWarning = (text: string) => log.warn("zip says: {text}", { text });
  const options = { program, level, followSymlinks, root: folder, source, onWarning };
  await warnOfLocale(options);
  return createZipCommandEngine(options);
}

async function findZip(): Promise<string> {
  const program = await findProgram("zip", readVariable("PATH") ?? "");
  if (program) return program;
  throw new ConfigError("--engine zip: no program zip on the PATH; install it, or use store");
}

async function assertPermitted(config: Config) {
  await requirePermissions(permissionsOf(config));
  if (config.engine === "zip") await permittedZip();
}

/** The path of the program zip, which may be looked for and run. */
async function permittedZip(): Promise<string> {
  const directories = readVariable("PATH")?.split(delimiter).filter(isAbsolute) ?? [];
  await requirePermissions(directories.map(read));
  const program = await findZip(); // Deno drops its permission for a program that is not there
  const run: Deno.PermissionDescriptor = { name: "run", command: "zip" };
  await requirePermissions([{ descriptor: run, flag: "--allow-run=zip" }]);
  return program;
}

function permissionsOf(config: Config): NeededPermission[] {
  return [...permissionsFor(config), ...permissionsForThreads()];
}

/** Threads load their code when they start; in an executable it is inside. */
function permissionsForThreads(): NeededPermission[] {
  if (Deno.build.standalone) return [];
  return [read(import.meta.dirname ? join(import.meta.dirname, "storage") : "storage")];
}

function describeVersion(commit: string): string {
  const { version, build } = Deno;
  return `zipferry ${project.version} (commit ${commit}, Deno ${version.deno}, ${build.target})`;
}

if (import.meta.main) {
  if (Deno.build.standalone) muteLegacyAbortWarning();
  try {
    const code = await main();
    await flushLog();
    Deno.exit(code);
  } catch (error) {
    await flushLog();
    const expected = [ConfigError, StartError, StorageError];
    if (!(error instanceof Error && expected.some((kind) => error instanceof kind))) throw error;
    print(`zipferry: ${error.message}`, Deno.stderr);
    Deno.exit(error instanceof ConfigError ? 2 : 1);
  }
}
