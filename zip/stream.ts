/**
 * The walk over a plan that turns it into bytes: the only thing in `zip/` that has state.
 *
 * Each step makes one buffer: file data is read straight into it, and the records are written into
 * the gaps. An entry that fits into a buffer with its header is read once, and its CRC-32 is that
 * of the bytes in the buffer. A larger one is scanned first: its header goes out before its data.
 *
 * @module
 */

import { EntryChecksums } from "./entry_checksums.ts";
import { dataOffset, endFields, partAt, type Plan } from "./plan.ts";
import {
  isFolder,
  writeCentralDirectoryHeader,
  writeEndOfCentralDirectory,
  writeLocalFileHeader,
} from "./records.ts";

/** At most this many entries are opened for one buffer, which limits the time that it takes. */
export const MAX_SLICES: number = 512;

/** An entry of at most this many bytes, header included, may come in one buffer. */
export const WHOLE_BYTES: number = 4 << 20;

/** At most this many entries that a range skips are scanned at the same time. */
const SKIPPED_AT_ONCE = 4;

/** A run of bytes of one entry, and its place in a buffer. */
export interface Slice {
  /** Index of the entry in the plan. */
  readonly index: number;
  /** First byte, counted from the start of the entry's data. */
  readonly offset: number;
  /** Number of bytes; 0 only for an empty file, which is opened too: it may have grown. */
  readonly length: number;
  /** Where the first byte goes in the buffer. */
  readonly position: number;
  /** CRC-32 of the entry's bytes before `offset`, to continue from; any number if not known. */
  readonly crc32: number;
}

/** A buffer into which its slices have been read. */
export interface Filled {
  /** The buffer; the bytes that no slice covers are free to write to. */
  readonly buffer: Uint8Array<ArrayBuffer>;
  /** For each slice, its own CRC-32 continued over the bytes read. */
  readonly checksums: readonly number[];
}

/** Where the stream gets the content of entries. Every method throws if content has changed. */
export interface Source {
  /** The CRC-32 of a whole entry; undefined if it is not known without reading. */
  knownChecksum(index: number): number | undefined;
  /** The CRC-32 of a whole entry, which is read through if it is not known. */
  checksum(index: number): Promise<number>;
  /** Reports the CRC-32 of an entry that was sent whole. */
  learnChecksum(index: number, crc32: number): void;
  /** Reports that the known CRC-32 of an entry proved wrong. */
  forgetChecksum(index: number): void;
  /** Reads slices into one new buffer of `length` bytes. */
  fill(length: number, slices: readonly Slice[]): Promise<Filled>;
}

/** Which bytes of the archive to make. */
export interface StreamOptions {
  /** First byte. @default 0 */
  readonly start?: number;
  /** End, exclusive. @default the archive's size */
  readonly end?: number;
  /** CRC-32 values that streams of the same plan share. @default the stream's own */
  readonly checksums?: EntryChecksums;
}

/** How the next buffer may be made. */
export interface NextOptions {
  /**
   * For a client that keeps up. The buffer after this one may be filled at the same time, and an
   * entry of up to {@link WHOLE_BYTES} whose CRC-32 is not known comes in one buffer, so that it is
   * read only once.
   *
   * @default false
   */
  readonly ahead?: boolean;
}

/** What goes into one buffer. Positions are bytes from the start of the archive. */
interface Window {
  readonly start: number;
  end: number;
  /** How long it was meant to be. */
  readonly length: number;
  /** A single entry whose CRC-32 is not known may make it this long. */
  readonly longest: number;
  readonly slices: Slice[];
  /** Entries whose local file header lies in the window, in whole or in part. */
  readonly headers: number[];
}

/** A window whose slices are being read. */
interface Begun {
  readonly window: Window;
  readonly filled: Promise<Filled>;
}

/** Makes the bytes of an archive, one buffer at a time. */
export class ArchiveStream {
  readonly #plan: Plan;
  readonly #source: Source;
  readonly #start: number;
  readonly #end: number;
  readonly #scratch: Uint8Array;
  readonly #checksums: EntryChecksums;
  /** Values that differ from those in `#checksums`. */
  readonly #own = new Map<number, number>();
  #position: number;
  /** The entry that is being sent in several buffers, with the CRC-32 of its bytes so far. */
  #running = { index: -1, crc32: 0 };
  /** The next buffer, if it is being filled already. */
  #ahead: Promise<Begun> | null = null;
  /** No entry before this one needs a scan ahead. */
  #scanned = 0;

  /**
   * Reads nothing yet.
   *
   * @throws {RangeError} if the range is not within the archive
   */
  constructor(plan: Plan, source: Source, options: StreamOptions = {}) {
    const { start = 0, end = plan.size, checksums } = options;
    if (!(0 <= start && start <= end && end <= plan.size)) {
      throw new RangeError(`stream archive: range ${start}-${end} is not within 0-${plan.size}`);
    }
    this.#plan = plan;
    this.#scratch = new Uint8Array(plan.longestRecord);
    this.#source = source;
    this.#start = this.#position = start;
    this.#end = end;
    this.#checksums = checksums ?? new EntryChecksums(plan.entries.length);
  }

  /**
   * The next buffer, of 1 to `length` bytes, with `ahead` up to {@link WHOLE_BYTES} if that is
   * more; null after the last one.
   *
   * @throws {Error} if content does not match the plan, or a header that was already sent
   */
  async next(
    length: number,
    { ahead = false }: NextOptions = {},
  ): Promise<Uint8Array<ArrayBuffer> | null> {
    if (this.#position === this.#end) return null;
    if (this.#position === this.#start) this.#scanSkipped();
    const { window, filled } =
      await (this.#ahead ?? this.#begin(this.#position, { length, ahead }));
    this.#ahead = null;
    if (ahead && this.#isIndependent(window.end)) {
      this.#ahead = this.#begin(window.end, { length, ahead });
      this.#ahead.catch(() => {}); // reported when this buffer's turn comes
    }
    const { buffer, checksums } = await filled;
    window.slices.forEach((slice, i) => this.#settleSlice(window, slice, checksums[i]));
    for (const index of window.headers) this.#writeHeader(buffer, window, index);
    this.#writeDirectory(buffer, window);
    this.#position = window.end;
    return buffer;
  }

  /** Starts to fill a buffer. */
  async #begin(start: number, options: { length: number } & NextOptions): Promise<Begun> {
    const window = await this.#openWindow(start, options);
    const size = window.end - window.start;
    const filled = window.slices.length > 0
      ? this.#source.fill(size, window.slices)
      : Promise.resolve({ buffer: new Uint8Array(size), checksums: [] });
    filled.catch(() => {}); // reported when this buffer's turn comes
    return { window, filled };
  }

  /** True if what follows needs no CRC-32 that only the part before it will yield. */
  #isIndependent(position: number) {
    const { headerOffsets, centralOffsets } = this.#plan;
    if (position >= Math.min(centralOffsets[0], this.#end)) return false;
    return headerOffsets[partAt(headerOffsets, position)] === position;
  }

  /** Chooses what goes into a buffer, such that each CRC-32 it needs is known or comes from it. */
  async #openWindow(
    start: number,
    { length, ahead = false }: { length: number } & NextOptions,
  ): Promise<Window> {
    const end = Math.min(start + length, this.#end);
    const longest = ahead ? Math.max(length, WHOLE_BYTES) : length;
    const window: Window = { start, end, length, longest, slices: [], headers: [] };
    const { entries, headerOffsets, centralOffsets } = this.#plan;
    const first = partAt(headerOffsets, start);
    for (let i = first; i < entries.length && headerOffsets[i] < window.end; i++) {
      if (window.slices.length === MAX_SLICES) window.end = headerOffsets[i];
      else await this.#addEntry(window, i);
    }
    if (window.end > centralOffsets[0]) await this.#addDirectory(window);
    return window;
  }

  /** Adds the part of an entry that the window covers, or ends the window before the entry. */
  async #addEntry(window: Window, index: number) {
    const { entries, headerOffsets } = this.#plan;
    const header = headerOffsets[index];
    const data = dataOffset(this.#plan, index);
    const end = headerOffsets[index + 1];
    const longest = this.#isKnown(index) ? window.length : window.longest;
    const fits = end - header <= longest && end <= this.#end;
    if (fits && header > window.start && end > window.end) {
      window.end = header; // the next buffer can be filled at the same time as this one
      return;
    }
    if (fits && header === window.start) window.end = Math.max(window.end, end);
    const whole = header >= window.start && end <= window.end;

    if (data > window.start) { // its header is in the window
      if (!whole && !this.#isKnown(index)) {
        if (!fits) this.#scanAhead(index);
        if (header > window.start) {
          window.end = header; // the window so far goes out while the scan runs
          return;
        }
        this.#learn(index, await this.#source.checksum(index));
      }
      window.headers.push(index);
    }
    const from = Math.max(data, window.start);
    const to = Math.min(end, window.end);
    const empty = data === end && whole && !isFolder(entries[index]);
    if (from < to || empty) window.slices.push(this.#slice(window, index, from, to));
    const nextIsWanted = end > window.end && end < this.#end;
    if (nextIsWanted && this.#sizeOf(index + 1) > window.longest) this.#scanAhead(index + 1);
  }

  #sizeOf(index: number) {
    return this.#plan.entries[index]?.size ?? 0;
  }

  /** True if the slice is the end of an entry of which every byte went through this stream. */
  #completes({ index, offset, length }: Slice) {
    return this.#isContinuous(index, offset) && offset + length === this.#sizeOf(index);
  }

  #isContinuous(index: number, offset: number) {
    return offset === 0 || this.#running.index === index;
  }

  #slice(window: Window, index: number, from: number, to: number): Slice {
    const offset = from - dataOffset(this.#plan, index);
    const crc32 = this.#running.index === index ? this.#running.crc32 : 0;
    return { index, offset, length: to - from, position: from - window.start, crc32 };
  }

  /** Obtains the CRC-32 for each central directory header in the window, or ends it before them. */
  async #addDirectory(window: Window) {
    const { entries, centralOffsets } = this.#plan;
    const sent = new Set(
      window.slices.filter((slice) => this.#completes(slice)).map((slice) => slice.index),
    );
    const first = partAt(centralOffsets, Math.max(window.start, centralOffsets[0]));
    const missing: number[] = [];
    for (let i = first; i < entries.length && centralOffsets[i] < window.end; i++) {
      if (!this.#isKnown(i) && !sent.has(i)) missing.push(i);
    }
    if (missing.length > 0 && window.start < centralOffsets[0]) {
      window.end = centralOffsets[0]; // the window so far goes out while the scans run
      return;
    }
    for (const i of missing) this.#learn(i, await this.#source.checksum(i));
  }

  /** Compares the CRC-32 of an entry that was sent whole with the one in its header. */
  #settleSlice(window: Window, slice: Slice, crc32: number) {
    const { index, offset } = slice;
    if (this.#completes(slice)) {
      const headerWentBefore = this.#plan.headerOffsets[index] < window.start;
      if ((this.#known(index) ?? crc32) !== crc32) {
        this.#source.forgetChecksum(index);
        if (headerWentBefore) throw this.#changed(index);
      }
      this.#learn(index, crc32);
      this.#source.learnChecksum(index, crc32);
    }
    this.#running = this.#isContinuous(index, offset) ? { index, crc32 } : { index: -1, crc32: 0 };
  }

  #changed(index: number) {
    const { name } = this.#plan.entries[index];
    return new Error(`send entry: content changed after its checksum was sent: ${name}`);
  }

  #writeHeader(buffer: Uint8Array, window: Window, index: number) {
    const { entries, headerOffsets } = this.#plan;
    const fields = { crc32: this.#known(index) ?? 0 };
    const length = writeLocalFileHeader(this.#scratch, entries[index], fields);
    this.#place(buffer, window, headerOffsets[index], length);
  }

  /** Writes the part of the central directory and of the end that the window covers. */
  #writeDirectory(buffer: Uint8Array, window: Window) {
    const { entries, headerOffsets, centralOffsets, size } = this.#plan;
    if (window.end <= centralOffsets[0]) return;
    const first = partAt(centralOffsets, Math.max(window.start, centralOffsets[0]));
    for (let i = first; i < entries.length && centralOffsets[i] < window.end; i++) {
      const fields = { crc32: this.#known(i) ?? 0, offset: headerOffsets[i] };
      const length = writeCentralDirectoryHeader(this.#scratch, entries[i], fields);
      this.#place(buffer, window, centralOffsets[i], length);
    }
    const endStart = centralOffsets[entries.length];
    if (window.end <= endStart) return;
    writeEndOfCentralDirectory(this.#scratch, endFields(this.#plan));
    this.#place(buffer, window, endStart, size - endStart);
  }

  /** Copies the record from the scratch buffer to its place, as far as the window covers it. */
  #place(buffer: Uint8Array, window: Window, offset: number, length: number) {
    const from = Math.max(offset, window.start);
    const to = Math.min(offset + length, window.end);
    buffer.set(this.#scratch.subarray(from - offset, to - offset), from - window.start);
  }

  #isKnown(index: number): boolean {
    if (this.#known(index) !== undefined) return true;
    const entry = this.#plan.entries[index];
    const crc32 = entry.size === 0 ? 0 : this.#source.knownChecksum(index);
    if (crc32 === undefined) return false;
    this.#learn(index, crc32);
    return true;
  }

  #known(index: number): number | undefined {
    return this.#own.get(index) ?? this.#checksums.get(index);
  }

  #learn(index: number, crc32: number) {
    if (!this.#checksums.learn(index, crc32)) this.#own.set(index, crc32);
  }

  /**
   * Starts to scan the entries before the range, if it reaches the central directory: only there is
   * their CRC-32 needed. The scans run while the start of the range is sent.
   */
  #scanSkipped() {
    const { entries, headerOffsets, centralOffsets } = this.#plan;
    const directory = centralOffsets[0];
    let next = this.#start < directory ? 0 : partAt(centralOffsets, this.#start);
    const within = headerOffsets.findIndex((offset) => offset >= this.#start);
    const last = within < 0 ? entries.length : within;
    const scanOneByOne = async () => {
      while (next < last && centralOffsets[next] < this.#end) {
        const index = next++;
        if (!this.#isKnown(index)) this.#learn(index, await this.#source.checksum(index));
      }
    };
    if (this.#start === 0 || this.#end <= directory) return;
    // A failure is reported when the stream reaches the directory and asks again.
    for (let i = 0; i < SKIPPED_AT_ONCE; i++) scanOneByOne().catch(() => {});
  }

  /** Starts to scan the entry, so that its CRC-32 is known by the time it is needed. */
  #scanAhead(index: number) {
    if (index < this.#scanned || index >= this.#plan.entries.length) return;
    this.#scanned = index + 1;
    // A failure is reported when the stream reaches this entry and asks again.
    if (!this.#isKnown(index)) this.#source.checksum(index).catch(() => {});
  }
}
