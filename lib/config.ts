/**
 * Options: flags, environment variables and a `.env` file become one readonly value. A flag takes
 * precedence over a variable, a variable over `.env`, and `.env` over the default. There is one table
 * of options: the parser, `--help` and the README's table are all made from it.
 *
 * @module
 */

import { Command, CommanderError, Option } from "commander";
import { parseEnv } from "node:util";
import type { LogLevel } from "./log.ts";
import { isNetwork, splitNetworks } from "./networks.ts";

/** Which program makes the archives. */
export type EngineName = "store" | "zip";

/** Who sees the list of archives at `/`. */
export type ListingMode = "auto" | "on" | "off";

/** The form of the access log. */
export type LogFormat = "text" | "json" | "combined";

/** Everything that can be set. Values are checked as far as possible without touching the disk. */
export interface Config {
  /** The photos folder, as given. */
  readonly folder: string;
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

/** An archive that is to be looked at from outside. */
export interface Checkup {
  /** Look at it. */
  readonly action: "doctor";
  /** Its public address, `http:` or `https:`. */
  readonly url: URL;
  /** Print JSON instead of lines for people. */
  readonly json: boolean;
}

/** What the command line asks for: serve, work through some archives, or print something and exit. */
export type Invocation =
  | { readonly action: "serve" | "check"; readonly config: Config }
  | Maintenance & { readonly config: Config }
  | NewArchive & { readonly config: Config }
  | Checkup
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
}

/** Thrown for a command line or a variable that cannot be used. One line, for the user. */
export class ConfigError extends Error {
  /** Always `ConfigError`. */
  override readonly name = "ConfigError";
}

interface OptionSpec<T> {
  /** Flags in commander's notation; none if only a variable sets it. */
  readonly flags?: string;
  /** Other names of the flag, which `--help` does not show. @default none */
  readonly alsoFlags?: readonly string[];
  /** Environment variable; none if only a flag sets it. */
  readonly variable?: string;
  /** Value when nothing is given; none if another option decides. */
  readonly default?: string;
  /** What `--help` and the README say. */
  readonly description: string;
  /** The allowed values, as an error message describes them. */
  readonly allowed: string;
  /** Whether the value must not be shown. @default false */
  readonly isSecret?: boolean;
  /** The value that a text stands for, or undefined if it is not allowed. */
  readonly parse: (text: string) => T | undefined;
  /** The part of a text that is not allowed. @default all of it */
  readonly blame?: (text: string) => string | undefined;
}

const MAX_SECONDS = 3600;
const MAX_SETTLE_SECONDS = 60;
const MAX_STALL_SECONDS = 86_400;

/** Less per second would look like a download that stands still. */
const MIN_RATE_BYTES = 1000;

const RATE_ALLOWED =
  "0 for no limit, or bytes per second from 1000 up, such as 500K, 2.5M or 10MB " +
  "(K, M and G are powers of 1024)";

/** Two years, which is as long as anybody asks for. */
const MAX_HSTS_SECONDS = 63_072_000;

const OPTIONS = {
  folder: {
    flags: "-f, --folder <path>",
    variable: "PHOTOS_DIR",
    default: "test_photos",
    description: "the photos folder: each folder inside it is one archive",
    allowed: "a path",
    parse: (text: string) => text,
  },
  hostname: {
    flags: "-H, --hostname <address>",
    alsoFlags: ["--host <address>"],
    variable: "HOST",
    default: "127.0.0.1",
    description: "address to listen on; 0.0.0.0 for all IPv4 addresses",
    allowed: "a host name or an IP address",
    parse: (text: string) => /^[A-Za-z0-9.:_-]+$/.test(text) ? text : undefined,
  },
  port: {
    flags: "-P, --port <number>",
    variable: "PORT",
    default: "8080",
    description: "port to listen on; 0 for any free port",
    allowed: "a whole number from 0 to 65535",
    parse: wholeNumber(65535),
  },
  unix: {
    flags: "--unix <path>",
    variable: "ZIPFERRY_UNIX",
    description: "listen on this Unix socket instead of an address and port",
    allowed: "a path",
    parse: (text: string) => text,
  },
  metrics: {
    flags: "--metrics <host:port>",
    variable: "ZIPFERRY_METRICS",
    description: "serve /metrics for Prometheus at this address too, which should not be public",
    allowed: "HOST:PORT, such as 127.0.0.1:9464 or [::1]:9464",
    parse: parseAddress,
  },
  tlsCert: {
    flags: "--tls-cert <file>",
    variable: "ZIPFERRY_TLS_CERT",
    description: "speak HTTPS with the certificate in this PEM file, its chain included",
    allowed: "a path",
    parse: (text: string) => text,
  },
  tlsKey: {
    flags: "--tls-key <file>",
    variable: "ZIPFERRY_TLS_KEY",
    description: "the private key of the certificate, a PEM file without a password",
    allowed: "a path",
    parse: (text: string) => text,
  },
  hsts: {
    flags: "--hsts <seconds>",
    variable: "ZIPFERRY_HSTS",
    description: "tell browsers to use only HTTPS for this host for this long; needs --tls-cert",
    allowed: `a whole number of seconds from 0 to ${MAX_HSTS_SECONDS}`,
    parse: (text: string) =>
      /^\d{1,8}$/.test(text) && Number(text) <= MAX_HSTS_SECONDS ? Number(text) : undefined,
  },
  delay: {
    flags: "-d, --delay [seconds|true|false]",
    description:
      "wait after each chunk of a download; RESPONSE_DELAY seconds if no number is given",
    allowed: `a number of seconds from 0 to ${MAX_SECONDS}, true or false`,
    parse: (text: string) => parseWord(text) ?? parseSeconds(text),
  },
  delayEnabled: {
    variable: "ENABLE_RESPONSE_DELAY",
    default: "false",
    description: "turns the delay on where --delay is not given",
    allowed: "true or false",
    parse: parseBoolean,
  },
  responseDelay: {
    variable: "RESPONSE_DELAY",
    default: "1",
    description: "length of the delay after each chunk, in seconds",
    allowed: `a number of seconds from 0 to ${MAX_SECONDS}`,
    parse: (text: string) => parseSeconds(text),
  },
  limitRate: {
    flags: "--limit-rate <bytes>",
    variable: "ZIPFERRY_LIMIT_RATE",
    default: "0",
    description: "bytes per second for each download, such as 10M; 0: no limit",
    allowed: RATE_ALLOWED,
    parse: parseRate,
  },
  limitRateTotal: {
    flags: "--limit-rate-total <bytes>",
    variable: "ZIPFERRY_LIMIT_RATE_TOTAL",
    default: "0",
    description: "bytes per second for all downloads together, shared equally; 0: no limit",
    allowed: RATE_ALLOWED,
    parse: parseRate,
  },
  stallTimeout: {
    flags: "--stall-timeout <seconds>",
    variable: "ZIPFERRY_STALL_TIMEOUT",
    default: "300",
    description: "end a download whose client takes not one byte for this long; 0: never",
    allowed: `a number of seconds from 0 to ${MAX_STALL_SECONDS}`,
    parse: (text: string) => parseSeconds(text, MAX_STALL_SECONDS),
  },
  log: {
    flags: "-l, --log [true|false]",
    variable: "ENABLE_LOGGING",
    description:
      "log every download from start to end, and every other answer; on where --log-format is given",
    allowed: "true or false",
    parse: parseBoolean,
  },
  logFormat: {
    flags: "--log-format <text|json|combined>",
    variable: "ZIPFERRY_LOG_FORMAT",
    description:
      "form of that log; json or combined (as Apache writes it): one line per request, on standard output",
    allowed: "text, json or combined",
    parse: oneOf("text", "json", "combined"),
  },
  logLevel: {
    flags: "--log-level <info|warn|error>",
    variable: "ZIPFERRY_LOG_LEVEL",
    description: "the least important lines on standard error; info with --log, else warn",
    allowed: "info, warn or error",
    parse: oneOf("info", "warn", "error"),
  },
  engine: {
    flags: "--engine <store|zip>",
    variable: "ZIPFERRY_ENGINE",
    default: "store",
    description: "store: built-in writer, no compression; zip: the Info-ZIP program",
    allowed: "store or zip",
    parse: oneOf("store", "zip"),
  },
  level: {
    flags: "--level <0-9>",
    variable: "ZIPFERRY_LEVEL",
    default: "6",
    description: "compression level of the zip engine",
    allowed: "a whole number from 0 to 9",
    parse: wholeNumber(9),
  },
  listing: {
    flags: "--listing <auto|on|off>",
    variable: "ZIPFERRY_LISTING",
    default: "auto",
    description: "who sees the list of archives at /; auto: only a browser on this machine",
    allowed: "auto, on or off",
    parse: oneOf("auto", "on", "off"),
  },
  hidden: {
    flags: "--hidden [true|false]",
    variable: "ZIPFERRY_HIDDEN",
    default: "false",
    description: "include files and folders whose names start with a dot",
    allowed: "true or false",
    parse: parseBoolean,
  },
  includeJunk: {
    flags: "--include-junk [true|false]",
    variable: "ZIPFERRY_INCLUDE_JUNK",
    default: "false",
    description: "include what systems and network disks leave in folders, as in Thumbs.db",
    allowed: "true or false",
    parse: parseBoolean,
  },
  followSymlinks: {
    flags: "--follow-symlinks [true|false]",
    variable: "ZIPFERRY_FOLLOW_SYMLINKS",
    default: "false",
    description: "include what symlinks point to, if it is inside the photos folder",
    allowed: "true or false",
    parse: parseBoolean,
  },
  settle: {
    flags: "--settle <seconds>",
    variable: "ZIPFERRY_SETTLE",
    default: "2",
    description:
      "wait until nothing in a folder has changed for this long before sending it; 0: never",
    allowed: `a number of seconds from 0 to ${MAX_SETTLE_SECONDS}`,
    parse: (text: string) => parseSeconds(text, MAX_SETTLE_SECONDS),
  },
  memory: {
    flags: "--memory <size>",
    variable: "ZIPFERRY_MEMORY",
    description:
      "memory for all requests together, such as 256M or 2G; half of it all if not given",
    allowed: "a size from 32M to 1024G, such as 256M or 2G",
    parse: (text: string) => parseSize(text, { min: 32 << 20, max: 2 ** 40 }),
  },
  checksums: {
    flags: "--checksums <file>",
    variable: "ZIPFERRY_CHECKSUMS",
    description: "store CRC-32 values in this SQLite file, so that they survive a restart",
    allowed: "a path",
    parse: (text: string) => text,
  },
  maxDownloads: {
    flags: "--max-downloads <number>",
    variable: "ZIPFERRY_MAX_DOWNLOADS",
    description: "downloads at a time, 503 beyond; 256 if not given, zip engine: 4 for each core",
    allowed: "a whole number from 1 to 65535",
    parse: (text: string) => wholeNumber(65535)(text) || undefined,
  },
  maxPerClient: {
    flags: "--max-per-client <number>",
    variable: "ZIPFERRY_MAX_PER_CLIENT",
    default: "0",
    description: "downloads at a time by one client, 429 beyond; 0: no limit",
    allowed: "a whole number from 0 to 65535",
    parse: wholeNumber(65535),
  },
  trustProxy: {
    flags: "--trust-proxy <networks>",
    variable: "ZIPFERRY_TRUST_PROXY",
    default: "none",
    description: "take the client's address from what proxies in these networks say, as in " +
      "10.0.0.0/8,::1; also loopback, private, unix",
    allowed: "addresses and networks such as 10.0.0.0/8, loopback, private or unix, or none",
    parse: (text: string) => parseNetworks(text),
    blame: (text: string) => splitNetworks(text).find((network) => !isNetwork(network)),
  },
  state: {
    flags: "--state <file>",
    variable: "ZIPFERRY_STATE",
    description: "store receipts in this SQLite file, so that they survive a restart",
    allowed: "a path",
    parse: (text: string) => text,
  },
  adminToken: {
    variable: "ZIPFERRY_ADMIN_TOKEN",
    description: "secret that shows receipts (?status) on any machine",
    allowed: "a text",
    isSecret: true,
    parse: (text: string) => text,
  },
  adminTokenFile: {
    flags: "--admin-token-file <file>",
    variable: "ZIPFERRY_ADMIN_TOKEN_FILE",
    description: "read the admin token from this file",
    allowed: "a path",
    parse: (text: string) => text,
  },
  webhook: {
    flags: "--webhook <url>",
    variable: "ZIPFERRY_WEBHOOK",
    description: "post an event here when a download starts, is delivered or fails",
    allowed: "an http or https address without a user name",
    isSecret: true,
    parse: webAddress,
  },
  webhookSecret: {
    variable: "ZIPFERRY_WEBHOOK_SECRET",
    description: "secret that signs those events",
    allowed: "a text",
    isSecret: true,
    parse: (text: string) => text,
  },
  webhookSecretFile: {
    flags: "--webhook-secret-file <file>",
    variable: "ZIPFERRY_WEBHOOK_SECRET_FILE",
    description: "read the secret of the webhook from this file",
    allowed: "a path",
    parse: (text: string) => text,
  },
  shutdownTimeout: {
    flags: "--shutdown-timeout <seconds>",
    variable: "ZIPFERRY_SHUTDOWN_TIMEOUT",
    default: "30",
    description: "seconds that downloads get to finish when the service stops",
    allowed: `a number of seconds from 0 to ${MAX_SECONDS}`,
    parse: (text: string) => parseSeconds(text),
  },
  drainDelay: {
    flags: "--drain-delay <seconds>",
    variable: "ZIPFERRY_DRAIN_DELAY",
    default: "0",
    description: "before stopping, go on serving for this long while /readyz answers 503",
    allowed: `a number of seconds from 0 to ${MAX_SECONDS}`,
    parse: (text: string) => parseSeconds(text),
  },
} satisfies Record<string, OptionSpec<unknown>>;

type Key = keyof typeof OPTIONS;
type Parsed<K extends Key> = Exclude<ReturnType<(typeof OPTIONS)[K]["parse"]>, undefined>;
/** What may be left out, and has no default. */
type Optional =
  | "unix"
  | "metrics"
  | "tlsCert"
  | "tlsKey"
  | "hsts"
  | "delay"
  | "log"
  | "logFormat"
  | "logLevel"
  | "memory"
  | "checksums"
  | "maxDownloads"
  | "state"
  | "adminToken"
  | "adminTokenFile"
  | "webhook"
  | "webhookSecret"
  | "webhookSecretFile";
type Values =
  & { [K in Exclude<Key, Optional>]: Parsed<K> }
  & { readonly [K in Optional]?: Parsed<K> };

/** Variables that are read elsewhere. */
const OTHER_VARIABLES = ["ZIPFERRY_COMMIT"];

const PREFIX = "ZIPFERRY_";

/** What other programs call some of the flags. */
const ALSO_CALLED: Readonly<Record<string, Key>> = {
  address: "hostname",
  bind: "hostname",
  listen: "hostname",
  dir: "folder",
  directory: "folder",
  path: "folder",
  photos: "folder",
  "photos-dir": "folder",
  root: "folder",
  socket: "unix",
  verbose: "log",
  logging: "log",
  timeout: "shutdownTimeout",
};

/** Names of all environment variables that set options. */
export const variables: readonly string[] = Object.values<OptionSpec<unknown>>(OPTIONS)
  .flatMap(({ variable }) => variable ?? []);

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
  const [action, hashes] = command.processedArgs;
  if (action === "doctor") return readCheckup(hashes, command.opts());
  if (command.opts().json) throw new ConfigError("--json: only for the command doctor");
  const config = toConfig(readValues(command.opts(), sources));
  if (action === "new") return { ...readNewArchive(hashes, command.opts()), config };
  const misplaced = NEW_FLAGS.find(({ name }) => command.opts()[name] !== undefined);
  if (misplaced) throw new ConfigError(`--${misplaced.flag}: only for the command new`);
  if (action === "warm" || action === "verify") {
    if (config.checksums) return { action, config, hashes };
    throw new ConfigError(`${action}: needs --checksums <file>, the file that stores the values`);
  }
  if (action !== undefined) {
    throw new ConfigError(
      `${JSON.stringify(action)}: no such command; the commands are warm, verify, new and doctor`,
    );
  }
  return { action: command.opts().checkConfig ? "check" : "serve", config };
}

/** Flags of the command new alone: no variable sets them. */
const NEW_FLAGS = [
  { name: "copy", flag: "copy", text: "copy the folder (default)" },
  {
    name: "move",
    flag: "move",
    text: "rename the folder; it must be on the disk of the photos folder",
  },
  { name: "link", flag: "link", text: "make hard links to its files, which take no space" },
  { name: "baseUrl", flag: "base-url", value: " <url>", text: "print the link with this in front" },
] as const;

function readNewArchive(albums: readonly string[], flags: Record<string, unknown>): NewArchive {
  if (albums.length !== 1) {
    const given = albums.length === 0 ? "none is given" : `${albums.length} are given`;
    throw new ConfigError(`new: needs one folder, ${given}; put a name with spaces in quotes`);
  }
  const methods = (["copy", "move", "link"] as const).filter((method) => flags[method]);
  if (methods.length > 1) {
    throw new ConfigError(`new: only one of ${methods.map((method) => `--${method}`).join(", ")}`);
  }
  const [method = "copy"] = methods;
  const [album] = albums;
  if (album === "") throw new ConfigError('new: "" is no folder');
  return { action: "new", album, method, baseUrl: readBaseUrl(flags.baseUrl) };
}

function readBaseUrl(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  const allowed = /^https?:\/\/[^\s/?#@][^\s?#@]*$/i.test(value) && URL.canParse(value);
  if (allowed) return value.replace(/\/+$/, "");
  const text = JSON.stringify(value);
  throw new ConfigError(
    `--base-url: ${text} is not allowed; use an address such as https://photos.example.org`,
  );
}

/** Needs no settings: it looks at a service that may be anywhere. */
function readCheckup(urls: readonly string[], flags: Record<string, unknown>): Checkup {
  const { json = false, ...others } = flags;
  const [other] = Object.keys(others);
  if (other !== undefined) throw new ConfigError("doctor: takes no option but --json");
  if (urls.length !== 1) {
    const given = urls.length === 0 ? "none is given" : `${urls.length} are given`;
    throw new ConfigError(`doctor: needs the address of one archive, ${given}`);
  }
  const url = URL.canParse(urls[0]) ? new URL(urls[0]) : null;
  const isPlain = url !== null && url.username === "" && url.password === "";
  if (isPlain && /^https?:$/.test(url.protocol) && /^\/.*[^/]/.test(url.pathname)) {
    url.hash = "";
    return { action: "doctor", url, json: json === true };
  }
  throw new ConfigError(
    "doctor: not the address of an archive; use one such as https://photos.example.org/archive/…/",
  );
}

/** The words of the long flags as they would be written in a variable, such as `HOSTNAME`. */
export function wordsOfFlags(): string[] {
  return Object.values<OptionSpec<unknown>>(OPTIONS).filter(({ flags }) => flags)
    .map(wordOfFlag);
}

function wordOfFlag(spec: OptionSpec<unknown>) {
  return longFlag(spec).slice(2).toUpperCase().replaceAll("-", "_");
}

/**
 * A warning if a variable is none of ours and was probably meant to be; undefined if not. It names
 * the right one. In a file that is meant for this program, names of flags count too.
 */
export function warnOfName(name: string, { inFile = false } = {}): string | undefined {
  if ([...variables, ...OTHER_VARIABLES].includes(name)) return undefined;
  const upper = name.toUpperCase();
  const isFlag = inFile && wordsOfFlags().includes(upper);
  if (!upper.startsWith(PREFIX) && !isNear(upper) && !isFlag) return undefined;
  return `${name}: no such variable, it does nothing; ${suggestVariable(upper)}`;
}

/** Short names of others, as in `HOSTS`, are too easily near: they count only in another case. */
function isNear(name: string) {
  return variables.some((ours) => {
    if (ours.length < 6) return name === ours;
    return isPartOf(name, ours) || distance(name, ours) <= 2 || soundsLike(name, ours);
  });
}

function isPartOf(name: string, ours: string) {
  return name.length > 5 && (ours.startsWith(name) || name.startsWith(ours));
}

/** The same words, or the first of them, as in `PHOTOS_FOLDER` or `PHOTOS`. */
function soundsLike(name: string, ours: string) {
  return ours === "PHOTOS_DIR" && /^PHOTOS?(?:_(?:DIR|FOLDER|PATH|ROOT)\w*)?$/.test(name);
}

function suggestVariable(name: string) {
  const word = name.replace(PREFIX, "");
  const ofFlag = Object.values<OptionSpec<unknown>>(OPTIONS).find((spec) =>
    spec.flags && wordOfFlag(spec) === word
  );
  if (ofFlag) {
    return ofFlag.variable ? `use ${ofFlag.variable}` : `use the flag ${longFlag(ofFlag)}`;
  }
  const measured = variables.map((ours) => ({
    ours,
    far: soundsLike(name, ours) || isPartOf(word, ours)
      ? 0
      : Math.min(distance(name, ours), distance(word, ours)),
  }));
  const [nearest] = measured.sort((a, b) => a.far - b.far);
  return nearest.far <= 3 ? `use ${nearest.ours}` : "--help lists all variables";
}

/** How many letters must be added, removed or changed (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, changed));
    }
    row = next;
  }
  return row[b.length];
}

/** The settings as they may be shown: of a secret, only whether there is one. */
export function withoutSecrets(config: Config): Record<string, unknown> {
  const specs: Readonly<Record<string, OptionSpec<unknown>>> = OPTIONS;
  const shown = Object.entries(config).map(([key, value]) =>
    value !== undefined && specs[key]?.isSecret ? [key, "(secret)"] : [key, value]
  );
  return Object.fromEntries(shown);
}

/** The table of options for the README, in Markdown. */
export function optionsTable(): string {
  const rows = Object.values<OptionSpec<unknown>>(OPTIONS).map((option) => {
    const cells = [option.flags, option.variable, option.default].map(inCode);
    return `| ${[...cells, option.description].join(" | ")} |`;
  });
  return ["| Flag | Variable | Default | |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

/** What an unknown flag may be meant to be. Commander itself finds misspelt ones. */
function suggestFlag({ code, message }: CommanderError) {
  const [, flag = ""] = /unknown option '--([a-z-]+)/.exec(message) ?? [];
  const key = Object.hasOwn(ALSO_CALLED, flag) ? ALSO_CALLED[flag] : undefined;
  if (code !== "commander.unknownOption" || !key) return "--help lists the options";
  return `use ${longFlag(OPTIONS[key])}, --help lists the options`;
}

function inCode(text: string | undefined) {
  return text === undefined ? "" : `\`${text.replaceAll("|", "\\|")}\``;
}

function buildCommand(version: string) {
  const command = new Command("zipferry")
    .description("Serves each folder of photos as one ZIP file, created while it is being sent.")
    .argument(
      "[command]",
      "warm: compute and store CRC-32 values; verify: compute them again and compare; " +
        "new: give a folder a random name in the photos folder, and print its link; " +
        "doctor: look at an archive from outside, and say what a proxy does to it",
    )
    .argument(
      "[hashes...]",
      "archives to work on, all of them if none is given; for new: the folder, " +
        "by its path or by its name in the photos folder; for doctor: the link of an archive",
    )
    .exitOverride()
    .configureOutput({
      writeErr: () => {},
      outputError: () => {},
      getOutHasColors: () => false,
      getErrHasColors: () => false,
      getOutHelpWidth: () => 100,
    })
    .helpOption("-h, --help", "print this help")
    .version(version, "-V, --version", "print the version");
  for (const [key, spec] of Object.entries<OptionSpec<unknown>>(OPTIONS)) {
    if (!spec.flags) continue;
    const notes = [
      spec.variable && `[${spec.variable}]`,
      spec.default && `(default: ${spec.default})`,
    ];
    const description = [spec.description, ...notes].filter(Boolean).join(" ");
    const option = new Option(spec.flags, description);
    option.attributeName = () => key;
    command.addOption(option);
    for (const flags of spec.alsoFlags ?? []) {
      const alias = new Option(flags).hideHelp();
      alias.attributeName = () => key;
      command.addOption(alias);
    }
  }
  command.option("--check-config", "print the settings and exit");
  for (const { name, flag, text, ...rest } of NEW_FLAGS) {
    const option = new Option(`--${flag}${"value" in rest ? rest.value : ""}`, text);
    option.attributeName = () => name;
    command.addOption(option.helpGroup("Options of the command new:"));
  }
  command.addOption(
    new Option("--json", "print what was found as JSON").helpGroup(
      "Options of the command doctor:",
    ),
  );
  command.addHelpText("after", `\nVariables without a flag:\n${variablesWithoutFlag()}`);
  return command;
}

function variablesWithoutFlag() {
  return Object.values<OptionSpec<unknown>>(OPTIONS)
    .filter(({ flags }) => !flags)
    .map(({ variable, description, ...spec }) => {
      const note = spec.default === undefined ? "" : ` (default: ${spec.default})`;
      return `  ${variable?.padEnd(33)} ${description}${note}`;
    })
    .join("\n");
}

/** Counts how often each flag is given: commander accepts a repeated flag and takes the last one. */
function countGiven(command: Command) {
  const counts = new Map<string, number>();
  for (const option of command.options) {
    const original = command.options.find((other) =>
      other.attributeName() === option.attributeName()
    );
    const flag = original?.long ?? option.flags;
    command.on(`option:${option.name()}`, () => counts.set(flag, (counts.get(flag) ?? 0) + 1));
  }
  return counts;
}

function readValues(flags: Record<string, unknown>, sources: Sources): Values {
  const dotenv = parseEnv(sources.dotenv?.replace(/^\ufeff/, "") ?? "");
  for (const name of Object.keys(dotenv)) {
    const warning = warnOfName(name, { inFile: true });
    if (warning) sources.onWarning?.(`.env: ${warning}`);
  }
  const read = (key: Key) => {
    const spec: OptionSpec<unknown> = OPTIONS[key];
    const { variable = "" } = spec;
    const flag = flags[key] === true ? "true" : flags[key]; // true: given without a value
    if (typeof flag === "string") return check(spec, longFlag(spec), flag);
    const value = variable && sources.env(variable);
    if (value) return check(spec, variable, value);
    const line = dotenv[variable];
    if (line) return check(spec, `${variable} in .env`, line);
    return spec.default === undefined ? undefined : spec.parse(spec.default);
  };
  const keys = Object.keys(OPTIONS) as Key[];
  return Object.fromEntries(keys.map((key) => [key, read(key)])) as Values;
}

function check<T>(spec: OptionSpec<T>, where: string, text: string): T {
  if (text.includes("\ufffd")) throw new ConfigError(`${where}: is not UTF-8 text`);
  const value = text === "" ? undefined : spec.parse(text);
  if (value !== undefined) return value;
  const wrong = spec.isSecret ? "this" : JSON.stringify(spec.blame?.(text) ?? text);
  throw new ConfigError(`${where}: ${wrong} is not allowed; use ${spec.allowed}`);
}

function longFlag({ flags = "" }: OptionSpec<unknown>) {
  return /--[a-z-]+/.exec(flags)?.[0] ?? flags;
}

function toConfig(values: Values): Config {
  const { delay, delayEnabled, responseDelay, settle, stallTimeout, ...others } = values;
  const chosen = delay ?? delayEnabled;
  assertTls(others);
  const seconds = typeof chosen === "number" ? chosen : chosen ? responseDelay : 0;
  return {
    ...others,
    ...logging(others),
    delay: seconds * 1000,
    settle: settle * 1000,
    stallTimeout: stallTimeout * 1000,
  };
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

function parseBoolean(text: string): boolean | undefined {
  if (text === "1") return true;
  return text === "0" ? false : parseWord(text);
}

function parseWord(text: string): boolean | undefined {
  if (/^(?:true|yes|on)$/i.test(text)) return true;
  return /^(?:false|no|off)$/i.test(text) ? false : undefined;
}

function parseSeconds(text: string, max = MAX_SECONDS): number | undefined {
  const seconds = /^\d{1,8}(?:\.\d{1,8})?$/.test(text) ? Number(text) : NaN;
  return seconds <= max ? seconds : undefined;
}

/** Bytes: a whole number with K, M or G for powers of 1,024, as in 256M, 256MiB or 256MB. */
function parseSize(text: string, { min, max }: { readonly min: number; readonly max: number }) {
  const [, number, unit] = /^(\d{1,13})([KMG]?)(?:i?B)?$/i.exec(text) ?? [];
  const bytes = Number(number) * 1024 ** " KMG".indexOf((unit || " ").toUpperCase());
  return min <= bytes && bytes <= max ? bytes : undefined;
}

/**
 * Bytes per second: 0, or what {@link parseSize} takes, with decimals too. A small b would mean bits,
 * and is not allowed.
 */
function parseRate(text: string): number | undefined {
  const [, number, unit] = /^(\d{1,12}(?:\.\d{1,6})?)([KMGkmg]?)(?:i?B)?$/.exec(text) ?? [];
  const rate = Math.round(Number(number) * 1024 ** " KMG".indexOf((unit || " ").toUpperCase()));
  return rate === 0 || rate >= MIN_RATE_BYTES ? rate : undefined;
}

function parseNetworks(text: string): readonly string[] | undefined {
  if (text === "none") return [];
  const networks = splitNetworks(text);
  return networks.length > 0 && networks.every(isNetwork) ? networks : undefined;
}

function wholeNumber(max: number) {
  return (text: string) => /^\d{1,5}$/.test(text) && Number(text) <= max ? Number(text) : undefined;
}

/** A host and a port; an IPv6 address is in brackets, as in a URL. */
function parseAddress(text: string): { hostname: string; port: number } | undefined {
  const [, ipv6, name, digits] = /^(?:\[([\da-f:.]+)\]|([\w.-]+)):(\d+)$/i.exec(text) ?? [];
  const port = digits === undefined ? undefined : wholeNumber(65535)(digits);
  return port === undefined ? undefined : { hostname: ipv6 ?? name, port };
}

function webAddress(text: string) {
  const url = URL.parse(text);
  const isPlain = url && /^https?:$/.test(url.protocol) && !url.username && !url.password;
  return isPlain ? text : undefined;
}

function oneOf<T extends string>(...allowed: readonly T[]) {
  return (text: string) => allowed.find((value) => value === text);
}

function oneLine(message: string) {
  return message.replace(/^error: /, "").replace(/\.$/, "").replaceAll(/\s*\n\s*/g, " ");
}
