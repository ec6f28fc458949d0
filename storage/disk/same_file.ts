/**
 * Whether an opened file is the one that was listed. Everything here blocks; it runs in the threads
 * of the pool only.
 *
 * @module
 */

import { closeSync, constants, fstatSync, lstatSync, openSync, type Stats } from "node:fs";
import { StorageError } from "../errors.ts";
import { identityOf } from "../listing.ts";

/** The code of the error for a disk that sets a file's time when it is opened. */
export const TIME_SET_ON_OPEN = "ETIMESET";

/** Never through a symlink, and never waiting for the other end of a FIFO. 0 where unknown. */
export const OPEN_FLAGS: number = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) |
  (constants.O_NONBLOCK ?? 0);

/** How often an opened file and its path are compared. */
const LOOKS = 3;

/** How often, and how far apart in milliseconds, a file is opened to see whether that sets its time. */
const OPENINGS = 6;
const PAUSE_MS = 15;

/** A file as it was listed. */
export interface Expected {
  /** Absolute path. */
  readonly file: string;
  /** What was said of it when it was listed. */
  readonly identity: string;
}

/**
 * Compares an opened file, after it was read, with the one that was listed. An inode that changed
 * alone is no other file: some network disks give them out anew. Then the path is looked at again.
 * `look` tells the state of the opened file.
 *
 * @throws {StorageError} `ESTALE` if it is another file or has changed, `ETIMESET` if it looks changed
 * only because opening it sets its time
 */
export function assertSame(look: () => Stats, { file, identity }: Expected) {
  const stat = look();
  const [dev, ino, size, mtimeMs] = identity.split(":");
  const isSameSize = dev === String(stat.dev) && size === String(stat.size);
  const isSameInode = ino === String(stat.ino);
  const isSameTime = mtimeMs === "" || mtimeMs === String(stat.mtimeMs);
  if (!isSameSize) throw changed();
  if (isSameTime && (isSameInode || isAtPath(file, look))) return;
  if (isSameInode && isTimeSetOnOpen(file)) {
    throw new StorageError(TIME_SET_ON_OPEN, "its disk sets the time of a file that is opened");
  }
  throw changed();
}

/** The error for a file that is not what was listed. */
export function changed(): StorageError {
  return new StorageError("ESTALE", "changed since it was listed");
}

/**
 * True if the opened file is the plain file at this path, and no symlink leads to it. Looked at a few
 * times, since the inode may change once more between two looks.
 */
function isAtPath(file: string, look: () => Stats): boolean {
  for (let i = 0; i < LOOKS; i++) if (isAtPathNow(file, look)) return true;
  return false;
}

function isAtPathNow(file: string, look: () => Stats): boolean {
  try {
    const isPath = () => {
      const stat = lstatSync(file);
      return stat.isFile() && identityOf(stat) === identityOf(look());
    };
    return isPath() && Deno.realPathSync(file) === file && isPath();
  } catch {
    return false;
  }
}

/** True if each opening makes the present the file's time, while nothing else in it changes. */
function isTimeSetOnOpen(file: string): boolean {
  for (let i = 0; i < OPENINGS; i++) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
    const before = Date.now();
    const fd = openSync(file, OPEN_FLAGS);
    const { mtimeMs } = fstatSync(fd);
    closeSync(fd);
    if (mtimeMs < before - 1 || mtimeMs > Date.now() + 1) return false;
  }
  return true;
}
