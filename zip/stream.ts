/**
 * The walk over a plan that turns it into bytes: the only thing in `zip/` that has a state.
 *
 * Each step makes one buffer: file data are read straight into it, the records are written into the
 * gaps. An entry that fits into a buffer with its header is read once, and its CRC-32 is that of the
 * bytes in the buffer; a larger one is scanned first, since its header goes out before its data.
 *
 * @module
 */

import { dataOffset, endFields, partAt, type Plan } from "./plan.ts";
import {
  isFolder,
  writeCentralDirectoryHeader,
  writeEndOfCentralDirectory,
  writeLocalFileHeader,
} from "./records.ts";

/** So many entries at most are opened for one buffer: bounds the time that a buffer takes. */
const MAX_SLICES = 512;

/** An entry no longer than this, in bytes with its header, may come in one buffer. */
export const WHOLE_BYTES: number = 4 << 20;

/** So many entries before a range are scanned at the same time. */
const SKIPPED_AT_ONCE = 4;

/** A run of bytes of one entry, and its place in a buffer. */
export interface Slice {
  /** Index of the entry in the plan. */
  readonly index: number;
  /** First byte, counted from the start of the entry's data. */
  readonly offset: number;
  /** Number of bytes; 0 only for an empty file, which is opened all the same to see it unchanged. */
  readonly length: number;
  /** Where the first byte goes in the buffer. */
  readonly position: number;
  /** CRC-32 of the entry's bytes before `offset`, to go on from; any number if it is not known. */
  readonly crc32: number;
}

/** A buffer with its slices read in. */
export interface Filled {
  /** The buffer; what no slice covers is free to be written. */
  readonly buffer: Uint8Array<ArrayBuffer>;
  /** For each slice the CRC-32 that goes on from the slice's own with the bytes read. */
  readonly checksums: readonly number[];
}

/** Where the stream gets the content of entries from. Every method throws where content changed. */
export interface Source {
  /** The CRC-32 of a whole entry, if it is known without reading. */
  knownChecksum(index: number): number | undefined;
  /** The CRC-32 of a whole entry, read through where it is not known. */
  checksum(index: number): Promise<number>;
  /** Tells the CRC-32 that a whole entry had when it was sent. */
  learnChecksum(index: number, crc32: number): void;
  /** Tells that the CRC-32 of an entry was another one than was known. */
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
}

/** How the next buffer may be made. */
export interface NextOptions {
  /**
   * For a client that keeps up: the buffer after this one may be filled at the same time, and an entry
   * of up to {@link WHOLE_BYTES} comes in one buffer, so that it is read once even where its CRC-32
   * is not known.
   *
   * @default false
   */
  readonly ahead?: boolean;
}

/** What goes into one buffer. Positions are bytes from the start of the archive. */
interface Window {
  readonly start: number;
  end: number;
  /** A single entry may make it as long as this. */
  readonly longest: number;
  readonly slices: Slice[];
  /** Entries whose local file header lies in the window, wholly or in part. */
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
  readonly #checksums: Uint32Array;
  readonly #known: Uint8Array;
  #position: number;
  /** The entry that is being sent in parts, with the CRC-32 of its bytes so far. */
  #running = { index: -1, crc32: 0 };
  /** The next buffer, if it is being filled already. */
  #ahead: Promise<Begun> | null = null;
  /** No entry before this one needs a scan ahead. */
  #scanned = 0;

  /**
   * Reads nothing yet.
   *
   * @throws {RangeError} if the range does not lie within the archive
   */
  constructor(plan: Plan, source: Source, options: StreamOptions = {}) {
    const { start = 0, end = plan.size } = options;
    if (!(0 <= start && start <= end && end <= plan.size)) {
      throw new RangeError(`stream archive: range ${start}-${end} is not within 0-${plan.size}`);
    }
    this.#plan = plan;
    this.#scratch = new Uint8Array(plan.longestRecord);
    this.#source = source;
    this.#start = this.#position = start;
    this.#end = end;
    this.#checksums = new Uint32Array(plan.entries.length);
    this.#known = new Uint8Array(plan.entries.length);
  }

  /**
   * The next buffer, of `length` bytes or fewer but never none; null after the last one.
   *
   * @throws {Error} if content is not what the plan or a header already sent says
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
      this.#ahead.catch(() => {}); // shows when it is asked for
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
    filled.catch(() => {}); // shows when it is asked for
    return { window, filled };
  }

  /** True if the part from here on needs no CRC-32 that the part before has yet to tell. */
  #isIndependent(position: number) {
    const { headerOffsets, centralOffsets } = this.#plan;
    if (position >= Math.min(centralOffsets[0], this.#end)) return false;
    return headerOffsets[partAt(headerOffsets, position)] === position;
  }

  /** Chooses what goes into a buffer, so that every CRC-32 it needs is known or in it. */
  async #openWindow(
    start: number,
    { length, ahead = false }: { length: number } & NextOptions,
  ): Promise<Window> {
    const end = Math.min(start + length, this.#end);
    const longest = ahead ? Math.max(length, WHOLE_BYTES) : length;
    const window: Window = { start, end, longest, slices: [], headers: [] };
    const { entries, headerOffsets, centralOffsets } = this.#plan;
    const first = partAt(headerOffsets, start);
    for (let i = first; i < entries.length && headerOffsets[i] < window.end; i++) {
      if (window.slices.length === MAX_SLICES) window.end = headerOffsets[i];
      else await this.#addEntry(window, i);
    }
    if (window.end > centralOffsets[0]) await this.#addDirectory(window);
    return window;
  }

  /** Adds what the window covers of an entry, or ends the window before it. */
  async #addEntry(window: Window, index: number) {
    const { entries, headerOffsets } = this.#plan;
    const header = headerOffsets[index];
    const data = dataOffset(this.#plan, index);
    const end = headerOffsets[index + 1];
    const fits = end - header <= window.longest && end <= this.#end;
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
          window.end = header; // what is there already goes out while the scan runs
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
    if (end > window.end && this.#sizeOf(index + 1) > window.longest) this.#scanAhead(index + 1);
  }

  #sizeOf(index: number) {
    return this.#plan.entries[index]?.size ?? 0;
  }

  /** True if the slice ends an entry of which every byte went through this stream. */
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

  /** Sees to the CRC-32 of every central directory header in the window, or ends it before one. */
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
      window.end = centralOffsets[0]; // what is there already goes out while scans run
      return;
    }
    for (const i of missing) this.#learn(i, await this.#source.checksum(i));
  }

  /** Compares the CRC-32 of an entry that went out whole with what its header said before. */
  #settleSlice(window: Window, slice: Slice, crc32: number) {
    const { index, offset } = slice;
    if (this.#completes(slice)) {
      const headerWentBefore = this.#plan.headerOffsets[index] < window.start;
      const announced = this.#known[index] ? this.#checksums[index] : crc32;
      if (headerWentBefore && announced !== crc32) {
        this.#source.forgetChecksum(index);
        const { name } = this.#plan.entries[index];
        throw new Error(`send entry: content changed after its checksum was sent: ${name}`);
      }
      this.#learn(index, crc32);
      this.#source.learnChecksum(index, crc32);
    }
    this.#running = this.#isContinuous(index, offset) ? { index, crc32 } : { index: -1, crc32: 0 };
  }

  #writeHeader(buffer: Uint8Array, window: Window, index: number) {
    const { entries, headerOffsets } = this.#plan;
    const fields = { crc32: this.#checksums[index] };
    const length = writeLocalFileHeader(this.#scratch, entries[index], fields);
    this.#place(buffer, window, headerOffsets[index], length);
  }

  /** Writes what the window covers of the central directory and of the end. */
  #writeDirectory(buffer: Uint8Array, window: Window) {
    const { entries, headerOffsets, centralOffsets, size } = this.#plan;
    if (window.end <= centralOffsets[0]) return;
    const first = partAt(centralOffsets, Math.max(window.start, centralOffsets[0]));
    for (let i = first; i < entries.length && centralOffsets[i] < window.end; i++) {
      const fields = { crc32: this.#checksums[i], offset: headerOffsets[i] };
      const length = writeCentralDirectoryHeader(this.#scratch, entries[i], fields);
      this.#place(buffer, window, centralOffsets[i], length);
    }
    const endStart = centralOffsets[entries.length];
    if (window.end <= endStart) return;
    writeEndOfCentralDirectory(this.#scratch, endFields(this.#plan));
    this.#place(buffer, window, endStart, size - endStart);
  }

  /** Copies the record in the scratch buffer to its place, as far as the window covers it. */
  #place(buffer: Uint8Array, window: Window, offset: number, length: number) {
    const from = Math.max(offset, window.start);
    const to = Math.min(offset + length, window.end);
    buffer.set(this.#scratch.subarray(from - offset, to - offset), from - window.start);
  }

  #isKnown(index: number): boolean {
    if (this.#known[index]) return true;
    const entry = this.#plan.entries[index];
    const crc32 = entry.size === 0 ? 0 : this.#source.knownChecksum(index);
    if (crc32 === undefined) return false;
    this.#learn(index, crc32);
    return true;
  }

  #learn(index: number, crc32: number) {
    this.#checksums[index] = crc32;
    this.#known[index] = 1;
  }

  /**
   * Starts the scans of the entries before the range, if the range reaches the central directory,
   * where alone their CRC-32 is said. They go on while what comes first is sent.
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
    // A failure shows when the stream comes to the directory and asks again.
    for (let i = 0; i < SKIPPED_AT_ONCE; i++) scanOneByOne().catch(() => {});
  }

  /** Starts the scan of the entry, so that its CRC-32 is there when it is needed. */
  #scanAhead(index: number) {
    if (index < this.#scanned || index >= this.#plan.entries.length) return;
    this.#scanned = index + 1;
    // A failure shows when the stream comes to this entry and asks again.
    if (!this.#isKnown(index)) this.#source.checksum(index).catch(() => {});
  }
}
