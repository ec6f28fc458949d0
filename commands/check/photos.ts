/**
 * A bounded look at the photos: which folders there are, whether they can be listed, whether their
 * files can be read, and how fast.
 *
 * @module
 */

import { describeError } from "../../lib/log.ts";
import { isUnreachable } from "../../storage/archive_pages.ts";
import { codeOf } from "../../storage/errors.ts";
import { filesOf, type Listing } from "../../storage/listing.ts";
import { isGuessable, isHash } from "../../storage/names.ts";
import { type FileSource, type ListedFile, sliceOf } from "../../storage/source.ts";

/** At most this many files of one archive are opened. */
const FILES_AN_ARCHIVE = 20;

/** The largest files of all, which the speed is measured with. */
const MEASURED_FILES = 8;

/** One read, in bytes. */
const READ_BYTES = 4 << 20;

/** Codes of what is being changed just now: the next look may find it at rest. */
const CHANGING = ["EAGAIN", "ESTALE", "EBUSY"];

/** How much is looked at. */
export interface PhotosBounds {
  /** Archives that are listed, those that changed last where times are asked for. @default 1000 */
  readonly archives?: number;
  /**
   * Whether the times of folders are asked for: in a bucket that is a look at every object.
   *
   * @default true
   */
  readonly timed?: boolean;
  /** Files that are opened. @default 2000 */
  readonly files?: number;
  /** Bytes that are read to measure the speed. @default 256 MiB */
  readonly bytes?: number;
  /** Milliseconds for listings and files together. @default 20,000 */
  readonly lookMs?: number;
  /** Milliseconds for the speed. @default 2000 */
  readonly readMs?: number;
  /**
   * Looks into an archive's folder, and rejects with the system's error: a source tells only that it
   * found nothing, so that visitors cannot tell what is there. @default nobody looks
   */
  readonly lookInto?: (hash: string) => Promise<void>;
}

/** What cannot be listed or read, and why. */
export interface Trouble {
  /** The archive. */
  readonly hash: string;
  /** The system's code of the error. */
  readonly code: string;
  /** The error, without the hash. */
  readonly why: string;
}

/** What was seen. */
export interface PhotosFacts {
  /** Names of all folders. */
  readonly folders: number;
  /** How many of them could be archives. */
  readonly archives: number;
  /** Names of folders that no link reaches. */
  readonly unreachable: readonly string[];
  /** Names of archives that are short enough to be guessed. */
  readonly guessable: readonly string[];
  /** Archives that were listed, or failed to be. */
  readonly looked: number;
  /** Those with nothing in them. */
  readonly empty: number;
  /** Archives that cannot be listed. */
  readonly broken: readonly Trouble[];
  /** Files that were opened, or failed to be. */
  readonly opened: number;
  /** Files that cannot be read. */
  readonly unreadable: readonly Trouble[];
  /** Archives whose disk tells no times to go by: they cannot be resumed. */
  readonly unsteady: number;
  /** Newest time of a file, in milliseconds since 1970; `-Infinity` if there is none. */
  readonly newest: number;
  /** False if time ran out. */
  readonly inTime: boolean;
  /** What was read to measure the speed, and how long that took, in milliseconds. */
  readonly read: { readonly bytes: number; readonly ms: number };
}

/**
 * Looks at the photos within the bounds.
 *
 * @throws {StorageError} if the photos folder itself cannot be read
 */
export async function lookAtPhotos(
  source: FileSource,
  bounds: PhotosBounds = {},
): Promise<PhotosFacts> {
  const { archives = 1000, files = 2000, lookMs = 20_000, timed = true } = bounds;
  const signal = AbortSignal.timeout(lookMs);
  const names = timed
    ? (await source.folders({ signal })).map(({ name }) => name)
    : await source.archives({ signal });
  const hashes = names.filter(isHash);
  const look = new Look(source, { files, signal, lookInto: bounds.lookInto });
  for (const hash of hashes.slice(0, archives)) {
    if (signal.aborted) break;
    await look.at(hash);
  }
  return {
    ...look.facts(),
    folders: names.length,
    archives: hashes.length,
    unreachable: names.filter(isUnreachable),
    guessable: hashes.filter(isGuessable),
    inTime: !signal.aborted,
    read: signal.aborted ? { bytes: 0, ms: 0 } : await measure(look.largest, source, bounds),
  };
}

interface LookOptions extends Pick<PhotosBounds, "lookInto"> {
  readonly files: number;
  readonly signal: AbortSignal;
}

/** Archives that are looked at one after the other. */
class Look {
  readonly #source: FileSource;
  readonly #signal: AbortSignal;
  readonly #lookInto: PhotosBounds["lookInto"];
  readonly #broken: Trouble[] = [];
  readonly #unreadable: Trouble[] = [];
  #files: number;
  #looked = 0;
  #empty = 0;
  #opened = 0;
  #unsteady = 0;
  #newest = -Infinity;
  /** The largest files that can be read, the largest first. */
  largest: readonly ListedFile[] = [];

  constructor(source: FileSource, { files, signal, lookInto }: LookOptions) {
    this.#source = source;
    this.#lookInto = lookInto;
    this.#files = files;
    this.#signal = signal;
  }

  async at(hash: string) {
    const listing = await this.#list(hash);
    if (!listing) return;
    if (!listing.steady) this.#unsteady++;
    const files = filesOf(listing);
    for (const { mtimeMs } of files.map(({ state }) => state)) {
      if (mtimeMs > this.#newest) this.#newest = mtimeMs;
    }
    for (const file of spread(files, Math.min(FILES_AN_ARCHIVE, this.#files))) {
      if (!await this.#open(file)) continue;
      this.largest = [...this.largest, file].sort((a, b) => b.size - a.size)
        .slice(0, MEASURED_FILES);
    }
  }

  facts() {
    return {
      looked: this.#looked,
      empty: this.#empty,
      broken: this.#broken,
      opened: this.#opened,
      unreadable: this.#unreadable,
      unsteady: this.#unsteady,
      newest: this.#newest,
    };
  }

  async #list(hash: string): Promise<Listing | null> {
    try {
      const listing = await this.#source.list(hash, { background: true, signal: this.#signal });
      if (!listing) await this.#lookInto?.(hash);
      this.#looked++;
      if (!listing) this.#empty++;
      return listing;
    } catch (error) {
      this.#note(this.#broken, error, hash);
      return null;
    }
  }

  /** True if the first byte of the file can be read. */
  async #open(file: ListedFile): Promise<boolean> {
    if (file.size === 0) return false;
    this.#files--;
    try {
      const slice = sliceOf(file, { offset: 0, length: 1, crc32: 0 });
      await this.#source.checksum(slice, { signal: this.#signal });
      this.#opened++;
      return true;
    } catch (error) {
      if (this.#note(this.#unreadable, error, file.hash)) this.#opened++;
      return false;
    }
  }

  /** What ends because time ran out, or changes just now, is no trouble. */
  #note(troubles: Trouble[], error: unknown, hash: string): boolean {
    const code = codeOf(error);
    if (this.#signal.aborted || CHANGING.includes(code)) return false;
    if (troubles === this.#broken) this.#looked++;
    troubles.push({ hash, code, why: describeError(error, hash) });
    return true;
  }
}

/** So many of the files, from all over the archive. */
function spread<T>(files: readonly T[], count: number): T[] {
  const step = files.length / count;
  if (step <= 1) return [...files];
  return Array.from({ length: count }, (_, i) => files[Math.floor(i * step)]);
}

/** Reads the files one after the other, as one download does. */
async function measure(
  files: readonly ListedFile[],
  source: FileSource,
  { bytes: most = 256 << 20, readMs = 2000 }: PhotosBounds,
): Promise<PhotosFacts["read"]> {
  const started = performance.now();
  const end = AbortSignal.timeout(readMs);
  let bytes = 0;
  for (const file of files) {
    for (let offset = 0; offset < file.size; offset += READ_BYTES) {
      if (end.aborted || bytes >= most) return { bytes, ms: performance.now() - started };
      const length = Math.min(READ_BYTES, file.size - offset);
      const slice = sliceOf(file, { offset, length, crc32: 0 });
      try {
        await source.checksum(slice, { signal: end });
      } catch {
        break; // time ran out, or the file changed
      }
      bytes += length;
    }
  }
  return { bytes, ms: performance.now() - started };
}
