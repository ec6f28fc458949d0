/**
 * What a folder holds: the entries of an archive before any file was opened. A thread lists, another
 * one uses the listing, so it also has a packed form: columns, which cross over without being copied
 * object by object.
 *
 * @module
 */

import { join } from "node:path";

/** One column a number, in this order. */
const NUMBERS = 5;

/** Stands between two names; no name can hold it. */
const SEPARATOR = "\0";

/** Device, inode, size and time: what tells one state of a file from another. */
export interface FileState {
  /** Device. */
  readonly dev: number;
  /** Inode; null where the system has none. */
  readonly ino: number | null;
  /** Bytes. */
  readonly size: number;
  /** Modification time in milliseconds since 1970, which is as fine as Deno tells it. */
  readonly mtimeMs: number;
}

/** What the disk says of one entry. */
export interface EntryState extends FileState {
  /** Unix permission bits. */
  readonly mode: number;
}

/** Where an entry is on the disk. */
export interface EntryPlace {
  /** Path in the folder, joined by `/`; a folder's ends in `/`. */
  readonly path: string;
  /** Absolute path to open: where a symlink leads, else the same file as `path`. */
  readonly file: string;
}

/** One file or empty folder of an archive. */
export class FolderEntry implements EntryPlace, EntryState {
  /** Path in the archive, joined by `/`; a folder's ends in `/`. */
  readonly name: string;
  /** Bytes; 0 for a folder. */
  readonly size: number;
  /** Modification time in milliseconds since 1970. */
  readonly mtimeMs: number;
  /** Unix permission bits. */
  readonly mode: number;
  /** Device. */
  readonly dev: number;
  /** Inode. */
  readonly ino: number;
  readonly #folder: string;
  readonly #place: EntryPlace | undefined;

  /** An entry of the folder at this path; its place is told only where it is not that of its name. */
  constructor(name: string, state: EntryState, at: { folder: string; place?: EntryPlace }) {
    this.name = name;
    this.size = state.size;
    this.mtimeMs = state.mtimeMs;
    this.mode = state.mode;
    this.dev = state.dev;
    this.ino = state.ino ?? 0;
    this.#folder = at.folder;
    this.#place = at.place;
  }

  /** Modification time, whole seconds since 1970. */
  get mtime(): number {
    return Math.floor(this.mtimeMs / 1000);
  }

  /** Path in the folder as it is on the disk, joined by `/`; a folder's ends in `/`. */
  get path(): string {
    return this.#place?.path ?? this.name;
  }

  /** Absolute path to open: where a symlink leads, else the same file as `path`. */
  get file(): string {
    return this.#place?.file ?? join(this.#folder, this.name);
  }

  /** What {@link identityOf} says: equal as long as the file is the same and unchanged. */
  get identity(): string {
    return identityOf(this);
  }
}

/** What a folder holds. */
export interface Listing {
  /** Absolute path of the folder. */
  readonly path: string;
  /** What goes into the archive, ascending by the UTF-8 bytes of the name. Never empty. */
  readonly entries: readonly FolderEntry[];
  /**
   * A hash over what goes into the bytes of an archive: name, size, time and mode of each
   * entry. Never device or inode: copies of a folder have the same fingerprint.
   */
  readonly fingerprint: string;
  /**
   * Newest modification time in whole seconds since 1970, of the files and of the folders that they
   * are in, since it is in those that a file which was removed or renamed shows.
   */
  readonly lastModified: number;
  /** False while a file is so new that its content could change again under the same time. */
  readonly settled: boolean;
  /** Paths of symlinks and special files that were left out, hidden names and junk not among them. */
  readonly leftOut: readonly string[];
}

/** A listing in columns. */
export interface PackedListing extends Omit<Listing, "entries"> {
  /** The entries' names, with a zero between two. */
  readonly names: string;
  /** Five numbers an entry: size, time, mode, device, inode. */
  readonly numbers: Float64Array<ArrayBuffer>;
  /** The places of those entries whose place is not that of their name. */
  readonly places: ReadonlyMap<number, EntryPlace>;
}

/** Gathers entries as columns. */
export class EntryColumns {
  readonly #names: string[] = [];
  readonly #numbers: number[] = [];
  readonly #places = new Map<number, EntryPlace>();

  /** How many entries there are. */
  get length(): number {
    return this.#names.length;
  }

  /** Adds an entry; its place only where it is not that of its name. */
  push(name: string, { size, mtimeMs, mode, dev, ino }: EntryState, place?: EntryPlace) {
    if (place) this.#places.set(this.#names.length, place);
    this.#names.push(name);
    this.#numbers.push(size, mtimeMs, mode, dev, ino ?? 0);
  }

  /** All that were added. */
  pack(): Pick<PackedListing, "names" | "numbers" | "places"> {
    return {
      names: this.#names.join(SEPARATOR),
      numbers: Float64Array.from(this.#numbers),
      places: this.#places,
    };
  }
}

/** The listing that was packed. */
export function unpackListing({ names, numbers, places, ...rest }: PackedListing): Listing {
  const entries = names.split(SEPARATOR).map((name, i) => {
    const at = i * NUMBERS;
    const state = {
      size: numbers[at],
      mtimeMs: numbers[at + 1],
      mode: numbers[at + 2],
      dev: numbers[at + 3],
      ino: numbers[at + 4],
    };
    return new FolderEntry(name, state, { folder: rest.path, place: places.get(i) });
  });
  return { ...rest, entries };
}

/** The entries that are files, and not empty folders. */
export function filesOf({ entries }: Listing): FolderEntry[] {
  return entries.filter(({ name }) => !name.endsWith("/"));
}

/** One string that is equal as long as a file is the same and unchanged. */
export function identityOf({ dev, ino, size, mtimeMs }: FileState): string {
  return `${dev}:${ino ?? 0}:${size}:${mtimeMs}`;
}
