/**
 * Places for requests: no more of them at a time than there are.
 *
 * @module
 */

/** A number of places, taken in the order in which they were asked for. */
export class Places {
  readonly #waiting = new Set<() => void>();
  /** Places on their way to whoever waits. */
  readonly #passing = new Set<ReturnType<typeof setTimeout>>();
  #free: number;

  /** Takes the number of places. */
  constructor(size: number) {
    this.#free = size;
  }

  /** Resolves when there is a place; rejects with the signal's reason as soon as it aborts. */
  async take(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = () => {
      if (this.#waiting.delete(resolve)) reject(signal?.reason);
      if (this.#waiting.size === 0) this.#stopPassing();
    };
    this.#waiting.add(resolve);
    signal?.addEventListener("abort", leave, { once: true });
    await promise.finally(() => signal?.removeEventListener("abort", leave));
  }

  /**
   * Gives a place back. Whoever waits for it gets it a moment later, when the connection that was
   * used with it is in the runtime's pool again: else another one would be opened beside it.
   */
  release(): void {
    if (this.#waiting.size === 0) {
      this.#free++;
      return;
    }
    const timer = setTimeout(() => {
      this.#passing.delete(timer);
      this.#passOn();
    }, 0);
    this.#passing.add(timer);
  }

  #passOn() {
    const [next] = this.#waiting;
    if (next === undefined) this.#free++;
    else {
      this.#waiting.delete(next);
      next();
    }
  }

  #stopPassing() {
    this.#free += this.#passing.size;
    for (const timer of this.#passing) clearTimeout(timer);
    this.#passing.clear();
  }
}
