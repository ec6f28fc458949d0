/**
 * Work on many archives at once, outside of any download: work out the CRC-32 values that the source
 * keeps, and check them.
 *
 * @module
 */

import { mapAtMost } from "../lib/concurrency.ts";
import type { Checksums } from "./checksums.ts";
import type { ListedEntry } from "./listing.ts";
import { type FileSource, sliceOf } from "./source.ts";

/** At most this many files are read at the same time. */
const FILES_AT_ONCE = 4;

/** What upkeep works with. */
export interface UpkeepOptions {
  /** Reads the files. */
  readonly source: FileSource;
  /** Knows the CRC-32 values that the source keeps. */
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
  /** Files whose content has the CRC-32 that was kept. */
  readonly good: number;
  /** Files of which no CRC-32 was kept. */
  readonly unknown: number;
  /** Files whose content is another one, under the same size and time. */
  readonly changed: readonly ArchivedFile[];
  /** Files that could not be read, or changed meanwhile. */
  readonly failed: readonly ArchivedFile[];
}

interface Candidate extends ArchivedFile {
  readonly entry: ListedEntry;
}

/** Works out the CRC-32 of every file that the source keeps none of; returns those that failed. */
export async function warm(options: UpkeepOptions): Promise<readonly ArchivedFile[]> {
  const { checksums } = options;
  const failed: ArchivedFile[] = [];
  const unlisted = await forEachFile(options, async ({ hash, path, entry }) => {
    await checksums.scan(entry, NEVER).catch(() => failed.push({ hash, path }));
  });
  await checksums.flush();
  return [...unlisted, ...failed];
}

/** Reads every file whose CRC-32 the source keeps, to see whether its content is still the same. */
export async function verify(options: UpkeepOptions): Promise<Verification> {
  const { checksums, source } = options;
  const counts = { good: 0, unknown: 0 };
  const changed: ArchivedFile[] = [];
  const failed: ArchivedFile[] = [];
  const unlisted = await forEachFile(options, async ({ hash, path, entry }) => {
    const expected = checksums.get(entry);
    if (expected === undefined) return void counts.unknown++;
    try {
      const actual = await source.checksum(
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

/** A run of upkeep ends early only with the process. */
const NEVER = new AbortController().signal;

/** Does the work for every file; returns the archives that could not be listed. */
async function forEachFile(
  { source, checksums, hashes, onProgress }: UpkeepOptions,
  work: (candidate: Candidate) => Promise<void>,
): Promise<readonly ArchivedFile[]> {
  const candidates: Candidate[] = [];
  const unlisted: ArchivedFile[] = [];
  for (const hash of hashes) {
    const listing = await source.list(hash).catch(() => void unlisted.push({ hash, path: "" }));
    const files = listing?.entries.filter(({ size }) => size > 0) ?? [];
    await checksums.recall(files);
    for (const entry of files) candidates.push({ hash, path: entry.path, entry });
  }
  const total = candidates.reduce((sum, { entry }) => sum + entry.size, 0);
  let done = 0;
  await mapAtMost(candidates, async (candidate) => {
    await work(candidate);
    done += candidate.entry.size;
    onProgress?.({ done, total });
  }, { limit: FILES_AT_ONCE });
  return unlisted;
}
