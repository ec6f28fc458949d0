/**
 * What the entries of an archive are called, in which order they stand, and the fingerprint of them
 * all: the same for every source that finds the same files. Nothing here touches a disk.
 *
 * @module
 */

import { StorageError } from "./errors.ts";
import { Fingerprint } from "./fingerprint.ts";
import {
  EntryColumns,
  type EntryPlace,
  type EntryState,
  type PackedListing,
  secondsOf,
} from "./listing.ts";
import { type Compare, safeName, UniqueNames, utf8Order } from "./names.ts";

/** A file that is younger than this, in milliseconds, may change again under the same time. */
const RECENT_MS = 2000;

/** More entries are no folder of photos, but a tangle of symlinks. */
const MAX_ENTRIES = 1_000_000;

/** Whoever unpacks a file or folder can open it, whoever may do so on the server. */
const OWNER_MAY = { file: 0o600, folder: 0o700 };

/** A folder whose content is to be found. */
export interface Folder {
  /** Path in the archive, empty or with a `/` at the end. */
  readonly name: string;
  /** Path in the archive's own folder, likewise. */
  readonly path: string;
  /** Where the source finds it: a path from the photos folder, joined by `/`. */
  readonly location: string;
  /** The folder that it is in; null for the archive's own. */
  readonly parent: Folder | null;
}

/** A file or folder that was found in a folder, and goes in. */
export interface Child {
  /** Name where it was found. */
  readonly original: string;
  /** Whether it is a folder. */
  readonly isDirectory: boolean;
  /** What the source says of it. A folder's time may be -Infinity, if the source knows none. */
  readonly state: EntryState;
  /** Where it is, if not in this folder under its name: the end of a symlink. */
  readonly target: string | null;
}

/** What was found in a folder. */
export interface FolderContent {
  /** The folder's own state. */
  readonly state: EntryState;
  /** What goes in, in any order. */
  readonly children: readonly Child[];
  /** Names of what was left out though somebody may miss it. */
  readonly leftOut: readonly string[];
}

/** How entries are found. */
export interface GatherOptions {
  /** The archive. */
  readonly hash: string;
  /** Finds what is in a folder, the archive's own first. */
  readonly read: (folder: Folder) => FolderContent | Promise<FolderContent>;
}

/** A child that got its name: the next entry, or a folder to be read. */
interface Named {
  readonly child: Child;
  /** In the archive; a folder's ends in `/`. */
  readonly name: string;
  readonly folder: Folder;
}

/**
 * Goes through a tree of folders without recursion, and names what is in it. Each folder's children
 * are sorted, a folder by its name with the `/`, and each folder is read in its turn: so entries come
 * in the order of their whole names. Null if there is none.
 *
 * @throws {StorageError} `EFBIG` if there are too many
 */
export async function gatherEntries({ hash, read }: GatherOptions): Promise<PackedListing | null> {
  const gathered = new Gathered(hash);
  const pending: Named[] = [];
  const enter = async (folder: Folder) => {
    const content = await read(folder);
    gathered.addFolder(folder, content);
    for (const next of nameChildren(folder, content.children)) pending.push(next);
  };
  await enter({ name: "", path: "", location: hash, parent: null });
  for (let next = pending.pop(); next; next = pending.pop()) {
    if (next.child.isDirectory) await enter(folderOf(next));
    else gathered.addFile(next);
    if (gathered.count + pending.length > MAX_ENTRIES) {
      throw new StorageError("EFBIG", `list folder: more than ${MAX_ENTRIES} entries`);
    }
  }
  return gathered.finish();
}

/** Gives each child its name in the archive. The first one is the last of the list. */
function nameChildren(folder: Folder, children: readonly Child[]): Named[] {
  const unique = new UniqueNames();
  const compare = utf8Order(children.map(({ original }) => original));
  const claims = children.map((child) => ({ child, safe: safeName(child.original) }));
  const named = claims.sort(byClaim(compare)).map(({ child, safe }): Named => {
    const name = folder.name + unique.claim(safe) + (child.isDirectory ? "/" : "");
    return { child, name, folder };
  });
  // Mostly in ascending order by now: so it is sorted that way, and turned around.
  const compareNames = utf8Order(named.map(({ name }) => name));
  return named.sort((a, b) => compareNames(a.name, b.name)).reverse();
}

interface Claim {
  readonly child: Child;
  readonly safe: string;
}

/** Folders before files and unchanged names before changed ones: what comes later is renamed. */
function byClaim(compare: Compare): (a: Claim, b: Claim) => number {
  return ({ child: a, safe: safeA }, { child: b, safe: safeB }) =>
    Number(b.isDirectory) - Number(a.isDirectory) ||
    Number(safeA !== a.original) - Number(safeB !== b.original) ||
    compare(a.original, b.original);
}

function folderOf(next: Named): Folder {
  const { name, folder } = next;
  return { name, path: `${pathOf(next)}/`, location: locationOf(next), parent: folder };
}

function pathOf({ folder, child }: Named) {
  return folder.path + child.original;
}

function locationOf({ folder, child }: Named) {
  return child.target ?? `${folder.location}/${child.original}`;
}

/** The entries so far, and what is said of them all. */
class Gathered {
  readonly #hash: string;
  readonly #entries = new EntryColumns();
  readonly #fingerprint = new Fingerprint();
  readonly #leftOut: string[] = [];
  readonly #started = Date.now();
  /** In seconds. */
  #newest = -Infinity;
  #changed = -Infinity;
  #settled = true;

  constructor(hash: string) {
    this.#hash = hash;
  }

  get count() {
    return this.#entries.length;
  }

  /** Files tell where their folders are; only an empty folder is an entry of its own. */
  addFolder(folder: Folder, { state, children, leftOut }: FolderContent) {
    this.#see(state);
    for (const name of leftOut) this.#leftOut.push(folder.path + name);
    const { name, path, location } = folder;
    if (children.length > 0 || name === "") return;
    this.#add(name, state, { path, location: `${location}/` });
  }

  addFile(next: Named) {
    const { name, child } = next;
    this.#add(name, child.state, { path: pathOf(next), location: locationOf(next) });
  }

  #add(name: string, state: EntryState, place: EntryPlace) {
    const mode = state.mode | (name.endsWith("/") ? OWNER_MAY.folder : OWNER_MAY.file);
    const isTold = place.path === name && place.location === `${this.#hash}/${name}`;
    const entry = { ...state, mode };
    this.#entries.push(name, entry, isTold ? undefined : place);
    this.#fingerprint.add(name, entry);
    this.#see(state);
    if (Math.abs(this.#started - changeOf(state)) < RECENT_MS) this.#settled = false;
  }

  #see(state: EntryState) {
    const { mtimeMs } = state;
    if (mtimeMs === -Infinity) return;
    this.#newest = Math.max(this.#newest, secondsOf(mtimeMs));
    const changedMs = changeOf(state);
    if (changedMs < this.#started + RECENT_MS) this.#changed = Math.max(this.#changed, changedMs);
  }

  finish(): PackedListing | null {
    if (this.#entries.length === 0) return null;
    return {
      ...this.#entries.pack(),
      hash: this.#hash,
      ...this.#fingerprint.finish(),
      lastModified: this.#newest === -Infinity ? 0 : this.#newest,
      settled: this.#settled,
      changed: this.#changed,
      steady: true,
      leftOut: this.#leftOut,
    };
  }
}

function changeOf({ mtimeMs, changedMs = mtimeMs }: EntryState) {
  return changedMs;
}
