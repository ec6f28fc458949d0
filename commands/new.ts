/**
 * `zipferry new`: gives a folder a link, under a name that nobody can guess.
 *
 * @module
 */

import { basename, join, relative, resolve, sep } from "node:path";
import { ConfigError, type NewArchive } from "../lib/config.ts";
import { quote } from "../lib/quote.ts";
import { write } from "../process/permissions.ts";
import { onStopSignal } from "../process/signals.ts";
import { codeOf, StorageError } from "../storage/errors.ts";
import { isSelected, type Selection } from "../storage/names.ts";
import { print } from "./terminal.ts";

/** Random bytes in a name: 128 bits, as hexadecimal digits. */
const NAME_BYTES = 16;

/** What the system's codes mean to whoever sits at the terminal. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EDQUOT: "the quota is used up",
  ENAMETOOLONG: "the name is too long",
  ENOENT: "it is gone, or its name is not valid UTF-8",
  ENOSPC: "no space left on the disk",
  EPERM: "operation not permitted",
  EROFS: "the disk is read-only",
  NotCapable: "Deno does not permit it",
};

/** What gets a link, and where. */
export interface NewOptions extends Omit<NewArchive, "action"> {
  /** Absolute path of the photos folder, without symlinks in it. */
  readonly photos: string;
  /** Which files archives have besides plain visible ones. @default none */
  readonly selection?: Selection;
}

/** How an album gets its new name. */
export interface PublishOptions extends Omit<NewOptions, "baseUrl"> {
  /** The new name. @default one at random */
  readonly name?: string;
  /** Stops the work; what was done of it is removed. */
  readonly signal?: AbortSignal;
}

/** Prints the link, and nothing else, to standard output. */
export async function newCommand({ baseUrl = "", ...options }: NewOptions): Promise<number> {
  await assertPermitted(options.photos);
  const stop = new AbortController();
  const reason = new StorageError("EINTR", "new: stopped, nothing was published");
  onStopSignal({ first: () => stop.abort(reason), further: () => {} });
  const { name, leftOut } = await publish({ ...options, signal: stop.signal });
  if (leftOut > 0) console.error(`new: symlinks and special files left out: ${leftOut}`);
  print(`${baseUrl}/archive/${name}/`);
  return 0;
}

/**
 * Makes an archive of an album in one step: no visitor sees it half full. Returns its name, and how
 * many symlinks and special files were left out.
 *
 * @throws {ConfigError} for an album that cannot be one
 * @throws {StorageError} if it cannot be read or written; nothing is left behind then
 */
export async function publish(
  { photos, album, method, selection = {}, name = randomName(), signal }: PublishOptions,
): Promise<{ readonly name: string; readonly leftOut: number }> {
  const source = await findAlbum(album, photos, method);
  if (!await hasFile(source, selection)) {
    throw new ConfigError(`new: ${quote(album)} has no file in it that an archive would have`);
  }
  const target = join(photos, name);
  await assertFree(target);
  if (method === "move") {
    await perform(() => Deno.rename(source, target), `move ${quote(album)}`, { EXDEV: OTHER_DISK });
    return { name, leftOut: 0 };
  }
  // No link reaches a name with a dot at its start.
  const staging = join(photos, `.${name}`);
  await perform(() => Deno.mkdir(staging), `write to the photos folder ${quote(photos)}`);
  try {
    const leftOut = await fill(source, staging, { root: source, method, signal });
    await assertFree(target);
    await perform(() => Deno.rename(staging, target), "rename the new folder");
    return { name, leftOut };
  } catch (error) {
    await Deno.remove(staging, { recursive: true });
    throw error;
  }
}

const OTHER_DISK = "it is on another disk than the photos folder; use --copy";

/** What else is wrong where hard links fail. */
const NO_LINKS = {
  EXDEV: OTHER_DISK,
  EPERM: "the disk or the system does not allow hard links to this file; use --copy",
  EOPNOTSUPP: "the disk has no hard links; use --copy",
  ENOTSUP: "the disk has no hard links; use --copy",
  EMLINK: "the file has as many hard links as the disk allows; use --copy",
};

async function assertPermitted(photos: string) {
  const { state } = await Deno.permissions.query(write(photos).descriptor);
  if (state === "granted") return;
  throw new ConfigError(
    `new: not permitted to write to ${quote(photos)}; run \`deno task new <folder>\` instead`,
  );
}

/** Hexadecimal digits from the system's generator. */
function randomName() {
  return crypto.getRandomValues(new Uint8Array(NAME_BYTES)).toHex();
}

/** The absolute path of an album that is named by its path, or by its name in the photos folder. */
async function findAlbum(album: string, photos: string, method: NewArchive["method"]) {
  const places = [resolve(album)];
  if (basename(album) === album && ![".", ".."].includes(album)) places.push(join(photos, album));
  const found: string[] = [];
  for (const place of new Set(places)) if (await look(place)) found.push(place);
  if (found.length === 0) {
    const tried = [...new Set(places)].map((place) => quote(place)).join(" or ");
    throw new ConfigError(`new: there is no folder ${tried}`);
  }
  if (found.length > 1) {
    const both = found.map((place) => quote(place)).join(" and ");
    throw new ConfigError(`new: ${quote(album)} may be ${both}; give the whole path`);
  }
  const [path] = found;
  if (method === "move" && (await look(path))?.isSymlink) {
    throw new ConfigError(`new: ${quote(album)} is a symlink; give the folder that it leads to`);
  }
  const folder = await perform(() => Deno.realPath(path), `read ${quote(album)}`);
  const stat = await perform(() => Deno.lstat(folder), `read ${quote(album)}`);
  if (!stat.isDirectory) throw new ConfigError(`new: ${quote(album)} is not a folder`);
  const inside = relative(folder, photos);
  if (inside !== ".." && !inside.startsWith(`..${sep}`) && resolve(folder, inside) === photos) {
    throw new ConfigError(`new: ${quote(album)} is the photos folder, or a folder around it`);
  }
  return folder;
}

/** What is at a path; null if nothing is. */
async function look(path: string): Promise<Deno.FileInfo | null> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(codeOf(error))) return null;
    throw failure(error, `read ${quote(path)}`);
  }
}

/** True if an archive of the folder would not be empty. */
async function hasFile(folder: string, selection: Selection): Promise<boolean> {
  const folders: string[] = [];
  for (const { name, isFile, isDirectory } of await entriesOf(folder, folder)) {
    if (!isSelected(name, selection)) continue;
    if (isFile) return true;
    if (isDirectory) folders.push(join(folder, name));
  }
  for (const inside of folders) if (await hasFile(inside, selection)) return true;
  return false;
}

interface FillOptions {
  /** The album, which errors name the files from. */
  readonly root: string;
  readonly method: "copy" | "link";
  readonly signal?: AbortSignal;
}

/** Fills a folder with what is in another one; returns how many entries are neither file nor folder. */
async function fill(from: string, to: string, options: FillOptions): Promise<number> {
  const mode = fileMode(await Deno.lstat(to));
  let leftOut = 0;
  for (const { name, isFile, isDirectory } of await entriesOf(from, options.root)) {
    options.signal?.throwIfAborted();
    const [source, target] = [join(from, name), join(to, name)];
    const what = quote(relative(options.root, source));
    if (isDirectory) {
      await perform(() => Deno.mkdir(target), `write ${what}`);
      leftOut += await fill(source, target, options);
      await copyTimes(await perform(() => Deno.lstat(source), `read ${what}`), target);
    } else if (!isFile) {
      leftOut++;
    } else if (options.method === "link") {
      await perform(() => Deno.link(source, target), `link ${what}`, NO_LINKS);
    } else {
      await perform(() => copy(source, target, mode), `copy ${what}`);
    }
  }
  return leftOut;
}

/** Copies a file with its times; its mode is that of a new file, so that the service can read it. */
async function copy(source: string, target: string, mode: number | null) {
  const before = await Deno.lstat(source);
  if (!before.isFile) throw changed();
  await Deno.copyFile(source, target);
  const [after, copied] = [await Deno.lstat(source), await Deno.lstat(target)];
  const same = after.size === before.size && after.mtime?.getTime() === before.mtime?.getTime();
  if (!same || copied.size !== before.size) throw changed();
  if (mode !== null) await Deno.chmod(target, mode);
  await copyTimes(before, target);
}

async function copyTimes({ atime, mtime }: Deno.FileInfo, target: string) {
  if (mtime && !Number.isNaN(mtime.getTime())) await Deno.utime(target, atime ?? mtime, mtime);
}

/** The mode of a new file beside a new folder: what the user's mask leaves. Null on Windows. */
function fileMode({ mode }: Deno.FileInfo) {
  return mode === null || Deno.build.os === "windows" ? null : mode & 0o666;
}

async function entriesOf(folder: string, root: string) {
  const what = quote(relative(root, folder) || basename(root));
  return await perform(() => Array.fromAsync(Deno.readDir(folder)), `read ${what}`);
}

/** A rename would replace an empty folder. */
async function assertFree(target: string) {
  if (await look(target)) {
    throw new StorageError("EEXIST", `new: ${quote(target)} exists already; try again`);
  }
}

/** Does a step; its error tells which one, and why. */
async function perform<T>(
  step: () => Promise<T>,
  what: string,
  reasons: Readonly<Record<string, string>> = {},
): Promise<T> {
  try {
    return await step();
  } catch (error) {
    throw failure(error, what, reasons);
  }
}

function failure(error: unknown, what: string, reasons: Readonly<Record<string, string>> = {}) {
  const code = codeOf(error);
  const own = error instanceof StorageError ? error.message : undefined;
  return new StorageError(
    code,
    `new: cannot ${what}: ${own ?? reasons[code] ?? REASONS[code] ?? code}`,
  );
}

function changed() {
  return new StorageError("EAGAIN", "it was changed while it was copied; try again");
}
