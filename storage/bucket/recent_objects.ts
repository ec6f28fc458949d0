/**
 * Small objects that were read for their CRC-32 just now: whoever waited for that sends them next, and
 * need not ask the store again.
 *
 * @module
 */

import type { MemoryBudget, Reservation } from "../../lib/memory_budget.ts";
import type { FileSlice } from "../source.ts";

/** Larger objects are not kept. Bytes. */
const MAX_OBJECT_BYTES = 4 << 20;

/** All together. Bytes. */
const MAX_BYTES = 16 << 20;

/** For so long, in milliseconds. */
const KEEP_MS = 5000;

interface Recent {
  readonly identity: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly room: Reservation;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** Whole objects in memory, a few, for a few seconds. */
export class RecentObjects implements Disposable {
  readonly #memory: MemoryBudget;
  /** By location, the oldest first. */
  readonly #objects = new Map<string, Recent>();
  #bytes = 0;

  /** Takes what the bytes count against. */
  constructor(memory: MemoryBudget) {
    this.#memory = memory;
  }

  /** Bytes that are kept now, and those that may come. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Room for an object of this size, to be handed to {@link keep} or disposed of; null if there is none. */
  tryReserve(size: number): Reservation | null {
    if (size > MAX_OBJECT_BYTES || this.#bytes + size > MAX_BYTES) return null;
    const room = this.#memory.tryReserve(size);
    if (!room) return null;
    this.#bytes += size;
    let isTaken = true;
    return {
      bytes: size,
      [Symbol.dispose]: () => {
        if (isTaken) this.#bytes -= size;
        isTaken = false;
        room[Symbol.dispose]();
      },
    };
  }

  /** Keeps a whole object for a while. */
  keep({ location, identity }: FileSlice, bytes: Uint8Array<ArrayBuffer>, room: Reservation) {
    this.drop(location);
    const timer = setTimeout(() => this.drop(location), KEEP_MS);
    this.#objects.set(location, { identity, bytes, room, timer });
  }

  /** The whole object that a slice is of, if it is kept. */
  get({ location, identity }: FileSlice): Uint8Array<ArrayBuffer> | undefined {
    const recent = this.#objects.get(location);
    return recent?.identity === identity ? recent.bytes : undefined;
  }

  /** Forgets an object. */
  drop(location: string) {
    const recent = this.#objects.get(location);
    if (!recent) return;
    this.#objects.delete(location);
    clearTimeout(recent.timer);
    recent.room[Symbol.dispose]();
  }

  /** Forgets all. */
  [Symbol.dispose]() {
    for (const location of [...this.#objects.keys()]) this.drop(location);
  }
}
