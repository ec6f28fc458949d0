/**
 * What a hash stands for on the disk: which folder, and which of its files go into the archive.
 * Everything here may block; it runs in the threads of the pool only.
 *
 * @module
 */

import { basename, join, relative, sep } from "node:path";
import { type Child, type Folder, type FolderContent, gatherEntries } from "../entries.ts";
import { codeOf, StorageError } from "../errors.ts";
import type { PackedListing } from "../listing.ts";
import { isDamaged, isHash, isLabel, isSelected, type Selection } from "../names.ts";
import { BadNames } from "./bad_names.ts";
import { isOnLocalDisk } from "./file_system.ts";
import { changing, Guards, tellsNow } from "./guards.ts";
import { assertInUse, isSpelledSo, statRoot } from "./photos_folder.ts";
import { readDirectory } from "./read_directory.ts";
import { type LookRequest, SharedLooks } from "./shared_looks.ts";
import {
  fileOf,
  isExpected,
  isOpenedByWindows,
  statDirectory,
  statEntry,
  stateOf,
} from "./stat.ts";

/** What goes in besides plain visible files. */
export interface DiskSelection extends Selection {
  /** Let in what symlinks lead to, as long as it is inside of the photos folder. @default false */
  readonly followSymlinks?: boolean;
}

/** How an archive is looked at. */
export interface WalkOptions {
  /** Absolute path of the photos folder. */
  readonly root: string;
  /** The archive. */
  readonly hash: string;
  /** What goes in. */
  readonly selection: DiskSelection;
  /**
   * Whether every directory must have rested until a change would show in its times for certain,
   * which takes a second more.
   *
   * @default false
   */
  readonly strict?: boolean;
  /**
   * Whether to list a folder although its directories look changed at each look, if that is only how
   * their disk tells times.
   *
   * @default false
   */
  readonly timeless?: boolean;
  /** Device of the photos folder when something was in it. @default unknown */
  readonly device?: number;
  /** The system that the disk is used by. @default the one that the program runs on */
  readonly system?: typeof Deno.build.os;
}

/** Asks for help with the looks at a large folder, which may come or not. */
export type AskForHelp = (request: LookRequest) => void;

/** An archive as it was found. */
export interface Walked {
  /** What it holds; null if there is no such archive. */
  readonly listing: PackedListing | null;
  /** Device of the photos folder. */
  readonly device: number;
  /** Device of the archive's folder, if that is on a disk of this machine. */
  readonly localDevice?: number;
}

/**
 * Lists a direct child directory of the photos folder. There is no listing if there is no such
 * directory, or it is another thing, or a symlink, or must not be read, or is spelled otherwise, or
 * if nothing in it goes into an archive: nobody can tell which.
 *
 * @throws {StorageError} `ENOROOT` if the photos folder is gone or its disk is not there, `EAGAIN` if
 * something is changing, and the system's code if something in the folder cannot be listed
 */
export async function walkArchive(
  options: WalkOptions,
  askForHelp?: AskForHelp,
): Promise<Walked> {
  const { root, hash } = options;
  const now = Date.now();
  const rootStat = statRoot(root);
  const device = rootStat.dev;
  const own = isHash(hash) ? statDirectory(join(root, hash)) : null;
  if (!own || !await isSpelledSo(root, hash)) {
    if (options.device !== undefined && device !== options.device) await assertInUse(root);
    return { listing: null, device };
  }
  const timeless = options.timeless === true && await tellsNow(join(root, hash));
  const guards = new Guards({ ...options, timeless });
  guards.addEntry({ location: hash, stat: own }, { location: "", stat: rootStat }, now);
  const localDevice = isOnLocalDisk(join(root, hash)) ? own.dev : undefined;
  // On a disk that may hang, one thread is enough to be held up.
  const walk = new Walk(options, guards, localDevice === undefined ? undefined : askForHelp);
  try {
    const packed = await gatherEntries({ hash, read: (folder) => walk.read(folder) });
    guards.assertUnchanged();
    walk.assertNames();
    const steady = !timeless;
    const listing = packed && { ...packed, steady, settled: packed.settled && steady };
    return { listing, device, localDevice };
  } catch (error) {
    if (error instanceof NoArchiveError) return { listing: null, device };
    throw error;
  }
}

/** A file or folder that cannot be looked at. */
class LookError extends Error {
  /** Its path in the archive's folder. */
  readonly path: string;

  constructor(path: string, cause: unknown) {
    super(codeOf(cause), { cause });
    this.path = path;
  }
}

/** The archive's own folder is gone or must not be read: to the visitor there is none. */
class NoArchiveError extends Error {}

/** What a name stands for; null if it is gone. */
type Look = Child | "left out" | null;

/** The looks at a tree, one folder at a time. */
class Walk {
  readonly #root: string;
  readonly #selection: DiskSelection;
  readonly #guards: Guards;
  readonly #askForHelp: AskForHelp | undefined;
  readonly #system: typeof Deno.build.os | undefined;
  readonly #badNames = new BadNames();

  constructor({ root, selection, system }: WalkOptions, guards: Guards, askForHelp?: AskForHelp) {
    this.#root = root;
    this.#selection = selection;
    this.#system = system;
    this.#guards = guards;
    this.#askForHelp = askForHelp;
  }

  /** Every name could be opened. Last of all, so that the error counts the whole archive. */
  assertNames() {
    this.#badNames.assertNone();
  }

  /** Reads one folder. Errors name it, or what is wrong in it, by the path in the archive's folder. */
  async read(folder: Folder): Promise<FolderContent> {
    try {
      return await this.#read(folder);
    } catch (thrown) {
      if (thrown instanceof StorageError) throw thrown;
      const isLook = thrown instanceof LookError;
      const [error, path] = isLook ? [thrown.cause, thrown.path] : [thrown, folder.path || "/"];
      if (folder.parent === null && isExpected(error)) throw new NoArchiveError();
      throw new StorageError(codeOf(error), `list folder: ${codeOf(error)}: ${path}`);
    }
  }

  async #read(folder: Folder): Promise<FolderContent> {
    const now = Date.now();
    const before = Deno.lstatSync(this.#fileOf(folder.location));
    if (!before.isDirectory) throw changing();
    const { children, leftOut } = await this.#children(folder);
    if (children.some(({ isDirectory }) => isDirectory)) {
      this.#guards.add({ location: folder.location, stat: before }, now);
    }
    return { state: stateOf(before, this.#system), children, leftOut };
  }

  async #children(folder: Folder) {
    const children: Child[] = [];
    const leftOut: string[] = [];
    const { names, looks } = await this.#seen(folder);
    looks.forEach((child, i) => {
      if (child === "left out") leftOut.push(names[i]);
      else if (child) children.push(child);
    });
    return { children, leftOut };
  }

  /** Names that the selection lets in, and what each of them is. */
  async #seen(folder: Folder) {
    const directory = this.#fileOf(folder.location);
    const names: string[] = [];
    const looks: Look[] = [];
    const lookAhead = () => {
      if (looks.length === names.length) return false;
      const name = names[looks.length];
      try {
        return looks.push(this.#look(folder, name, directory + sep + name)) > 0;
      } catch {
        return false; // its turn comes again when all names are known, and then it fails
      }
    };
    await readDirectory(directory, { take: this.#selectInto(names, folder), work: lookAhead });
    return { names, looks: [...looks, ...this.#looks(folder, names.slice(looks.length))] };
  }

  /** Looks at the files and folders of these names. */
  #looks(folder: Folder, names: readonly string[]): Look[] {
    const directory = this.#fileOf(folder.location);
    const look = (name: string) => this.#look(folder, name, directory + sep + name);
    if (!this.#askForHelp || !SharedLooks.pays(names)) return names.map(look);
    const shared = new SharedLooks(directory, names);
    this.#askForHelp(shared.request);
    const looks: (Look | undefined)[] = names.map(() => undefined);
    for (const row of shared.take()) looks[row] = look(names[row]);
    return looks.map((own, row) => {
      if (own !== undefined) return own;
      const state = shared.seen(row);
      if (!state) return look(names[row]);
      return { original: names[row], isDirectory: false, state, target: null };
    });
  }

  /** Takes the names that the selection lets in. Of those that Deno shows alike, only one is left. */
  #selectInto(names: string[], folder: Folder) {
    const damaged = new Set<string>();
    return (name: string) => {
      if (!isSelected(name, this.#selection)) return;
      if (damaged.has(name)) {
        this.#badNames.add(folder.path + name);
        return;
      }
      if (isDamaged(name)) damaged.add(name);
      names.push(name);
    };
  }

  #look(folder: Folder, name: string, file: string) {
    try {
      return this.#child(folder, name, file);
    } catch (error) {
      if (error instanceof StorageError) throw error;
      throw new LookError(folder.path + name, error);
    }
  }

  /** Null if it is gone since the folder was read: as if it had never been there. */
  #child(folder: Folder, original: string, file: string): Look {
    if (!isOpenedByWindows(file, this.#system)) {
      this.#badNames.add(folder.path + original, "windows");
      return null;
    }
    let stat = statEntry(file);
    if (!stat) {
      if (isDamaged(original)) this.#badNames.add(folder.path + original);
      return null;
    }
    let target: string | null = null;
    if (stat.isSymlink) {
      target = this.#selection.followSymlinks ? this.#follow(folder, file) : null;
      if (target) stat = Deno.lstatSync(this.#fileOf(target));
    }
    const { isFile, isDirectory } = stat;
    if (!isFile && !isDirectory) return "left out";
    return { original, isDirectory, state: stateOf(stat, this.#system), target };
  }

  /** Where a symlink leads, if that is inside of the photos folder and not a folder around it. */
  #follow(folder: Folder, link: string): string | null {
    let path;
    try {
      path = Deno.realPathSync(link);
    } catch (error) {
      if (isExpected(error)) return null;
      if (!(error instanceof Deno.errors.InvalidData)) throw error;
      this.#badNames.add(folder.path + basename(link)); // it leads to one
      return null;
    }
    const inside = relative(this.#root, path);
    if (inside === "" || inside === ".." || inside.startsWith(`..${sep}`)) return null;
    if (isLabel(basename(inside))) return null;
    const target = inside.replaceAll(sep, "/");
    for (let around: Folder | null = folder; around; around = around.parent) {
      if (around.location === target) return null;
    }
    this.#guardWay(target);
    return target;
  }

  /** Guards the directories that lead from the photos folder to a place, the last one not. */
  #guardWay(location: string) {
    const parts = location.split("/");
    for (let depth = 1; depth < parts.length; depth++) {
      const directory = parts.slice(0, depth).join("/");
      const now = Date.now();
      const stat = statDirectory(this.#fileOf(directory));
      if (!stat) throw changing();
      this.#guards.add({ location: directory, stat }, now);
    }
  }

  #fileOf(location: string) {
    return fileOf(this.#root, location);
  }
}
