/**
 * Objects that a reader will want next, read before it asks: so that a download of small objects does
 * not wait for each round trip to the store. The more promptly a reader asks, the more is read ahead;
 * nothing at all for one that takes its time.
 *
 * @module
 */

import type { Listing } from "../listing.ts";
import { type FileReader, type FileSlice, sliceOf } from "../source.ts";
import type { RecentObjects } from "./recent_objects.ts";
import { Places } from "./places.ts";

/** At most this many bytes are read ahead of one reader. */
const MAX_WINDOW_BYTES = 4 << 20;

/**
 * Larger objects are not read ahead: what is read comes into memory first, and is copied from there,
 * which took a quarter of all CPU time for photos of 3.5 MB. They are asked for, so that nobody waits
 * for the answer, and their bytes wait in the system's buffers. Bytes.
 */
const MAX_OBJECT_BYTES = 256 << 10;

/** At most this many objects ahead of one reader. */
const MAX_OBJECTS = 64;

/** At most this many objects are read ahead at the same time, for all readers together. */
const AT_ONCE = 32;

/** A reader that asks again within this time keeps up, in milliseconds. */
const PROMPT_MS = 50;

/** Nothing is read ahead of a reader that takes longer than this for its bytes, in milliseconds. */
const SLOW_MS = 250;

/** Where objects are found and kept. */
export interface ReadAheadOptions {
  /** Keeps what was read. */
  readonly recent: RecentObjects;
  /** Reads a whole object. */
  readonly read: (
    slice: FileSlice,
    run: { readonly into: Uint8Array<ArrayBuffer>; readonly signal: AbortSignal },
  ) => Promise<unknown>;
  /** Asks for an object that its reader will read from its start. */
  readonly prepare: (slice: FileSlice, reader: Reader) => void;
}

/** Who reads. */
export interface Reader {
  /** The same for all reads of one. */
  readonly reader: FileReader;
  /** Aborts when it has left. */
  readonly signal?: AbortSignal;
}

interface Progress {
  /** Bytes that may be read ahead. */
  window: number;
  /** Index of what was read last. */
  index: number;
  /** When the last bytes were there, in milliseconds. */
  at: number;
}

/** Reads ahead for the readers of one source. */
export class ReadAhead {
  readonly #recent: RecentObjects;
  readonly #read: ReadAheadOptions["read"];
  readonly #prepare: ReadAheadOptions["prepare"];
  readonly #progress = new WeakMap<object, Progress>();
  readonly #places = new Places(AT_ONCE);

  /** Reads nothing yet. */
  constructor({ recent, read, prepare }: ReadAheadOptions) {
    this.#prepare = prepare;
    this.#recent = recent;
    this.#read = read;
  }

  /** Tells that a reader wants a buffer with these slices: what follows them may be read meanwhile. */
  begin(slices: readonly FileSlice[], { reader, signal }: Reader) {
    const last = slices.at(-1);
    if (!last || !signal) return;
    const wanted = slices.reduce((sum, { length }) => sum + length, 0);
    const progress = this.#progress.get(reader) ?? { window: 0, index: -1, at: -Infinity };
    this.#progress.set(reader, progress);
    progress.window = nextWindow(progress, wanted);
    if (progress.window > 0) this.#readBehind(last, { progress, reader, signal });
  }

  /** Tells that the buffer is full. */
  end({ reader }: Reader) {
    const progress = this.#progress.get(reader);
    if (progress) progress.at = performance.now();
  }

  #readBehind(
    last: FileSlice,
    { progress, reader, signal }: Required<Reader> & { readonly progress: Progress },
  ) {
    const { entries = [] } = reader;
    progress.index = indexOf(last, entries, progress.index);
    if (progress.index < 0) return;
    let left = progress.window - (entries[progress.index].size - last.offset - last.length);
    for (let i = 1; i <= MAX_OBJECTS && progress.index + i < entries.length; i++) {
      const entry = entries[progress.index + i];
      if (left <= 0) return;
      if (entry.name.endsWith("/") || entry.size === 0) continue;
      left -= entry.size;
      const slice = sliceOf(entry, { offset: 0, length: entry.size, crc32: 0 });
      if (this.#recent.get(slice)) continue;
      if (entry.size > MAX_OBJECT_BYTES) return this.#prepare(slice, { reader, signal });
      if (left < 0) return;
      const loaded = this.#recent.load(slice, (into) => this.#readInTurn(slice, { into, signal }));
      if (!loaded) return;
      loaded.catch(() => {}); // whoever wants it then asks for it, and is told
    }
  }

  async #readInTurn(
    slice: FileSlice,
    run: { readonly into: Uint8Array<ArrayBuffer>; readonly signal: AbortSignal },
  ) {
    await this.#places.take(run.signal);
    try {
      await this.#read(slice, run);
    } finally {
      this.#places.release();
    }
  }
}

/** A reader that keeps up gets twice as much ahead each time. */
function nextWindow({ window, at }: Progress, wanted: number) {
  const waited = performance.now() - at;
  if (waited > SLOW_MS) return 0;
  return Math.min(waited > PROMPT_MS ? window : Math.max(2 * window, wanted), MAX_WINDOW_BYTES);
}

/** Where a file is in what is read; -1 if it is not there. Mostly it is not far behind the last one. */
function indexOf(
  { location }: FileSlice,
  entries: Listing["entries"],
  from: number,
): number {
  for (let i = Math.max(from, 0); i < Math.min(from + 2 * MAX_OBJECTS, entries.length); i++) {
    if (entries[i].location === location) return i;
  }
  return entries.findIndex((entry) => entry.location === location);
}
