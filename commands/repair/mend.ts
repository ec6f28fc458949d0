/**
 * Makes a damaged archive whole: what is good in it is kept, the rest is fetched. The file itself is
 * left alone until a copy beside it is whole and checked, which then takes its name.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import {
  findDirectory,
  isHeaderOf,
  joinRanges,
  lengthOf,
  type Member,
  type Range,
  readDirectory,
} from "./directory.ts";
import { RepairError } from "./errors.ts";
import {
  crcOf,
  findMoved,
  isGood,
  isOfOtherVersion,
  judge,
  type Judgement,
  LocalFile,
  sha256Of,
} from "./local.ts";
import { RemoteArchive, type RemoteOptions } from "./remote.ts";

/** Good bytes between two bad ranges are fetched too if they are no more than another request. */
const GAP_BYTES = 512;

/** How a file is repaired. */
export interface MendOptions extends RemoteOptions {
  /** Absolute path of the damaged file, without symlinks. */
  readonly file: string;
  /** Absolute path of the copy on which the work is done: see {@link workPath}. */
  readonly work: string;
  /** Address of the archive. */
  readonly url: URL;
  /** Told what is about to happen. */
  readonly onPlan?: (plan: Plan) => void;
  /** Told how far the reading of the file is, and then the fetching. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/** What has to be fetched. */
export interface Plan {
  /** How many files are damaged or missing. */
  readonly damaged: number;
  /** How many there are. */
  readonly files: number;
  /** Bytes to fetch. */
  readonly bytes: number;
  /** Length of the archive in bytes. */
  readonly length: number;
}

/** What was done. */
export interface Outcome {
  /** Whether the file was whole before, or is now. */
  readonly state: "whole" | "repaired";
  /** Length of the archive in bytes. */
  readonly length: number;
  /** Its entity tag. */
  readonly etag: string;
  /** Its SHA-256 if the server announces it, as the file's is; null if it does not. */
  readonly sha256: string | null;
  /** Names of the entries that were damaged or missing. */
  readonly damaged: readonly string[];
  /** Bytes of the archive that came. */
  readonly fetched: number;
  /** Requests that were made. */
  readonly requests: number;
}

/** Where the copy of a file is while it is worked on. */
export function workPath(file: string): string {
  return `${file}.repair`;
}

/**
 * Repairs a file.
 *
 * @throws {RepairError} if it cannot be; the file is as it was then
 */
export async function mend(options: MendOptions): Promise<Outcome> {
  const remote = await RemoteArchive.open(options.url, options);
  using copy = await makeCopy(remote, options);
  // Under the lock of the copy, so that nobody else works on it any more.
  if (copy) await Deno.rename(options.work, options.file);
  const { length, etag, sha256, counts: { bytes, requests } } = remote;
  const state = copy ? "repaired" : "whole";
  const damaged = copy?.damaged ?? [];
  return { state, length, etag, sha256, damaged, fetched: bytes, requests };
}

/** What the file has to become. */
interface Target {
  readonly members: readonly Member[];
  /** Where the central directory starts. */
  readonly start: number;
  /** The central directory and all after it. */
  readonly end: Buffer;
}

interface Work extends MendOptions {
  readonly remote: RemoteArchive;
  readonly target: Target;
  readonly damaged: LocalFile;
  readonly judgements: readonly Judgement[];
}

/** A whole copy; null if the file itself is whole. */
async function makeCopy(
  remote: RemoteArchive,
  options: MendOptions,
): Promise<Disposable & { readonly damaged: readonly string[] } | null> {
  using damaged = new LocalFile(await Deno.open(options.file, { read: true }));
  const isAsLong = damaged.size === remote.length;
  if (isAsLong && remote.sha256 !== null) {
    if (sha256Of(damaged, remote.length) === remote.sha256) return null;
  }
  const target = await targetOf(remote);
  const judgements = judgeAll(damaged, target.members, options.onProgress);
  const bad = judgements.filter((judgement) => !isGood(judgement));
  const isEndGood = isAsLong && damaged.read(target.start, target.end.length).equals(target.end);
  if (bad.length === 0 && isEndGood) {
    if (remote.sha256 === null) return null;
    throw new RepairError(
      "each CRC-32 in the file is right, but its SHA-256 is not the one that the server announces",
    );
  }
  if (bad.some((judgement) => isOfOtherVersion(damaged, judgement))) throw otherVersion();
  const copy = await openCopy(options.work);
  await finish(copy, { ...options, remote, target, damaged, judgements });
  return {
    damaged: bad.map(({ member }) => member.name.toString()),
    [Symbol.dispose]: () => copy[Symbol.dispose](),
  };
}

async function targetOf(remote: RemoteArchive): Promise<Target> {
  const { tail, length } = remote;
  const place = findDirectory(tail, length);
  const tailStart = length - tail.length;
  const first = place.start < tailStart
    ? await remote.read({ start: place.start, end: tailStart })
    : new Uint8Array();
  const end = Buffer.concat([first, tail.subarray(Math.max(place.start - tailStart, 0))]);
  const members = readDirectory(end.subarray(0, place.end - place.start), place);
  return { members, start: place.start, end };
}

function judgeAll(
  file: LocalFile,
  members: readonly Member[],
  onProgress: MendOptions["onProgress"],
): Judgement[] {
  const total = members.at(-1)?.end ?? 0;
  let done = 0;
  return members.map((member) =>
    judge(file, member, (bytes) => onProgress?.({ done: done += bytes, total }))
  );
}

/** Locked, so that two repairs of one file do not work on the same copy. */
async function openCopy(path: string): Promise<LocalFile> {
  const file = await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
  const isMine = await file.tryLock(true) &&
    (await Deno.stat(path).catch(() => null))?.ino === (await file.stat()).ino;
  if (isMine) return new LocalFile(file);
  file.close();
  throw new RepairError("another repair of this file is running");
}

/** Fills the copy, and removes it if nothing more can come of it. Its end is written last of all. */
async function finish(copy: LocalFile, work: Work): Promise<void> {
  const { target, file, work: path } = work;
  try {
    await fill(copy, work);
    copy.write(target.start, target.end);
    copy.sync();
    const { mode } = await Deno.stat(file);
    if (mode !== null && Deno.build.os !== "windows") await Deno.chmod(path, mode & 0o7777);
  } catch (error) {
    copy[Symbol.dispose]();
    const isOfUse = error instanceof RepairError && error.kind === "unreachable";
    if (!isOfUse) await Deno.remove(path).catch(() => {});
    throw error;
  }
}

/** Everything but the end, which a reader needs: so nobody takes the copy for an archive. */
async function fill(copy: LocalFile, work: Work): Promise<void> {
  const { remote, target, damaged } = work;
  const isNew = copy.size === 0;
  if (isNew) transfer(damaged, copy, { start: 0, end: Math.min(damaged.size, target.start) });
  copy.resize(target.start);
  copy.resize(remote.length);
  const judged = isNew
    ? work.judgements
    : work.judgements.map((found) => better(copy, found, work));
  const moved = takeMoved(copy, judged, work);
  const bad = judged.filter((found) => !isGood(found) && !moved.has(found.member));
  const ranges = joinRanges(bad.flatMap(rangesOf), GAP_BYTES);
  work.onPlan?.({
    damaged: bad.length,
    files: target.members.length,
    bytes: lengthOf(ranges),
    length: remote.length,
  });
  await fetchInto(copy, ranges, work);
  const partly = bad.filter(({ data, missing }) => !data && missing.length > 0);
  const stillBad = partly.filter(({ member }) => !isDataGood(copy, member))
    .map(({ member }) => ({ start: member.data, end: member.end }));
  await fetchInto(copy, joinRanges(stillBad, GAP_BYTES), work);
  assertWhole(copy, work);
}

/** What is to be fetched of an entry. */
function rangesOf({ member, header, data, missing }: Judgement): Range[] {
  const ranges: Range[] = [];
  if (!header) ranges.push({ start: member.offset, end: member.data });
  if (!data && missing.length > 0) ranges.push(...missing);
  else if (!data) ranges.push({ start: member.data, end: member.end });
  return ranges;
}

/** Of the copy that an earlier run has left and of the file, what is the better one. */
function better(copy: LocalFile, found: Judgement, { damaged }: Work): Judgement {
  const left = judge(copy, found.member);
  if (lengthOf(rangesOf(left)) <= lengthOf(rangesOf(found))) return left;
  transfer(damaged, copy, { start: found.member.offset, end: found.member.end });
  return found;
}

/** Takes over entries that are whole in another place of the file. */
function takeMoved(copy: LocalFile, judged: readonly Judgement[], { damaged, target }: Work) {
  const bad = judged.filter(({ data }) => !data).map(({ member }) => member);
  const places = bad.map(({ offset, end }) => ({
    start: offset,
    end: Math.min(end, damaged.size),
  }));
  const ranges = joinRanges([...places, { start: target.start, end: damaged.size }]);
  const moved = bad.length > 0 ? findMoved(damaged, bad, ranges) : new Map<Member, number>();
  for (const [member, start] of moved) {
    const length = member.end - member.data;
    transfer(damaged, copy, { start, end: start + length, to: member.data });
    if (member.header) copy.write(member.offset, member.header);
  }
  return moved;
}

/** Copies a range, to the same place unless another one is given. */
function transfer(
  from: LocalFile,
  copy: LocalFile,
  { start, end, to = start }: Range & { readonly to?: number },
) {
  for (const { bytes, at } of from.pieces({ start, end })) copy.write(to + at - start, bytes);
}

async function fetchInto(copy: LocalFile, ranges: readonly Range[], work: Work) {
  const total = lengthOf(ranges);
  let done = 0;
  for (const range of ranges) {
    await work.remote.fetch({
      ...range,
      onBytes: (bytes, at) => {
        copy.write(at, bytes);
        work.onProgress?.({ done: done += bytes.length, total });
      },
    });
  }
}

function isDataGood(file: LocalFile, member: Member) {
  return crcOf(file, member.data, member) === member.crc32;
}

/** Goes through all of the copy once more, and compares it with what the server announces. */
function assertWhole(copy: LocalFile, { remote, target }: Work) {
  for (const member of target.members) {
    const header = copy.read(member.offset, member.data - member.offset);
    if (isHeaderOf(member, header) && isDataGood(copy, member)) continue;
    throw new RepairError(
      `what the server sends does not match its own CRC-32: ${JSON.stringify(`${member.name}`)}`,
    );
  }
  if (remote.sha256 === null || sha256Of(copy, target.start, target.end) === remote.sha256) return;
  throw new RepairError(
    "each CRC-32 is right now, but the SHA-256 is not the one that the server announces",
  );
}

function otherVersion() {
  return new RepairError(
    "the file is of another version of the archive than the one on the server now: download it anew",
    "other version",
  );
}
