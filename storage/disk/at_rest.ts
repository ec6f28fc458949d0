/**
 * Many small files, read at once from folders in which nothing happens. Everything here blocks; it
 * runs in the threads of the pool only.
 *
 * Where every folder on the way is the same before and after, and rested long enough before that any
 * change in it would show, no name in it led to another file in between: so a look at the path after
 * the read tells what a look at the opened file would tell. That look is what is dear: the runtime
 * resolves the whole path again, to see whether it may.
 *
 * @see {@link https://github.com/denoland/deno/blob/v2.9.5/ext/fs/ops.rs#L1760} `op_fs_file_stat_sync`
 * @module
 */

import { closeSync, constants, openSync, readSync } from "node:fs";
import { crc32 } from "node:zlib";
import { identityOf } from "../listing.ts";
import { directoryState, isLongUnchanged } from "./guards.ts";
import type { SliceToRead } from "./packed_slices.ts";
import { fileOf, statDirectory, stateOf } from "./stat.ts";

/** For fewer files of each folder, the looks at the folders are not worth it. */
const FILES_PER_FOLDER = 8;

/** What is read. */
export interface AtRestOptions {
  /** Absolute path of the photos folder. */
  readonly root: string;
  /**
   * The disk of this machine that everything must be on: disks of others may tell of changes late.
   */
  readonly device: number;
  /** What goes where in the buffer. */
  readonly slices: readonly SliceToRead[];
}

/**
 * Reads the slices into the buffer; their CRC-32 values, as in `FilledBuffer`. Null if that is nothing
 * for here, or anything was out of order: then nothing was decided, and each file has to be looked at
 * by itself.
 */
export function fillAtRest(buffer: Uint8Array, options: AtRestOptions): number[] | null {
  // Without these, a symlink would be followed, and a pipe waited for.
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  if (!O_NOFOLLOW || !O_NONBLOCK) return null;
  try {
    const folders = foldersOf(options);
    const before = folders && statesOf(folders, options);
    if (!before) return null;
    const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
    const checksums: number[] = [];
    for (const slice of options.slices) {
      const target = buffer.subarray(slice.position, slice.position + slice.length);
      const file = fileOf(options.root, slice.location);
      if (!readFully(file, flags, { target, offset: slice.offset })) return null;
      const stat = Deno.lstatSync(file);
      if (!stat.isFile || identityOf(stateOf(stat)) !== slice.identity) return null;
      checksums.push(crc32(target, slice.crc32));
    }
    const after = statesOf(folders, options);
    return before.every((state, i) => state === after?.[i]) ? checksums : null;
  } catch {
    return null;
  }
}

/** The folders that lead to the files, from the photos folder on; null if there are too many. */
function foldersOf({ slices }: AtRestOptions): string[] | null {
  const folders = new Set([""]);
  let last = "";
  for (const { location } of slices) {
    const folder = location.slice(0, location.lastIndexOf("/"));
    if (folder === last) continue;
    last = folder;
    for (let at = folder.indexOf("/"); at >= 0; at = folder.indexOf("/", at + 1)) {
      folders.add(folder.slice(0, at));
    }
    folders.add(folder);
    if (folders.size * FILES_PER_FOLDER > slices.length) return null;
  }
  return [...folders];
}

/** Null if one of them is no folder of the disk, or changed so recently that it may again unseen. */
function statesOf(folders: readonly string[], { root, device }: AtRestOptions): string[] | null {
  const now = Date.now();
  const states: string[] = [];
  for (const folder of folders) {
    const stat = statDirectory(fileOf(root, folder));
    if (!stat || stat.dev !== device || !isLongUnchanged(stat, now)) return null;
    states.push(directoryState(stat));
  }
  return states;
}

interface Part {
  readonly target: Uint8Array;
  readonly offset: number;
}

/** False if the file is shorter. */
function readFully(file: string, flags: number, { target, offset }: Part): boolean {
  const fd = openSync(file, flags);
  try {
    for (let done = 0; done < target.length;) {
      const position = offset > 0 ? offset + done : null; // null: where the last read ended
      const count = readSync(fd, target, done, target.length - done, position);
      if (count === 0) return false;
      done += count;
    }
    return true;
  } finally {
    closeSync(fd);
  }
}
