/**
 * Time as a test has it pass.
 *
 * @module
 */

import type { Clock } from "../http/clock.ts";

/** A clock that stands still until it is told to go on */
export class TestClock implements Clock {
  /** Milliseconds by which every timer is late */
  lateness = 0;
  #now = 0;
  readonly #timers = new Map<() => void, number>();

  /** How many are set */
  get timers(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#now;
  }

  after(milliseconds: number, callback: () => void): () => void {
    const timer = () => callback();
    this.#timers.set(timer, this.#now + Math.ceil(milliseconds) + this.lateness);
    return () => void this.#timers.delete(timer);
  }

  /** Goes on by so many milliseconds, with all that is to happen meanwhile */
  async go(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    while (true) {
      await settled();
      const [next] = [...this.#timers].filter(([, at]) => at <= end).sort(([, a], [, b]) => a - b);
      if (!next) break;
      this.#now = Math.max(this.#now, next[1]);
      this.#timers.delete(next[0]);
      next[0]();
    }
    this.#now = end;
  }
}

/** Resolves when all promises that can have called back */
export function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
