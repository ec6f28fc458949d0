/**
 * What HeadObject told of objects, remembered: so an archive that is listed again costs no such
 * request, unless its objects are others by now.
 *
 * @module
 */

import { LRUCache } from "lru-cache";
import { taggedIdentityOf } from "../listing.ts";
import type { BucketObject, ObjectFacts } from "./client.ts";

/** What an object costs besides the characters of its key, in bytes. */
const ENTRY_BYTES = 300;

/** The facts of at most so many objects as fit into a number of bytes; the oldest ones go first. */
export class FactsMemory {
  readonly #facts: LRUCache<string, ObjectFacts>;

  /** Takes the memory, in bytes. */
  constructor(maxBytes: number) {
    this.#facts = new LRUCache({
      maxSize: Math.max(1, Math.min(Math.floor(maxBytes), Number.MAX_SAFE_INTEGER)),
      sizeCalculation: (_, key) => ENTRY_BYTES + key.length,
    });
  }

  /**
   * What is known of an object as it was listed. Whoever changes the metadata alone gives it another
   * LastModified and leaves its ETag: so both must be the same.
   */
  get({ key, size, etag, lastModifiedMs }: BucketObject): ObjectFacts | undefined {
    const facts = this.#facts.get(key);
    const isSame = facts?.size === size && facts.etag === etag &&
      facts.lastModifiedMs === lastModifiedMs;
    return isSame ? facts : undefined;
  }

  /** Remembers what was told of an object. */
  set(facts: ObjectFacts) {
    this.#facts.set(facts.key, facts);
  }

  /** The facts of a key, if it has the content that this identity tells of. */
  of(key: string, identity: string): ObjectFacts | undefined {
    const facts = this.#facts.get(key);
    return facts && taggedIdentityOf(facts) === identity ? facts : undefined;
  }
}
