/**
 * Work that several callers share, and that ends when the last of them has left.
 *
 * @module
 */

import { unlessAborted } from "../../lib/abort.ts";
import { PendingListings } from "../shared_listings.ts";

/** Those who wait for one thing, and what ends the work on it. */
interface Wanted {
  waiting: number;
  end: AbortController;
}

/** Listings under way, as {@link PendingListings}; one that nobody waits for is given up. */
export class WantedListings<T> {
  readonly #pending = new PendingListings<T>();
  readonly #wanted = new Map<string, Wanted>();

  /** A listing that was begun after this call. Rejects with the signal's reason as soon as it aborts. */
  async get(
    key: string,
    list: (signal: AbortSignal) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    signal?.throwIfAborted();
    const wanted = this.#wanted.get(key) ?? { waiting: 0, end: new AbortController() };
    this.#wanted.set(key, wanted);
    wanted.waiting++;
    try {
      const listing = this.#pending.get(key, () => list(this.#endOf(key)));
      return await unlessAborted(listing, signal);
    } finally {
      if (--wanted.waiting === 0) {
        this.#wanted.delete(key);
        wanted.end.abort(new DOMException("list folder: nobody waits for it", "AbortError"));
      }
    }
  }

  /** Of those who wait now; the work may begin after all of them have left. */
  #endOf(key: string): AbortSignal {
    return this.#wanted.get(key)?.end.signal ?? AbortSignal.abort();
  }
}
