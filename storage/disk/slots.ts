/**
 * How many reads may be under way at a time. The runtime has 32 threads for them: a disk that hangs
 * must not get them all.
 *
 * @see {@link https://github.com/denoland/deno/blob/v2.9.5/cli/main.rs} `max_blocking_threads(32)`
 * @module
 */

import type { SlotsStats } from "../../lib/stats.ts";

/** Reads of one disk, and of all disks. */
const MAX_OF_DEVICE = 8;
const MAX_OF_ALL = 24;

/** Whoever waits longer for a slot gets none. Milliseconds. */
const MAX_WAIT_MS = 500;

/** How many there are, and how long they are waited for. */
export interface SlotsOptions {
  /** Of one disk. @default 8 */
  readonly ofDevice?: number;
  /** Of all disks. @default 24 */
  readonly ofAll?: number;
  /** Milliseconds. @default 500 */
  readonly maxWait?: number;
}

/** Somebody who waits for a slot, and is told whether there was one. */
interface Waiting {
  readonly device: string;
  readonly resolve: (entered: boolean) => void;
  readonly since: number;
}

/** Slots for reads, by the device of the disk. */
export class Slots implements Disposable {
  readonly #ofDevice: number;
  readonly #ofAll: number;
  readonly #maxWait: number;
  readonly #taken = new Map<string, number>();
  /** Devices for which somebody waited in vain since a read ended there. */
  readonly #stuck = new Set<string>();
  #all = 0;
  #waiting: Waiting[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** All free. */
  constructor({ ofDevice, ofAll, maxWait }: SlotsOptions = {}) {
    this.#ofDevice = ofDevice ?? MAX_OF_DEVICE;
    this.#ofAll = ofAll ?? MAX_OF_ALL;
    this.#maxWait = maxWait ?? MAX_WAIT_MS;
  }

  /**
   * Takes a slot, at once or in a moment. False if none got free: then the disk may hang, and further
   * ones do not wait until a read has ended there.
   */
  enter(device: string): boolean | Promise<boolean> {
    if (this.#closed) return false;
    if (this.#isFree(device)) return this.#take(device);
    if (this.#stuck.has(device)) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#waiting.push({ device, resolve, since: performance.now() });
    this.#timer ??= setTimeout(() => this.#giveUp(), this.#maxWait);
    return promise;
  }

  /** Gives a slot back; whoever waits for it longest gets it. */
  leave(device: string) {
    this.#all--;
    this.#taken.set(device, this.#of(device) - 1);
    this.#stuck.delete(device);
    const at = this.#waiting.findIndex((one) => this.#isFree(one.device));
    if (at < 0) return;
    const [next] = this.#waiting.splice(at, 1);
    next.resolve(this.#take(next.device));
  }

  /** How many slots are taken now, and how many callers wait for one. */
  stats(): SlotsStats {
    return { running: this.#all, waiting: this.#waiting.length };
  }

  /** Nobody who waits gets a slot, and nobody who comes. */
  [Symbol.dispose]() {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const { resolve } of this.#waiting.splice(0)) resolve(false);
  }

  /** Whoever waits behind reads that do not end had better not wait. */
  #giveUp() {
    this.#timer = undefined;
    const latest = performance.now() - this.#maxWait;
    const late = this.#waiting.filter(({ since }) => since <= latest);
    this.#waiting = this.#waiting.filter(({ since }) => since > latest);
    for (const { device, resolve } of late) {
      this.#stuck.add(device);
      resolve(false);
    }
    const [first] = this.#waiting;
    if (first) this.#timer = setTimeout(() => this.#giveUp(), first.since - latest);
  }

  #take(device: string): true {
    this.#all++;
    this.#taken.set(device, this.#of(device) + 1);
    return true;
  }

  #isFree(device: string) {
    return this.#all < this.#ofAll && this.#of(device) < this.#ofDevice;
  }

  #of(device: string) {
    return this.#taken.get(device) ?? 0;
  }
}
