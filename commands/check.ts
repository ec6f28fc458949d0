/**
 * `zipferry check`: says of a whole set-up what is good and what is not, before anyone downloads.
 *
 * @module
 */

import { join } from "node:path";
import { createBrand } from "../handlers/logo.ts";
import type { Config, GivenSetting } from "../lib/config.ts";
import { hasFault } from "../lib/findings.ts";
import { describeError } from "../lib/log.ts";
import { quote } from "../lib/quote.ts";
import { certificateWarnings, readCertificate } from "../process/certificate.ts";
import type { DescriptorReserve } from "../process/descriptors.ts";
import { type AddressState, tryAddress } from "../process/listen.ts";
import { readLogo } from "../process/logo.ts";
import { codeOf, StorageError } from "../storage/errors.ts";
import type { FileSource } from "../storage/source.ts";
import { DESCRIPTORS, wantedDownloads } from "./capacity.ts";
import { type Finding, finding, type RuleId } from "./check/findings.ts";
import {
  judgeClock,
  judgeDescriptors,
  judgeListing,
  judgeMemory,
  judgePermissions,
  judgePhotos,
  judgeProxy,
  judgeSettings,
  judgeVariables,
  type MemoryFigures,
} from "./check/judge.ts";
import { lookAtPhotos, type PhotosBounds } from "./check/photos.ts";
import { jsonReport, textReport } from "./check/report.ts";

/** In a bucket each file that is opened is a request, and each byte may cost something. */
const BUCKET_BOUNDS: PhotosBounds = { archives: 100, files: 10, bytes: 16 << 20, timed: false };

/** What is looked at in the photos folder only. */
const OF_PHOTOS = ["names", "guessable", "archives", "files", "speed", "checksums"] as const;

/** Photos that were opened. */
export interface OpenPhotos extends Disposable {
  /** Where they are. */
  readonly source: FileSource;
  /** The photos folder, for people. */
  readonly folder: string;
}

/** What is looked at, and the parts of the program that only `main.ts` knows. */
export interface CheckOptions {
  /** All settings. */
  readonly config: Config;
  /** Those that are given. */
  readonly given: readonly GivenSetting[];
  /** Print JSON instead of lines for people. */
  readonly json: boolean;
  /** The line of `--version`. */
  readonly version: string;
  /** What is wrong with names of variables, a line each. */
  readonly misspelt: readonly string[];
  /** Flags of deno that grant what is missing. */
  readonly missing: readonly string[];
  /** Bytes of memory. */
  readonly memory: MemoryFigures;
  /** Tries how many descriptors there are. */
  readonly descriptors: DescriptorReserve;
  /** Reads all secrets; which links work then. */
  readonly readLinks: () => Promise<string>;
  /** Opens the photos folder. */
  readonly openPhotos: () => Promise<OpenPhotos>;
  /** Tries the file of `--checksums`, by the source that keeps it. */
  readonly tryChecksums: (source: FileSource) => Promise<void>;
  /** Tries the file of `--state`. */
  readonly tryState: () => Promise<void>;
  /** Looks for the program of the engine; what the engine is made of. */
  readonly findEngine: () => Promise<string>;
}

/** Prints what was found; 1 if there is a fault, else 0. */
export async function checkCommand(options: CheckOptions): Promise<number> {
  const findings = await look(options);
  console.log((options.json ? jsonReport : textReport)(findings));
  return hasFault(findings) ? 1 : 0;
}

/** One after the other, so that none disturbs another: the speed of the disk is measured too. */
async function look(options: CheckOptions): Promise<Finding[]> {
  const { config, given, misspelt, missing, memory, version } = options;
  return [
    finding("version", "ok", version),
    judgeSettings(given),
    ...judgeVariables(misspelt),
    judgePermissions(missing),
    ...await attempt("secrets", () => lookAtSecrets(options)),
    judgeListing(config),
    ...await lookAtFolder(options),
    judgeMemory(memory),
    judgeDescriptors(descriptorsFor(options)),
    ...await attempt("state", () => lookAtState(options)),
    ...await attempt("engine", () => lookAtEngine(options)),
    ...await attempt("pages", () => lookAtPages(options)),
    ...await attempt("tls", () => lookAtCertificate(config)),
    ...await attempt("address", () => lookAtAddress(config)),
    ...await attempt("metrics", () => lookAtMetrics(config)),
    judgeProxy(config),
  ];
}

/** What keeps one thing from being looked at is a finding, and keeps nothing else from it. */
async function attempt(id: RuleId, work: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await work();
  } catch (error) {
    const isDenied = error instanceof Deno.errors.NotCapable; // in the runtime's own words
    return [
      finding(id, "fault", isDenied ? "not permitted, see Permissions" : describeError(error)),
    ];
  }
}

async function lookAtSecrets({ readLinks, config }: CheckOptions): Promise<Finding[]> {
  const links = await readLinks();
  const admin = config.adminToken ?? config.adminTokenFile;
  const receipts = admin === undefined ? "no admin token" : "an admin token";
  return [finding("secrets", "ok", `links that work: ${links}; ${receipts}`)];
}

/** Findings that cannot be without the photos are skipped; the clock can be. */
async function lookAtFolder(options: CheckOptions): Promise<Finding[]> {
  const [first, ...rest] = await attempt("folder", () => lookIntoFolder(options));
  if (rest.length > 0) return [first, ...rest];
  const skipped = OF_PHOTOS.map((id) => finding(id, "skipped", "there are no photos to look at"));
  return [first, ...skipped, clockOf(-Infinity)];
}

async function lookIntoFolder(options: CheckOptions): Promise<Finding[]> {
  const { config, given, openPhotos } = options;
  using photos = await openPhotos();
  const { source, folder } = photos;
  const lookInto = (hash: string) => readFolder(join(folder, hash));
  const facts = await lookAtPhotos(source, config.bucket ? BUCKET_BOUNDS : { lookInto });
  const isSample = !given.some(({ where }) => /^(?:--folder$|PHOTOS_DIR\b)/.test(where));
  return [
    ...judgePhotos({ ...facts, folder, isSample }),
    clockOf(facts.newest),
    ...await attempt("checksums", () => lookAtChecksums(options, source)),
  ];
}

/** Rejects if the user of this process may not. */
async function readFolder(path: string) {
  try {
    for await (const _ of Deno.readDir(path)) return;
  } catch (error) {
    const code = codeOf(error);
    throw new StorageError(code, `list folder: ${code}`);
  }
}

function clockOf(newest: number): Finding {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  return judgeClock({ now: Date.now(), newest, zone: timeZone });
}

async function lookAtChecksums(
  { config, tryChecksums }: CheckOptions,
  source: FileSource,
): Promise<Finding[]> {
  if (config.checksums === undefined) {
    const seen = "none: CRC-32 values of large files are computed anew after a restart";
    return [finding("checksums", "ok", seen)];
  }
  await tryChecksums(source);
  return [finding("checksums", "ok", `${JSON.stringify(config.checksums)} can be written`)];
}

async function lookAtState({ config, tryState }: CheckOptions): Promise<Finding[]> {
  if (config.state === undefined) {
    return [finding("state", "ok", "none: receipts are gone after a restart")];
  }
  await tryState();
  return [finding("state", "ok", `${JSON.stringify(config.state)} can be written`)];
}

function descriptorsFor({ config, descriptors }: CheckOptions) {
  const wanted = wantedDownloads(config);
  const possible = descriptors.size === 0
    ? null
    : descriptors.downloads(wanted, DESCRIPTORS[config.engine]);
  return { wanted, possible };
}

async function lookAtEngine({ config, findEngine }: CheckOptions): Promise<Finding[]> {
  return [finding("engine", "ok", `${config.engine}: ${await findEngine()}`)];
}

async function lookAtPages({ config }: CheckOptions): Promise<Finding[]> {
  const logo = config.logo === undefined ? undefined : await readLogo(config.logo);
  const brand = createBrand({ ...config, logo });
  const look = brand ? "with what is set of your site" : "with the look of zipferry";
  return [finding("pages", "ok", look)];
}

async function lookAtCertificate({ tlsCert, tlsKey }: Config): Promise<Finding[]> {
  if (tlsCert === undefined || tlsKey === undefined) {
    return [finding("tls", "ok", "none: plain HTTP, for a proxy that speaks HTTPS")];
  }
  const files = { cert: tlsCert, key: tlsKey };
  const certificate = await readCertificate(files);
  const warnings = await certificateWarnings(files, certificate);
  if (warnings.length > 0) return warnings.map((text) => finding("tls", "warning", text));
  const until = certificate.validTo.toISOString().slice(0, 10);
  return [finding("tls", "ok", `certificate and key belong together, valid until ${until}`)];
}

async function lookAtAddress({ hostname, port, unix, tlsCert }: Config): Promise<Finding[]> {
  const state = await tryAddress({ hostname, port, unix });
  const where = unix === undefined ? `${hostname}:${port}` : quote(unix);
  const option = unix === undefined ? "--port" : "--unix";
  // Neither a service that speaks HTTPS nor one on a Unix socket is asked who it is.
  const canTell = tlsCert === undefined && unix === undefined;
  return [judgeAddress("address", { state, where, option, canTell })];
}

async function lookAtMetrics({ metrics }: Config): Promise<Finding[]> {
  if (!metrics) return [];
  const { hostname, port } = metrics;
  const option = "--metrics";
  const state = await tryAddress({ hostname, port, option });
  return [judgeAddress("metrics", { state, where: `${hostname}:${port}`, option, canTell: true })];
}

interface AddressFacts {
  readonly state: AddressState;
  readonly where: string;
  readonly option: string;
  readonly canTell: boolean;
}

function judgeAddress(id: RuleId, { state, where, option, canTell }: AddressFacts): Finding {
  if (state === "free") return finding(id, "ok", `${where} is free`);
  if (state === "ours") return finding(id, "ok", `${where}: a zipferry is running there`);
  const next =
    `if it is not this service: stop what listens there, or choose another one by ${option}`;
  return finding(id, canTell ? "fault" : "warning", `${where}: somebody listens there`, next);
}
