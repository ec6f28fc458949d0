/**
 * What a hash stands for on the disk: which folder, and which of its files go into the archive.
 * Everything here may block; it runs in the threads of the pool only.
 *
 * @module
 */

import { basename, join, relative, sep } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Child, type Folder, type FolderContent, gatherEntries } from "../entries.ts";
import { codeOf, StorageError } from "../errors.ts";
import type { EntryState, PackedListing } from "../listing.ts";
import { isDamaged, isHash, isSelected, type Selection } from "../names.ts";
import { compareFolders, type SourceFolder } from "../source.ts";

/** A directory that changed more recently, in milliseconds, may change again under the same time. */
const SETTLING_MS = 25;

/** How often, and how far apart in milliseconds, a directory is looked at to see how it tells time. */
const NOW_LOOKS = 8;
const NOW_PAUSE_MS = 5;

/** At most this many names that are not valid UTF-8 are in an error. */
const NAMED_BAD = 3;

/** Where the system has no permission bits: on Windows, of which the runtime tells 0666 or 0444. */
const FILE_MODE = 0o644;
const DIRECTORY_MODE = 0o755;

/** What goes in besides plain visible files. */
export interface DiskSelection extends Selection {
  /** Let in what symlinks lead to, as long as it is inside of the photos folder. @default false */
  readonly followSymlinks?: boolean;
}

/** Names of the directories in the photos folder, in the order of the disk. */
export async function listDirectories(root: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(root)) if (isDirectory) names.push(name);
  return names;
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
}

/** An archive as it was found. */
export interface Walked {
  /** What it holds; null if there is no such archive. */
  readonly listing: PackedListing | null;
  /** Device of the photos folder. */
  readonly device: number;
}

/** The code of the error for a photos folder that is gone. */
const NO_ROOT = "ENOROOT";

/** Directories of the photos folder with their own times, newest first; without those that are gone. */
export function datedFolders(root: string, names: readonly string[]): SourceFolder[] {
  return names.flatMap((name) => datedFolder(root, name)).sort(compareFolders);
}

function datedFolder(root: string, name: string): SourceFolder | [] {
  try {
    const stat = Deno.lstatSync(join(root, name));
    return stat.isDirectory ? { name, mtimeMs: mtimeOf(stat) } : [];
  } catch (error) {
    // It fails alone: a damaged name can be listed and not be looked at.
    const gone = error instanceof Deno.errors.NotFound && !isDamaged(name);
    return gone ? [] : { name, mtimeMs: -Infinity };
  }
}

/**
 * Lists a direct child directory of the photos folder. There is no listing if there is no such
 * directory, or it is another thing, or a symlink, or must not be read, or is spelled otherwise, or
 * if nothing in it goes into an archive: nobody can tell which.
 *
 * @throws {StorageError} `ENOROOT` if the photos folder is gone or its disk is not there, `EAGAIN` if
 * something is changing, and the system's code if something in the folder cannot be listed
 */
export async function walkArchive(options: WalkOptions): Promise<Walked> {
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
  const walk = new Walk({ ...options, timeless });
  walk.guardEntry({ location: hash, stat: own }, { location: "", stat: rootStat }, now);
  try {
    const packed = await gatherEntries({ hash, read: (folder) => walk.read(folder) });
    walk.assertUnchanged();
    walk.assertNames();
    const steady = !timeless;
    const listing = packed && { ...packed, steady, settled: packed.settled && steady };
    return { listing, device };
  } catch (error) {
    if (error instanceof NoArchiveError) return { listing: null, device };
    throw error;
  }
}

/** The archive's own folder is gone or must not be read: to the visitor there is none. */
class NoArchiveError extends Error {}

/** A directory, and what was seen of it. */
interface Seen {
  readonly location: string;
  readonly stat: Deno.FileInfo;
}

/** A directory, and what must be seen of it again. */
interface Guard {
  readonly location: string;
  readonly state: string;
}

/**
 * The looks at a tree, one folder at a time. Every directory that leads to a file must stay as it
 * was: a folder that was replaced by a symlink, even for an instant, shows in the times of the
 * directory that it is in, and in its own.
 */
class Walk {
  readonly #root: string;
  readonly #selection: DiskSelection;
  readonly #strict: boolean;
  readonly #timeless: boolean;
  /** Of each group, one directory must still be as it was. */
  readonly #guards: Guard[][] = [];
  readonly #badNames = new BadNames();

  constructor({ root, selection, strict = false, timeless = false }: WalkOptions) {
    this.#root = root;
    this.#selection = selection;
    this.#strict = strict;
    this.#timeless = timeless;
  }

  /** Remembers a directory as it was at a time before anything in it was looked at. */
  guard(location: string, stat: Deno.FileInfo, now: number) {
    this.#guardAny([{ location, stat }].filter((seen) => this.#wouldShow(seen, now)));
  }

  /**
   * Remembers the archive's own folder. If it is replaced, that shows in the photos folder, and also
   * in its own time of change, so that a busy photos folder is no reason to refuse it.
   */
  guardEntry(own: Seen, root: Seen, now: number) {
    const proofs = [
      ...(this.#timeless || isLongUnchanged(own.stat, now) ? [own] : []),
      ...(this.#wouldShow(root, now) ? [root] : []),
    ];
    this.#guardAny(proofs);
  }

  /** Of these directories, one must stay as it is. */
  #guardAny(directories: readonly Seen[]) {
    if (directories.length === 0) throw changing();
    this.#guards.push(directories.map(({ location, stat }) => ({
      location,
      state: this.#stateOf(stat),
    })));
  }

  #wouldShow({ stat }: Seen, now: number) {
    return this.#timeless || isAtRest(stat, now, this.#strict);
  }

  /** Compares every guarded directory with what it was. */
  assertUnchanged() {
    for (const group of this.#guards) {
      if (!group.some((guard) => this.#isUnchanged(guard))) throw changing();
    }
  }

  #isUnchanged({ location, state }: Guard) {
    const path = this.#fileOf(location);
    const stat = statDirectory(path);
    if (!stat || this.#stateOf(stat) !== state) return false;
    return !this.#timeless || Deno.realPathSync(path) === path;
  }

  #stateOf(stat: Deno.FileInfo) {
    return this.#timeless ? `${stat.dev}:${stat.ino}` : directoryState(stat);
  }

  /** Every name could be opened. Last of all, so that the error counts the whole archive. */
  assertNames() {
    this.#badNames.assertNone();
  }

  /** Reads one folder. Errors name it by its path in the archive's folder. */
  async read(folder: Folder): Promise<FolderContent> {
    try {
      return await this.#read(folder);
    } catch (error) {
      if (error instanceof StorageError) throw error;
      if (folder.parent === null && isExpected(error)) throw new NoArchiveError();
      throw new StorageError(codeOf(error), `list folder: ${codeOf(error)}: ${folder.path || "/"}`);
    }
  }

  async #read(folder: Folder): Promise<FolderContent> {
    const now = Date.now();
    const before = Deno.lstatSync(this.#fileOf(folder.location));
    if (!before.isDirectory) throw changing();
    const { children, leftOut } = await this.#children(folder);
    if (children.some(({ isDirectory }) => isDirectory)) this.guard(folder.location, before, now);
    return { state: stateOf(before), children, leftOut };
  }

  async #children(folder: Folder) {
    const directory = this.#fileOf(folder.location);
    const children: Child[] = [];
    const leftOut: string[] = [];
    for (const original of await this.#names(folder)) {
      const child = this.#child(folder, original, directory + sep + original);
      if (child === "left out") leftOut.push(original);
      else if (child) children.push(child);
    }
    return { children, leftOut };
  }

  /** Names that the selection lets in. */
  async #names(folder: Folder): Promise<string[]> {
    const names: string[] = [];
    const damaged = new Set<string>();
    // Not readDirSync: it drops every error after the first read, and with it the rest of the folder.
    // https://github.com/denoland/deno/blob/v2.9.5/ext/fs/std_fs.rs (fn read_dir: `entry.ok()?`)
    for await (const { name } of Deno.readDir(this.#fileOf(folder.location))) {
      if (!isSelected(name, this.#selection)) continue;
      if (damaged.has(name)) {
        this.#badNames.add(folder.path + name);
        continue;
      }
      if (isDamaged(name)) damaged.add(name);
      names.push(name);
    }
    return names;
  }

  /** Null if it is gone since the folder was read: as if it had never been there. */
  #child(folder: Folder, original: string, file: string): Child | "left out" | null {
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
    return { original, isDirectory, state: stateOf(stat), target };
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
      this.guard(directory, stat, now);
    }
  }

  #fileOf(location: string) {
    return fileOf(this.#root, location);
  }
}

/**
 * Names that are not valid UTF-8. The runtime puts U+FFFD in place of what it cannot show, and opens
 * nothing by a name like that: so there is no such file, or it is another one.
 */
class BadNames {
  readonly #first: string[] = [];
  #count = 0;

  add(path: string) {
    if (this.#count++ < NAMED_BAD) this.#first.push(JSON.stringify(path));
  }

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

/** The absolute path of a place in the photos folder. */
export function fileOf(root: string, location: string): string {
  if (location === "") return root;
  return root + sep + (sep === "/" ? location : location.replaceAll("/", sep));
}

/** The photos folder's own state. Without it nothing can be said of any archive. */
function statRoot(root: string): Deno.FileInfo {
  try {
    const stat = Deno.lstatSync(root);
    if (stat.isDirectory) return stat;
  } catch (error) {
    throw new StorageError(NO_ROOT, `photos folder: ${codeOf(error)}`);
  }
  throw new StorageError(NO_ROOT, "photos folder: ENOTDIR");
}

/** An empty folder on another disk than before is what a disk leaves behind that was taken away. */
async function assertInUse(root: string) {
  for await (const _ of Deno.readDir(root)) return;
  throw new StorageError(NO_ROOT, "photos folder: empty, and on another disk than before");
}

/**
 * True if a directory has not changed for so long that a change in it from now on shows in its times.
 * Not strict, somebody who sets its times back within a second may hide the change. A time of change
 * that is missing, or is yet to come, tells nothing.
 */
function isAtRest(stat: Deno.FileInfo, now: number, strict: boolean) {
  if (Math.abs(now - mtimeOf(stat)) < SETTLING_MS) return false;
  const changed = stat.ctime?.getTime();
  return !strict || changed === undefined || changed > now + 1000 || isLongUnchanged(stat, now);
}

/**
 * True if a directory has kept its time of change for so long that a change from now on gives it
 * another one. Nobody can set it back; the runtime tells it in whole seconds.
 */
function isLongUnchanged({ ctime }: Deno.FileInfo, now: number) {
  return ctime != null && now >= ctime.getTime() + 1000 + SETTLING_MS;
}

/**
 * True if the disk tells the present as a directory's time, whenever it is asked: at each of several
 * looks the time is that of the look.
 */
async function tellsNow(path: string): Promise<boolean> {
  for (let look = 0; look < NOW_LOOKS; look++) {
    const before = Date.now();
    const stat = statDirectory(path);
    if (!stat || mtimeOf(stat) < before - 1 || mtimeOf(stat) > Date.now() + 1) return false;
    await sleep(NOW_PAUSE_MS + look);
  }
  return true;
}

function stateOf(stat: Deno.FileInfo): EntryState {
  const { isDirectory, size, dev, ino } = stat;
  return { size: isDirectory ? 0 : size, mtimeMs: mtimeOf(stat), mode: modeOf(stat), dev, ino };
}

/** Permission bits: on Windows those that a Linux replica would have, most likely. */
export function modeOf(
  { mode, isDirectory }: Pick<Deno.FileInfo, "mode" | "isDirectory">,
  system: typeof Deno.build.os = Deno.build.os,
): number {
  const known = system === "windows" ? null : mode;
  return (known ?? (isDirectory ? DIRECTORY_MODE : FILE_MODE)) & 0o777;
}

/** Milliseconds since 1970; 1970 itself where the system does not tell. */
function mtimeOf({ mtime }: Deno.FileInfo) {
  return mtime?.getTime() ?? 0;
}

/** Deno tells mtime in milliseconds and ctime, which nobody can set back, in seconds only. */
function directoryState(stat: Deno.FileInfo) {
  return `${stat.dev}:${stat.ino}:${mtimeOf(stat)}:${stat.ctime?.getTime()}`;
}

/** The entry's own state, or null if it is gone. */
function statEntry(path: string): Deno.FileInfo | null {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** The directory's own state, or null if there is none, or it is a symlink or another thing. */
function statDirectory(path: string): Deno.FileInfo | null {
  try {
    const stat = Deno.lstatSync(path);
    return stat.isDirectory ? stat : null;
  } catch (error) {
    if (isExpected(error)) return null;
    throw error;
  }
}

/**
 * False if the disk ignores case and knows the folder by another spelling. Only where the other case
 * of the name exists too is there a doubt, which the directory itself then settles.
 */
async function isSpelledSo(root: string, hash: string) {
  const swapped = [...hash].map((c) => c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase());
  const other = swapped.join("");
  if (other === hash || !statDirectory(join(root, other))) return true;
  return (await listDirectories(root)).includes(hash);
}

function changing() {
  return new StorageError("EAGAIN", "list folder: files are being added or renamed just now");
}

function isExpected(error: unknown) {
  return ["ENOENT", "ENOTDIR", "EACCES", "EPERM", "ELOOP", "ENAMETOOLONG"].includes(codeOf(error));
}
