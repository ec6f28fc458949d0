/**
 * Bodies of large objects, which stay open from one read to the next as long as their reader keeps
 * up: so a large object is one request, however many buffers it is sent in.
 *
 * @module
 */

import type { ObjectReader, ObjectVersion } from "./client.ts";
import type { ObjectStore } from "./store.ts";

/**
 * A body is closed that its reader left alone for so long, in milliseconds. What a client on a slow
 * line takes, it takes in bursts, whenever a part of the system's buffers is free again: between them
 * pass a second or two, and each body anew is another request.
 */
const IDLE_MS = 3000;

/** Where there are enough, one that was left alone for this long makes room, in milliseconds. */
const IDLE_ENOUGH_MS = 250;

/** At most this many stay open: each takes a socket, and one of the client's requests. */
const MAX_OPEN = 48;

/** How many there may be, and for how long. */
export interface OpenBodiesOptions {
  /** Bodies that are open at the same time. @default 48 */
  readonly maxOpen?: number;
  /** Milliseconds that a body waits for its reader. @default 3000 */
  readonly idle?: number;
}

/** Which bytes are read, and for whom. */
export interface BodyRead {
  /** Who reads: for the same one the body may stay open. */
  readonly reader: object;
  /** First byte. */
  readonly offset: number;
  /** Where the bytes go. */
  readonly into: Uint8Array<ArrayBuffer>;
  /** Aborts when the reader has left: nothing stays open for it. */
  readonly signal?: AbortSignal;
  /** Aborts when the bytes are no longer wanted. @default signal */
  readonly end?: AbortSignal;
}

interface OpenBody {
  readonly reader: object;
  readonly key: string;
  readonly etag: string;
  readonly body: ObjectReader;
  /** Where the next read starts. */
  position: number;
  isBusy: boolean;
  /** When it was last used, in milliseconds. */
  used: number;
}

/** The bodies of one source. */
export class OpenBodies implements Disposable {
  readonly #store: ObjectStore;
  readonly #maxOpen: number;
  readonly #idle: number;
  readonly #open = new Set<OpenBody>();
  /** Those whose end is waited for, and those that have ended. */
  readonly #readers = new WeakSet<object>();
  readonly #ended = new WeakSet<object>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** Opens nothing yet. */
  constructor(store: ObjectStore, { maxOpen = MAX_OPEN, idle = IDLE_MS }: OpenBodiesOptions = {}) {
    this.#store = store;
    this.#maxOpen = maxOpen;
    this.#idle = idle;
  }

  /** How many are open now, idle ones among them. */
  get size(): number {
    return this.#open.size;
  }

  /** Reads bytes of an object: from the body that stands there already, or a new one. */
  async read(object: ObjectVersion, read: BodyRead): Promise<void> {
    const { offset, into, signal, end = signal } = read;
    const open = this.#take(object, read) ?? this.#begin(object, read);
    if (!open) return void await this.#store.read(object, { offset, into, signal: end });
    let isKept = false;
    try {
      await open.body.read(into);
      open.position += into.length;
      isKept = open.position < object.size && this.#keep(open);
    } finally {
      if (!isKept) this.#close(open);
    }
  }

  /**
   * Asks for an object that a reader will want next, so that it need not wait for the answer. Nothing
   * of it is read before; half of all places are left to those who want bytes now.
   */
  prepare(object: ObjectVersion, { reader, signal }: Pick<BodyRead, "reader" | "signal">): void {
    const { key, etag, size } = object;
    if (this.#closed || this.#ended.has(reader) || this.#open.size >= this.#maxOpen / 2) return;
    if (this.#find(object, { reader, offset: 0 })) return;
    this.#watch(reader, signal);
    const body = this.#store.open(object, { offset: 0, length: size, signal });
    body.begin();
    const open = { reader, key, etag, body, position: 0, isBusy: false, used: 0 };
    this.#open.add(open);
    this.#keep(open);
  }

  /**
   * A body of a whole object that was asked for and not read, for whoever needs the bytes before its
   * reader does. It ends with that reader. Null if there is none.
   */
  adopt(object: ObjectVersion): ObjectReader | null {
    const isIt = (open: OpenBody) =>
      open.key === object.key && open.etag === object.etag && open.position === 0 && !open.isBusy;
    const open = this.#open.values().find(isIt);
    if (!open) return null;
    this.#open.delete(open);
    return open.body;
  }

  /** Closes all. */
  [Symbol.dispose]() {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const open of this.#open) this.#close(open);
  }

  #take(object: ObjectVersion, read: BodyRead): OpenBody | undefined {
    const open = this.#find(object, read);
    if (open?.isBusy) return undefined;
    if (open) open.isBusy = true;
    return open;
  }

  /** A body of these bytes; one that nobody reads just now if there is one. */
  #find(
    { key, etag }: ObjectVersion,
    { reader, offset }: Pick<BodyRead, "reader" | "offset">,
  ): OpenBody | undefined {
    let found: OpenBody | undefined;
    for (const open of this.#open) {
      const isIt = open.reader === reader && open.key === key && open.etag === etag &&
        open.position === offset;
      if (isIt && !open.isBusy) return open;
      if (isIt) found = open;
    }
    return found;
  }

  /** Null if the read reaches the object's end, or there are enough. */
  #begin(object: ObjectVersion, { reader, offset, into, signal }: BodyRead): OpenBody | null {
    const { key, etag, size } = object;
    const isLast = offset + into.length >= size;
    if (isLast || this.#closed || this.#ended.has(reader)) return null;
    if (this.#open.size >= this.#maxOpen && !this.#makeRoom()) return null;
    this.#watch(reader, signal);
    const body = this.#store.open(object, { offset, length: size - offset, signal });
    const open = { reader, key, etag, body, position: offset, isBusy: true, used: 0 };
    this.#open.add(open);
    return open;
  }

  #watch(reader: object, signal?: AbortSignal) {
    if (!signal || this.#readers.has(reader)) return;
    this.#readers.add(reader);
    const end = () => {
      this.#ended.add(reader);
      for (const open of this.#open) if (open.reader === reader) this.#close(open);
    };
    signal.addEventListener("abort", end, { once: true });
  }

  #keep(open: OpenBody): boolean {
    if (!this.#open.has(open)) return false; // its reader has left
    open.isBusy = false;
    open.used = performance.now();
    this.#timer ??= setTimeout(() => this.#closeIdle(), this.#idle);
    return true;
  }

  #close(open: OpenBody) {
    this.#open.delete(open);
    open.body.close();
  }

  /** Closes the body that was left alone for the longest time; false if that is not long. */
  #makeRoom(): boolean {
    let oldest: OpenBody | undefined;
    for (const open of this.#open) {
      if (!open.isBusy && open.used < (oldest?.used ?? Infinity)) oldest = open;
    }
    if (!oldest || performance.now() - oldest.used < IDLE_ENOUGH_MS) return false;
    this.#close(oldest);
    return true;
  }

  /** A client that stalls holds no socket. */
  #closeIdle() {
    this.#timer = undefined;
    const now = performance.now();
    let next = Infinity;
    for (const open of this.#open) {
      if (open.isBusy) continue;
      if (open.used + this.#idle <= now) this.#close(open);
      else next = Math.min(next, open.used + this.#idle);
    }
    if (next < Infinity) this.#timer = setTimeout(() => this.#closeIdle(), Math.ceil(next - now));
  }
}
