/**
 * Names that no file can be opened by.
 *
 * @module
 */

import { StorageError } from "../errors.ts";

/** At most this many bad names are in an error. */
const NAMED_BAD = 3;

/** What may be wrong with a name: the code of the error, and its words for one name and for several. */
const FAULTS: Readonly<Record<NameFault, Readonly<Record<"code" | "one" | "more", string>>>> = {
  /** The runtime puts U+FFFD in place of what it cannot show, and opens nothing by a name like that. */
  encoding: { code: "EILSEQ", one: "name is not valid UTF-8", more: "names are not valid UTF-8" },
  /** The name of a device, dots or spaces at the end, a path of more than 259 characters. */
  windows: {
    code: "EBADNAME",
    one: "name cannot be opened on Windows",
    more: "names cannot be opened on Windows",
  },
};

/** What is wrong with a name: that it is not UTF-8, or that Windows does not open it. */
export type NameFault = "encoding" | "windows";

/** Names that cannot be opened: so there is no such file, or it is another one. */
export class BadNames {
  readonly #found = new Map<NameFault, { readonly first: string[]; count: number }>();

  /** Counts a path that cannot be opened. */
  add(path: string, fault: NameFault = "encoding") {
    const found = this.#found.get(fault) ?? { first: [], count: 0 };
    this.#found.set(fault, found);
    if (found.count++ < NAMED_BAD) found.first.push(JSON.stringify(path));
  }

  /**
   * Refuses an archive with such names.
   *
   * @throws {StorageError} `EILSEQ` or `EBADNAME` if there is any: names the first ones, and tells how
   * many
   */
  assertNone() {
    for (const [fault, { first, count }] of this.#found) {
      const { code, one, more } = FAULTS[fault];
      const names = `${first.join(", ")}${count > NAMED_BAD ? ", …" : ""}`;
      const what = count === 1 ? one : `${count} ${more}`;
      throw new StorageError(code, `list folder: ${what}: ${names}`);
    }
  }
}
