/**
 * Work on many archives at once, outside of any download: fill the checksum index, and check it.
 *
 * @module
 */

import type { Checksums } from "./checksums.ts";
import type { FolderEntry } from "./listing.ts";
import { type Reader, sliceOf } from "./reader.ts";

/** So many files are read at the same time. */
const FILES_AT_ONCE = 4;

/** What upkeep works with. */
export interface UpkeepOptions {
  /** Reads the files. */
  readonly reader: Reader;
  /** Has the index. */
  readonly checksums: Checksums;
  /** The archives to work through. */
  readonly hashes: readonly string[];
  /** Told how far it is. */
  readonly onProgress?: (progress: Progress) => void;
}

/** How far a run is. */
export interface Progress {
  /** Bytes of the files that are done. */
  readonly done: number;
  /** Bytes of all files. */
  readonly total: number;
}

/** A file that was looked at. */
export interface ArchivedFile {
  /** The archive that it is in. */
  readonly hash: string;
  /** Its path in the archive; empty for the archive itself, which could not be listed. */
  readonly path: string;
}

/** What a check found. */
export interface Verification {
  /** Files whose content is what the index says. */
  readonly good: number;
  /** Files that the index does not know. */
  readonly unknown: number;
  /** Files whose content is another one, under the same size and time. */
  readonly changed: readonly ArchivedFile[];
  /** Files that could not be read, or changed meanwhile. */
  readonly failed: readonly ArchivedFile[];
}

interface Candidate extends ArchivedFile {
  readonly entry: FolderEntry;
}

/** Works out the CRC-32 of every file that the index does not know; tells those that failed. */
export async function warm(options: UpkeepOptions): Promise<readonly ArchivedFile[]> {
  const { checksums } = options;
  const failed: ArchivedFile[] = [];
  const unlisted = await forEachFile(options, async ({ hash, path, entry }) => {
    await checksums.scan(entry, NEVER).catch(() => failed.push({ hash, path }));
  });
  await checksums.flush();
  return [...unlisted, ...failed];
}

/** Reads every file that the index knows, to see whether its content is still the same. */
export async function verify(options: UpkeepOptions): Promise<Verification> {
  const { checksums, reader } = options;
  const counts = { good: 0, unknown: 0 };
  const changed: ArchivedFile[] = [];
  const failed: ArchivedFile[] = [];
  const unlisted = await forEachFile(options, async ({ hash, path, entry }) => {
    const expected = checksums.get(entry);
    if (expected === undefined) return void counts.unknown++;
    try {
      const actual = await reader.checksum(
        sliceOf(entry, { offset: 0, length: entry.size, crc32: 0 }),
      );
      if (actual === expected) counts.good++;
      else changed.push({ hash, path });
    } catch {
      failed.push({ hash, path });
    }
  });
  return { ...counts, changed, failed: [...unlisted, ...failed] };
}

/** Nobody leaves a run of upkeep but by ending the process. */
const NEVER = new AbortController().signal;

/** Does the work for every file; returns the archives that could not be listed. */
async function forEachFile(
  { reader, checksums, hashes, onProgress }: UpkeepOptions,
  work: (candidate: Candidate) => Promise<void>,
): Promise<readonly ArchivedFile[]> {
  const candidates: Candidate[] = [];
  const unlisted: ArchivedFile[] = [];
  for (const hash of hashes) {
    const listing = await reader.list(hash).catch(() => void unlisted.push({ hash, path: "" }));
    const files = listing?.entries.filter(({ size }) => size > 0) ?? [];
    await checksums.recall(files);
    for (const entry of files) candidates.push({ hash, path: entry.path, entry });
  }
  const total = candidates.reduce((sum, { entry }) => sum + entry.size, 0);
  let done = 0;
  const queue = candidates.values();
  const workThrough = async () => {
    for (const candidate of queue) {
      await work(candidate);
      done += candidate.entry.size;
      onProgress?.({ done, total });
    }
  };
  await Promise.all(Array.from({ length: FILES_AT_ONCE }, workThrough));
  return unlisted;
}
