/**
 * CRC-32 values of files: remembered within a bound, and worked out once however many downloads ask.
 *
 * @module
 */

import { LRUCache } from "lru-cache";
import type { Reader } from "./reader.ts";

/** A scan gives others their turn after this many bytes. */
const SLICE_BYTES = 64 << 20;

/** What one remembered value costs besides its key: two map entries and an object, measured. */
const ENTRY_BYTES = 200;

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

/** How much is remembered. */
export interface ChecksumsOptions {
  /** Memory for values, in bytes. @default 32 MiB */
  readonly maxBytes?: number;
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
  readonly #progress: LRUCache<string, Progress>;
  readonly #scans = new Map<string, Scan>();

  /** Knows nothing yet; the reader will do the scans. */
  constructor(reader: Reader, options: ChecksumsOptions = {}) {
    this.#reader = reader;
    this.#progress = new LRUCache({
      maxSize: options.maxBytes ?? 32 << 20,
      sizeCalculation: (_, key) => ENTRY_BYTES + key.length,
    });
  }

  /** The CRC-32 of the whole file, if it is remembered. */
  get(file: ListedFile): number | undefined {
    const progress = this.#progress.get(keyOf(file));
    return progress?.offset === file.size ? progress.crc32 : undefined;
  }

  /** Remembers the CRC-32 of a whole file. */
  set(file: ListedFile, crc32: number) {
    this.#progress.set(keyOf(file), { offset: file.size, crc32 });
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
    let { offset, crc32 } = this.#progress.get(key) ?? { offset: 0, crc32: 0 };
    try {
      while (offset < file.size) {
        const length = Math.min(SLICE_BYTES, file.size - offset);
        crc32 = await this.#reader.checksum({ ...file, offset, length, crc32 });
        offset += length;
        this.#progress.set(key, { offset, crc32 });
        if (scan.waiting === 0 && offset < file.size) {
          throw new DOMException("scan file: nobody waits for it", "AbortError");
        }
      }
      return crc32;
    } finally {
      this.#scans.delete(key); // before anyone could join a scan that has ended
    }
  }
}

function keyOf({ file, identity }: ListedFile) {
  return `${identity}:${file}`;
}
