/**
 * Listings that several downloads use at the same time.
 *
 * @module
 */

import { isDeepStrictEqual } from "node:util";
import { LRUCache } from "lru-cache";
import { type Listing, type PackedListing, unpackListing } from "./listing.ts";

/** At most this many listings are shared. */
const MAX_SHARED = 1000;

/**
 * The listings that are in use. A folder that is listed again and is the same as before shares the
 * listing of those who still use it: so a thousand clients of one archive hold it once.
 */
export class SharedListings {
  readonly #listings = new LRUCache<string, WeakRef<Listing>>({ max: MAX_SHARED });
  readonly #packed = new WeakMap<Listing, PackedListing>();

  /** The listing that was packed: the one in use if nothing in it is different. */
  unpack(hash: string, packed: PackedListing): Listing {
    const used = this.#listings.get(hash)?.deref();
    if (used && isSame(this.#packed.get(used)!, packed)) return used;
    const listing = unpackListing(packed);
    this.#listings.set(hash, new WeakRef(listing));
    this.#packed.set(listing, packed);
    return listing;
  }
}

/**
 * Listings under way, one at a time for each folder. Callers that arrive while one is made share the
 * next one, which begins after the last of them came. So a crowd at one archive takes one thread and
 * one listing's memory, and a disk that hangs keeps one thread, however often it is asked for.
 */
export class PendingListings<T> {
  readonly #running = new Map<string, Promise<T>>();
  readonly #next = new Map<string, Promise<T>>();

  /** A listing that was begun after this call; `key` says of what. */
  get(key: string, list: () => Promise<T>): Promise<T> {
    const next = this.#next.get(key);
    if (next) return next;
    const running = this.#running.get(key);
    if (!running) return this.#start(key, list);
    const after = running.catch(() => {}).then(() => { // its failure is told to those who asked for it
      this.#next.delete(key);
      return this.#start(key, list);
    });
    this.#next.set(key, after);
    return after;
  }

  #start(key: string, list: () => Promise<T>) {
    const running = list().finally(() => this.#running.delete(key));
    this.#running.set(key, running);
    return running;
  }
}

function isSame(a: PackedListing, b: PackedListing) {
  return a.names === b.names && a.revision === b.revision && a.settled === b.settled &&
    a.steady === b.steady &&
    a.lastModified === b.lastModified && a.changed === b.changed &&
    a.numbers.every((number, i) => Object.is(number, b.numbers[i])) &&
    isDeepStrictEqual(a.places, b.places) && isDeepStrictEqual(a.leftOut, b.leftOut);
}
