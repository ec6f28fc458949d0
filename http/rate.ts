/**
 * Bytes at a steady rate: how long the next ones have to wait, and whose turn it is.
 *
 * @module
 */

import { type Clock, systemClock } from "./clock.ts";

/** The longest piece that goes out at once, in bytes. */
const MAX_PIECE_BYTES = 64 << 10;

/** And the shortest, so that a low rate is not all packet headers. */
const MIN_PIECE_BYTES = 256;

/** How often a download gets a piece, as far as the lengths above allow it, in milliseconds. */
const PIECE_MS = 100;

/**
 * Whoever comes late by no more than this, in milliseconds, loses nothing: timers are never exact.
 * The rest of a longer pause is not made up for, so that no client gets a burst after it.
 */
const CATCH_UP_MS = 100;

/**
 * A rate as arithmetic: the generic cell rate algorithm (ITU-T I.371), without a clock of its own.
 * Times are milliseconds since any moment.
 */
export class Meter {
  readonly #bytesPerMs: number;
  #due: number;

  /** Begins at `now`, with nothing saved up. */
  constructor(bytesPerSecond: number, now: number) {
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#due = now;
  }

  /** Milliseconds until the next bytes may go, 0 if they may go now. */
  wait(now: number): number {
    return Math.max(0, this.#due - now);
  }

  /** Tells that so many bytes go now. */
  pass(bytes: number, now: number) {
    this.#due = Math.max(this.#due, now - CATCH_UP_MS) + bytes / this.#bytesPerMs;
  }
}

interface Turn {
  readonly bytes: number;
  readonly begin: () => void;
}

/** A rate for one download, or one that several share: a piece for each of them in turn. */
export class RateLimit {
  readonly #bytesPerSecond: number;
  readonly #clock: Clock;
  readonly #meter: Meter;
  readonly #waiting = new Set<Turn>();
  #downloads = 0;
  #stopTimer: (() => void) | null = null;

  /** Starts now. */
  constructor(bytesPerSecond: number, clock: Clock = systemClock) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#clock = clock;
    this.#meter = new Meter(bytesPerSecond, clock.now());
  }

  /** Tells of one more download that shares the rate. */
  join() {
    this.#downloads++;
  }

  /** Tells that one of them has ended. */
  leave() {
    this.#downloads--;
  }

  /**
   * How long the next piece of a download may be, in bytes. The more downloads share the rate, the
   * shorter are the pieces, so that each gets one often.
   */
  get pieceLength(): number {
    const share = this.#bytesPerSecond / Math.max(1, this.#downloads);
    const length = Math.round(share * PIECE_MS / 1000);
    return Math.min(Math.max(length, MIN_PIECE_BYTES), MAX_PIECE_BYTES);
  }

  /** Resolves when so many bytes may go. Rejects with the signal's reason when it aborts first. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const turn = { bytes, begin: resolve };
    const leave = () => {
      this.#waiting.delete(turn);
      reject(signal.reason);
      this.#serve();
    };
    signal.addEventListener("abort", leave, { once: true });
    this.#waiting.add(turn);
    this.#serve();
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  /** Lets go whoever may, in the order in which they came, and comes back for the next one. */
  #serve() {
    this.#stopTimer?.();
    this.#stopTimer = null;
    for (const turn of this.#waiting) {
      const now = this.#clock.now();
      const wait = this.#meter.wait(now);
      if (wait > 0) {
        this.#stopTimer = this.#clock.after(wait, () => this.#serve());
        return;
      }
      this.#waiting.delete(turn);
      this.#meter.pass(turn.bytes, now);
      turn.begin();
    }
  }
}
