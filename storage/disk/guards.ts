/**
 * How a listing knows that no directory was swapped while it was made. Everything here may block; it
 * runs in the threads of the pool only.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { StorageError } from "../errors.ts";
import { fileOf, mtimeOf, statDirectory } from "./stat.ts";

/** A directory that changed more recently, in milliseconds, may change again under the same time. */
const SETTLING_MS = 25;

/** How often, and how far apart in milliseconds, a directory is looked at to see how it tells time. */
const NOW_LOOKS = 8;
const NOW_PAUSE_MS = 5;

/** How directories are guarded. */
export interface GuardsOptions {
  /** Absolute path of the photos folder. */
  readonly root: string;
  /** Whether each must have rested until a change would show for certain. @default false */
  readonly strict?: boolean;
  /** Whether the disk tells no times to go by. @default false */
  readonly timeless?: boolean;
}

/** A directory, and what was seen of it. */
export interface Seen {
  /** Path from the photos folder, joined by `/`. */
  readonly location: string;
  /** Its own state, as it was before anything in it was looked at. */
  readonly stat: Deno.FileInfo;
}

/** A directory, and what must be seen of it again. */
interface Guard {
  readonly location: string;
  readonly state: string;
}

/**
 * Directories that lead to what was listed. Each must stay as it was: a folder that was replaced by a
 * symlink, even for an instant, shows in the times of the directory that it is in, and in its own.
 */
export class Guards {
  readonly #root: string;
  readonly #strict: boolean;
  readonly #timeless: boolean;
  /** Of each group, one directory must still be as it was. */
  readonly #groups: Guard[][] = [];

  /** Guards nothing yet. */
  constructor({ root, strict = false, timeless = false }: GuardsOptions) {
    this.#root = root;
    this.#strict = strict;
    this.#timeless = timeless;
  }

  /**
   * Guards a directory.
   *
   * @throws {StorageError} `EAGAIN` if it changed just now
   */
  add(seen: Seen, now: number) {
    this.#addAny(this.#wouldShow(seen, now) ? [seen] : []);
  }

  /**
   * Guards the archive's own folder. If it is replaced, that shows in the photos folder, and also in
   * its own time of change, so that a busy photos folder is no reason to refuse it.
   *
   * @throws {StorageError} `EAGAIN` if both changed just now
   */
  addEntry(own: Seen, root: Seen, now: number) {
    const proofs = [
      ...(this.#timeless || isLongUnchanged(own.stat, now) ? [own] : []),
      ...(this.#wouldShow(root, now) ? [root] : []),
    ];
    this.#addAny(proofs);
  }

  /** Of these directories, one must stay as it is. */
  #addAny(directories: readonly Seen[]) {
    if (directories.length === 0) throw changing();
    this.#groups.push(directories.map(({ location, stat }) => ({
      location,
      state: this.#stateOf(stat),
    })));
  }

  #wouldShow({ stat }: Seen, now: number) {
    return this.#timeless || isAtRest(stat, now, this.#strict);
  }

  /**
   * Compares every guarded directory with what it was.
   *
   * @throws {StorageError} `EAGAIN` if one has changed
   */
  assertUnchanged() {
    for (const group of this.#groups) {
      if (!group.some((guard) => this.#isUnchanged(guard))) throw changing();
    }
  }

  #isUnchanged({ location, state }: Guard) {
    const path = fileOf(this.#root, location);
    const stat = statDirectory(path);
    if (!stat || this.#stateOf(stat) !== state) return false;
    return !this.#timeless || Deno.realPathSync(path) === path;
  }

  #stateOf(stat: Deno.FileInfo) {
    return this.#timeless ? `${stat.dev}:${stat.ino}` : directoryState(stat);
  }
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
export function isLongUnchanged({ ctime }: Deno.FileInfo, now: number): boolean {
  return ctime != null && now >= ctime.getTime() + 1000 + SETTLING_MS;
}

/**
 * True if the disk tells the present as a directory's time, whenever it is asked: at each of several
 * looks the time is that of the look.
 */
export async function tellsNow(path: string): Promise<boolean> {
  for (let look = 0; look < NOW_LOOKS; look++) {
    const before = Date.now();
    const stat = statDirectory(path);
    if (!stat || mtimeOf(stat) < before - 1 || mtimeOf(stat) > Date.now() + 1) return false;
    await sleep(NOW_PAUSE_MS + look);
  }
  return true;
}

/**
 * Equal as long as a directory is the same and unchanged. Deno tells mtime in milliseconds and ctime,
 * which nobody can set back, in seconds only.
 */
export function directoryState(stat: Deno.FileInfo): string {
  return `${stat.dev}:${stat.ino}:${mtimeOf(stat)}:${stat.ctime?.getTime()}`;
}

/** The error for a folder in which something is changing. */
export function changing(): StorageError {
  return new StorageError("EAGAIN", "list folder: files are being added or renamed just now");
}
