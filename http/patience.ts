/**
 * How long a client may take nothing before it counts as stalled.
 *
 * @module
 */

/** A client that came back after a pause may take this many times as long for the next one. */
const SLACK = 4;

/**
 * Tells a client that has stalled from one that is slow, by when it takes what it is offered. That is
 * no smooth picture: the system accepts new bytes only when about a third of its send buffer is free
 * again, up to 1.8 MB after a fast start. So a slow client seems to take nothing for long, and then a
 * lot at once. One that has done so before may do so again: it is given several times its longest
 * pause, if that is more than the time that all clients have.
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
    this.#allowed = Math.max(this.#allowed, SLACK * (now - this.#offeredAt));
    this.#offeredAt = null;
  }

  /** Milliseconds after which the client will have stalled if it takes nothing; 0 if it has. */
  left(now: number): number {
    return Math.max(0, (this.#offeredAt ?? now) + this.#allowed - now);
  }
}
