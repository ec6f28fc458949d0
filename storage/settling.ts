/**
 * Photos that are still being added: a request for them waits until the folder has been left alone
 * for a moment, and then gets an archive of whole files.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { StorageError } from "./errors.ts";
import type { Listing } from "./listing.ts";
import type { FileSource } from "./source.ts";

/** A folder that keeps changing for this many times the quiet time is refused. */
const PATIENCE = 3;

/** At most this many requests wait for folders at the same time. */
const MAX_WAITING = 1000;

/** The code of the error for a folder that keeps changing. */
export const UNSETTLED = "EUNSETTLED";

/** How long a folder must have been left alone. */
export interface SettlingOptions {
  /** Milliseconds without a change; 0 to wait for nothing. */
  readonly quiet: number;
  /** At most this many requests wait at the same time. @default 1000 */
  readonly maxWaiting?: number;
}

/** Lists archives of a source once they have settled. */
export class Settling {
  readonly #source: FileSource;
  readonly #quiet: number;
  readonly #maxWaiting: number;
  #waiting = 0;

  /** Waits for nothing yet. */
  constructor(source: FileSource, { quiet, maxWaiting = MAX_WAITING }: SettlingOptions) {
    this.#source = source;
    this.#quiet = quiet;
    this.#maxWaiting = maxWaiting;
  }

  /** How many requests wait now. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * What an archive holds, once nothing in it has changed for the quiet time; null if there is none.
   *
   * @throws {StorageError} `EUNSETTLED` if it keeps changing, `EBUSY` if too many wait already
   */
  async list(hash: string, signal?: AbortSignal): Promise<Listing | null> {
    const started = performance.now();
    for (;;) {
      const listing = await this.#source.list(hash, { signal });
      if (!listing?.steady || this.#quiet === 0) return listing;
      // A clock that is a little ahead may have made the change later than now.
      const left = this.#quiet - Math.max(Date.now() - listing.changed, 0);
      if (left <= 0) return listing;
      if (performance.now() - started + left > PATIENCE * this.#quiet) throw unsettled();
      await this.#wait(left, signal);
    }
  }

  async #wait(milliseconds: number, signal?: AbortSignal) {
    if (this.#waiting >= this.#maxWaiting) {
      throw new StorageError("EBUSY", "list folder: too many requests wait for folders to settle");
    }
    this.#waiting++;
    try {
      await sleep(Math.ceil(milliseconds), undefined, { signal });
    } finally {
      this.#waiting--;
    }
  }
}

function unsettled() {
  return new StorageError(UNSETTLED, "list folder: photos are still being added");
}
