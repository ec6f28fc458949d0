/**
 * Work that waits for its turn, first come, first served.
 *
 * @module
 */

/** Lets a number of tasks run at the same time. */
export class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** Takes how many may run at the same time. */
  constructor(limit: number) {
    this.#free = limit;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Waits for a turn, which lasts until it is disposed of. Rejects with the reason of the signal. */
  async take(signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted();
    if (this.#free > 0) this.#free--;
    else await this.#wait(signal);
    let isTaken = true;
    return {
      [Symbol.dispose]: () => {
        if (isTaken) this.#pass();
        isTaken = false;
      },
    };
  }

  #wait(signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = () => {
      const at = this.#waiting.indexOf(next);
      if (at < 0) return;
      this.#waiting.splice(at, 1);
      reject(signal?.reason);
    };
    const next = () => {
      signal?.removeEventListener("abort", leave);
      resolve();
    };
    this.#waiting.push(next);
    signal?.addEventListener("abort", leave, { once: true });
    return promise;
  }

  /** The turn goes on to whoever has waited longest. */
  #pass() {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free++;
  }
}
