/**
 * Small objects that were read for their CRC-32 just now: whoever waited for that sends them next, and
 * need not ask the store again.
 *
 * @module
 */

import type { MemoryBudget } from "../../lib/memory_budget.ts";
import type { FileSlice } from "../source.ts";

/** Larger objects are not kept. Bytes. */
const MAX_OBJECT_BYTES = 4 << 20;

/** All together. Bytes. */
const MAX_BYTES = 16 << 20;

/** For so long, in milliseconds. */
const KEEP_MS = 5000;

interface Recent {
  readonly identity: string;
  readonly bytes: Promise<Uint8Array<ArrayBuffer>>;
  readonly end: Disposable;
}

/** Whole objects in memory, a few, for a few seconds. */
export class RecentObjects implements Disposable {
  readonly #memory: MemoryBudget;
  readonly #objects = new Map<string, Recent>();
  #bytes = 0;

  /** Takes what the bytes count against. */
  constructor(memory: MemoryBudget) {
    this.#memory = memory;
  }

  /** Bytes that are kept now, or will be. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Reads a whole object into memory, where it stays for a while; null, and nothing is read, if there
   * is no room for it.
   */
  load(
    { location, identity, length }: FileSlice,
    read: (into: Uint8Array<ArrayBuffer>) => Promise<unknown>,
  ): Promise<Uint8Array<ArrayBuffer>> | null {
    if (length > MAX_OBJECT_BYTES || this.#bytes + length > MAX_BYTES) return null;
    const room = this.#memory.tryReserve(length);
    if (!room) return null;
    this.drop(location);
    this.#bytes += length;
    const into = new Uint8Array(length);
    const bytes = read(into).then(() => into);
    using end = new DisposableStack();
    end.use(room);
    end.defer(() => this.#bytes -= length);
    end.adopt(setTimeout(() => this.drop(location), KEEP_MS), clearTimeout);
    const recent = { identity, bytes, end: end.move() };
    this.#objects.set(location, recent);
    bytes.catch(() => this.#objects.get(location) === recent && this.drop(location));
    return bytes;
  }

  /** The whole object that a slice is of, if it is kept, or being read just now. */
  get({ location, identity }: FileSlice): Promise<Uint8Array<ArrayBuffer>> | undefined {
    const recent = this.#objects.get(location);
    return recent?.identity === identity ? recent.bytes : undefined;
  }

  /** Forgets an object. */
  drop(location: string) {
    const recent = this.#objects.get(location);
    this.#objects.delete(location);
    recent?.end[Symbol.dispose]();
  }

  /** Forgets all. */
  [Symbol.dispose]() {
    for (const location of [...this.#objects.keys()]) this.drop(location);
  }
}
