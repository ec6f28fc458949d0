/**
 * Credentials that are renewed before they end.
 *
 * @module
 */

import type { Credentials, Lease, LoadLease } from "./lease.ts";

/** The wait after the first renewal that failed, and the longest one, in milliseconds. */
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;

/** How credentials are renewed. */
export interface RenewalOptions {
  /** Milliseconds since 1970. @default the clock of the machine */
  readonly now?: () => number;
  /** Told of each renewal that failed. */
  readonly onFailure?: (error: unknown) => void;
}

/**
 * Makes a function that gives credentials that hold. It loads them when they are first asked for. When
 * they are to be renewed, one renewal starts behind whoever asked, and the old ones are given until
 * they end. After a renewal that failed the next one waits, longer each time; once credentials have
 * ended, the function meanwhile rejects with the error of the last renewal.
 */
export function renewing(
  load: LoadLease,
  options: RenewalOptions = {},
): () => Promise<Credentials> {
  const renewal = new Renewal(load, options);
  return () => renewal.credentials();
}

class Renewal {
  readonly #load: LoadLease;
  readonly #now: () => number;
  readonly #onFailure: RenewalOptions["onFailure"];
  #lease: Lease | null = null;
  #pending: Promise<Lease> | null = null;
  #failures = 0;
  #lastError: unknown;
  /** No renewal before that time, in milliseconds since 1970. */
  #nextMs = -Infinity;

  constructor(load: LoadLease, { now = Date.now, onFailure }: RenewalOptions) {
    this.#load = load;
    this.#now = now;
    this.#onFailure = onFailure;
  }

  async credentials(): Promise<Credentials> {
    const [lease, now] = [this.#lease, this.#now()];
    const mayRenew = this.#pending !== null || now >= this.#nextMs;
    if (lease && now < lease.endMs) {
      if (now >= lease.renewMs && mayRenew) this.#renew().catch(() => {}); // told of already
      return lease.credentials;
    }
    if (!mayRenew) throw this.#lastError;
    return (await this.#renew()).credentials;
  }

  /** Callers that arrive while it runs share its result. */
  #renew(): Promise<Lease> {
    this.#pending ??= this.#renewOnce().finally(() => this.#pending = null);
    return this.#pending;
  }

  async #renewOnce(): Promise<Lease> {
    try {
      this.#lease = await this.#load();
      this.#failures = 0;
      return this.#lease;
    } catch (error) {
      const longest = Math.min(FIRST_WAIT_MS * 2 ** this.#failures++, LONGEST_WAIT_MS);
      this.#nextMs = this.#now() + longest * (0.5 + Math.random() / 2);
      this.#lastError = error;
      if (this.#lease) this.#onFailure?.(error); // of the first load whoever asked is told
      throw error;
    }
  }
}
