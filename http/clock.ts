/**
 * What tells the time and calls back later, so that a test can do it instead.
 *
 * @module
 */

/** A clock with timers. */
export interface Clock {
  /** Milliseconds since any moment. */
  now(): number;
  /** Calls back once, after this many milliseconds; what it returns prevents that. */
  after(milliseconds: number, callback: () => void): () => void;
}

/** The clock of the runtime. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(milliseconds, callback) {
    const timer = setTimeout(callback, Math.ceil(milliseconds)); // a fraction would be cut off
    Deno.unrefTimer(timer);
    return () => clearTimeout(timer);
  },
};
