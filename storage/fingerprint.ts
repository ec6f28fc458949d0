/**
 * What the entries of an archive are, in one short text: the same for a folder and for its copy, and
 * for a choice of files however it was made.
 *
 * @module
 */

import { createHash, type Hash } from "node:crypto";
import type { EntryState, Listing } from "./listing.ts";

/** So many entries are hashed in one call. */
const HASHED_AT_ONCE = 256;

/** Gathers what goes into the fingerprint and the revision of a listing. */
export class Fingerprint {
  readonly #fingerprint = createHash("sha256");
  readonly #revision = createHash("sha256");
  #isTagged = false;
  /** What is to be hashed: a call for each entry would take longer than the hash. */
  readonly #text: string[] = [];

  /** Adds an entry, in the order of the archive. */
  add(name: string, { size, mtimeMs, mode, etag }: EntryState) {
    // Each entry ends in a byte that no name can hold. Entries from before 1970 once had a field more:
    // the mark keeps a download that began then from going on in another layout.
    const mark = mtimeMs < 0 ? " undated" : "";
    this.#text.push(`${name}\0${size} ${mtimeMs} ${mode}${mark}\0`);
    if (this.#text.length === HASHED_AT_ONCE) this.#hashText();
    if (etag === undefined) return;
    this.#isTagged = true;
    this.#revision.update(`${etag}\0`);
  }

  /** Of all that were added. */
  finish(): Pick<Listing, "fingerprint" | "revision"> {
    this.#hashText();
    return {
      fingerprint: shortDigest(this.#fingerprint),
      ...this.#isTagged && { revision: shortDigest(this.#revision) },
    };
  }

  #hashText() {
    this.#fingerprint.update(this.#text.join(""));
    this.#text.length = 0;
  }
}

/** SHA-256, cut to 128 bits. */
function shortDigest(hash: Hash) {
  return hash.digest("hex").slice(0, 32);
}
