/**
 * Counts wrong guesses of a secret, so that nobody can try them by the thousand.
 *
 * @module
 */

import { LRUCache } from "lru-cache";

/**
 * Wrong guesses that one client has within the time below. There is no such number for all of them
 * together: with it, strangers could keep the owner out.
 */
const MAX_GUESSES = 10;

/** After so many milliseconds a guess is forgotten. */
const WINDOW_MS = 60_000;

/** At most this many clients are told apart; then the one that was heard of longest ago is forgotten. */
const MAX_CLIENTS = 10_000;

/** How guesses are counted. */
export interface AttemptsOptions {
  /** Wrong guesses of one client within a minute. @default 10 */
  readonly max?: number;
  /** Milliseconds since any fixed time. @default that of the runtime */
  readonly now?: () => number;
}

/** Who guessed wrong, and how often. */
export class Attempts {
  readonly #clients = new LRUCache<string, { readonly start: number; readonly count: number }>({
    max: MAX_CLIENTS,
  });
  readonly #max: number;
  readonly #now: () => number;

  /** Nobody has guessed yet. */
  constructor({ max = MAX_GUESSES, now = () => performance.now() }: AttemptsOptions = {}) {
    this.#max = max;
    this.#now = now;
  }

  /** False if a client has to wait; what it gives meanwhile is not to be looked at. */
  allows(client: string): boolean {
    return (this.#recent(client)?.count ?? 0) < this.#max;
  }

  /** A client guessed wrong. */
  failed(client: string) {
    const { start, count } = this.#recent(client) ?? { start: this.#now(), count: 0 };
    this.#clients.set(client, { start, count: count + 1 });
  }

  #recent(client: string) {
    const known = this.#clients.get(client);
    return known && this.#now() - known.start < WINDOW_MS ? known : undefined;
  }
}
