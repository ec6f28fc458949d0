/**
 * What a start finds out about archives that no visitor can download.
 *
 * @module
 */

import { describeError, log, redact } from "../lib/log.ts";
import { isLasting } from "../storage/errors.ts";
import { isHash } from "../storage/names.ts";
import type { FileSource } from "../storage/source.ts";

/** At most this many archives are named in the log. */
const NAMED_ARCHIVES = 10;

/** An archive that takes longer to list is on a disk that hangs, in milliseconds. */
const PATIENCE_MS = 60_000;

/** How the archives are looked through. */
export interface BrokenOptions {
  /** The photos folder. */
  readonly source: FileSource;
  /** Ends the search. */
  readonly signal: AbortSignal;
  /** Gives up at an archive that takes longer, in milliseconds. @default 60,000 */
  readonly patience?: number;
}

/**
 * Lists every archive, one after the other and behind everything that somebody waits for, and warns
 * of each that fails until its owner acts: a name that is not UTF-8, a folder that must not be read.
 * Never rejects. A disk that hangs ends the search: it costs one thread, not one for each archive.
 */
export async function warnOfBrokenArchives(options: BrokenOptions): Promise<void> {
  const { source, signal } = options;
  let count = 0;
  const archives = await source.archives({ background: true, signal }).catch(() => []);
  for (const hash of archives.filter(isHash)) {
    const outcome = await listInTime(hash, options);
    if (signal.aborted || outcome === "late") break;
    if (!isLasting(outcome) || ++count > NAMED_ARCHIVES) continue;
    log.warn("an archive cannot be downloaded until its folder is put right: {why}", {
      archive: redact(hash),
      why: describeError(outcome),
    });
  }
  if (count > NAMED_ARCHIVES) {
    log.warn("{count} archives cannot be downloaded until their folders are put right", { count });
  }
}

/** The error of a listing, undefined if it succeeds in time. */
async function listInTime(hash: string, options: BrokenOptions): Promise<unknown> {
  const { source, signal, patience = PATIENCE_MS } = options;
  const end = Promise.withResolvers<"late">();
  const timer = setTimeout(() => end.resolve("late"), patience);
  const stop = () => end.resolve("late");
  signal.addEventListener("abort", stop, { once: true });
  try {
    const listing = source.list(hash, { background: true, signal });
    return await Promise.race([listing.then(() => undefined, (error) => error), end.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}
