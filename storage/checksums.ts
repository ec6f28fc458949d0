/**
 * CRC-32 values of files: remembered within a bound, and worked out once for all downloads that need
 * them at the same time.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { LRUCache } from "lru-cache";
import type { ChecksumStats } from "../lib/stats.ts";
import { type FileSource, type KeptChecksum, type ListedFile, sliceOf } from "./source.ts";

/** A scan gives others their turn after this many bytes. */
const SLICE_BYTES = 64 << 20;

/** At most this many values go to the source, or come from it, at a time. */
const KEPT_BATCH = 5000;

/** Values come together for this long before the source is told of them, in milliseconds. */
const SAVE_MS = 1000;

/** What a value costs besides its key's characters: 100 bytes, and the slack that a heap has. */
const ENTRY_BYTES = 200;

/** At most this many scans leave behind how far they came. */
const MAX_PARTIAL = 1000;

/** How much is remembered. */
export interface ChecksumsOptions {
  /** Memory for values, in bytes. @default 32 MiB */
  readonly maxBytes?: number;
  /** Called once if the source can no longer keep values; all goes on without that. */
  readonly onKeepFailure?: (error: unknown) => void;
}

/** How far a file was scanned. */
interface Progress {
  readonly offset: number;
  readonly crc32: number;
}

interface Scan {
  waiting: number;
  readonly result: Promise<number>;
}

/** The CRC-32 cache of one process. */
export class Checksums {
  readonly #source: FileSource;
  readonly #whole: LRUCache<string, number>;
  /** Of scans that were abandoned, or still go on. */
  readonly #partial = new LRUCache<string, Progress>({ max: MAX_PARTIAL });
  readonly #scans = new Map<string, Scan>();
  readonly #options: ChecksumsOptions;
  readonly #counts = { hits: 0, misses: 0, done: 0, failed: 0, abandoned: 0, scannedBytes: 0 };
  #isKept: boolean;
  #unsaved: KeptChecksum[] = [];
  #saving: Promise<void> | null = null;
  #hurry = new AbortController();

  /** Knows nothing yet; the source will do the scans. */
  constructor(source: FileSource, options: ChecksumsOptions = {}) {
    this.#source = source;
    this.#options = options;
    this.#isKept = source.keepsChecksums;
    this.#whole = new LRUCache({
      maxSize: Math.min(options.maxBytes ?? 32 << 20, Number.MAX_SAFE_INTEGER),
      sizeCalculation: (_, key) => ENTRY_BYTES + key.length,
    });
  }

  /** The CRC-32 of the whole file, if it is remembered. */
  get(file: ListedFile): number | undefined {
    const crc32 = this.#whole.get(keyOf(file));
    if (crc32 !== undefined) this.#counts.hits++;
    return crc32;
  }

  /** What is remembered now, and what was scanned so far. */
  stats(): ChecksumStats {
    const { hits, misses, scannedBytes, done, failed, abandoned } = this.#counts;
    const { size: entries, calculatedSize: bytes, maxSize: maxBytes } = this.#whole;
    const scans = { done, failed, abandoned, running: this.#scans.size };
    return { entries, bytes, maxBytes, hits, misses, scans, scannedBytes };
  }

  /** Remembers the CRC-32 of a whole file. */
  set(file: ListedFile, crc32: number) {
    const key = keyOf(file);
    if (this.#whole.get(key) === crc32) return;
    this.#counts.misses++;
    this.#whole.set(key, crc32);
    this.#save(file, crc32);
  }

  /** Forgets a CRC-32 that turned out to be wrong. A client that comes back at once is told no lie. */
  forget(file: ListedFile) {
    const key = keyOf(file);
    this.#whole.delete(key);
    this.#partial.delete(key);
    this.#save(file, null);
    this.#hurry.abort();
    this.#hurry = new AbortController();
  }

  /** Takes from the source what it keeps of these files. */
  async recall(files: readonly ListedFile[]): Promise<void> {
    if (!this.#isKept) return;
    const unknown = files.filter((file) =>
      file.size > 0 && this.#whole.get(keyOf(file)) === undefined
    );
    for (let at = 0; this.#isKept && at < unknown.length; at += KEPT_BATCH) {
      const batch = unknown.slice(at, at + KEPT_BATCH);
      try {
        const values = await this.#source.recall(batch);
        values.forEach((crc32, i) => {
          if (crc32 !== null) this.#whole.set(keyOf(batch[i]), crc32);
        });
      } catch (error) {
        this.#giveUpKeeping(error);
      }
    }
  }

  /** Waits until the source was told of every value that it is to keep. */
  async flush(): Promise<void> {
    this.#hurry.abort();
    while (this.#saving) await this.#saving;
    this.#hurry = new AbortController();
  }

  /**
   * The CRC-32 of the whole file: remembered, or scanned, in one scan for all callers that wait for
   * it. When all of them have left, the scan stops after its slice, and the next one goes on from
   * there.
   *
   * @throws {StorageError} `ESTALE` if the file is not what it was when it was listed
   */
  async scan(file: ListedFile, signal: AbortSignal): Promise<number> {
    const key = keyOf(file);
    const known = this.#whole.get(key);
    if (known !== undefined) return known;
    signal.throwIfAborted();
    const scan = this.#scans.get(key) ?? this.#start(key, file);
    const leave = () => scan.waiting--;
    scan.waiting++;
    signal.addEventListener("abort", leave, { once: true });
    try {
      return await scan.result;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  #start(key: string, file: ListedFile): Scan {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const scan: Scan = { waiting: 0, result: promise };
    this.#scans.set(key, scan);
    this.#goThrough(key, file, scan).then(resolve, reject);
    return scan;
  }

  async #goThrough(key: string, file: ListedFile, scan: Scan): Promise<number> {
    let { offset, crc32 } = this.#partial.get(key) ?? { offset: 0, crc32: 0 };
    try {
      while (offset < file.size) {
        const length = Math.min(SLICE_BYTES, file.size - offset);
        crc32 = await this.#source.checksum(sliceOf(file, { offset, length, crc32 }));
        offset += length;
        this.#counts.scannedBytes += length;
        if (offset < file.size) this.#partial.set(key, { offset, crc32 });
        if (scan.waiting === 0 && offset < file.size) {
          throw new DOMException("scan file: nobody waits for it", "AbortError");
        }
      }
      this.#partial.delete(key);
      if (file.size > 0) this.set(file, crc32);
      this.#counts.done++;
      return crc32;
    } catch (error) {
      this.#counts[isAbort(error) ? "abandoned" : "failed"]++;
      throw error;
    } finally {
      this.#scans.delete(key); // before anyone could join a scan that has ended
    }
  }

  #save(file: ListedFile, crc32: number | null) {
    if (!this.#isKept) return;
    const { hash, path, location, size, identity } = file; // not the whole listing that it is of
    this.#unsaved.push({ file: { hash, path, location, size, identity }, crc32 });
    this.#saving ??= this.#saveSoon().finally(() => this.#saving = null);
  }

  /** Lets values come together for a while, then saves them, and what came together meanwhile. */
  async #saveSoon() {
    await sleep(SAVE_MS, null, { signal: this.#hurry.signal }).catch(() => {});
    while (this.#isKept && this.#unsaved.length > 0) {
      const values = this.#unsaved.splice(0, KEPT_BATCH);
      try {
        await this.#source.remember(values);
      } catch (error) {
        this.#giveUpKeeping(error);
      }
    }
  }

  #giveUpKeeping(error: unknown) {
    if (!this.#isKept) return;
    this.#isKept = false;
    this.#unsaved = [];
    this.#options.onKeepFailure?.(error);
  }
}

function isAbort(error: unknown) {
  return error instanceof DOMException && error.name === "AbortError";
}

function keyOf({ location, identity }: ListedFile) {
  return `${identity}:${location}`;
}
