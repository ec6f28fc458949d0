/**
 * Reads of objects: many small ones at a time, large ones from a body that stays open. Each request
 * names the ETag that was listed, so that no other content is ever taken for it.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { unlessAborted } from "../../lib/abort.ts";
import { mapAtMost } from "../../lib/concurrency.ts";
import type { MemoryBudget } from "../../lib/memory_budget.ts";
import type { SlotsStats } from "../../lib/stats.ts";
import { StorageError } from "../errors.ts";
import type {
  FileSlice,
  FilledBuffer,
  FillOptions,
  ListedFile,
  PlacedSlice,
  TaskOptions,
} from "../source.ts";
import type { ObjectReader, ObjectVersion } from "./client.ts";
import { OpenBodies, type OpenBodiesOptions } from "./open_bodies.ts";
import { Places } from "./places.ts";
import { ReadAhead } from "./read_ahead.ts";
import { RecentObjects } from "./recent_objects.ts";
import type { ObjectStore } from "./store.ts";

/** At most this many objects are read for one buffer at the same time. */
const READS_AT_ONCE = 32;

/** At most this many objects are scanned at the same time. */
const SCANS_AT_ONCE = 16;

/** A scan goes through an object by this many bytes, in one buffer. */
const SCAN_BUFFER_BYTES = 256 << 10;

/** What is read from, and within which bounds. */
export interface ReadsOptions extends OpenBodiesOptions {
  /** Has the objects. */
  readonly store: ObjectStore;
  /** Key prefix of the photos folder. */
  readonly prefix: string;
  /** What kept objects count against. */
  readonly memory: MemoryBudget;
}

/** The reads of one source. */
export class Reads implements Disposable {
  readonly #store: ObjectStore;
  readonly #prefix: string;
  readonly #bodies: OpenBodies;
  readonly #recent: RecentObjects;
  readonly #ahead: ReadAhead;
  readonly #scans = new Places(SCANS_AT_ONCE);
  #running = 0;
  #waiting = 0;

  /** Reads nothing yet. */
  constructor(options: ReadsOptions) {
    this.#store = options.store;
    this.#prefix = options.prefix;
    this.#bodies = new OpenBodies(options.store, options);
    this.#recent = new RecentObjects(options.memory);
    this.#ahead = new ReadAhead({
      recent: this.#recent,
      read: (slice, run) => this.#store.read(this.#objectOf(slice), { offset: 0, ...run }),
      prepare: (slice, reader) => this.#bodies.prepare(this.#objectOf(slice), reader),
    });
  }

  /** How many buffers and scans are under way, and how many scans wait for their turn. */
  stats(): SlotsStats {
    return { running: this.#running, waiting: this.#waiting };
  }

  /** Fills a buffer. */
  async fill(
    length: number,
    slices: readonly PlacedSlice[],
    { reader, signal }: FillOptions,
  ): Promise<FilledBuffer> {
    signal?.throwIfAborted();
    const buffer = new Uint8Array(length);
    const failed = new AbortController();
    const leave = () => failed.abort(signal?.reason);
    signal?.addEventListener("abort", leave, { once: true });
    const read = async (slice: PlacedSlice) => {
      const target = buffer.subarray(slice.position, slice.position + slice.length);
      await this.#read(slice, target, { reader, signal, end: failed.signal });
      return crc32(target, slice.crc32);
    };
    this.#running++;
    try {
      const all = mapAtMost(slices, read, { limit: READS_AT_ONCE });
      if (reader) this.#ahead.begin(slices, { reader, signal });
      return { buffer, checksums: await unlessAborted(all, signal) };
    } catch (error) {
      failed.abort(error); // whatever else is read for this buffer
      throw error;
    } finally {
      this.#running--;
      if (reader) this.#ahead.end({ reader });
      signal?.removeEventListener("abort", leave);
    }
  }

  /** The CRC-32 that goes on from the slice's own. */
  async checksum(slice: FileSlice, { signal }: TaskOptions): Promise<number> {
    this.#waiting++;
    await this.#scans.take(signal).finally(() => this.#waiting--);
    this.#running++;
    try {
      return await unlessAborted(named(this.#scan(slice, signal), slice), signal);
    } finally {
      this.#running--;
      this.#scans.release();
    }
  }

  /** Ends what is open. */
  [Symbol.dispose]() {
    this.#bodies[Symbol.dispose]();
    this.#recent[Symbol.dispose]();
  }

  /** `end` aborts when the buffer is given up, `signal` when the reader has left. */
  async #read(
    slice: FileSlice,
    into: Uint8Array<ArrayBuffer>,
    { reader, signal, end }: FillOptions & { readonly end: AbortSignal },
  ): Promise<void> {
    const { offset } = slice;
    const object = this.#objectOf(slice);
    const recent = await this.#recent.get(slice)?.catch(() => null);
    if (recent) {
      into.set(recent.subarray(offset, offset + into.length));
      if (offset + into.length === object.size) this.#recent.drop(slice.location);
    } else if (into.length === 0) {
      await named(this.#assertSame(object, end), slice);
    } else if (reader) {
      await named(this.#bodies.read(object, { reader, offset, into, signal, end }), slice);
    } else {
      await named(this.#store.read(object, { offset, into, signal: end }), slice);
    }
  }

  /** Of an empty object there is no byte to ask for. */
  async #assertSame({ key, size, etag }: ObjectVersion, signal: AbortSignal) {
    const facts = await this.#store.head(key, { signal });
    if (facts.size !== size || facts.etag !== etag) {
      throw new StorageError("ESTALE", "read object: changed since it was listed");
    }
  }

  async #scan(slice: FileSlice, signal?: AbortSignal): Promise<number> {
    const object = this.#objectOf(slice);
    const recent = await this.#recent.get(slice)?.catch(() => null);
    if (recent) {
      return crc32(recent.subarray(slice.offset, slice.offset + slice.length), slice.crc32);
    }
    const isWhole = slice.offset === 0 && slice.length === object.size;
    const whole = isWhole
      ? this.#recent.load(slice, (into) => this.#readWhole(object, into, signal))
      : null;
    return whole ? crc32(await whole, slice.crc32) : await this.#scanPieces(object, slice, signal);
  }

  async #readWhole(object: ObjectVersion, into: Uint8Array<ArrayBuffer>, signal?: AbortSignal) {
    const begun = await this.#tryBegun(object, (body) => body.read(into).then(() => true), signal);
    if (begun === null) await this.#store.read(object, { offset: 0, into, signal });
  }

  async #scanPieces(object: ObjectVersion, slice: FileSlice, signal?: AbortSignal) {
    const { offset, length } = slice;
    if (offset === 0 && length === object.size) {
      const checksum = await this.#tryBegun(object, (body) => scanBody(body, slice), signal);
      if (checksum !== null) return checksum;
    }
    const body = this.#store.open(object, { offset, length, signal });
    try {
      return await scanBody(body, slice);
    } finally {
      body.close();
    }
  }

  /**
   * Does something with a body that was asked for already. Null if there is none, or if it failed: it
   * may have ended with the reader that it was asked for.
   */
  async #tryBegun<T>(
    object: ObjectVersion,
    read: (body: ObjectReader) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T | null> {
    const body = this.#bodies.adopt(object);
    if (!body) return null;
    const close = () => body.close();
    signal?.addEventListener("abort", close, { once: true });
    try {
      return await read(body);
    } catch {
      signal?.throwIfAborted();
      return null;
    } finally {
      signal?.removeEventListener("abort", close);
      close();
    }
  }

  #objectOf({ location, identity }: Pick<ListedFile, "location" | "identity">): ObjectVersion {
    const at = identity.indexOf(":");
    const size = Number(identity.slice(0, at));
    return { key: this.#prefix + location, etag: identity.slice(at + 1), size };
  }
}

/** The CRC-32 that goes on from the slice's own, in one buffer. */
async function scanBody(body: ObjectReader, { length, crc32: before }: FileSlice): Promise<number> {
  const buffer = new Uint8Array(Math.min(length, SCAN_BUFFER_BYTES));
  let checksum = before;
  for (let done = 0; done < length; done += buffer.length) {
    const piece = buffer.subarray(0, Math.min(buffer.length, length - done));
    await body.read(piece);
    checksum = crc32(piece, checksum);
  }
  return checksum;
}

/** Errors name the file, by its path in the folder. */
async function named<T>(work: Promise<T>, { path }: FileSlice): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    throw new StorageError(error.code, `${error.message}: ${path}`);
  }
}
