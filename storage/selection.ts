/**
 * A choice of files and folders of an archive. Pure. Which rows of a listing it is says all: the order
 * of the names does not matter, nor how often a file is in it.
 *
 * @module
 */

import type { Listing } from "./listing.ts";
import { utf8Order } from "./names.ts";
import type { Rows } from "./subset.ts";

/** Thrown for a choice of what is not there. */
export class MissingFilesError extends Error {
  /** Always `MissingFilesError`. */
  override readonly name = "MissingFilesError";
  /** The names that are not there, as given. */
  readonly names: readonly string[];

  /** Takes the names that are not there. */
  constructor(names: readonly string[]) {
    super(`choose files: ${names.length} not in the archive`);
    this.names = names;
  }
}

/**
 * Finds the rows of these names, ascending: of a name that ends in `/`, all that is in the folder.
 *
 * @throws {MissingFilesError} for names that are not there
 */
export function findRows({ entries }: Listing, names: readonly string[]): Rows[] {
  const missing: string[] = [];
  const found: Rows[] = [];
  for (const name of names) {
    const start = firstAtOrAfter(entries, name);
    let end = start;
    if (name.endsWith("/")) end = firstAfterFolder(entries, name, start);
    else if (entries[start]?.name === name) end = start + 1;
    if (end > start) found.push({ start, end });
    else missing.push(name);
  }
  if (missing.length > 0) throw new MissingFilesError(missing);
  return joinRows(found);
}

/** The same rows ascending, each once, those side by side as one. */
export function joinRows(rows: readonly Rows[]): Rows[] {
  const joined: Rows[] = [];
  for (const { start, end } of rows.toSorted((a, b) => a.start - b.start)) {
    const last = joined.at(-1);
    if (last && start <= last.end) {
      joined[joined.length - 1] = { start: last.start, end: Math.max(last.end, end) };
    } else joined.push({ start, end });
  }
  return joined;
}

type Named = Listing["entries"];

/** Entries ascend by the UTF-8 bytes of their names. */
function firstAtOrAfter(entries: Named, name: string): number {
  return firstWhere(0, entries.length, (row) => {
    const other = entries[row].name;
    return utf8Order([other, name])(other, name) >= 0;
  });
}

/** What begins with the same bytes stands side by side. */
function firstAfterFolder(entries: Named, folder: string, start: number): number {
  return firstWhere(start, entries.length, (row) => !entries[row].name.startsWith(folder));
}

/** The first row of which something is true that is true of all after it; `end` if it is of none. */
function firstWhere(start: number, end: number, isSo: (row: number) => boolean): number {
  let [low, high] = [start, end];
  while (low < high) {
    const middle = low + high >>> 1;
    if (isSo(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
