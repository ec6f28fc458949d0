/**
 * The files of an archive as folders that fold, one row after the other: however long the list is,
 * no more of it is in memory than the folders that a row is in. Pure.
 *
 * @module
 */

/** A file or folder of the list; a folder's name ends in `/`. */
export interface TreeEntry {
  /** Path in the archive, joined by `/`. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

/** What a list is made of. */
export type TreeStep =
  | { readonly kind: "file"; readonly path: string; readonly name: string; readonly size: number }
  | {
    readonly kind: "open";
    readonly path: string;
    readonly name: string;
    /** Number of files in it, at any depth. */
    readonly files: number;
    /** Bytes of those. */
    readonly size: number;
  }
  | { readonly kind: "close" };

/** Entries from one to before another, all of which have names that begin alike. */
interface Run {
  readonly start: number;
  readonly end: number;
  /** How long that beginning is, in characters. */
  readonly depth: number;
}

/**
 * Goes through a list that is in the order of the names' UTF-8 bytes, in which everything in a folder
 * stands together. In each folder, folders come first.
 */
export function* walkTree(entries: readonly TreeEntry[]): Generator<TreeStep> {
  yield* walk(entries, { start: 0, end: entries.length, depth: 0 });
}

function* walk(entries: readonly TreeEntry[], run: Run): Generator<TreeStep> {
  for (const inner of foldersIn(entries, run)) {
    const path = entries[inner.start].name.slice(0, inner.depth);
    const name = path.slice(run.depth, -1);
    yield { kind: "open", path, name, ...sumOf(entries, inner) };
    yield* walk(entries, inner);
    yield { kind: "close" };
  }
  for (let i = run.start; i < run.end; i++) {
    const { name: path, size } = entries[i];
    const name = path.slice(run.depth);
    if (name !== "" && !name.includes("/")) yield { kind: "file", path, name, size };
  }
}

/** The folders right in a run, each as the run of what is in it. */
function* foldersIn(entries: readonly TreeEntry[], { start, end, depth }: Run): Generator<Run> {
  for (let i = start; i < end;) {
    const slash = entries[i].name.indexOf("/", depth);
    if (slash < 0) {
      i++;
      continue;
    }
    const prefix = entries[i].name.slice(0, slash + 1);
    let next = i + 1;
    while (next < end && entries[next].name.startsWith(prefix)) next++;
    yield { start: i, end: next, depth: slash + 1 };
    i = next;
  }
}

function sumOf(entries: readonly TreeEntry[], { start, end }: Run) {
  let files = 0, size = 0;
  for (let i = start; i < end; i++) {
    if (entries[i].name.endsWith("/")) continue;
    files++;
    size += entries[i].size;
  }
  return { files, size };
}
