/**
 * Names that no file can be opened by.
 *
 * @module
 */

import { StorageError } from "../errors.ts";

/** At most this many names that are not valid UTF-8 are in an error. */
const NAMED_BAD = 3;

/**
 * Names that are not valid UTF-8. The runtime puts U+FFFD in place of what it cannot show, and opens
 * nothing by a name like that: so there is no such file, or it is another one.
 */
export class BadNames {
  readonly #first: string[] = [];
  #count = 0;

  /** Counts a path that cannot be opened. */
  add(path: string) {
    if (this.#count++ < NAMED_BAD) this.#first.push(JSON.stringify(path));
  }

  /**
   * Refuses an archive with such names.
   *
   * @throws {StorageError} `EILSEQ` if there is any: names the first ones, and tells how many
   */
  assertNone() {
    if (this.#count === 0) return;
    const are = this.#count === 1 ? "name is" : `${this.#count} names are`;
    const more = this.#count > NAMED_BAD ? ", …" : "";
    throw new StorageError(
      "EILSEQ",
      `list folder: ${are} not valid UTF-8: ${this.#first.join(", ")}${more}`,
    );
  }
}
