/**
 * Archives in parts, for sticks, phones and connections that bear no long file: each part is an
 * archive of whole files, made, sent and resumed like any other.
 *
 * @module
 */

import { LRUCache } from "lru-cache";
import type { Listing } from "../storage/listing.ts";
import { cutIntoParts, type PartExtent } from "../zip/parts.ts";

/** Of at most this many sizes it is known how one listing is cut. */
const MAX_KNOWN = 4;

const known = new WeakMap<Listing, LRUCache<number, readonly PartExtent[]>>();

/**
 * The parts of an archive, none of them longer than `size` bytes unless a single file is. With an
 * engine that compresses, they are no longer than told here as far as that engine makes files no
 * longer.
 *
 * @throws {RangeError} if a name has more than 65,535 bytes
 */
export function partsOf(listing: Listing, size: number): readonly PartExtent[] {
  const sizes = known.get(listing) ?? new LRUCache({ max: MAX_KNOWN });
  known.set(listing, sizes);
  const parts = sizes.get(size) ?? cutIntoParts(listing.entries, size);
  sizes.set(size, parts);
  return parts;
}
