/**
 * How long a client may take nothing before it counts as stalled.
 *
 * @module
 */

import { type Clock, systemClock } from "./clock.ts";

/**
 * A client that came back after a pause may take this many times as long for the next one. The
 * system's buffers grow while a slow client fills them: a client of 1 KiB per second was seen to
 * pause for 101 and then for 552 seconds.
 */
const SLACK = 20;

/** But no longer than this, in milliseconds: 1.8 MB at 1 KiB per second take half of it. */
const MAX_MS = 3_600_000;

/**
 * Tells a client that has stalled from one that is slow, by when it takes what it is offered. That is
 * no smooth picture: the system accepts new bytes only when about a third of its send buffer is free
 * again, up to 1.8 MB after a fast start. So a slow client seems to take nothing for long, and then a
 * lot at once. One that has done so before may do so again: it is given many times its longest pause,
 * if that is more than the time that all clients have.
 *
 * Times are milliseconds since any moment.
 *
 * @see `sk_stream_min_wspace` in
 * {@link https://github.com/torvalds/linux/blob/v6.12/include/net/sock.h}
 */
export class Patience {
  #allowed: number;
  #offeredAt: number | null = null;

  /** For a client that may take nothing for so many milliseconds. */
  constructor(allowed: number) {
    this.#allowed = allowed;
  }

  /** Milliseconds for which the client may take nothing. */
  get allowed(): number {
    return this.#allowed;
  }

  /** Tells that something is ready for the client. */
  offered(now: number) {
    this.#offeredAt = now;
  }

  /** Tells that the client takes it. */
  taken(now: number) {
    if (this.#offeredAt === null) return;
    const more = Math.min(SLACK * (now - this.#offeredAt), MAX_MS);
    this.#allowed = Math.max(this.#allowed, more);
    this.#offeredAt = null;
  }

  /** Milliseconds after which the client will have stalled if it takes nothing; 0 if it has. */
  left(now: number): number {
    return Math.max(0, (this.#offeredAt ?? now) + this.#allowed - now);
  }
}

/** Told of each chunk that is ready, and of each that is taken. */
export interface StallWatch {
  /** A chunk is ready for the client. */
  offered(): void;
  /** The client takes it. */
  taken(): void;
  /** The download has ended. */
  stop(): void;
}

/** When a client has stalled. */
export interface StallOptions {
  /** Milliseconds for which a client may take nothing, 0 for ever. @default 0 */
  readonly stallTimeout?: number;
  /** What the time is. @default that of the runtime */
  readonly clock?: Clock;
}

/**
 * Calls back when the client has taken nothing for too long although something was ready: never
 * while the source is still busy. One timer for a whole download, which does not keep the process
 * alive.
 */
export function watchForStall(
  { stallTimeout = 0, clock = systemClock }: StallOptions,
  onStall: (error: Error) => void,
): StallWatch {
  if (stallTimeout === 0) return { offered() {}, taken() {}, stop() {} };
  const patience = new Patience(stallTimeout);
  const check = () => {
    const left = patience.left(clock.now());
    if (left > 0) {
      stopTimer = clock.after(left, check);
      return;
    }
    const seconds = Math.round(patience.allowed / 100) / 10;
    onStall(new Error(`send archive: the client took nothing for ${seconds} s`));
  };
  let stopTimer = clock.after(stallTimeout, check);
  return {
    offered: () => patience.offered(clock.now()),
    taken: () => patience.taken(clock.now()),
    stop: () => stopTimer(),
  };
}
