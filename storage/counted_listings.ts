/**
 * How many listings were asked for and what became of them, with a bound for those that wait.
 *
 * @module
 */

import type { SourceStats } from "../lib/stats.ts";
import { StorageError } from "./errors.ts";

/** At most this many callers wait for listings. */
const MAX_WAITING = 1000;

/** The listings of one source. */
export class CountedListings {
  readonly #ended = { done: 0, failed: 0, abandoned: 0 };
  #waiting = 0;

  /** What became of those that have ended, and how many are waited for now. */
  stats(): SourceStats["listings"] {
    return { ...this.#ended, waiting: this.#waiting };
  }

  /**
   * Waits for a listing; whoever left while it was made has abandoned it.
   *
   * @throws {StorageError} `EBUSY` if too many wait already
   */
  async run<T>(list: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#waiting >= MAX_WAITING) {
      this.#ended.failed++;
      throw new StorageError("EBUSY", "list folder: too many wait already");
    }
    this.#waiting++;
    try {
      const listing = await list();
      this.#ended.done++;
      return listing;
    } catch (error) {
      this.#ended[signal?.aborted ? "abandoned" : "failed"]++;
      throw error;
    } finally {
      this.#waiting--;
    }
  }
}
