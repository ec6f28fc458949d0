/**
 * Some of the entries of a listing as a listing of its own: it is made, sent and resumed like that of a
 * folder. It takes nothing from the one that it is a part of, which may be forgotten meanwhile.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { Fingerprint } from "./fingerprint.ts";
import { EntryColumns, type Listing, type PackedListing } from "./listing.ts";
import { SharedListings } from "./shared_listings.ts";

/** At most this many subsets of one listing are known. */
const MAX_KNOWN = 100;

/** Rows of a listing. */
export interface Rows {
  /** The first one. */
  readonly start: number;
  /** End, exclusive. */
  readonly end: number;
}

/** Makes subsets, and shares them between those who use the same ones. */
export class Subsets {
  readonly #shared = new SharedListings();
  readonly #known = new WeakMap<Listing, LRUCache<string, WeakRef<Listing>>>();

  /** The listing of some rows, which ascend and of which there is at least one. */
  take(listing: Listing, rows: readonly Rows[]): Listing {
    const [{ start, end }] = rows;
    if (rows.length === 1 && start === 0 && end === listing.entries.length) return listing;
    const known = this.#known.get(listing) ??
      new LRUCache<string, WeakRef<Listing>>({ max: MAX_KNOWN });
    this.#known.set(listing, known);
    const key = keyOf(rows);
    const before = known.get(key)?.deref();
    if (before) return before;
    const packed = packSubset(listing, rows);
    // Also where the folder was listed again meanwhile: what is the same is shared.
    const subset = this.#shared.unpack(`${packed.hash}/${packed.fingerprint}`, packed);
    known.set(key, new WeakRef(subset));
    return subset;
  }
}

/** Short, also of a choice of every other file of very many. */
function keyOf(rows: readonly Rows[]) {
  const text = rows.map(({ start, end }) => `${start}-${end}`).join();
  return text.length <= 64 ? text : createHash("sha256").update(text).digest("base64");
}

/**
 * The rows in columns. Times and what was left out are those of the whole: a file that is missing from
 * a folder shows in nothing else.
 */
function packSubset(listing: Listing, rows: readonly Rows[]): PackedListing {
  const { entries, memory: _, revision: __, ...facts } = listing;
  const columns = new EntryColumns();
  const fingerprint = new Fingerprint();
  for (const { start, end } of rows) {
    for (let row = start; row < end; row++) {
      const { name, state, path, location } = entries[row];
      const isTold = path === name && location === `${listing.hash}/${name}`;
      columns.push(name, state, isTold ? undefined : { path, location });
      fingerprint.add(name, state);
    }
  }
  return { ...facts, ...columns.pack(), ...fingerprint.finish() };
}
