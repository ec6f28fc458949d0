/**
 * The table of options: the parser, `--help` and the README's table are all made from it.
 *
 * @module
 */

import {
  MAX_SECONDS,
  oneOf,
  parseAddress,
  parseBoolean,
  parseNetworks,
  parseRate,
  parseSeconds,
  parseSize,
  parseWord,
  webAddress,
  wholeNumber,
} from "./values.ts";
import { badBucketName, badEndpoint, parseEndpoints, parseFolder, parseRegion } from "./bucket.ts";
import { isNetwork, splitNetworks } from "./networks.ts";

/** The groups of options, in the order in which they are shown, and the title of each. */
export const GROUPS = {
  photos: "Photos",
  bucket: "Photos in object storage",
  address: "Address, TLS and proxies",
  links: "Links and pages",
  limits: "Pace, limits and stopping",
  records: "Checksums, receipts and events",
  log: "Log",
} as const;

/** The name of a group of options. */
export type Group = keyof typeof GROUPS;

/** One option: a flag, a variable, or both. */
export interface OptionSpec<T> {
  /** Flags in commander's notation; none if only a variable sets it. */
  readonly flags?: string;
  /** Other names of the flag, which `--help` does not show. @default none */
  readonly alsoFlags?: readonly string[];
  /** Environment variable; none if only a flag sets it. */
  readonly variable?: string;
  /** Value when nothing is given; none if another option decides. */
  readonly default?: string;
  /** What it is about: `zipferry help GROUP` shows it with the others of its group. */
  readonly group: Group;
  /** What the first screen of `--help` says of it, which shows a few options only. @default it is not there */
  readonly brief?: string;
  /** What `zipferry help` and the README say. */
  readonly description: string;
  /** The allowed values, as an error message describes them. */
  readonly allowed: string;
  /** Whether it counts only where the photos are in a bucket: elsewhere no variable is read. @default false */
  readonly isForBucket?: boolean;
  /** Whether the value must not be shown. @default false */
  readonly isSecret?: boolean;
  /** The value that a text stands for, or undefined if it is not allowed. */
  readonly parse: (text: string) => T | undefined;
  /** The part of a text that is not allowed. @default all of it */
  readonly blame?: (text: string) => string | undefined;
}

const MAX_SETTLE_SECONDS = 60;

const MAX_STALL_SECONDS = 86_400;

/** Values that several options have in common. */
const PATH = { allowed: "a path", parse: (text: string) => text };
const SECRET = { allowed: "a text", isSecret: true, parse: (text: string) => text };
const BOOLEAN = { allowed: "true or false", parse: parseBoolean };
const REGION = { isForBucket: true, allowed: "a name such as eu-central-1", parse: parseRegion };
const ENDPOINTS = {
  isForBucket: true,
  allowed: "an http or https address without a user name, or several with commas between them",
  parse: parseEndpoints,
  blame: badEndpoint,
};
const RATE = {
  allowed: "0 for no limit, or bytes per second from 1000 up, such as 500K, 2.5M or 10MB " +
    "(K, M and G are powers of 1024)",
  parse: parseRate,
};

function secondsUpTo(max: number) {
  return {
    allowed: `a number of seconds from 0 to ${max}`,
    parse: (text: string) => parseSeconds(text, max),
  };
}

/** Two years, which is as long as anybody asks for. */
const MAX_HSTS_SECONDS = 63_072_000;

/** All options, in the order in which `--help` shows them. */
export const OPTIONS = {
  folder: {
    group: "photos",
    brief: "the photos folder, or s3://bucket/prefix",
    flags: "-f, --folder <path>",
    variable: "PHOTOS_DIR",
    default: "test_photos",
    description:
      "the photos folder: each folder inside it is one archive; or s3://bucket/prefix, in object storage",
    allowed:
      "a path, or s3://BUCKET/PREFIX with a bucket's name of 3 to 63 letters, digits, dots and " +
      "hyphens, and no empty, . or .. part in the prefix",
    parse: parseFolder,
    blame: badBucketName,
  },
  s3Region: {
    group: "bucket",
    variable: "AWS_REGION",
    description: "the region of the bucket; needed unless an endpoint is given",
    ...REGION,
  },
  s3DefaultRegion: {
    group: "bucket",
    variable: "AWS_DEFAULT_REGION",
    description: "the same where AWS_REGION is not set",
    ...REGION,
  },
  s3Endpoint: {
    group: "bucket",
    variable: "AWS_ENDPOINT_URL_S3",
    description: "address of the object store, if not AWS; several with commas",
    ...ENDPOINTS,
  },
  s3AnyEndpoint: {
    group: "bucket",
    variable: "AWS_ENDPOINT_URL",
    description: "the same where AWS_ENDPOINT_URL_S3 is not set",
    ...ENDPOINTS,
  },
  s3PathStyle: {
    group: "bucket",
    flags: "--s3-path-style [true|false]",
    variable: "ZIPFERRY_S3_PATH_STYLE",
    description:
      "put the bucket into the path of addresses, not into the host; true if not given and an " +
      "endpoint is",
    isForBucket: true,
    ...BOOLEAN,
  },
  s3Anonymous: {
    group: "bucket",
    flags: "--s3-anonymous [true|false]",
    variable: "ZIPFERRY_S3_ANONYMOUS",
    default: "false",
    description: "read the bucket without credentials",
    isForBucket: true,
    ...BOOLEAN,
  },
  s3Retries: {
    group: "bucket",
    flags: "--s3-retries <number>",
    variable: "ZIPFERRY_S3_RETRIES",
    default: "4",
    description: "how often a request to the bucket that failed is tried again",
    isForBucket: true,
    allowed: "a whole number from 0 to 20",
    parse: wholeNumber(20),
  },
  s3Times: {
    group: "bucket",
    flags: "--s3-times <metadata|listing>",
    variable: "ZIPFERRY_S3_TIMES",
    default: "metadata",
    description:
      "times of files in a bucket; metadata: those that rclone stores, if there are any; " +
      "listing: those of the uploads",
    isForBucket: true,
    allowed: "metadata or listing",
    parse: oneOf("metadata", "listing"),
  },
  hostname: {
    group: "address",
    brief: "address to listen on",
    flags: "-H, --hostname <address>",
    alsoFlags: ["--host <address>"],
    variable: "HOST",
    default: "127.0.0.1",
    description: "address to listen on; 0.0.0.0 for all IPv4 addresses",
    allowed: "a host name or an IP address",
    parse: (text: string) => /^[A-Za-z0-9.:_-]+$/.test(text) ? text : undefined,
  },
  port: {
    group: "address",
    brief: "port to listen on",
    flags: "-P, --port <number>",
    variable: "PORT",
    default: "8080",
    description: "port to listen on; 0 for any free port",
    allowed: "a whole number from 0 to 65535",
    parse: wholeNumber(65535),
  },
  unix: {
    group: "address",
    flags: "--unix <path>",
    variable: "ZIPFERRY_UNIX",
    description: "listen on this Unix socket instead of an address and port",
    ...PATH,
  },
  metrics: {
    group: "address",
    flags: "--metrics <host:port>",
    variable: "ZIPFERRY_METRICS",
    description: "serve /metrics for Prometheus at this address too, which should not be public",
    allowed: "HOST:PORT, such as 127.0.0.1:9464 or [::1]:9464",
    parse: parseAddress,
  },
  tlsCert: {
    group: "address",
    brief: "speak HTTPS with this certificate",
    flags: "--tls-cert <file>",
    variable: "ZIPFERRY_TLS_CERT",
    description: "speak HTTPS with the certificate in this PEM file, its chain included",
    ...PATH,
  },
  tlsKey: {
    group: "address",
    flags: "--tls-key <file>",
    variable: "ZIPFERRY_TLS_KEY",
    description: "the private key of the certificate, a PEM file without a password",
    ...PATH,
  },
  hsts: {
    group: "address",
    flags: "--hsts <seconds>",
    variable: "ZIPFERRY_HSTS",
    description: "tell browsers to use only HTTPS for this host for this long; needs --tls-cert",
    allowed: `a whole number of seconds from 0 to ${MAX_HSTS_SECONDS}`,
    parse: (text: string) =>
      /^\d{1,8}$/.test(text) && Number(text) <= MAX_HSTS_SECONDS ? Number(text) : undefined,
  },
  delay: {
    group: "limits",
    flags: "-d, --delay [seconds|true|false]",
    description:
      "wait after each chunk of a download; RESPONSE_DELAY seconds if no number is given",
    allowed: `a number of seconds from 0 to ${MAX_SECONDS}, true or false`,
    parse: (text: string) => parseWord(text) ?? parseSeconds(text),
  },
  delayEnabled: {
    group: "limits",
    variable: "ENABLE_RESPONSE_DELAY",
    default: "false",
    description: "turns the delay on where --delay is not given",
    ...BOOLEAN,
  },
  responseDelay: {
    group: "limits",
    variable: "RESPONSE_DELAY",
    default: "1",
    description: "length of the delay after each chunk, in seconds",
    ...secondsUpTo(MAX_SECONDS),
  },
  limitRate: {
    group: "limits",
    brief: "bytes per second for each download",
    flags: "--limit-rate <bytes>",
    variable: "ZIPFERRY_LIMIT_RATE",
    default: "0",
    description: "bytes per second for each download, such as 10M; 0: no limit",
    ...RATE,
  },
  limitRateTotal: {
    group: "limits",
    flags: "--limit-rate-total <bytes>",
    variable: "ZIPFERRY_LIMIT_RATE_TOTAL",
    default: "0",
    description: "bytes per second for all downloads together, shared equally; 0: no limit",
    ...RATE,
  },
  stallTimeout: {
    group: "limits",
    flags: "--stall-timeout <seconds>",
    variable: "ZIPFERRY_STALL_TIMEOUT",
    default: "300",
    description: "end a download whose client takes not one byte for this long; 0: never",
    ...secondsUpTo(MAX_STALL_SECONDS),
  },
  log: {
    group: "log",
    brief: "log downloads and other answers",
    flags: "-l, --log [true|false]",
    variable: "ENABLE_LOGGING",
    description:
      "log every download from start to end, and every other answer; on where --log-format is given",
    ...BOOLEAN,
  },
  logFormat: {
    group: "log",
    flags: "--log-format <text|json|combined>",
    variable: "ZIPFERRY_LOG_FORMAT",
    description:
      "form of that log; json or combined (as Apache writes it): one line per request, on standard output",
    allowed: "text, json or combined",
    parse: oneOf("text", "json", "combined"),
  },
  logLevel: {
    group: "log",
    flags: "--log-level <info|warn|error>",
    variable: "ZIPFERRY_LOG_LEVEL",
    description: "the least important lines on standard error; info with --log, else warn",
    allowed: "info, warn or error",
    parse: oneOf("info", "warn", "error"),
  },
  engine: {
    group: "photos",
    flags: "--engine <store|zip>",
    variable: "ZIPFERRY_ENGINE",
    default: "store",
    description: "store: built-in writer, no compression; zip: the Info-ZIP program",
    allowed: "store or zip",
    parse: oneOf("store", "zip"),
  },
  level: {
    group: "photos",
    flags: "--level <0-9>",
    variable: "ZIPFERRY_LEVEL",
    default: "6",
    description: "compression level of the zip engine",
    allowed: "a whole number from 0 to 9",
    parse: wholeNumber(9),
  },
  listing: {
    group: "links",
    brief: "who sees the list of archives at /",
    flags: "--listing <auto|on|off>",
    variable: "ZIPFERRY_LISTING",
    default: "auto",
    description: "who sees the list of archives at /; auto: only a browser on this machine",
    allowed: "auto, on or off",
    parse: oneOf("auto", "on", "off"),
  },
  links: {
    group: "links",
    brief: "which links work",
    flags: "--links <open|signed|both>",
    variable: "ZIPFERRY_LINKS",
    description:
      "which links work: open ones, signed ones, or both; if not given, both where there " +
      "is a secret, else open",
    allowed: "open, signed or both",
    parse: oneOf("open", "signed", "both"),
  },
  secret: {
    group: "links",
    variable: "ZIPFERRY_SECRET",
    description: "secret that signs links; or two, with a comma between",
    ...SECRET,
  },
  secretFile: {
    group: "links",
    flags: "--secret-file <file>",
    variable: "ZIPFERRY_SECRET_FILE",
    description: "read that secret from this file, one or two lines",
    ...PATH,
  },
  landing: {
    group: "links",
    brief: "show browsers the page of an archive first",
    flags: "--landing [true|false]",
    variable: "ZIPFERRY_LANDING",
    description:
      "show browsers that follow a link the page of the archive first; a label can say otherwise",
    ...BOOLEAN,
  },
  partSize: {
    group: "links",
    flags: "--part-size <size>",
    variable: "ZIPFERRY_PART_SIZE",
    description: "offer larger archives in parts of at most this size too, such as 2G",
    allowed: "a size from 1M to 1024G, such as 700M or 2G",
    parse: (text: string) => parseSize(text, { min: 1 << 20, max: 2 ** 40 }),
  },
  siteName: {
    group: "links",
    flags: "--site-name <text>",
    variable: "ZIPFERRY_SITE_NAME",
    description: "name of your site at the top of every page",
    allowed: "a text of at most 100 characters",
    parse: (text: string) => text.trim() !== "" && text.length <= 100 ? text.trim() : undefined,
  },
  logo: {
    group: "links",
    flags: "--logo <file>",
    variable: "ZIPFERRY_LOGO",
    description: "your logo beside it: a PNG or SVG file of at most 256 KiB",
    ...PATH,
  },
  accent: {
    group: "links",
    flags: "--accent <colour>",
    variable: "ZIPFERRY_ACCENT",
    // Without the #, which begins a comment in .env.
    description: "colour of buttons and links, such as 7a1f3d",
    allowed: "a colour of six hexadecimal digits, such as 7a1f3d",
    parse: (text: string) =>
      /^#?[0-9a-f]{6}$/i.test(text) ? `#${text.toLowerCase().replace("#", "")}` : undefined,
  },
  languages: {
    group: "links",
    flags: "--languages <list>",
    variable: "ZIPFERRY_LANGUAGES",
    description:
      "languages of the pages, as in de,en; the first for visitors who prefer none of them; en,ru " +
      "if not given",
    allowed: "tags of languages with commas between them, such as de,en",
    parse: (text: string) =>
      /^[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*(?: *, *[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)*$/.test(text)
        ? text.split(/ *, */)
        : undefined,
  },
  hidden: {
    group: "photos",
    flags: "--hidden [true|false]",
    variable: "ZIPFERRY_HIDDEN",
    default: "false",
    description: "include files and folders whose names start with a dot",
    ...BOOLEAN,
  },
  includeJunk: {
    group: "photos",
    flags: "--include-junk [true|false]",
    variable: "ZIPFERRY_INCLUDE_JUNK",
    default: "false",
    description: "include what systems and network disks leave in folders, as in Thumbs.db",
    ...BOOLEAN,
  },
  followSymlinks: {
    group: "photos",
    flags: "--follow-symlinks [true|false]",
    variable: "ZIPFERRY_FOLLOW_SYMLINKS",
    default: "false",
    description: "include what symlinks point to, if it is inside the photos folder",
    ...BOOLEAN,
  },
  settle: {
    group: "photos",
    flags: "--settle <seconds>",
    variable: "ZIPFERRY_SETTLE",
    default: "2",
    description:
      "wait until nothing in a folder has changed for this long before sending it; 0: never",
    ...secondsUpTo(MAX_SETTLE_SECONDS),
  },
  memory: {
    group: "limits",
    flags: "--memory <size>",
    variable: "ZIPFERRY_MEMORY",
    description:
      "memory for all requests together, such as 256M or 2G; if not given, half of what there is, " +
      "less where that is little",
    allowed: "a size from 32M to 1024G, such as 256M or 2G",
    parse: (text: string) => parseSize(text, { min: 32 << 20, max: 2 ** 40 }),
  },
  checksums: {
    group: "records",
    brief: "keep checksums in this file across restarts",
    flags: "--checksums <file>",
    variable: "ZIPFERRY_CHECKSUMS",
    description:
      "store CRC-32 values and digests in this SQLite file, so that they survive a restart",
    ...PATH,
  },
  maxDownloads: {
    group: "limits",
    brief: "downloads at a time; 256 if not given",
    flags: "--max-downloads <number>",
    variable: "ZIPFERRY_MAX_DOWNLOADS",
    description: "downloads at a time, 503 beyond; 256 if not given, zip engine: 4 for each core",
    allowed: "a whole number from 1 to 65535",
    parse: (text: string) => wholeNumber(65535)(text) || undefined,
  },
  maxPerClient: {
    group: "limits",
    flags: "--max-per-client <number>",
    variable: "ZIPFERRY_MAX_PER_CLIENT",
    default: "0",
    description: "downloads at a time by one client, 429 beyond; 0: no limit",
    allowed: "a whole number from 0 to 65535",
    parse: wholeNumber(65535),
  },
  trustProxy: {
    group: "address",
    brief: "networks of proxies that tell clients' addresses",
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
    group: "records",
    flags: "--state <file>",
    variable: "ZIPFERRY_STATE",
    description: "store receipts in this SQLite file, so that they survive a restart",
    ...PATH,
  },
  adminToken: {
    group: "records",
    variable: "ZIPFERRY_ADMIN_TOKEN",
    description: "secret that shows receipts (?status) and / on any machine",
    ...SECRET,
  },
  adminTokenFile: {
    group: "records",
    flags: "--admin-token-file <file>",
    variable: "ZIPFERRY_ADMIN_TOKEN_FILE",
    description: "read the admin token from this file",
    ...PATH,
  },
  webhook: {
    group: "records",
    flags: "--webhook <url>",
    variable: "ZIPFERRY_WEBHOOK",
    description: "post an event here when a download starts, is delivered or fails",
    allowed: "an http or https address without a user name",
    isSecret: true,
    parse: webAddress,
  },
  webhookSecret: {
    group: "records",
    variable: "ZIPFERRY_WEBHOOK_SECRET",
    description: "secret that signs those events",
    ...SECRET,
  },
  webhookSecretFile: {
    group: "records",
    flags: "--webhook-secret-file <file>",
    variable: "ZIPFERRY_WEBHOOK_SECRET_FILE",
    description: "read the secret of the webhook from this file",
    ...PATH,
  },
  shutdownTimeout: {
    group: "limits",
    flags: "--shutdown-timeout <seconds>",
    variable: "ZIPFERRY_SHUTDOWN_TIMEOUT",
    default: "30",
    description: "seconds that downloads get to finish when the service stops",
    ...secondsUpTo(MAX_SECONDS),
  },
  drainDelay: {
    group: "limits",
    flags: "--drain-delay <seconds>",
    variable: "ZIPFERRY_DRAIN_DELAY",
    default: "0",
    description: "before stopping, go on serving for this long while /readyz answers 503",
    ...secondsUpTo(MAX_SECONDS),
  },
} satisfies Record<string, OptionSpec<unknown>>;

/** What an option is called in the program. */
export type Key = keyof typeof OPTIONS;

/** The value of an option that has one. */
export type Parsed<K extends Key> = Exclude<ReturnType<(typeof OPTIONS)[K]["parse"]>, undefined>;

/** What may be left out, and has no default. */
export type Optional =
  | "s3Region"
  | "s3DefaultRegion"
  | "s3Endpoint"
  | "s3AnyEndpoint"
  | "s3PathStyle"
  | "unix"
  | "metrics"
  | "tlsCert"
  | "tlsKey"
  | "hsts"
  | "delay"
  | "log"
  | "logFormat"
  | "logLevel"
  | "landing"
  | "partSize"
  | "siteName"
  | "logo"
  | "accent"
  | "languages"
  | "links"
  | "secret"
  | "secretFile"
  | "memory"
  | "checksums"
  | "maxDownloads"
  | "state"
  | "adminToken"
  | "adminTokenFile"
  | "webhook"
  | "webhookSecret"
  | "webhookSecretFile";

/** The values of all options. */
export type Values =
  & { [K in Exclude<Key, Optional>]: Parsed<K> }
  & { readonly [K in Optional]?: Parsed<K> };

/** What other programs call some of the flags. */
export const ALSO_CALLED: Readonly<Record<string, Key>> = {
  address: "hostname",
  bind: "hostname",
  listen: "hostname",
  dir: "folder",
  directory: "folder",
  path: "folder",
  photos: "folder",
  "photos-dir": "folder",
  bucket: "folder",
  root: "folder",
  socket: "unix",
  verbose: "log",
  logging: "log",
  timeout: "shutdownTimeout",
};

/** Names of all environment variables that set options. */
export const variables: readonly string[] = Object.values<OptionSpec<unknown>>(OPTIONS)
  .flatMap(({ variable }) => variable ?? []);

/** The table of options for the README, in Markdown. */
export function optionsTable(): string {
  const rows = Object.values<OptionSpec<unknown>>(OPTIONS).map((option) => {
    const cells = [option.flags, option.variable, option.default].map(inCode);
    return `| ${[...cells, option.description].join(" | ")} |`;
  });
  return ["| Flag | Variable | Default | |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

function inCode(text: string | undefined) {
  return text === undefined ? "" : `\`${text.replaceAll("|", "\\|")}\``;
}

/** The long flag of an option, as in `--folder`. */
export function longFlag(
  { flags = "" }: Pick<OptionSpec<unknown>, "flags" | "description">,
): string {
  return /--[a-z\d-]+/.exec(flags)?.[0] ?? flags;
}

/** The words of the long flags as they would be written in a variable, such as `HOSTNAME`. */
export function wordsOfFlags(): string[] {
  return Object.values<OptionSpec<unknown>>(OPTIONS).filter(({ flags }) => flags)
    .map(wordOfFlag);
}

/** The word of its long flag as it would be written in a variable. */
export function wordOfFlag(spec: OptionSpec<unknown>): string {
  return longFlag(spec).slice(2).toUpperCase().replaceAll("-", "_");
}
