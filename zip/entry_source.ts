/**
 * Where the streams of one plan get their bytes: from the entries' own streams.
 *
 * @module
 */

import { crc32 } from "./crc32.ts";
import { EntryScans } from "./entry_scans.ts";
import type { ByteRange } from "./http/range.ts";
import { OpenEntry } from "./open_entry.ts";
import { dataOffset } from "./plan.ts";
import type { Entry } from "./records.ts";
import type { SharedPlan } from "./shared_plan.ts";
import type { Filled, Slice, Source } from "./stream.ts";
import type { ZipEntry } from "./zip_entry.ts";

/** At most this many entries are read at the same time for one buffer. */
const READS_AT_ONCE = 8;

/** Remembers the CRC-32 of entries from one plan to the next. A `Map` or a `WeakMap` is one. */
export interface ChecksumCache<E extends ZipEntry = ZipEntry> {
  /** The CRC-32 of the entry's content; undefined if it is not known. */
  get(entry: E): number | undefined;
  /** Keeps it. */
  set(entry: E, crc32: number): unknown;
  /** Forgets it: it proved wrong. */
  delete(entry: E): unknown;
}

/** The entries of one plan, for all of its streams. */
export class EntrySource<E extends ZipEntry> {
  readonly #entries: readonly E[];
  readonly #shared: SharedPlan;
  readonly #cache: ChecksumCache<E>;
  readonly #scans: EntryScans;
  /** Entries of which the `crc32` that they came with is wrong. */
  readonly #wrong = new Set<number>();

  /** Opens nothing yet. `entries` are those of the plan, as their owner gave them. */
  constructor(entries: readonly E[], shared: SharedPlan<Entry>, cache: ChecksumCache<E>) {
    this.#entries = entries;
    this.#shared = shared;
    this.#cache = cache;
    this.#scans = new EntryScans(entries);
  }

  /** For one stream, which will ask for bytes of this range of the archive, until the signal aborts. */
  sourceOf(range: ByteRange, signal: AbortSignal): Source {
    const reader = new EntryReader(this.#entries, this.#wantedBytes(range), signal);
    return {
      knownChecksum: (index) => this.#known(index),
      learnChecksum: (index, crc32) => this.#keep(index, crc32),
      forgetChecksum: (index) => {
        this.#wrong.add(index);
        this.#cache.delete(this.#entries[index]);
        this.#shared.forgetChecksums();
      },
      checksum: async (index) => {
        const crc32 = await this.#scans.scan(index, signal);
        this.#keep(index, crc32);
        return crc32;
      },
      fill: (length, slices) => reader.fill(length, slices),
    };
  }

  #known(index: number): number | undefined {
    const entry = this.#entries[index];
    const given = this.#wrong.has(index) ? undefined : entry.crc32;
    return given ?? this.#cache.get(entry);
  }

  #keep(index: number, crc32: number) {
    if (this.#known(index) !== crc32) this.#cache.set(this.#entries[index], crc32);
  }

  /** Where the bytes of an entry end that the range of the archive has. */
  #wantedBytes({ end }: ByteRange) {
    const { plan } = this.#shared;
    return (index: number) => Math.min(plan.entries[index].size, end - dataOffset(plan, index));
  }
}

/** Reads for one stream. An entry that is sent in several buffers stays open between them. */
class EntryReader {
  readonly #entries: readonly ZipEntry[];
  readonly #endOf: (index: number) => number;
  readonly #signal: AbortSignal;
  readonly #open = new Map<number, OpenEntry>();

  constructor(
    entries: readonly ZipEntry[],
    endOf: (index: number) => number,
    signal: AbortSignal,
  ) {
    this.#entries = entries;
    this.#endOf = endOf;
    this.#signal = signal;
  }

  /** Reads slices into one new buffer of `length` bytes, several at the same time. */
  async fill(length: number, slices: readonly Slice[]): Promise<Filled> {
    const buffer = new Uint8Array(length);
    const checksums: number[] = new Array(slices.length);
    const queue = slices.entries();
    const workThrough = async () => {
      for (const [i, slice] of queue) checksums[i] = await this.#read(slice, buffer);
    };
    await Promise.all(Array.from({ length: Math.min(READS_AT_ONCE, slices.length) }, workThrough));
    return { buffer, checksums };
  }

  /** The slice's own CRC-32, continued over its bytes. */
  async #read({ index, offset, length, position, crc32: before }: Slice, buffer: Uint8Array) {
    if (length === 0) return before;
    const content = this.#take(index, offset);
    const target = buffer.subarray(position, position + length);
    try {
      await content.readInto(target);
      if (content.isAtEnd) await content.finish();
      else this.#open.set(index, content);
      return crc32(target, before);
    } catch (error) {
      content.close();
      throw error;
    }
  }

  /** The entry, where it stands already or newly opened. */
  #take(index: number, offset: number): OpenEntry {
    const open = this.#open.get(index);
    this.#open.delete(index);
    if (open?.position === offset) return open;
    open?.close();
    const range = { start: offset, end: this.#endOf(index) };
    return new OpenEntry(this.#entries[index], range, this.#signal);
  }
}
