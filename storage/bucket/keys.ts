/**
 * Which objects are the files of an archive, and in which folders those are. A bucket has no folders,
 * only keys with `/` in them, and keys may be what no path of a file system can be. Pure.
 *
 * | Key after the archive's `<hash>/`          | In the archive                                     |
 * | ------------------------------------------ | -------------------------------------------------- |
 * | `a/b.jpg`                                  | file `b.jpg` in folder `a`                         |
 * | `a/`, no bytes                             | folder `a`: an entry of its own if nothing is in it |
 * | `a/`, some bytes                           | file with an empty name in folder `a`: `a/_`       |
 * | empty, no bytes                            | nothing: the archive's own folder                  |
 * | `/b`, `a//b`: an empty name                | a folder with an empty name: `_/b`, `a/_/b`        |
 * | `./b`, `a/../b`                            | names like any other: `_/b`, `a/__/b`              |
 * | `a` beside `a/b`                           | folder `a`, and file `a (2)`                       |
 * | `a:b`, a control character, a longer name  | as with a file of a disk: see `safeName`           |
 * | a hidden name or junk anywhere in it       | nothing, unless options let it in                  |
 *
 * So nothing is left out that would not be left out on a disk too. The archive's names are safe ones;
 * the object is found by its own key.
 *
 * @module
 */

import type { Child, Folder, FolderContent } from "../entries.ts";
import { StorageError } from "../errors.ts";
import type { EntryState } from "../listing.ts";
import { isSelected, type Selection } from "../names.ts";
import type { BucketObject } from "./client.ts";

/** Objects have no mode: these are what files and folders mostly have. */
const FILE_MODE = 0o644;
const FOLDER_MODE = 0o755;

/** A folder that only the keys in it tell of. */
const UNTOLD: EntryState = { size: 0, mtimeMs: -Infinity, mode: FOLDER_MODE, dev: 0, ino: null };

/** An object, and the time of the file that it is. */
export interface DatedObject extends BucketObject {
  /** In milliseconds since 1970. */
  readonly mtimeMs: number;
}

interface KeyFolder<T> {
  readonly files: Map<string, T>;
  readonly folders: Set<string>;
  /** The object of no bytes that stands for the folder itself. */
  marker: T | null;
}

/** Objects of an archive as a tree of folders. */
export class KeyTree<T extends BucketObject> {
  readonly #start: string;
  readonly #selection: Selection;
  /** By their paths in the archive's folder, each ending in `/`; its own is empty. */
  readonly #folders = new Map<string, KeyFolder<T>>();
  #count = 0;

  /** Takes what all keys of the archive begin with, up to the `/` after its hash. */
  constructor(start: string, selection: Selection) {
    this.#start = start;
    this.#selection = selection;
  }

  /** How many objects are in the tree. */
  get count(): number {
    return this.#count;
  }

  /**
   * Adds an object, unless a name in its key is hidden or junk.
   *
   * @throws {StorageError} `EIO` if it is none of the archive's, `EPROTO` if it has no ETag: then
   * nobody could tell whether it is still the same
   */
  add(object: T) {
    const { key, size } = object;
    if (!key.startsWith(this.#start)) {
      throw new StorageError("EIO", "list objects: a key is not one of those asked for");
    }
    const names = key.slice(this.#start.length).split("/");
    const isMarker = names.at(-1) === "" && size === 0;
    const name = names.pop()!;
    if (!names.every((name) => this.#isSelected(name)) || !this.#isSelected(name)) return;
    if (object.etag === "") {
      const path = key.slice(this.#start.length);
      throw new StorageError("EPROTO", `list folder: the store tells no ETag: ${path}`);
    }
    const folder = this.#folderAt(names);
    if (isMarker) folder.marker = object;
    else folder.files.set(name, object);
    this.#count++;
  }

  /** The objects that become entries: the files, and markers of folders in which there is nothing. */
  objects(): T[] {
    return this.#folders.entries().flatMap(([path, { files, folders, marker }]) => {
      const isEntry = marker && path !== "" && files.size === 0 && folders.size === 0;
      return [...files.values(), ...isEntry ? [marker] : []];
    }).toArray();
  }

  /** What is in a folder. */
  read(this: KeyTree<DatedObject>, { path }: Folder): FolderContent {
    const { files, folders, marker } = this.#folders.get(path) ?? emptyFolder();
    const children: Child[] = [];
    for (const original of folders) {
      children.push({ original, isDirectory: true, state: UNTOLD, target: null });
    }
    for (const [original, object] of files) {
      children.push({
        original,
        isDirectory: false,
        state: stateOf(object, FILE_MODE),
        target: null,
      });
    }
    const isEntry = marker && path !== "" && children.length === 0;
    return { state: isEntry ? stateOf(marker, FOLDER_MODE) : UNTOLD, children, leftOut: [] };
  }

  /** Names that no file can have are not meant to be hidden. */
  #isSelected(name: string) {
    return name === "" || name === "." || name === ".." || isSelected(name, this.#selection);
  }

  #folderAt(names: readonly string[]): KeyFolder<T> {
    let path = "";
    let folder = this.#folderOf(path);
    for (const name of names) {
      folder.folders.add(name);
      path += `${name}/`;
      folder = this.#folderOf(path);
    }
    return folder;
  }

  #folderOf(path: string): KeyFolder<T> {
    const known = this.#folders.get(path);
    if (known) return known;
    const folder = emptyFolder<T>();
    this.#folders.set(path, folder);
    return folder;
  }
}

/** The first name of a key after the prefix: the folder that it is in, or would be an archive of. */
export function folderNameOf(key: string, prefix: string): string | null {
  const end = key.indexOf("/", prefix.length);
  return end > prefix.length && key.startsWith(prefix) ? key.slice(prefix.length, end) : null;
}

function emptyFolder<T>(): KeyFolder<T> {
  return { files: new Map(), folders: new Set(), marker: null };
}

function stateOf({ size, mtimeMs, lastModifiedMs, etag }: DatedObject, mode: number): EntryState {
  return { size, mtimeMs, mode, dev: 0, ino: null, changedMs: lastModifiedMs, etag };
}
