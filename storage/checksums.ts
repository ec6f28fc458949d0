/**
 * CRC-32 values of files: remembered within a bound, and worked out once however many downloads ask.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { LRUCache } from "lru-cache";
import type { IndexRow } from "./checksum_index.ts";
import { type Reader, sliceOf } from "./reader.ts";

/** A scan gives others their turn after this many bytes. */
const SLICE_BYTES = 64 << 20;

/** So many values go to the index, or come from it, at a time. */
const INDEX_BATCH = 5000;

/** So long values come together before they are written, in milliseconds. */
const SAVE_MS = 1000;

/** What a value costs besides its key's characters: 100 bytes, and the slack that a heap has. */
const ENTRY_BYTES = 200;

/** So many scans at most leave behind how far they came. */
const MAX_PARTIAL = 1000;

/** A file as it was listed. */
export interface ListedFile {
  /** Absolute path. */
  readonly file: string;
  /** What an error calls it: its path in the folder. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Device, inode, size and time in one. */
  readonly identity: string;
}

/** How much is remembered, and where. */
export interface ChecksumsOptions {
  /** Memory for values, in bytes. @default 32 MiB */
  readonly maxBytes?: number;
  /** Absolute path of an SQLite file that keeps them too. @default none */
  readonly index?: string;
  /** Told once if that file cannot be used; all goes on without it. */
  readonly onIndexFailure?: (error: unknown) => void;
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
  readonly #reader: Reader;
  readonly #whole: LRUCache<string, number>;
  /** Of scans that were abandoned, or still go on. */
  readonly #partial = new LRUCache<string, Progress>({ max: MAX_PARTIAL });
  readonly #scans = new Map<string, Scan>();
  readonly #options: ChecksumsOptions;
  #index: string | undefined;
  #unsaved: IndexRow[] = [];
  #saving: Promise<void> | null = null;
  #hurry = new AbortController();

  /** Knows nothing yet; the reader will do the scans. */
  constructor(reader: Reader, options: ChecksumsOptions = {}) {
    this.#reader = reader;
    this.#options = options;
    this.#index = options.index;
    this.#whole = new LRUCache({
      maxSize: Math.min(options.maxBytes ?? 32 << 20, Number.MAX_SAFE_INTEGER),
      sizeCalculation: (_, key) => ENTRY_BYTES + key.length,
    });
  }

  /** The CRC-32 of the whole file, if it is remembered. */
  get(file: ListedFile): number | undefined {
    return this.#whole.get(keyOf(file));
  }

  /** Remembers the CRC-32 of a whole file. */
  set(file: ListedFile, crc32: number) {
    const key = keyOf(file);
    if (this.#whole.get(key) === crc32) return;
    this.#whole.set(key, crc32);
    this.#save(file, crc32);
  }

  /** Forgets a CRC-32 that turned out to be wrong. */
  forget(file: ListedFile) {
    const key = keyOf(file);
    this.#whole.delete(key);
    this.#partial.delete(key);
    this.#save(file, null);
  }

  /** Takes from the index what it keeps of these files. */
  async recall(files: readonly ListedFile[]): Promise<void> {
    if (!this.#index) return;
    const unknown = files.filter((file) => file.size > 0 && this.get(file) === undefined);
    for (let at = 0; this.#index && at < unknown.length; at += INDEX_BATCH) {
      const batch = unknown.slice(at, at + INDEX_BATCH);
      const keys = batch.map(({ file, identity }) => ({ file, identity }));
      try {
        const values = await this.#reader.recall(this.#index, keys);
        values.forEach((crc32, i) => {
          if (crc32 !== null) this.#whole.set(keyOf(batch[i]), crc32);
        });
      } catch (error) {
        this.#giveUpIndex(error);
      }
    }
  }

  /** Waits until everything is in the index that is to be in it. */
  async flush(): Promise<void> {
    this.#hurry.abort();
    while (this.#saving) await this.#saving;
    this.#hurry = new AbortController();
  }

  /**
   * The CRC-32 of the whole file: remembered, or scanned, in one scan for all who wait for it. When
   * all of them have left, the scan stops after its slice, and the next one goes on from there.
   *
   * @throws {FolderError} `ESTALE` if the file is not what it was when it was listed
   */
  async scan(file: ListedFile, signal: AbortSignal): Promise<number> {
    const known = this.get(file);
    if (known !== undefined) return known;
    signal.throwIfAborted();
    const key = keyOf(file);
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
        crc32 = await this.#reader.checksum(sliceOf(file, { offset, length, crc32 }));
        offset += length;
        if (offset < file.size) this.#partial.set(key, { offset, crc32 });
        if (scan.waiting === 0 && offset < file.size) {
          throw new DOMException("scan file: nobody waits for it", "AbortError");
        }
      }
      this.#partial.delete(key);
      if (file.size > 0) this.set(file, crc32);
      return crc32;
    } finally {
      this.#scans.delete(key); // before anyone could join a scan that has ended
    }
  }

  #save({ file, identity }: ListedFile, crc32: number | null) {
    if (!this.#index) return;
    this.#unsaved.push({ file, identity, crc32 });
    this.#saving ??= this.#saveSoon().finally(() => this.#saving = null);
  }

  /** Lets values come together for a while, then writes them, and what came together meanwhile. */
  async #saveSoon() {
    await sleep(SAVE_MS, null, { signal: this.#hurry.signal }).catch(() => {});
    while (this.#index && this.#unsaved.length > 0) {
      const rows = this.#unsaved.splice(0, INDEX_BATCH);
      try {
        await this.#reader.remember(this.#index, rows);
      } catch (error) {
        this.#giveUpIndex(error);
      }
    }
  }

  #giveUpIndex(error: unknown) {
    if (!this.#index) return;
    this.#index = undefined;
    this.#unsaved = [];
    this.#options.onIndexFailure?.(error);
  }
}

function keyOf({ file, identity }: ListedFile) {
  return `${identity}:${file}`;
}
