/**
 * Whether an opened file is the one that was listed. Everything here blocks; it runs in the threads
 * of the pool only.
 *
 * @module
 */

import { StorageError } from "../errors.ts";
import { identityOf } from "../listing.ts";
import { mtimeOf, stateOf } from "./stat.ts";

/** The code of the error for a disk that sets a file's time when it is opened. */
export const TIME_SET_ON_OPEN = "ETIMESET";

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
 * Opens a plain file. The runtime's own calls are several times as fast as those of `node:fs`, but its
 * open follows a symlink, and waits for the other end of a FIFO: so the path is looked at before. What
 * is swapped between the two shows afterwards, in {@link assertSame}.
 *
 * @throws {StorageError} `ESTALE` if there is another thing
 */
export function openPlainFile(file: string): Deno.FsFile {
  if (!Deno.lstatSync(file).isFile) throw changed();
  return Deno.openSync(file);
}

/**
 * Compares an opened file, after it was read, with the one that was listed. An inode that changed
 * alone is no other file: some network disks give them out anew. Then the path is looked at again.
 * `look` tells the state of the opened file.
 *
 * @throws {StorageError} `ESTALE` if it is another file or has changed, `ETIMESET` if it looks changed
 * only because opening it sets its time
 */
export function assertSame(look: () => Deno.FileInfo, { file, identity }: Expected) {
  const stat = look();
  if (stat.isFile && identityOf(stateOf(stat)) === identity) return;
  const [dev, ino, size, mtimeMs] = identity.split(":");
  const seen = identityOf(stateOf(stat)).split(":");
  const isSameSize = stat.isFile && dev === seen[0] && size === seen[2];
  const isSameInode = ino === seen[1];
  const isSameTime = mtimeMs === "" || mtimeMs === seen[3];
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
function isAtPath(file: string, look: () => Deno.FileInfo): boolean {
  for (let i = 0; i < LOOKS; i++) if (isAtPathNow(file, look)) return true;
  return false;
}

function isAtPathNow(file: string, look: () => Deno.FileInfo): boolean {
  try {
    const isPath = () => {
      const stat = Deno.lstatSync(file);
      return stat.isFile && identityOf(stateOf(stat)) === identityOf(stateOf(look()));
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
    using opened = openPlainFile(file);
    const mtimeMs = mtimeOf(opened.statSync());
    if (mtimeMs < before - 1 || mtimeMs > Date.now() + 1) return false;
  }
  return true;
}
