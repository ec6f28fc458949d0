/**
 * How long the buffers of a download are.
 *
 * @module
 */

import { WHOLE_BYTES } from "./stream.ts";

const MIN_BUFFER_BYTES = 32 << 10;
const MAX_BUFFER_BYTES = 1 << 20;

/** More for the buffers of all clients that keep up makes nothing faster. Bytes. */
export const MAX_SHARED_BYTES: number = 16 << 20;

/**
 * The buffers of the system take less from a client that reads nothing: on Linux 4 MiB to send and
 * 128 KiB to receive, as `net.ipv4.tcp_wmem` and `tcp_rmem` are by default. Bytes.
 */
const PROBATION_BYTES = 6 << 20;

/** A client that takes longer for one buffer, in milliseconds, gets smaller ones. */
const SLOW_MS = 500;

/**
 * How long the next buffer of one download may be. It follows what was sent so far, so that a client
 * which stops early, when only the buffers of the system are full, costs little; a slow one gets
 * shorter buffers. And the more clients keep up, the shorter are the buffers of each.
 */
export class Pace {
  readonly #fast: Set<Pace>;
  readonly #max: number | undefined;
  readonly #shared: number;
  #credit = 0;
  #madeAt = Infinity;

  /**
   * One of all those that keep up, which are in the set: their buffers are no longer than `shared`
   * bytes together, and none is longer than `max`.
   */
  constructor(fast: Set<Pace>, max: number | undefined, shared = MAX_SHARED_BYTES) {
    this.#fast = fast;
    this.#max = max;
    this.#shared = shared;
  }

  /** Longest buffer to make now, in bytes, and whether to work ahead: see `NextOptions`. */
  next(): { readonly length: number; readonly ahead: boolean } {
    const max = this.#max ?? MAX_BUFFER_BYTES;
    if (this.#isLate()) this.#credit /= 2;
    if (this.#credit < PROBATION_BYTES) {
      this.#fast.delete(this);
      return { length: Math.min(MIN_BUFFER_BYTES, max), ahead: false };
    }
    this.#fast.add(this);
    for (const pace of this.#fast) if (pace !== this && pace.#isLate()) this.#fast.delete(pace);
    const share = Math.floor(this.#shared / this.#fast.size);
    return {
      length: Math.max(Math.min(share, max), MIN_BUFFER_BYTES),
      ahead: share >= WHOLE_BYTES && this.#max === undefined,
    };
  }

  /** Tells that a buffer of this many bytes was made. */
  made(bytes: number) {
    this.#madeAt = performance.now();
    this.#credit = Math.min(this.#credit + bytes, 2 * PROBATION_BYTES);
  }

  /** Tells that the download has ended. */
  end() {
    this.#fast.delete(this);
  }

  #isLate() {
    return performance.now() - this.#madeAt > SLOW_MS;
  }
}
