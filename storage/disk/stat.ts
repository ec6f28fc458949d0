/**
 * What the disk says of one path. Everything here blocks; it runs in the threads of the pool only.
 *
 * @module
 */

import { sep, win32 } from "node:path";
import { codeOf } from "../errors.ts";
import type { EntryState } from "../listing.ts";
import { isCutByWindows, isDevice } from "../names.ts";

/** Where the system has no permission bits: on Windows, of which the runtime tells 0666 or 0444. */
const FILE_MODE = 0o644;
const DIRECTORY_MODE = 0o755;

/** A longer path is not for every call of Windows. */
const WINDOWS_PATH = 259;

/** The absolute path of a place in the photos folder. */
export function fileOf(root: string, location: string): string {
  if (location === "") return root;
  return root + sep + (sep === "/" ? location : location.replaceAll("/", sep));
}

/** What a listing says of a file or folder: the same on every system but for the device and inode. */
export function stateOf(
  stat: Deno.FileInfo,
  system: typeof Deno.build.os = Deno.build.os,
): EntryState {
  const { isDirectory, size, dev, ino } = stat;
  const mode = modeOf(stat, system);
  return { size: isDirectory ? 0 : size, mtimeMs: mtimeOf(stat), mode, dev, ino };
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
export function mtimeOf({ mtime }: Deno.FileInfo): number {
  return mtime?.getTime() ?? 0;
}

/**
 * Whether a name in a folder is one that Windows opens. Others come there from other systems, by Samba
 * for example. Where it depends on the version of Windows, that is tried.
 *
 * @param path absolute path, with the name as it was listed
 */
export function isOpenedByWindows(
  path: string,
  system: typeof Deno.build.os = Deno.build.os,
): boolean {
  if (system !== "windows") return true;
  const name = win32.basename(path);
  if (isCutByWindows(name)) return false;
  return !isDevice(name) && path.length <= WINDOWS_PATH || canOpen(path);
}

function canOpen(path: string): boolean {
  try {
    const { isFile } = Deno.lstatSync(path);
    if (isFile) Deno.openSync(path).close();
    return true;
  } catch {
    return false;
  }
}

/** The entry's own state, or null if it is gone. */
export function statEntry(path: string): Deno.FileInfo | null {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** The directory's own state, or null if there is none, or it is a symlink or another thing. */
export function statDirectory(path: string): Deno.FileInfo | null {
  try {
    const stat = Deno.lstatSync(path);
    return stat.isDirectory ? stat : null;
  } catch (error) {
    if (isExpected(error)) return null;
    throw error;
  }
}

/** True if the error says that there is nothing, or that it must not be seen. */
export function isExpected(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR", "EACCES", "EPERM", "ELOOP", "ENAMETOOLONG"].includes(codeOf(error));
}
