/**
 * Reads entries through for their CRC-32.
 *
 * @module
 */

import { crc32 } from "./crc32.ts";
import { OpenEntry } from "./open_entry.ts";
import type { ZipEntry } from "./zip_entry.ts";

/** How far an entry was read. */
interface Progress {
  readonly offset: number;
  readonly crc32: number;
}

interface Scan {
  waiting: number;
  readonly end: AbortController;
  readonly result: Promise<number>;
}

/** The scans of one plan. */
export class EntryScans {
  readonly #entries: readonly ZipEntry[];
  readonly #running = new Map<number, Scan>();
  /** Of scans that were abandoned. */
  readonly #progress = new Map<number, Progress>();

  /** Reads nothing yet. */
  constructor(entries: readonly ZipEntry[]) {
    this.#entries = entries;
  }

  /**
   * The CRC-32 of a whole entry, in one scan for all callers that wait for it. When all of them have
   * left, the scan ends, and the next one goes on from there.
   *
   * @throws {Error} if the entry has fewer or more bytes than was planned, or cannot be read
   */
  async scan(index: number, signal: AbortSignal): Promise<number> {
    signal.throwIfAborted();
    const scan = this.#running.get(index) ?? this.#begin(index);
    const leave = () => {
      if (--scan.waiting > 0) return;
      this.#forget(index, scan);
      scan.end.abort(signal.reason);
    };
    scan.waiting++;
    signal.addEventListener("abort", leave, { once: true });
    try {
      return await scan.result;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  #begin(index: number): Scan {
    const end = new AbortController();
    const scan = { waiting: 0, end, result: this.#readThrough(index, end.signal) };
    this.#running.set(index, scan);
    const forget = () => this.#forget(index, scan);
    scan.result.then(forget, forget);
    return scan;
  }

  #forget(index: number, scan: Scan) {
    if (this.#running.get(index) === scan) this.#running.delete(index);
  }

  async #readThrough(index: number, signal: AbortSignal): Promise<number> {
    const entry = this.#entries[index];
    let { offset, crc32: checksum } = this.#progress.get(index) ?? { offset: 0, crc32: 0 };
    this.#progress.delete(index);
    const content = new OpenEntry(entry, { start: offset, end: entry.size }, signal);
    try {
      while (!content.isAtEnd) {
        checksum = crc32(await content.take(Infinity), checksum);
        offset = content.position;
      }
      await content.finish();
      return checksum;
    } catch (error) {
      content.close();
      if (signal.aborted && offset < entry.size) {
        this.#progress.set(index, { offset, crc32: checksum });
      }
      throw error;
    }
  }
}
