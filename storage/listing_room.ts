/**
 * Memory for listings that are under way: none is begun before there is room for it.
 *
 * @module
 */

import { LRUCache } from "lru-cache";
import { MemoryBudget } from "../lib/memory_budget.ts";

/**
 * A listing that nobody has made yet may take this much memory, in bytes: as much as 100,000 entries
 * do. Whoever makes it takes as much again.
 */
const UNKNOWN_BYTES = 48 << 20;

/** Listings under way take no more than this part of the memory. */
const SHARE = 1 / 2;

/** Of at most this many archives it is known how much memory their listings take. */
const MAX_WEIGHED = 10_000;

/** Counts what listings take, as much as they took the last time. */
export class ListingRoom {
  readonly #all: MemoryBudget;
  readonly #listings: MemoryBudget;
  /** Bytes of memory that the last listing of an archive took. */
  readonly #weights = new LRUCache<string, number>({ max: MAX_WEIGHED });

  /** Room within the memory for all requests. */
  constructor(memory: MemoryBudget) {
    this.#all = memory;
    this.#listings = new MemoryBudget({ limit: memory.limit * SHARE });
  }

  /** Room for the listing of an archive; null if there is none now. */
  tryReserve(hash: string): Disposable | null {
    const bytes = this.#bytesFor(hash);
    using taken = new DisposableStack();
    for (const budget of [this.#listings, this.#all]) {
      const room = budget.tryReserve(bytes);
      if (!room) return null;
      taken.use(room);
    }
    return taken.move();
  }

  /**
   * The same as soon as there is some.
   *
   * @throws {MemoryBudgetError} if there is none in time
   */
  async reserve(hash: string, signal?: AbortSignal): Promise<Disposable> {
    const bytes = this.#bytesFor(hash);
    using taken = new DisposableStack();
    for (const budget of [this.#listings, this.#all]) {
      taken.use(await budget.reserve(bytes, signal));
    }
    return taken.move();
  }

  /** Tells how many bytes the listing of an archive took. */
  took(hash: string, bytes: number) {
    this.#weights.set(hash, bytes);
  }

  #bytesFor(hash: string): number {
    return Math.min(this.#weights.get(hash) ?? UNKNOWN_BYTES, this.#listings.limit);
  }
}
