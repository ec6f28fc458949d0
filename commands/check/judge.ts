/**
 * What was seen becomes findings. Pure.
 *
 * @module
 */

import type { Config, GivenSetting } from "../../lib/config.ts";
import { redact } from "../../lib/log.ts";
import { quote } from "../../lib/quote.ts";
import { type Finding, finding } from "./findings.ts";
import type { PhotosFacts, Trouble } from "./photos.ts";

/** At most this many names are in a line. */
const NAMED = 3;

/** A line of 240 Mbit/s: a disk that gives one visitor less is in the way. Bytes per second. */
const SLOW_BYTES = 30e6;

/** With less, or in less time, the speed says nothing. */
const ENOUGH_BYTES = 1 << 20;
const ENOUGH_MS = 1;

/** No clock is right that shows an earlier time: there was no zipferry then. */
const EARLIEST = Date.UTC(2026, 0);

/** Times of files may be this far ahead of the clock, in milliseconds. */
const AHEAD_MS = 120_000;

/** What to do about archives that cannot be listed, by the system's code. */
const CURES: Readonly<Record<string, string>> = {
  EILSEQ: "give the files names in UTF-8: docs/names.md shows how, with convmv",
  ENAMETOOLONG: "shorten the names of files, or of the folders that they are in",
  EACCES: "let the user of the service read the folder: chmod -R a+rX, or a group that both are in",
  EPERM: "let the user of the service read the folder: chmod -R a+rX, or a group that both are in",
  EIO: "look at the disk: the system's log (dmesg) says more",
};

/** What to do instead where the photos are in a bucket. */
const BUCKET_CURE =
  "let the policy of the bucket allow s3:GetObject on all below the prefix, as in " +
  "docs/bucket.md";

/** The options that are given, and where. */
export function judgeSettings(given: readonly GivenSetting[]): Finding {
  const shown = given.map(({ where, text }) => `${where} ${quote(text)}`);
  const seen = shown.length === 0 ? "none is given, all have their defaults" : shown.join(", ");
  return finding("settings", "ok", seen);
}

/** Variables that do nothing; `warnings` has a line for each. */
export function judgeVariables(warnings: readonly string[]): Finding[] {
  if (warnings.length === 0) return [finding("variables", "ok", "none that would do nothing")];
  return warnings.map((warning) => finding("variables", "warning", warning));
}

/** Permissions of Deno; `missing` are the flags that grant them. */
export function judgePermissions(missing: readonly string[]): Finding {
  if (missing.length === 0) return finding("permissions", "ok", "all that these settings need");
  return finding("permissions", "fault", `missing: ${missing.join(" ")}`);
}

/** Who sees all links. */
export function judgeListing({ listing }: Pick<Config, "listing">): Finding {
  if (listing === "on") {
    return finding("listing", "warning", "everyone sees it, and each link in it is a key");
  }
  const seen = listing === "off" ? "nobody sees it" : "a browser on this machine sees it";
  return finding("listing", "ok", seen);
}

/** What is in the photos folder. */
export interface FolderFacts extends PhotosFacts {
  /** Its name, for people. */
  readonly folder: string;
  /** Whether it is the one that comes with the program, since nobody named another. */
  readonly isSample: boolean;
}

/** Findings that hang on the photos alone. */
export function judgePhotos(facts: FolderFacts): Finding[] {
  return [
    judgeFolder(facts),
    ...judgeNames(facts),
    judgeArchives(facts),
    judgeFiles(facts),
    ...judgeTimes(facts),
    judgeSpeed(facts.read),
  ];
}

function judgeFolder({ folder, isSample, folders }: FolderFacts): Finding {
  const name = quote(folder);
  if (isSample) {
    const seen = `${name}, the pictures that come with zipferry`;
    return finding("folder", "warning", seen, "name your own by --folder or PHOTOS_DIR");
  }
  if (folders > 0) return finding("folder", "ok", `${name}, ${counted(folders, "folder")} in it`);
  const next = "`zipferry new --folder … ALBUM` puts the first album in, under a random name";
  return finding("folder", "warning", `${name}, nothing in it yet`, next);
}

function judgeNames({ folder, unreachable, guessable }: FolderFacts): Finding[] {
  const next = () =>
    isBucket(folder)
      ? "upload them under names of 32 random characters"
      : `zipferry new --folder ${quote(folder)} --move ${quote(unreachable[0])}`;
  return [
    unreachable.length === 0
      ? finding("names", "ok", "none")
      : finding("names", "warning", list(unreachable.map((name) => quote(name))), next()),
    guessable.length === 0
      ? finding("guessable", "ok", "none")
      : finding("guessable", "warning", list(guessable.map(redact))),
  ];
}

function judgeArchives(facts: FolderFacts): Finding {
  const { archives, looked, empty, broken, inTime, folder } = facts;
  if (broken.length > 0) {
    const [{ code }] = broken;
    const known = code === "EACCES" && isBucket(folder) ? BUCKET_CURE : CURES[code];
    const cure = known ?? "put right what the line says, and look again";
    return finding("archives", "fault", `cannot be listed: ${troubles(broken)}`, cure);
  }
  if (!inTime) {
    const seen = `only ${looked} of ${archives} could be listed in time`;
    return finding("archives", "warning", seen, "see whether the disk answers: ls, df, dmesg");
  }
  const rest = looked < archives ? `, the ${looked} that changed last were listed` : "";
  const none = empty > 0 ? `, ${empty} of them without a file: their links answer 404` : "";
  return finding("archives", "ok", `${archives}${rest}${none}`);
}

function judgeFiles({ opened, unreadable, folder }: FolderFacts): Finding {
  if (unreadable.length > 0) {
    const cure = isBucket(folder) ? BUCKET_CURE : undefined;
    return finding("files", "fault", `cannot be read: ${troubles(unreadable)}`, cure);
  }
  return opened === 0
    ? finding("files", "skipped", "there is none to try")
    : finding("files", "ok", `${opened} tried, all can be read`);
}

function judgeTimes({ unsteady }: FolderFacts): Finding[] {
  if (unsteady === 0) return [];
  const seen =
    `${counted(unsteady, "archive")} on a disk that tells no times to go by: downloads ` +
    "of them cannot be resumed";
  return [finding("times", "warning", seen)];
}

function judgeSpeed({ bytes, ms }: PhotosFacts["read"]): Finding {
  if (bytes < ENOUGH_BYTES || ms < ENOUGH_MS) {
    return finding("speed", "skipped", "too few bytes to tell");
  }
  const rate = bytes / ms * 1000;
  const seen = `${inMegabytes(rate)} MB/s over ${inMegabytes(bytes)} MB`;
  return rate < SLOW_BYTES
    ? finding("speed", "warning", seen)
    : finding("speed", "ok", `${seen}, what the system had in memory included`);
}

/** Times, in milliseconds since 1970. */
export interface ClockFacts {
  /** What the clock shows. */
  readonly now: number;
  /** Newest time of a file; `-Infinity` if there is none. */
  readonly newest: number;
  /** Name of the time zone. */
  readonly zone: string;
}

/** The clock, against what is known of the time. */
export function judgeClock({ now, newest, zone }: ClockFacts): Finding {
  const clock = `${new Date(now).toISOString().slice(0, 19)}Z, time zone ${zone}`;
  if (now < EARLIEST) return finding("clock", "fault", `${clock}, which is long past`);
  if (newest <= now + AHEAD_MS) return finding("clock", "ok", clock);
  const ahead = `the newest file is ${inWords(newest - now)} ahead of the clock: ${clock}`;
  const next = "see whether the clock is right (date -u), and whether the disk or the FTP server " +
    "takes local time for UTC";
  return finding("clock", "warning", ahead, next);
}

/** Memory, in bytes. */
export interface MemoryFigures {
  /** Of the container or machine; null if that is not known. */
  readonly there: number | null;
  /** What --memory says. */
  readonly given?: number;
  /** What it is without. */
  readonly usual: number;
  /** What the runtime and its threads may take besides. */
  readonly runtime: number;
}

/** What requests may take, against what there is. */
export function judgeMemory({ there, given, usual, runtime }: MemoryFigures): Finding {
  const budget = inMebibytes(given ?? usual);
  if (there === null) return finding("memory", "ok", `${budget} for requests`);
  const seen = `${budget} for requests, of ${inMebibytes(there)} that there are`;
  if (given === undefined || given <= Math.max(usual, there - runtime)) {
    return finding("memory", "ok", seen);
  }
  const next = `--memory ${Math.floor(usual / 2 ** 20)}M is what it would be without the option`;
  return finding(
    "memory",
    given >= there ? "fault" : "warning",
    `${seen}: the rest is too little`,
    next,
  );
}

/** Downloads at a time: as many as there are to be, and as many as there are descriptors for. */
export function judgeDescriptors(
  { wanted, possible }: { readonly wanted: number; readonly possible: number | null },
): Finding {
  if (possible === null) return finding("descriptors", "skipped", "this system does not tell");
  if (possible >= wanted) {
    return finding("descriptors", "ok", `enough for ${counted(wanted, "download")} at a time`);
  }
  return finding(
    "descriptors",
    "warning",
    `enough for ${possible} downloads at a time, not ${wanted}`,
  );
}

/** Who is believed about clients' addresses, and who reaches the service. */
export function judgeProxy(config: Config): Finding {
  const { trustProxy, maxPerClient, unix, hostname, tlsCert } = config;
  const isLocal = unix !== undefined || /^(?:127\.|localhost$|::1$)/.test(hostname);
  const all = trustProxy.find((network) => /\/0$/.test(network));
  if (all !== undefined) {
    const next = "name the networks of your proxies only: --trust-proxy loopback, or 10.0.0.0/8";
    return finding(
      "proxy",
      "warning",
      `--trust-proxy ${all}: every client may say who it is`,
      next,
    );
  }
  if (isLocal && maxPerClient > 0 && trustProxy.length === 0) {
    const word = unix === undefined ? "loopback" : "unix";
    const seen = "all clients of a proxy on this machine are one for --max-per-client";
    return finding("proxy", "warning", seen, `--trust-proxy ${word}`);
  }
  const trusted = trustProxy.length === 0
    ? "no proxy is believed about clients' addresses"
    : `proxies in ${trustProxy.join(", ")} tell clients' addresses`;
  const open = isLocal || tlsCert !== undefined
    ? ""
    : `; ${hostname} is open to others without TLS: let a proxy with TLS alone reach it`;
  return finding("proxy", "ok", trusted + open, DOCTOR);
}

const DOCTOR = "when it runs, from another machine: zipferry doctor https://…/archive/<hash>/";

function isBucket(folder: string) {
  return folder.startsWith("s3:");
}

/** The first of them, and how many there are. */
function list(names: readonly string[]): string {
  const more = names.length > NAMED ? `, … (${names.length})` : "";
  return names.slice(0, NAMED).join(", ") + more;
}

function troubles(found: readonly Trouble[]): string {
  return list(found.map(({ hash, why }) => `${redact(hash)} ${why}`));
}

function counted(count: number, noun: string) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function inMegabytes(bytes: number) {
  const megabytes = bytes / 1e6;
  return megabytes < 10 ? megabytes.toFixed(1) : String(Math.round(megabytes));
}

function inMebibytes(bytes: number) {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}

function inWords(milliseconds: number) {
  const hours = milliseconds / 3_600_000;
  if (hours >= 48) return `${Math.round(hours / 24)} days`;
  return hours >= 2 ? `${Math.round(hours)} hours` : `${Math.round(hours * 60)} minutes`;
}
