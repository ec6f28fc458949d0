/**
 * What a hash stands for on the disk: which folder, and which of its files go into the archive.
 * Everything here blocks; it runs in the reader's workers only.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join, relative, sep } from "node:path";
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

/** One file or empty folder of an archive. */
export interface FolderEntry {
  /** Path in the archive, joined by `/`; a folder's ends in `/`. */
  readonly name: string;
  /** Path in the folder as it is on the disk, joined by `/`. */
  readonly path: string;
  /** Absolute path to open: where a symlink leads, else the same file as `path`. */
  readonly file: string;
  /** Bytes; 0 for a folder. */
  readonly size: number;
  /** Modification time, whole seconds since 1970. */
  readonly mtime: number;
  /** Modification time in milliseconds since 1970, which is as fine as Deno tells it. */
  readonly mtimeMs: number;
  /** Unix permission bits. */
  readonly mode: number;
  /** Device, inode, size and modification time in one: equal as long as the file is the same. */
  readonly identity: string;
}

/** What a folder holds. */
export interface Listing {
  /** Absolute path of the folder. */
  readonly path: string;
  /** What goes into the archive, ascending by the UTF-8 bytes of the name. */
  readonly entries: FolderEntry[];
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
  readonly leftOut: string[];
}

/** What goes in besides plain visible files. */
export interface FolderPolicy {
  /** Let in names that start with a dot. @default false */
  readonly hidden?: boolean;
  /** Let in what symlinks lead to, as long as it is inside of the photos folder. @default false */
  readonly followSymlinks?: boolean;
}

/** The entries that are files, and not empty folders. */
export function filesOf({ entries }: Listing): FolderEntry[] {
  return entries.filter(({ name }) => !name.endsWith("/"));
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
export function listFolder(root: string, hash: string, policy: FolderPolicy): Listing | null {
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
  const listing = walk.finish();
  return listing.entries.length > 0 ? listing : null;
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

interface Child {
  readonly original: string;
  readonly safe: string;
  readonly file: string;
  readonly stat: Deno.FileInfo;
}

/** One pass of readdir and lstat over a tree, without recursion. */
class Walk {
  readonly #root: string;
  readonly #path: string;
  readonly #policy: FolderPolicy;
  readonly #pending: Pending[] = [];
  readonly #entries: FolderEntry[] = [];
  readonly #leftOut: string[] = [];
  readonly #started = Date.now();
  #newest = -Infinity;
  readonly #guards: { readonly path: string; readonly state: string }[] = [];

  constructor(root: string, path: string, policy: FolderPolicy) {
    this.#root = root;
    this.#path = path;
    this.#policy = policy;
  }

  run() {
    for (let next = this.#pending.pop(); next; next = this.#pending.pop()) {
      try {
        this.enter(next);
      } catch (error) {
        if (error instanceof FolderError) throw error;
        throw new FolderError(codeOf(error), `list folder: ${codeOf(error)}: ${next.path}`);
      }
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

  /** Reads one folder: files become entries, folders wait for their turn. */
  enter(folder: Pending) {
    const now = Date.now();
    const before = Deno.lstatSync(folder.directory);
    if (!before.isDirectory) throw changing();
    this.#newest = Math.max(this.#newest, mtimeOf(before));
    const children = this.#children(folder);
    if (this.#entries.length + children.length > MAX_ENTRIES) {
      throw new FolderError("EFBIG", `list folder: more than ${MAX_ENTRIES} entries`);
    }
    const unique = new UniqueNames();
    if (children.some(({ stat }) => stat.isDirectory)) this.guard(folder.directory, before, now);
    for (const child of children) {
      const name = folder.name + unique.claim(child.safe);
      const path = folder.path + child.original;
      if (child.stat.isDirectory) {
        const above = this.#policy.followSymlinks ? [...folder.above, folder.directory] : [];
        this.#pending.push({
          directory: child.file,
          name: `${name}/`,
          path: `${path}/`,
          above,
        });
      } else {
        this.#newest = Math.max(this.#newest, mtimeOf(child.stat));
        this.#entries.push(toEntry(name, path, child.file, child.stat));
      }
    }
    if (children.length === 0 && folder.name !== "") {
      this.#entries.push(toEntry(folder.name, folder.path, folder.directory, before));
    }
  }

  /** What the policy lets in, in the order in which names are handed out. */
  #children(folder: Pending): Child[] {
    const children: Child[] = [];
    const seen = new Set<string>();
    for (const { name: original } of Deno.readDirSync(folder.directory)) {
      if (isJunk(original) || (isHidden(original) && !this.#policy.hidden)) continue;
      if (seen.has(original)) throw badName(folder.path + original);
      seen.add(original);
      const child = this.#child(folder, original);
      if (child) children.push(child);
    }
    return children.sort(byClaim);
  }

  #child(folder: Pending, original: string): Child | null {
    let file = join(folder.directory, original);
    let stat = statEntry(file);
    if (!stat) {
      if (original.includes("\ufffd")) throw badName(folder.path + original);
      return null; // gone since the folder was read: as if it had never been there
    }
    if (stat.isSymlink) {
      const target = this.#policy.followSymlinks ? this.#follow(folder, file) : null;
      if (target) {
        file = target;
        stat = Deno.lstatSync(file);
      }
    }
    if (!stat.isFile && !stat.isDirectory) {
      this.#leftOut.push(folder.path + original);
      return null;
    }
    return { original, safe: safeName(original), file, stat };
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

  #isSettled({ mtimeMs }: FolderEntry) {
    return Math.abs(this.#started - mtimeMs) >= RECENT_MS;
  }

  /**
   * The listing, if every directory that leads to a file stayed as it was: a folder that was replaced
   * by a symlink, even for an instant, changes the directory that it is in.
   */
  finish(): Listing {
    for (const { path, state } of this.#guards) {
      const stat = statDirectory(path);
      if (!stat || directoryState(stat) !== state) throw changing();
    }
    const entries = this.#entries.sort((a, b) => compareUtf8(a.name, b.name));
    return {
      path: this.#path,
      entries,
      fingerprint: fingerprintOf(entries),
      lastModified: Math.floor(this.#newest / 1000),
      settled: entries.every((entry) => this.#isSettled(entry)),
      leftOut: this.#leftOut,
    };
  }
}

/** Files after folders and changed names after unchanged ones: what comes later is renamed. */
function byClaim(a: Child, b: Child) {
  return Number(b.stat.isDirectory) - Number(a.stat.isDirectory) ||
    Number(a.safe !== a.original) - Number(b.safe !== b.original) ||
    compareUtf8(a.original, b.original);
}

function toEntry(name: string, path: string, file: string, stat: Deno.FileInfo): FolderEntry {
  const mtimeMs = mtimeOf(stat);
  return {
    name,
    path,
    file,
    size: stat.isDirectory ? 0 : stat.size,
    mtime: Math.floor(mtimeMs / 1000),
    mtimeMs,
    mode: (stat.mode ?? (stat.isDirectory ? DIRECTORY_MODE : FILE_MODE)) & 0o777,
    identity: identityOf({ dev: stat.dev, ino: stat.ino, size: stat.size, mtimeMs }),
  };
}

/** What tells one state of a file from another, as `node:fs` and Deno both name it. */
export interface FileState {
  /** Device. */
  readonly dev: number;
  /** Inode; null where the system has none. */
  readonly ino: number | null;
  /** Bytes. */
  readonly size: number;
  /** Modification time in milliseconds since 1970. */
  readonly mtimeMs: number;
}

/** One string that is equal as long as a file is the same and unchanged. */
export function identityOf({ dev, ino, size, mtimeMs }: FileState): string {
  return `${dev}:${ino}:${size}:${mtimeMs}`;
}

/** Milliseconds since 1970; 1970 itself where the system does not tell. */
function mtimeOf({ mtime }: Deno.FileInfo) {
  return mtime?.getTime() ?? 0;
}

/** SHA-256, cut to 128 bits; each entry ends in a byte that no name can hold. */
function fingerprintOf(entries: readonly FolderEntry[]) {
  const hash = createHash("sha256");
  for (const { name, size, mtimeMs, mode } of entries) {
    hash.update(`${name}\0${size} ${mtimeMs} ${mode}\0`);
  }
  return hash.digest("hex").slice(0, 32);
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
