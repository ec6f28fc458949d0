/**
 * Options: flags, environment variables and a `.env` file become one readonly value. A flag takes
 * precedence over a variable, a variable over `.env`, and `.env` over the default. Which ones there are
 * stands in options.ts.
 *
 * @module
 */

import { Command, CommanderError, Option } from "commander";
import { parseEnv } from "node:util";
import { type BucketSettings, isBucketFolder, isHostLabel, parseBucketFolder } from "./bucket.ts";
import { COMMAND_FLAGS, COMMANDS } from "./commands.ts";
import { helpFor, topics } from "./help.ts";
import type { LogLevel } from "./log.ts";
import { warnOfName } from "./misspelt.ts";
import {
  ALSO_CALLED,
  type Key,
  longFlag,
  OPTIONS,
  type OptionSpec,
  type Values,
} from "./options.ts";
import { quote } from "./quote.ts";
import { parseSpan } from "./values.ts";

/** Which program makes the archives. */
export type EngineName = "store" | "zip";

/** Who sees the list of archives at `/`. */
export type ListingMode = "auto" | "on" | "off";

/** Which links work: open ones, signed ones, or both. */
export type LinksMode = "open" | "signed" | "both";

/** The form of the access log. */
export type LogFormat = "text" | "json" | "combined";

/** Everything that can be set. Values are checked as far as possible without touching the disk. */
export interface Config {
  /** The photos folder, as given. */
  readonly folder: string;
  /** The bucket that it is in; undefined for a folder on a disk. */
  readonly bucket?: BucketSettings;
  /** Address to listen on. */
  readonly hostname: string;
  /** TCP port, 0 for any free one. */
  readonly port: number;
  /** Unix socket to listen on instead of an address and port; undefined for none. */
  readonly unix?: string;
  /** Address for those who may see how the service fares; undefined for none of its own. */
  readonly metrics?: { readonly hostname: string; readonly port: number };
  /** File with the TLS certificate and its chain; undefined for plain HTTP. */
  readonly tlsCert?: string;
  /** File with the private key of the certificate. */
  readonly tlsKey?: string;
  /** Seconds for which browsers are told to come back by HTTPS only; undefined to tell nothing. */
  readonly hsts?: number;
  /** Milliseconds to wait after each chunk of a download; 0 for none. */
  readonly delay: number;
  /** Bytes per second for each download; 0 for no limit. */
  readonly limitRate: number;
  /** Bytes per second for all downloads together; 0 for no limit. */
  readonly limitRateTotal: number;
  /** Milliseconds after which a client that takes not one byte is given up; 0 for never. */
  readonly stallTimeout: number;
  /** Whether downloads are logged. Warnings and errors are always logged. */
  readonly log: boolean;
  /** How the access log is written, if there is one. */
  readonly logFormat: LogFormat;
  /** The least important lines that are logged, the access log aside. */
  readonly logLevel: LogLevel;
  /** What makes the archives. */
  readonly engine: EngineName;
  /** Compression level of the zip engine, 0 to 9. */
  readonly level: number;
  /** Who sees the list of archives. */
  readonly listing: ListingMode;
  /** Which links work; undefined for both where there is a secret, else open ones. */
  readonly links?: LinksMode;
  /** Signs links; a secret, or two with a comma between them. */
  readonly secret?: string;
  /** File that holds it. */
  readonly secretFile?: string;
  /** Whether browsers see the page of an archive first; undefined for no. */
  readonly landing?: boolean;
  /** Larger archives are offered in parts of so many bytes; undefined for none. */
  readonly partSize?: number;
  /** What the site is called, on its pages; undefined for nothing. */
  readonly siteName?: string;
  /** File with its logo; undefined for none. */
  readonly logo?: string;
  /** Colour of its pages, as in `#7a1f3d`; undefined for ours. */
  readonly accent?: string;
  /** Languages of its pages, the default first; undefined for English and Russian. */
  readonly languages?: readonly string[];
  /** Whether names with a leading dot are included. */
  readonly hidden: boolean;
  /** Whether what systems and network disks leave in folders is included. */
  readonly includeJunk: boolean;
  /** Whether symlinks are followed as long as they stay inside the photos folder. */
  readonly followSymlinks: boolean;
  /** Milliseconds that a folder must have been left alone before it is sent, 0 for none. */
  readonly settle: number;
  /** Bytes of memory for all requests together; undefined for half of what there is. */
  readonly memory?: number;
  /** SQLite file that stores CRC-32 values; undefined for none. */
  readonly checksums?: string;
  /** Downloads at a time; undefined for what suits the engine. */
  readonly maxDownloads?: number;
  /** Downloads at a time by one client; 0 for as many as there may be. */
  readonly maxPerClient: number;
  /** Networks of proxies whose word is taken for where a request came from. */
  readonly trustProxy: readonly string[];
  /** SQLite file that stores receipts; undefined to keep them in memory. */
  readonly state?: string;
  /** Where events are posted; undefined for nowhere. */
  readonly webhook?: string;
  /** Signs the events; a secret. */
  readonly webhookSecret?: string;
  /** File that holds it. */
  readonly webhookSecretFile?: string;
  /** Who has it may ask for receipts; a secret. */
  readonly adminToken?: string;
  /** File that holds it. */
  readonly adminTokenFile?: string;
  /** Seconds that downloads in flight get to finish when the service stops. */
  readonly shutdownTimeout: number;
  /** Seconds that requests are still served before that, while the service says it is not ready. */
  readonly drainDelay: number;
}

/** Work on some archives that is not part of any download. */
export interface Maintenance {
  /** Fill the checksum file, or check the photos against it. */
  readonly action: "warm" | "verify";
  /** Hashes of the archives; empty for all of them. */
  readonly hashes: readonly string[];
  /** Work out the SHA-256 of whole archives as well; only for warm. @default false */
  readonly digest?: boolean;
}

/** A folder that is to get a link. */
export interface NewArchive {
  /** Give it one. */
  readonly action: "new";
  /** Path of the folder, or its name in the photos folder. */
  readonly album: string;
  /** What becomes of the folder: it stays, it gets the new name, or the archive is hard links. */
  readonly method: "copy" | "move" | "link";
  /** What stands before the path of the link, without a slash at its end. @default nothing */
  readonly baseUrl?: string;
}

/** A link that is to be signed. */
export interface LinkToSign {
  /** Sign it. */
  readonly action: "sign";
  /** The archive; nobody looks whether it is there. */
  readonly hash: string;
  /** Seconds for which the link is good. */
  readonly ttl: number;
  /** Names of files and folders that it is for; empty for all. */
  readonly files: readonly string[];
  /** What stands before the path of the link, without a slash at its end. @default nothing */
  readonly baseUrl?: string;
}

/** A damaged archive on this machine. */
export interface Repair {
  /** Make it whole. */
  readonly action: "repair";
  /** Path of the file. */
  readonly file: string;
  /** Public address of the archive, `http:` or `https:`. */
  readonly url: URL;
  /** Print JSON instead of lines for people. */
  readonly json: boolean;
}

/** An archive that is to be looked at from outside. */
export interface Checkup {
  /** Look at it. */
  readonly action: "doctor";
  /** Its public address, `http:` or `https:`. */
  readonly url: URL;
  /** Print JSON instead of lines for people. */
  readonly json: boolean;
}

/** A set-up that is to be looked at before anyone downloads. */
export interface Inspection {
  /** Look at it. */
  readonly action: "check";
  /** Print JSON instead of lines for people. */
  readonly json: boolean;
}

/** What the command line asks for: serve, work through some archives, or print something and exit. */
export type Invocation =
  | { readonly action: "serve" | "check-config"; readonly config: Config }
  | Inspection & { readonly config: Config }
  | Maintenance & { readonly config: Config }
  | NewArchive & { readonly config: Config }
  | LinkToSign & { readonly config: Config }
  | Checkup
  | Repair
  | { readonly action: "print"; readonly text: string };

/** Where options come from. */
export interface Sources {
  /** Arguments of the program. */
  readonly args: readonly string[];
  /** Looks up an environment variable. */
  readonly env: (name: string) => string | undefined;
  /** Text of the `.env` file. @default none */
  readonly dotenv?: string;
  /** What `--version` prints. @default "unknown" */
  readonly version?: string;
  /** Told of lines in `.env` that are probably meant for this program and do nothing. */
  readonly onWarning?: (text: string) => void;
  /** Told of each option that is given, whether by a flag or by a variable. */
  readonly onGiven?: (setting: GivenSetting) => void;
  /** The system that the program runs on. @default the one that it does run on */
  readonly system?: typeof Deno.build.os;
}

/** An option that is given, and does not only have its default. */
export interface GivenSetting {
  /** The flag or variable, as in `PORT in .env`. */
  readonly where: string;
  /** The value as it was given; of a secret, only that there is one. */
  readonly text: string;
}

/** Thrown for a command line or a variable that cannot be used. One line, for the user. */
export class ConfigError extends Error {
  /** Always `ConfigError`. */
  override readonly name = "ConfigError";
}

/**
 * Reads options from the command line, the environment and `.env`.
 *
 * @throws {ConfigError} for a bad flag or value; the message names it and says what is allowed
 */
export function readConfig(sources: Sources): Invocation {
  const command = buildCommand(sources.version ?? "unknown");
  let printed = "";
  command.configureOutput({ writeOut: (text) => printed += text });
  const given = countGiven(command);
  try {
    command.parse([...sources.args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { action: "print", text: printed };
    throw new ConfigError(`${oneLine(error.message)}; ${suggestFlag(error)}`);
  }
  for (const [flag, times] of given) {
    if (times > 1) throw new ConfigError(`${flag}: given ${times} times, only once is allowed`);
  }
  const [action, words] = command.processedArgs;
  const flags = command.opts();
  if (action === "help") return { action: "print", text: helpFor(readTopic(words)) };
  if (action === "doctor") return readCheckup(words, flags);
  if (action === "repair") return readRepair(words, flags);
  assertFlagsOf(action, flags);
  const config = toConfig(readValues(flags, sources));
  assertSockets(config, sources.system ?? Deno.build.os);
  switch (action) {
    case undefined:
      return { action: flags.checkConfig ? "check-config" : "serve", config };
    case "check":
      return { ...readInspection(words, flags), config };
    case "new":
      assertNewOnDisk(config);
      return { ...readNewArchive(words, flags), config };
    case "sign":
      return { ...readLinkToSign(words, flags), config };
    case "warm":
    case "verify":
      return { ...readMaintenance(action, { hashes: words, flags, config }), config };
  }
  const names = Object.keys(COMMANDS).join(", ");
  throw new ConfigError(`${quote(action)}: no such command; the commands are ${names}`);
}

/** Seven days. */
const DEFAULT_TTL = "7d";

/** Flags of one command mean nothing for another. */
function assertFlagsOf(action: string | undefined, flags: Record<string, unknown>) {
  const wrong = COMMAND_FLAGS.find(({ name, commands }) =>
    flags[name] !== undefined && !commands.some((command) => command === action)
  );
  if (!wrong) return;
  const { commands } = wrong;
  const names = commands.join(", ").replace(/, (?=\w+$)/, " and ");
  throw new ConfigError(
    `${longFlag(wrong)}: only for the command${commands.length > 1 ? "s" : ""} ${names}`,
  );
}

/** Undefined for the first screen. */
function readTopic(words: readonly string[]): string | undefined {
  const [topic] = words;
  if (words.length === 0 || words.length === 1 && topics().includes(topic)) return topic;
  const wrong = quote(words.join(" "));
  throw new ConfigError(`help: no topic ${wrong}; the topics are ${topics().join(", ")}`);
}

function readInspection(words: readonly string[], flags: Record<string, unknown>): Inspection {
  const [word] = words;
  if (word === undefined) return { action: "check", json: flags.json === true };
  throw new ConfigError(
    `check: takes options only, not ${quote(word)}; name the photos folder by --folder`,
  );
}

function readMaintenance(
  action: Maintenance["action"],
  { hashes, flags, config }: {
    readonly hashes: readonly string[];
    readonly flags: Record<string, unknown>;
    readonly config: Config;
  },
): Maintenance {
  const digest = flags.digest === true;
  if (digest && config.engine === "zip") {
    throw new ConfigError(
      "--digest: not with --engine zip, whose archives differ each time; use store",
    );
  }
  if (config.checksums) return { action, hashes, ...digest && { digest } };
  throw new ConfigError(`${action}: needs --checksums <file>, the file that stores the values`);
}

function readLinkToSign(hashes: readonly string[], flags: Record<string, unknown>): LinkToSign {
  if (hashes.length !== 1) {
    const given = hashes.length === 0 ? "none is given" : `${hashes.length} are given`;
    throw new ConfigError(
      `sign: needs the hash of one archive, ${given}; see \`zipferry help sign\``,
    );
  }
  const [hash] = hashes;
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/.test(hash)) {
    throw new ConfigError("sign: not a hash; use the part of the link between /archive/ and the /");
  }
  const text = String(flags.ttl ?? DEFAULT_TTL);
  const ttl = parseSpan(text);
  if (ttl === undefined) {
    const allowed = "a time such as 30m, 12h, 7d or 2w";
    throw new ConfigError(`--ttl: ${quote(text)} is not allowed; use ${allowed}`);
  }
  const files = (flags.file ?? []) as string[];
  const wrong = files.find((name) => name === "" || /[\r\n\0\ufffd]/.test(name));
  if (wrong !== undefined) {
    throw new ConfigError(
      `--file: ${quote(wrong)} is not allowed; use a name in the archive`,
    );
  }
  return { action: "sign", hash, ttl, files, baseUrl: readBaseUrl(flags.baseUrl) };
}

function assertNewOnDisk({ folder, bucket }: Config) {
  if (!bucket) return;
  throw new ConfigError(
    `new: not with --folder ${folder}, which is only read; upload the photos under a name of 32 ` +
      "random characters",
  );
}

function readNewArchive(albums: readonly string[], flags: Record<string, unknown>): NewArchive {
  if (albums.length !== 1) {
    const given = albums.length === 0 ? "none is given" : `${albums.length} are given`;
    throw new ConfigError(`new: needs one folder, ${given}; put a name with spaces in quotes`);
  }
  const methods = (["copy", "move", "link"] as const).filter((method) => flags[method]);
  if (methods.length > 1) {
    throw new ConfigError(
      `new: only one of ${methods.map((method) => `--${method}`).join(", ")} is allowed`,
    );
  }
  const [method = "copy"] = methods;
  const [album] = albums;
  if (album === "") {
    throw new ConfigError(
      'new: "" is no folder; name one by its path, or as it is called in --folder',
    );
  }
  return { action: "new", album, method, baseUrl: readBaseUrl(flags.baseUrl) };
}

function readBaseUrl(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  const allowed = /^https?:\/\/[^\s/?#@][^\s?#@]*$/i.test(value) && URL.canParse(value);
  if (allowed) return value.replace(/\/+$/, "");
  const text = quote(value);
  throw new ConfigError(
    `--base-url: ${text} is not allowed; use an address such as https://photos.example.org`,
  );
}

/** Needs no settings: it looks at a service that may be anywhere. */
function readCheckup(urls: readonly string[], flags: Record<string, unknown>): Checkup {
  const { json = false, ...others } = flags;
  const [other] = Object.keys(others);
  if (other !== undefined) {
    throw new ConfigError("doctor: takes no option but --json; leave out the others");
  }
  if (urls.length !== 1) {
    const given = urls.length === 0 ? "none is given" : `${urls.length} are given`;
    throw new ConfigError(
      `doctor: needs the address of one archive, ${given}; see \`zipferry help doctor\``,
    );
  }
  return { action: "doctor", url: readArchiveUrl("doctor", urls[0]), json: json === true };
}

/** Needs no settings either. */
function readRepair(words: readonly string[], flags: Record<string, unknown>): Repair {
  const { json = false, ...others } = flags;
  const [other] = Object.keys(others);
  if (other !== undefined) {
    throw new ConfigError("repair: takes no option but --json; leave out the others");
  }
  const [file, url] = words;
  if (words.length !== 2 || file === "") {
    throw new ConfigError(
      "repair: needs the damaged file and the address of its archive; see `zipferry help repair`",
    );
  }
  return { action: "repair", file, url: readArchiveUrl("repair", url), json: json === true };
}

function readArchiveUrl(command: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isPlain = url !== null && url.username === "" && url.password === "";
  if (isPlain && /^https?:$/.test(url.protocol) && /^\/.*[^/]/.test(url.pathname)) {
    url.hash = "";
    return url;
  }
  throw new ConfigError(
    `${command}: not the address of an archive; ` +
      "use one such as https://photos.example.org/archive/…/",
  );
}

/** The settings as they may be shown: of a secret, only whether there is one. */
export function withoutSecrets(config: Config): Record<string, unknown> {
  const specs: Readonly<Record<string, OptionSpec<unknown>>> = OPTIONS;
  const shown = Object.entries(config).map(([key, value]) =>
    value !== undefined && specs[key]?.isSecret ? [key, "(secret)"] : [key, value]
  );
  return Object.fromEntries(shown);
}

/** What an unknown flag may be meant to be. Commander itself finds misspelt ones. */
function suggestFlag({ code, message }: CommanderError) {
  const all = "`zipferry help all` lists the options";
  const [, flag = ""] = /unknown option '--([a-z\d-]+)/.exec(message) ?? [];
  const key = Object.hasOwn(ALSO_CALLED, flag) ? ALSO_CALLED[flag] : undefined;
  if (code !== "commander.unknownOption" || !key) return all;
  return `use ${longFlag(OPTIONS[key])}, ${all}`;
}

function buildCommand(version: string) {
  const command = new Command("zipferry")
    .argument("[command]")
    .argument("[words...]")
    .exitOverride()
    .configureOutput({
      writeErr: () => {},
      outputError: () => {},
      // By default they read variables that this program may not read.
      getOutHasColors: () => false,
      getErrHasColors: () => false,
      getOutHelpWidth: () => 80,
    })
    .configureHelp({ formatHelp: ({ args }) => helpFor(args.find((word) => isTopic(word))) })
    .version(version, "-V, --version");
  for (const [key, spec] of Object.entries<OptionSpec<unknown>>(OPTIONS)) {
    if (!spec.flags) continue;
    command.addOption(namedOption(key, spec.flags));
    for (const flags of spec.alsoFlags ?? []) command.addOption(namedOption(key, flags).hideHelp());
  }
  command.option("--check-config");
  for (const { name, flags, isRepeatable, isSuggested = true } of COMMAND_FLAGS) {
    const option = namedOption(name, flags).hideHelp(!isSuggested);
    if (isRepeatable) {
      option.argParser((value: string, before: readonly string[] = []) => [...before, value]);
    }
    command.addOption(option);
  }
  return command;
}

function namedOption(name: string, flags: string): Option {
  const option = new Option(flags);
  option.attributeName = () => name;
  return option;
}

function isTopic(word: string) {
  return topics().includes(word);
}

/** Counts how often each flag is given that may be only once: commander takes the last one. */
function countGiven(command: Command) {
  const counts = new Map<string, number>();
  const repeatable = COMMAND_FLAGS.filter(({ isRepeatable }) => isRepeatable)
    .map(({ name }) => name);
  for (const option of command.options) {
    if (repeatable.includes(option.attributeName())) continue;
    const original = command.options.find((other) =>
      other.attributeName() === option.attributeName()
    );
    const flag = original?.long ?? option.flags;
    command.on(`option:${option.name()}`, () => counts.set(flag, (counts.get(flag) ?? 0) + 1));
  }
  return counts;
}

/**
 * Looks variables up, in the environment and then in `.env`: one of its names that is empty there
 * counts as not set.
 */
export function variableLookup(
  { env, dotenv }: Pick<Sources, "env" | "dotenv">,
): (name: string) => string | undefined {
  const lines = parseDotenv(dotenv);
  return (name) => env(name) || lines[name] || undefined;
}

function parseDotenv(text = ""): Readonly<Record<string, string | undefined>> {
  return parseEnv(text.replace(/^\ufeff/, ""));
}

function readValues(flags: Record<string, unknown>, sources: Sources): Values {
  const dotenv = parseDotenv(sources.dotenv);
  for (const name of Object.keys(dotenv)) {
    const warning = warnOfName(name, { inFile: true });
    if (warning) sources.onWarning?.(`.env: ${warning}`);
  }
  const read = (key: Key) => {
    const spec: OptionSpec<unknown> = OPTIONS[key];
    const { variable = "" } = spec;
    const flag = flags[key] === true ? "true" : flags[key]; // true: given without a value
    if (typeof flag === "string") return take(spec, longFlag(spec), flag);
    const unset = spec.default === undefined ? undefined : spec.parse(spec.default);
    if (spec.isForBucket && !isInBucket) return unset;
    const value = variable && sources.env(variable);
    if (value) return take(spec, variable, value);
    const line = dotenv[variable];
    if (line) return take(spec, `${variable} in .env`, line);
    return unset;
  };
  const take = (spec: OptionSpec<unknown>, where: string, text: string) => {
    const value = check(spec, where, text);
    given.set(where, spec.isSecret ? "(secret)" : text);
    return value;
  };
  const given = new Map<string, string>(); // the folder is read twice
  const isInBucket = isBucketFolder(String(read("folder")));
  const keys = Object.keys(OPTIONS) as Key[];
  const values = Object.fromEntries(keys.map((key) => [key, read(key)])) as Values;
  for (const [where, text] of given) sources.onGiven?.({ where, text });
  return values;
}

function check<T>(spec: OptionSpec<T>, where: string, text: string): T {
  if (text.includes("\ufffd")) throw new ConfigError(`${where}: is not UTF-8 text; use UTF-8`);
  const value = text === "" ? undefined : spec.parse(text);
  if (value !== undefined) return value;
  const wrong = spec.isSecret ? "this" : quote(spec.blame?.(text) ?? text);
  throw new ConfigError(`${where}: ${wrong} is not allowed; use ${spec.allowed}`);
}

function toConfig(values: Values): Config {
  const { bucket, ...onDisk } = splitOffBucket(values);
  const { delay, delayEnabled, responseDelay, settle, stallTimeout, ...others } = onDisk;
  const chosen = delay ?? delayEnabled;
  assertTls(others);
  const seconds = typeof chosen === "number" ? chosen : chosen ? responseDelay : 0;
  return {
    ...others,
    ...logging(others),
    bucket,
    delay: seconds * 1000,
    settle: settle * 1000,
    stallTimeout: stallTimeout * 1000,
  };
}

/** The settings of the bucket, undefined for a folder on a disk, and all others. */
function splitOffBucket(values: Values) {
  const { s3Region, s3DefaultRegion, s3Endpoint, s3AnyEndpoint, ...most } = values;
  const { s3PathStyle, s3Anonymous, s3Retries, s3Times, ...others } = most;
  const location = parseBucketFolder(values.folder);
  const bucket: BucketSettings | undefined = location && {
    ...location,
    region: s3Region ?? s3DefaultRegion,
    endpoints: s3Endpoint ?? s3AnyEndpoint ?? [],
    pathStyle: s3PathStyle,
    anonymous: s3Anonymous,
    retries: s3Retries,
    times: s3Times,
  };
  if (bucket) assertForBucket(values, bucket);
  return { ...others, bucket };
}

/** What needs files on a disk, and an address that cannot be. */
function assertForBucket(
  { folder, engine, followSymlinks }: Values,
  { bucket, pathStyle }: BucketSettings,
) {
  const where = `--folder ${folder}`;
  if (engine === "zip") {
    throw new ConfigError(`--engine zip: not with ${where}, the program needs files; use store`);
  }
  if (followSymlinks) {
    throw new ConfigError(
      `--follow-symlinks: not with ${where}, a bucket has no symlinks; leave it out`,
    );
  }
  if (pathStyle === false && !isHostLabel(bucket)) {
    throw new ConfigError(
      `--s3-path-style: false is not allowed for ${quote(bucket)}, which is no part of a ` +
        "host name; use true",
    );
  }
}

/** Whoever chooses a form of the log wants one, unless they say that they do not. */
function logging(
  { log, logFormat, logLevel }: Pick<Values, "log" | "logFormat" | "logLevel">,
): Pick<Config, "log" | "logFormat" | "logLevel"> {
  const isOn = log ?? logFormat !== undefined;
  return {
    log: isOn,
    logFormat: logFormat ?? "text",
    logLevel: logLevel ?? (isOn ? "info" : "warn"),
  };
}

/** Options that only make sense together, or not together. */
function assertTls({ tlsCert, tlsKey, hsts, unix }: Partial<Values>) {
  const isOn = tlsCert !== undefined;
  if (isOn !== (tlsKey !== undefined)) {
    const [given, missing] = isOn ? ["--tls-cert", "--tls-key"] : ["--tls-key", "--tls-cert"];
    throw new ConfigError(`${given}: needs ${missing} too`);
  }
  if (isOn && unix !== undefined) {
    throw new ConfigError(
      "--tls-cert: not with --unix; whoever opens that socket speaks plain HTTP",
    );
  }
  if (!isOn && hsts !== undefined) {
    throw new ConfigError(
      "--hsts: needs --tls-cert; without it the proxy that speaks HTTPS says so",
    );
  }
}

/** The runtime listens on Unix sockets only where the system has had them for long. */
function assertSockets({ unix }: Config, system: typeof Deno.build.os) {
  if (unix === undefined || system !== "windows") return;
  throw new ConfigError("--unix: not on Windows; use --hostname and --port");
}

function oneLine(message: string) {
  return message.replace(/^error: /, "").replace(/\.$/, "").replaceAll(/\s*\n\s*/g, " ");
}
