/**
 * What a hash stands for on the disk: which folder, and which of its files go into the archive.
 * Everything here blocks; it runs in the reader's workers only.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join, relative, sep } from "node:path";
import { EntryColumns, type EntryPlace, type EntryState, type PackedListing } from "./listing.ts";
import { compareUtf8, isHash, isHidden, isJunk, safeName, UniqueNames } from "./names.ts";

/** A file that is younger than this may change again under the same time stamp. */
const RECENT_MS = 2000;

/** A directory that changed more recently may change again under the same time stamp. */
const SETTLING_MS = 25;

/** More entries are no folder of photos, but a tangle of symlinks. */
const MAX_ENTRIES = 1_000_000;

/** Where the system has no permission bits. */
const FILE_MODE = 0o644;
const DIRECTORY_MODE = 0o755;

/** What goes in besides plain visible files. */
export interface FolderPolicy {
  /** Let in names that start with a dot. @default false */
  readonly hidden?: boolean;
  /** Let in what symlinks lead to, as long as it is inside of the photos folder. @default false */
  readonly followSymlinks?: boolean;
}

/** Thrown for a folder that cannot be made into an archive. Its message names no absolute path. */
export class FolderError extends Error {
  /** What is wrong, as a system error code: `EILSEQ` bad name, `EAGAIN` changing just now, … */
  readonly code: string;

  /** Takes a code of the system and a message for the log. */
  constructor(code: string, message: string) {
    super(message);
    this.name = "FolderError";
    this.code = code;
  }
}

/** Names of the folders in the photos folder that could be archives, in the order of the disk. */
export function listFolders(root: string): string[] {
  return [...Deno.readDirSync(root)]
    .filter((child) => child.isDirectory)
    .map((child) => child.name);
}

/**
 * Lists a direct child folder of the photos folder. Null if there is no such folder, or it is not a
 * folder, or a symlink, or must not be read, or is spelled otherwise, or if nothing in it goes into
 * an archive: nobody can tell which.
 *
 * @throws {FolderError} if something in the folder cannot be listed
 */
export function listFolder(
  root: string,
  hash: string,
  policy: FolderPolicy,
): PackedListing | null {
  if (!isHash(hash)) return null;
  const path = join(root, hash);
  const now = Date.now();
  const rootStat = statDirectory(root);
  if (!rootStat || !statDirectory(path) || !isSpelledSo(root, hash)) return null;
  const walk = new Walk(root, path, policy);
  try {
    walk.guard(root, rootStat, now);
    walk.enter({ directory: path, name: "", path: "", above: [] });
  } catch (error) {
    if (isExpected(error)) return null;
    throw error;
  }
  walk.run();
  return walk.finish();
}

/** A folder that is still to be read. */
interface Pending {
  /** Absolute path. */
  readonly directory: string;
  /** Path in the archive, empty or with a `/` at the end. */
  readonly name: string;
  /** Path in the hash's folder, likewise. */
  readonly path: string;
  /** Real paths of the folders above, when symlinks are followed: none is entered within itself. */
  readonly above: readonly string[];
}

/** What was found in a folder. */
interface Child {
  readonly original: string;
  readonly safe: string;
  readonly isDirectory: boolean;
  readonly state: EntryState;
  /** Where it leads, if it is a symlink. */
  readonly target: string | null;
}

/** A child that got its name: the next entry, or a folder to be read. */
interface Named {
  readonly child: Child;
  /** In the archive; a folder's ends in `/`. */
  readonly name: string;
  readonly folder: Pending;
}

/**
 * One pass of readdir and lstat over a tree, without recursion. Each folder's children are sorted, a
 * folder by its name with the `/`, and each folder is read in its turn: so entries come in the order
 * of their whole names.
 */
class Walk {
  readonly #root: string;
  readonly #path: string;
  readonly #policy: FolderPolicy;
  readonly #pending: Named[] = [];
  readonly #entries = new EntryColumns();
  readonly #fingerprint = createHash("sha256");
  readonly #leftOut: string[] = [];
  readonly #started = Date.now();
  readonly #guards: { readonly path: string; readonly state: string }[] = [];
  #newest = -Infinity;
  #settled = true;

  constructor(root: string, path: string, policy: FolderPolicy) {
    this.#root = root;
    this.#path = path;
    this.#policy = policy;
  }

  run() {
    for (let next = this.#pending.pop(); next; next = this.#pending.pop()) {
      if (next.child.isDirectory) this.#enterChild(next);
      else this.#add(next.name, next.child.state, placeOf(next));
      if (this.#entries.length + this.#pending.length > MAX_ENTRIES) {
        throw new FolderError("EFBIG", `list folder: more than ${MAX_ENTRIES} entries`);
      }
    }
  }

  #enterChild({ child, name, folder }: Named) {
    const path = `${folder.path}${child.original}/`;
    const directory = fileOf(folder, child);
    const above = this.#policy.followSymlinks ? [...folder.above, folder.directory] : [];
    try {
      this.enter({ directory, name, path, above });
    } catch (error) {
      if (error instanceof FolderError) throw error;
      throw new FolderError(codeOf(error), `list folder: ${codeOf(error)}: ${path}`);
    }
  }

  /**
   * Remembers a directory as it was at a time before anything in it was looked at. One that changed
   * a moment before that could change again under the same time stamp.
   */
  guard(path: string, stat: Deno.FileInfo, now: number) {
    const age = Math.abs(now - mtimeOf(stat));
    if (age < SETTLING_MS) throw changing();
    this.#guards.push({ path, state: directoryState(stat) });
  }

  /** Reads one folder: what is in it waits for its turn. */
  enter(folder: Pending) {
    const now = Date.now();
    const before = Deno.lstatSync(folder.directory);
    if (!before.isDirectory) throw changing();
    this.#newest = Math.max(this.#newest, mtimeOf(before));
    const children = this.#children(folder);
    if (children.some(({ isDirectory }) => isDirectory)) {
      this.guard(folder.directory, before, now);
    }
    if (children.length === 0 && folder.name !== "") {
      this.#add(folder.name, stateOf(before), { path: folder.path, file: folder.directory });
    }
    const unique = new UniqueNames();
    const named = children.map((child): Named => {
      const name = folder.name + unique.claim(child.safe) + (child.isDirectory ? "/" : "");
      return { child, name, folder };
    });
    named.sort((a, b) => compareUtf8(b.name, a.name)); // the first one is taken from the end
    for (const next of named) this.#pending.push(next);
  }

  #add(name: string, state: EntryState, place: EntryPlace | undefined) {
    const { size, mtimeMs, mode } = state;
    this.#entries.push(name, state, place);
    // Each entry ends in a byte that no name can hold.
    this.#fingerprint.update(`${name}\0${size} ${mtimeMs} ${mode}\0`);
    this.#newest = Math.max(this.#newest, mtimeMs);
    this.#settled &&= Math.abs(this.#started - mtimeMs) >= RECENT_MS;
  }

  /** What the policy lets in, in the order in which names are handed out. */
  #children(folder: Pending): Child[] {
    const children: Child[] = [];
    const damaged = new Set<string>();
    for (const { name: original } of Deno.readDirSync(folder.directory)) {
      if (isJunk(original) || (isHidden(original) && !this.#policy.hidden)) continue;
      if (isDamaged(original)) {
        if (damaged.has(original)) throw badName(folder.path + original);
        damaged.add(original);
      }
      const child = this.#child(folder, original);
      if (child) children.push(child);
    }
    return children.sort(byClaim);
  }

  #child(folder: Pending, original: string): Child | null {
    const file = folder.directory + sep + original;
    let stat = statEntry(file);
    if (!stat) {
      if (isDamaged(original)) throw badName(folder.path + original);
      return null; // gone since the folder was read: as if it had never been there
    }
    let target: string | null = null;
    if (stat.isSymlink) {
      target = this.#policy.followSymlinks ? this.#follow(folder, file) : null;
      if (target) stat = Deno.lstatSync(target);
    }
    const { isFile, isDirectory } = stat;
    if (!isFile && !isDirectory) {
      this.#leftOut.push(folder.path + original);
      return null;
    }
    return { original, safe: safeName(original), isDirectory, state: stateOf(stat), target };
  }

  /** Where a symlink leads, if that is inside of the photos folder and not a folder around it. */
  #follow(folder: Pending, link: string): string | null {
    let target;
    try {
      target = Deno.realPathSync(link);
    } catch (error) {
      if (isExpected(error)) return null;
      throw error;
    }
    const inside = relative(this.#root, target);
    if (inside === "" || inside === ".." || inside.startsWith(`..${sep}`)) return null;
    if (target === folder.directory || folder.above.includes(target)) return null;
    this.#guardWay(target);
    return target;
  }

  /** Guards the directories that lead from the photos folder to a path, the last one not. */
  #guardWay(path: string) {
    const parts = relative(this.#root, path).split(sep);
    for (let depth = 1; depth < parts.length; depth++) {
      const directory = join(this.#root, ...parts.slice(0, depth));
      const now = Date.now();
      const stat = statDirectory(directory);
      if (!stat) throw changing();
      this.guard(directory, stat, now);
    }
  }

  /**
   * The listing, if every directory that leads to a file stayed as it was: a folder that was replaced
   * by a symlink, even for an instant, changes the directory that it is in. Null if it is empty.
   */
  finish(): PackedListing | null {
    for (const { path, state } of this.#guards) {
      const stat = statDirectory(path);
      if (!stat || directoryState(stat) !== state) throw changing();
    }
    if (this.#entries.length === 0) return null;
    return {
      ...this.#entries.pack(),
      path: this.#path,
      fingerprint: this.#fingerprint.digest("hex").slice(0, 32), // SHA-256, cut to 128 bits
      lastModified: Math.floor(this.#newest / 1000),
      settled: this.#settled,
      leftOut: this.#leftOut,
    };
  }
}

/** Folders before files and unchanged names before changed ones: what comes later is renamed. */
function byClaim(a: Child, b: Child) {
  return Number(b.isDirectory) - Number(a.isDirectory) ||
    Number(a.safe !== a.original) - Number(b.safe !== b.original) ||
    compareUtf8(a.original, b.original);
}

function fileOf({ directory }: Pending, { original, target }: Child) {
  return target ?? directory + sep + original;
}

/** Where a file is, if its name does not tell. */
function placeOf({ child, name, folder }: Named): EntryPlace | undefined {
  const path = folder.path + child.original;
  const file = fileOf(folder, child);
  const isTold = path === name && !child.target && folder.above.length === 0;
  return isTold ? undefined : { path, file };
}

/** True for a name that may not be valid UTF-8: Deno shows such bytes as this character. */
function isDamaged(name: string) {
  return name.includes("\ufffd");
}

function stateOf(stat: Deno.FileInfo): EntryState {
  const { isDirectory, size, dev, ino } = stat;
  const mode = (stat.mode ?? (isDirectory ? DIRECTORY_MODE : FILE_MODE)) & 0o777;
  return { size: isDirectory ? 0 : size, mtimeMs: mtimeOf(stat), mode, dev, ino };
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
function isSpelledSo(root: string, hash: string) {
  const swapped = [...hash].map((c) => c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase());
  const other = swapped.join("");
  if (other === hash || !statDirectory(join(root, other))) return true;
  return [...Deno.readDirSync(root)].some(({ name }) => name === hash);
}

function changing() {
  return new FolderError("EAGAIN", "list folder: files are being added or renamed just now");
}

function badName(path: string) {
  return new FolderError("EILSEQ", `list folder: name is not valid UTF-8: ${JSON.stringify(path)}`);
}

function isExpected(error: unknown) {
  return ["ENOENT", "ENOTDIR", "EACCES", "EPERM", "ELOOP", "ENAMETOOLONG"].includes(codeOf(error));
}

/** The system's code of an error, as in `ENOENT`; else the error's name. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
