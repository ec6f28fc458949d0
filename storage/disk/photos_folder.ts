/**
 * The photos folder itself: whether it is there, and which directories are in it. Everything here may
 * block; it runs in the threads of the pool only.
 *
 * @module
 */

import { join } from "node:path";
import { codeOf, StorageError } from "../errors.ts";
import { isDamaged } from "../names.ts";
import { compareFolders, type SourceFolder } from "../source.ts";
import { mtimeOf, statDirectory } from "./stat.ts";

/** The code of the error for a photos folder that is gone. */
const NO_ROOT = "ENOROOT";

/** Names of the directories in the photos folder, in the order of the disk. */
export async function listDirectories(root: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(root)) if (isDirectory) names.push(name);
  return names;
}

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
 * The photos folder's own state. Without it nothing can be said of any archive.
 *
 * @throws {StorageError} `ENOROOT` if it is gone
 */
export function statRoot(root: string): Deno.FileInfo {
  try {
    const stat = Deno.lstatSync(root);
    if (stat.isDirectory) return stat;
  } catch (error) {
    throw new StorageError(NO_ROOT, `photos folder: ${codeOf(error)}`);
  }
  throw new StorageError(NO_ROOT, "photos folder: ENOTDIR");
}

/**
 * An empty folder on another disk than before is what a disk leaves behind that was taken away.
 *
 * @throws {StorageError} `ENOROOT` if the photos folder is empty
 */
export async function assertInUse(root: string): Promise<void> {
  for await (const _ of Deno.readDir(root)) return;
  throw new StorageError(NO_ROOT, "photos folder: empty, and on another disk than before");
}

/**
 * False if the disk ignores case and knows the folder by another spelling. Only where the other case
 * of the name exists too is there a doubt, which the directory itself then settles.
 */
export async function isSpelledSo(root: string, hash: string): Promise<boolean> {
  const swapped = [...hash].map((c) => c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase());
  const other = swapped.join("");
  if (other === hash || !statDirectory(join(root, other))) return true;
  return (await listDirectories(root)).includes(hash);
}
