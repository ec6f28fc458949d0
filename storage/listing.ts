/**
 * What a folder holds: the entries of an archive before any file was opened. A thread makes the
 * listing and another one uses it, so it also has a packed form: columns, which cross over without
 * being copied object by object.
 *
 * @module
 */

import type { ListedFile } from "./source.ts";

/** Numbers in a row: size, time, mode, device, inode. */
export const NUMBERS = 5;

const CHUNK_ROWS = 1024;

/** What a listing takes: itself, each row, each character of a name, each path kept apart. Bytes. */
const LISTING_BYTES = 4096;
const ROW_BYTES = 350;
const NAME_BYTES = 4;
const PLACE_BYTES = 500;
const ETAG_BYTES = 100;

/** The years that every program can read: from the first that Windows knows to the last of four digits. */
const EARLIEST = Date.UTC(1601, 0) / 1000;
const LATEST = Date.UTC(10_000, 0) / 1000 - 1;

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
  /**
   * Modification time in milliseconds since 1970, which is as fine as Deno tells it; NaN beyond what
   * a `Date` can hold.
   */
  readonly mtimeMs: number;
}

/** What the disk says of one entry. */
export interface EntryState extends FileState {
  /** Unix permission bits. */
  readonly mode: number;
  /** When it was changed last, if not at `mtimeMs`, in milliseconds since 1970. */
  readonly changedMs?: number;
  /**
   * What tells one content from another for certain, and takes the place of device and inode: the
   * entity tag of an object. Either all files of an archive have one, or none.
   */
  readonly etag?: string;
}

/** Where an entry is. Folders end in `/`. */
export interface EntryPlace {
  /** Path in the archive's folder, joined by `/`. */
  readonly path: string;
  /** Path from the photos folder, joined by `/`: where a symlink leads, else the hash and `path`. */
  readonly location: string;
}

/** One file or empty folder of an archive. */
export interface ListedEntry extends ListedFile {
  /** Path in the archive, joined by `/`; a folder's ends in `/`. */
  readonly name: string;
  /** Modification time, whole seconds since 1970: see {@link secondsOf}. */
  readonly mtime: number;
  /** Unix permission bits. */
  readonly mode: number;
  /** Size and time: equal as long as the content is the same, as far as the two can tell. */
  readonly version: string;
  /** What the source said of it, without when it was changed. */
  readonly state: EntryState;
}

/** An entry as a row of a packed listing. */
class PackedEntry implements ListedEntry, EntryState {
  readonly name: string;
  readonly #listing: PackedListing;
  readonly #row: number;

  constructor(name: string, listing: PackedListing, row: number) {
    this.name = name;
    this.#listing = listing;
    this.#row = row;
  }

  get hash(): string {
    return this.#listing.hash;
  }

  get size(): number {
    return this.#listing.numbers[this.#row * NUMBERS];
  }

  get mtimeMs(): number {
    return this.#listing.numbers[this.#row * NUMBERS + 1];
  }

  get mtime(): number {
    return secondsOf(this.mtimeMs);
  }

  get mode(): number {
    return this.#listing.numbers[this.#row * NUMBERS + 2];
  }

  get dev(): number {
    return this.#listing.numbers[this.#row * NUMBERS + 3];
  }

  get ino(): number {
    return this.#listing.numbers[this.#row * NUMBERS + 4];
  }

  get path(): string {
    return this.#listing.places.get(this.#row)?.path ?? this.name;
  }

  get location(): string {
    return this.#listing.places.get(this.#row)?.location ?? `${this.hash}/${this.name}`;
  }

  get state(): EntryState {
    const { size, mtimeMs, mode, dev, ino } = this;
    const etag = this.#listing.etags?.[this.#row];
    return { size, mtimeMs, mode, dev, ino, ...etag !== undefined && { etag } };
  }

  get version(): string {
    return this.#listing.steady ? `${this.size}:${this.mtimeMs}` : `${this.size}:`;
  }

  get identity(): string {
    const etag = this.#listing.etags?.[this.#row];
    if (etag !== undefined) return taggedIdentityOf({ size: this.size, etag });
    return this.#listing.steady ? identityOf(this) : timelessIdentityOf(this);
  }
}

/** What a folder holds. */
export interface Listing {
  /** The folder's name, and the key in the link. */
  readonly hash: string;
  /** What goes into the archive, ascending by the UTF-8 bytes of the name. Never empty. */
  readonly entries: readonly ListedEntry[];
  /**
   * A hash over what goes into the bytes of an archive: name, size, time and mode of each
   * entry. Never device or inode: copies of a folder have the same fingerprint.
   */
  readonly fingerprint: string;
  /**
   * A hash over the entity tags of all files, where the source has them: it changes with each content,
   * though size and time stay the same, and so it belongs into the archive's own tag. Letters and
   * digits.
   *
   * @default none
   */
  readonly revision?: string;
  /**
   * Newest modification time in whole seconds since 1970, of the files and of the folders that they
   * are in, since it is in those that a file which was removed or renamed shows. Within the years
   * that {@link secondsOf} tells; 0 where the source knows no time.
   */
  readonly lastModified: number;
  /** False while a file is so new that its content could change again under the same time. */
  readonly settled: boolean;
  /**
   * When a file or folder was changed last, in milliseconds since 1970; times that are yet to come do
   * not count. `-Infinity` if nothing tells.
   */
  readonly changed: number;
  /**
   * False where the disk tells no times to go by: its files look changed at each look. Then size,
   * device and inode are all that tells one state of a file from another, and no two answers can be
   * said to be the same.
   */
  readonly steady: boolean;
  /** Paths of symlinks and special files that were left out, hidden names and junk not among them. */
  readonly leftOut: readonly string[];
  /**
   * Bytes of memory that it takes with the plan that is made of it, and with what the garbage collector
   * leaves lying about meanwhile: an estimate on the safe side.
   */
  readonly memory: number;
}

/** A listing in columns. */
export interface PackedListing extends Omit<Listing, "entries" | "memory"> {
  /** The entries' names, with a zero between two. */
  readonly names: string;
  /** Five numbers a row: size, time, mode, device, inode. */
  readonly numbers: Float64Array<ArrayBuffer>;
  /** The entity tag of each entry, where the source has them. @default none */
  readonly etags?: readonly string[];
  /** The places of those entries whose place is not that of their name. */
  readonly places: ReadonlyMap<number, EntryPlace>;
}

/**
 * Gathers entries as columns. Rows are put together a thousand at a time, so that their strings live
 * shortly: with 100,000 of them that is cheaper for the garbage collector.
 */
export class EntryColumns {
  readonly #chunks: string[] = [];
  readonly #places = new Map<number, EntryPlace>();
  #names: string[] = [];
  #numbers = new Float64Array(CHUNK_ROWS * NUMBERS);
  readonly #etags: string[] = [];
  #length = 0;

  /** How many entries there are. */
  get length(): number {
    return this.#length;
  }

  /** Adds an entry; its place only where it is not that of its name. */
  push(name: string, state: EntryState, place?: EntryPlace) {
    const row = this.#length++;
    if (place) this.#places.set(row, place);
    this.#names.push(name);
    if (this.#names.length === CHUNK_ROWS) this.#putTogether();
    if (state.etag !== undefined) this.#etags[row] = state.etag;
    if (this.#numbers.length < this.#length * NUMBERS) this.#grow();
    writeRow(this.#numbers, row, state);
  }

  /** All that were added. */
  pack(): Pick<PackedListing, "names" | "numbers" | "places" | "etags"> {
    if (this.#names.length > 0) this.#putTogether();
    return {
      names: this.#chunks.join(SEPARATOR),
      numbers: this.#numbers.slice(0, this.#length * NUMBERS),
      places: this.#places,
      ...this.#etags.length > 0 && { etags: this.#etags },
    };
  }

  #putTogether() {
    this.#chunks.push(this.#names.join(SEPARATOR));
    this.#names = [];
  }

  #grow() {
    const numbers = new Float64Array(this.#numbers.length * 2);
    numbers.set(this.#numbers);
    this.#numbers = numbers;
  }
}

/** Writes the numbers of an entry. */
export function writeRow(numbers: Float64Array, row: number, state: EntryState) {
  const at = row * NUMBERS;
  numbers[at] = state.size;
  numbers[at + 1] = state.mtimeMs;
  numbers[at + 2] = state.mode;
  numbers[at + 3] = state.dev;
  numbers[at + 4] = state.ino ?? 0;
}

/** How many entries were packed. */
export function entriesIn({ numbers }: PackedListing): number {
  return numbers.length / NUMBERS;
}

/** The listing that was packed. */
export function unpackListing(packed: PackedListing): Listing {
  const { names, numbers: _, places: __, etags: ___, ...facts } = packed;
  const entries = names.split(SEPARATOR).map((name, row) => new PackedEntry(name, packed, row));
  return { ...facts, entries, memory: memoryOf(packed) };
}

/** Measured with 100,000 files of short names: 25 MB in all, and half as much again for garbage. */
function memoryOf(packed: PackedListing) {
  const { names, places, leftOut, etags = [] } = packed;
  const others = PLACE_BYTES * (places.size + leftOut.length) + ETAG_BYTES * etags.length;
  return LISTING_BYTES + ROW_BYTES * entriesIn(packed) + NAME_BYTES * names.length + others;
}

/**
 * A time in whole seconds since 1970, clamped to the years 1601 to 9999. NaN, which the runtime tells
 * of a time that a `Date` cannot hold, is the last second of them.
 */
export function secondsOf(mtimeMs: number): number {
  const seconds = Math.floor(mtimeMs / 1000);
  return seconds < LATEST ? Math.max(seconds, EARLIEST) : LATEST;
}

/** The entries that are files, and not empty folders. */
export function filesOf({ entries }: Listing): ListedEntry[] {
  return entries.filter(({ name }) => !name.endsWith("/"));
}

/** One string that is equal as long as a file is the same and unchanged. */
export function identityOf({ dev, ino, size, mtimeMs }: FileState): string {
  return `${dev}:${ino ?? 0}:${size}:${mtimeMs}`;
}

/** The same of a file whose time tells nothing. */
export function timelessIdentityOf({ dev, ino, size }: FileState): string {
  return `${dev}:${ino ?? 0}:${size}:`;
}

/** The same of a file that has an entity tag: no time can tell more. */
export function taggedIdentityOf({ size, etag }: { size: number; etag: string }): string {
  return `${size}:${etag}`;
}
