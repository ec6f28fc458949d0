/**
 * Counts wrong guesses of a secret, so that nobody can try them by the thousand.
 *
 * @module
 */

import { LRUCache } from "lru-cache";

/** Wrong guesses that one client has, and all of them together, within the time below. */
const MAX_OF_ONE = 10;
const MAX_OF_ALL = 1000;

/** After so many milliseconds a guess is forgotten. */
const WINDOW_MS = 60_000;

/** At most this many clients are told apart; then the one that was heard of longest ago is forgotten. */
const MAX_CLIENTS = 10_000;

/** How guesses are counted. */
export interface AttemptsOptions {
  /** Wrong guesses of one client within a minute. @default 10 */
  readonly maxOfOne?: number;
  /** Wrong guesses of all clients together within a minute. @default 1000 */
  readonly maxOfAll?: number;
  /** Milliseconds since any fixed time. @default that of the runtime */
  readonly now?: () => number;
}

/** The guesses of a minute. */
class Window {
  #start = -Infinity;
  #count = 0;

  count(now: number) {
    return now - this.#start < WINDOW_MS ? this.#count : 0;
  }

  add(now: number) {
    this.#count = this.count(now) + 1;
    if (this.#count === 1) this.#start = now;
  }
}

/** Who guessed wrong, and how often. */
export class Attempts {
  readonly #clients = new LRUCache<string, Window>({ max: MAX_CLIENTS });
  readonly #all = new Window();
  readonly #maxOfOne: number;
  readonly #maxOfAll: number;
  readonly #now: () => number;

  /** Nobody has guessed yet. */
  constructor(options: AttemptsOptions = {}) {
    this.#maxOfOne = options.maxOfOne ?? MAX_OF_ONE;
    this.#maxOfAll = options.maxOfAll ?? MAX_OF_ALL;
    this.#now = options.now ?? performance.now.bind(performance);
  }

  /** False if a client has to wait; what it gives meanwhile is not to be looked at. */
  allows(client: string): boolean {
    const now = this.#now();
    const own = this.#clients.get(client)?.count(now) ?? 0;
    return own < this.#maxOfOne && this.#all.count(now) < this.#maxOfAll;
  }

  /** A client guessed wrong. */
  failed(client: string) {
    const window = this.#clients.get(client) ?? new Window();
    this.#clients.set(client, window);
    for (const one of [window, this.#all]) one.add(this.#now());
  }
}
