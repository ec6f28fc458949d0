/**
 * Places for requests: no more of them at a time than there are.
 *
 * @module
 */

/** A number of places, taken in the order in which they were asked for. */
export class Places {
  readonly #waiting = new Set<() => void>();
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
    };
    this.#waiting.add(resolve);
    signal?.addEventListener("abort", leave, { once: true });
    await promise.finally(() => signal?.removeEventListener("abort", leave));
  }

  /** Gives a place back. */
  release(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#free++;
    else {
      this.#waiting.delete(next);
      next();
    }
  }
}
