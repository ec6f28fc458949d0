/**
 * File descriptors that are kept back, so that downloads in flight never run out of them. When there
 * are too few, clients that come anew are refused first.
 *
 * The runtime may not be asked how many there are: `/proc` needs all permissions. So they are tried.
 *
 * @module
 */

/** It is on no disk that somebody wants to unmount. Windows has none, and needs no reserve. */
const NOTHING = "/dev/null";

/** This many are kept back, if the limit allows it: threads need 6 each, and one a file. */
const RESERVE = 32;

/** This many more must be free, or new requests are refused. */
const HEADROOM = 16;

/** With a low limit at most one in this many is kept back. */
const LOW_LIMIT_SHARE = 4;

/** With a low limit at most one in this many is for files that stay open between two reads. */
const OPEN_FILES_SHARE = 12;

/** At most this many are tried at the start, to see whether the limit is low. */
const MOST_TRIED = 512;

/** This many requests are let in between two tries. */
const REQUESTS_A_TRY = 16;

/** A try holds for this long, in milliseconds. */
const TRY_MS = 100;

/** Descriptors in reserve. Where `/dev/null` may not be opened, there are none, and always room. */
export class DescriptorReserve implements Disposable {
  readonly #held: Deno.FsFile[] = [];
  readonly #listeners: (() => void)[] = [];
  readonly #size: number;
  readonly #headroom: number;
  /** This many requests at a time are served, whoever else holds connections. */
  readonly #fair: number;
  /** At most this many files should stay open between two reads of a download. */
  readonly openFiles: number;
  #active = 0;
  #released = false;
  #hadRoom = true;
  #triedAt = -Infinity;
  #requests = 0;

  /** Takes the reserve: as much of it as a low limit allows. */
  constructor() {
    const free = canOpen() ? tryToOpen(MOST_TRIED) : [];
    this.#size = Math.min(Math.floor(free.length / LOW_LIMIT_SHARE), RESERVE);
    this.#fair = Math.floor(free.length / 2);
    this.openFiles = Math.floor(free.length / OPEN_FILES_SHARE);
    this.#headroom = Math.ceil(this.#size * HEADROOM / RESERVE);
    closeAll(free);
    this.refill();
  }

  /** How many descriptors are kept back when there are enough. */
  get size(): number {
    return this.#size;
  }

  /**
   * True if a new request may be served: there are descriptors, or hardly any request is served yet.
   *
   * @param ended settles when the request is over
   */
  admit(ended: Promise<void>): boolean {
    if (!this.#hasRoom() && this.#active >= this.#fair) return false;
    this.#active++;
    const leave = () => void this.#active--;
    ended.then(leave, leave);
    return true;
  }

  /**
   * How many downloads at a time there are descriptors for, besides those that are kept back and
   * those for files: at most this many, and at least one.
   *
   * @param each descriptors that a download holds
   */
  downloads(most: number, each = 1): number {
    if (this.#size === 0) return most;
    const besides = this.#headroom + this.openFiles;
    const opened = tryToOpen(most * each + besides);
    closeAll(opened);
    return Math.max(1, Math.min(most, Math.floor((opened.length - besides) / each)));
  }

  /** Takes the reserve again, and sees that more is free besides. False if there are too few. */
  refill(): boolean {
    if (this.#size === 0) return true;
    this.#held.push(...tryToOpen(this.#size - this.#held.length));
    const full = this.#held.length === this.#size && this.#isFree(this.#headroom);
    if (full) this.#released = false;
    else this.#release();
    return full;
  }

  /** Lets those in need have the reserve until it is taken again. */
  runOut() {
    if (this.#size === 0 || this.#released) return;
    this.#release();
    for (const listener of this.#listeners) listener();
  }

  /** Calls back when descriptors ran out: whatever takes new ones should stop that for a while. */
  onRunOut(listener: () => void) {
    this.#listeners.push(listener);
  }

  /**
   * Does what needs descriptors with those of the reserve. Nothing else in this thread can take them
   * meanwhile.
   */
  lend<T>(work: () => T): T {
    closeAll(this.#held.splice(0));
    try {
      return work();
    } finally {
      if (!this.#released) this.#held.push(...tryToOpen(this.#size - this.#held.length));
    }
  }

  /** Gives the reserve back for good. */
  [Symbol.dispose]() {
    closeAll(this.#held.splice(0));
  }

  /** Looks again now and then, not for each request. */
  #hasRoom(): boolean {
    if (this.#size === 0) return true;
    if (this.#released) return false;
    const now = performance.now();
    if (++this.#requests < REQUESTS_A_TRY && now - this.#triedAt < TRY_MS) return this.#hadRoom;
    this.#triedAt = now;
    this.#requests = 0;
    return this.#hadRoom = this.#isFree(this.#headroom);
  }

  #release() {
    this.#released = true;
    closeAll(this.#held.splice(0));
  }

  #isFree(count: number) {
    const opened = tryToOpen(count);
    closeAll(opened);
    return opened.length === count;
  }
}

/** Without asking the user for it. */
function canOpen() {
  const { state } = Deno.permissions.querySync({ name: "read", path: NOTHING });
  return state === "granted" && tryToOpen(1).map((file) => file.close()).length === 1;
}

/** Opens this many, or as many as can be had. */
function tryToOpen(count: number): Deno.FsFile[] {
  const opened: Deno.FsFile[] = [];
  try {
    while (opened.length < count) opened.push(Deno.openSync(NOTHING));
  } catch {
    // There are no more.
  }
  return opened;
}

function closeAll(files: readonly Deno.FsFile[]) {
  for (const file of files) file.close();
}
