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
import { checkConfigCommand } from "./commands/check_config.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { newCommand } from "./commands/new.ts";
import { serveCommand } from "./commands/serve.ts";
import { signCommand } from "./commands/sign.ts";
import { print } from "./commands/terminal.ts";
import { verifyCommand } from "./commands/verify.ts";
import { warmCommand } from "./commands/warm.ts";
import project from "./deno.json" with { type: "json" };
import { MAX_SHARED_BYTES } from "./engines/pace.ts";
import { createStoreEngine } from "./engines/store.ts";
import { createZipCommandEngine, findProgram, warnOfLocale } from "./engines/zip_command.ts";
import { longestBuffer } from "./handlers/archive.ts";
import { type Config, ConfigError, type Invocation, readConfig } from "./lib/config.ts";
import { configureLog, describeError, flushLog, log, redact, shortenLinks } from "./lib/log.ts";
import { MemoryBudget } from "./lib/memory_budget.ts";
import type { ReceiptStore } from "./lib/receipts.ts";
import { guardSpans } from "./lib/telemetry.ts";
import { createMetrics } from "./observe/metrics.ts";
import { readCertificate } from "./process/certificate.ts";
import { DescriptorReserve } from "./process/descriptors.ts";
import { misspeltVariables, readCommit, readDotenv, readVariable } from "./process/environment.ts";
import { StartError } from "./process/listen.ts";
import {
  defaultBudget,
  type MemoryFacts,
  memoryFacts,
  memoryLimit,
  MemoryWatch,
} from "./process/memory.ts";
import {
  dropPermissions,
  keepOnlyNet,
  type NeededPermission,
  netTo,
  permissionsFor,
  read,
  requirePermissions,
} from "./process/permissions.ts";
import { readSecret, readSecretPair } from "./process/secrets.ts";
import { muteLegacyAbortWarning } from "./process/warnings.ts";
import { Checksums } from "./storage/checksums.ts";
import { DiskSource } from "./storage/disk/disk.ts";
import { assertUsableIndex } from "./storage/disk/index_file.ts";
import { DiskReceipts } from "./storage/disk/receipts.ts";
import { openRoot } from "./storage/disk/root.ts";
import { StorageError } from "./storage/errors.ts";

/** Of the memory for requests, one part in this many is for CRC-32 values, and for long buffers. */
const CHECKSUMS_SHARE = 8;
const BUFFERS_SHARE = 8;

/** More memory for CRC-32 values is not worth having, in bytes. */
const MAX_CHECKSUMS_BYTES = 32 << 20;

/** What the command line can ask for that is about a photos folder and all in it. */
type Command = Exclude<Invocation, { action: "print" | "new" | "sign" | "doctor" }>;

/** Does what the command line asks for; the exit code of the process. */
async function main(): Promise<number> {
  guardSpans(shortenLinks);
  const warnings: string[] = [];
  const invocation = readConfig({
    args: Deno.args,
    env: readVariable,
    dotenv: await readDotenv(),
    version: await describeVersion(),
    onWarning: (text) => warnings.push(text),
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
  await assertPermitted(invocation.config);
  await dropPermissions(invocation.config);
  const secrets = await readSecrets(invocation.config);
  const folder = await openRoot(invocation.config.folder);
  configureLog({ level: invocation.config.logLevel, folder });
  for (const text of [...warnings, ...await misspeltVariables()]) log.warn("{text}", { text });
  return await runCommand({ ...invocation, config: { ...invocation.config, ...secrets, folder } });
}

async function runCommand(command: Command): Promise<number> {
  const { config } = command;
  using descriptors = new DescriptorReserve();
  const facts = memoryFacts();
  using watch = new MemoryWatch(facts, { counted: () => memory.used });
  const memory: MemoryBudget = new MemoryBudget({
    limit: config.memory ?? defaultBudget(facts),
    room: () => watch.room(),
  });
  const index = config.checksums && resolve(config.checksums);
  const onUnsteady = (hash: string) =>
    log.warn("an archive cannot be resumed: its disk tells no times to go by", {
      archive: redact(hash),
    });
  const strict = config.settle > 0;
  using source = new DiskSource({
    ...config,
    root: config.folder,
    memory,
    index,
    descriptors,
    strict,
    onUnsteady,
  });
  if (index !== undefined) {
    await assertUsableIndex(index, { source, keep: command.action !== "check" });
  }
  const receipts = config.state === undefined ? undefined : new DiskReceipts(resolve(config.state));
  if (command.action !== "warm" && command.action !== "verify") {
    await receipts?.assertUsable(command.action === "serve");
  }
  switch (command.action) {
    case "check":
      await checkCertificate(config);
      checkConfigCommand(config);
      return 0;
    case "serve":
      return await serve({ config, source, descriptors, memory, facts, receipts });
    case "warm":
      return await warmCommand({ config, source, hashes: command.hashes });
    case "verify":
      return await verifyCommand({ config, source, hashes: command.hashes });
  }
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
  readonly source: DiskSource;
  readonly descriptors: DescriptorReserve;
  readonly memory: MemoryBudget;
  readonly facts: MemoryFacts;
  readonly receipts?: ReceiptStore;
}

/** Files that the service would refuse are refused here too. */
async function checkCertificate({ tlsCert: cert, tlsKey: key }: Config) {
  if (cert !== undefined && key !== undefined) await readCertificate({ cert, key });
}

async function serve(parts: Parts) {
  const { config, source, memory, facts } = parts;
  const checksums = config.engine === "store" ? createChecksums(source, memory) : undefined;
  const engine = checksums
    ? createStore({ config, source, memory, checksums })
    : await createZipEngine(config, source);
  using metrics = createMetrics({
    engine: config.engine,
    build: { version: project.version, commit: await readCommit() || "unknown" },
    memoryLimit: memoryLimit(facts),
    budget: memory,
    source: () => source.stats(),
    checksums: checksums && (() => checksums.stats()),
  });
  await source.start();
  return await serveCommand({ ...parts, engine, metrics });
}

function createChecksums(source: DiskSource, memory: MemoryBudget): Checksums {
  const onKeepFailure = (error: unknown) =>
    log.warn("going on without the file of --checksums: {why}", { why: describeError(error) });
  const maxBytes = Math.min(memory.limit / CHECKSUMS_SHARE, MAX_CHECKSUMS_BYTES);
  return new Checksums(source, { onKeepFailure, maxBytes });
}

interface StoreParts extends Pick<Parts, "config" | "source" | "memory"> {
  readonly checksums: Checksums;
}

function createStore({ config, source, memory, checksums }: StoreParts) {
  const maxBuffer = longestBuffer(config);
  const sharedBuffers = Math.min(memory.limit / BUFFERS_SHARE, MAX_SHARED_BYTES);
  return createStoreEngine({ source, checksums, maxBuffer, sharedBuffers });
}

async function createZipEngine(config: Config, source: DiskSource) {
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
  await requirePermissions([...permissionsFor(config), ...permissionsForThreads()]);
  if (config.engine !== "zip") return;
  const directories = readVariable("PATH")?.split(delimiter).filter(isAbsolute) ?? [];
  await requirePermissions(directories.map(read));
  await findZip(); // Deno drops its permission for a program that is not there
  const run: Deno.PermissionDescriptor = { name: "run", command: "zip" };
  await requirePermissions([{ descriptor: run, flag: "--allow-run=zip" }]);
}

/** Threads load their code when they start; in an executable it is inside. */
function permissionsForThreads(): NeededPermission[] {
  if (Deno.build.standalone) return [];
  return [read(import.meta.dirname ? join(import.meta.dirname, "storage") : "storage")];
}

async function describeVersion(): Promise<string> {
  const commit = await readCommit() || "unknown";
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
