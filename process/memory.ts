/**
 * How much memory requests may take together, if nobody says.
 *
 * @module
 */

import process from "node:process";
import { getHeapStatistics } from "node:v8";
import { ConfigError } from "../lib/config.ts";

/** Tells how many bytes of memory the container has, where the runtime does not find that out. */
export const CONTAINER_MEMORY_VARIABLE = "ZIPFERRY_CONTAINER_MEMORY";

/** Where the system does not say how much memory there is. Bytes. */
const UNKNOWN_BYTES = 512 << 20;

/** The rest is for the runtime, the buffers of the system, and other programs. */
const SHARE = 1 / 2;

/** So much the runtime and its threads may take themselves: in a small container that is more. Bytes. */
export const RUNTIME_BYTES: number = 192 << 20;

/** With less, hardly anything can be served. Bytes. */
const LEAST_BYTES = 32 << 20;

/** What there is, in bytes. */
export interface MemoryFacts {
  /** Limit of the container or unit (cgroup); may be a number beyond all memory where there is none. */
  readonly constrained: number;
  /** Memory of the machine; undefined where the system does not say. */
  readonly total?: number;
  /** The most that the runtime's heap can be: listings are in it. */
  readonly heap: number;
}

/**
 * What the system says, and what is told of the container.
 *
 * @param told value of {@link CONTAINER_MEMORY_VARIABLE}
 * @throws {ConfigError} if that is not a number of bytes
 */
export function memoryFacts(told?: string): MemoryFacts {
  const heap = getHeapStatistics().heap_size_limit;
  const container = told ? parseBytes(told) : Infinity;
  try {
    const constrained = Math.min(process.constrainedMemory() || Infinity, container);
    return { constrained, total: Deno.systemMemoryInfo().total, heap };
  } catch { // not permitted
    return { constrained: container, heap };
  }
}

function parseBytes(text: string) {
  if (/^[0-9]{1,20}$/.test(text) && Number(text) > 0) return Number(text);
  throw new ConfigError(
    `${CONTAINER_MEMORY_VARIABLE}: must be a number of bytes, such as 268435456, not "${text}"`,
  );
}

/** Memory of the container or the machine, whichever is less, in bytes; null if that is not known. */
export function memoryLimit({ constrained, total }: MemoryFacts): number | null {
  const known = Math.min(constrained, total ?? Infinity);
  return known < 2 ** 60 ? known : null; // without a limit the system tells some number near 2^63
}

/**
 * Half of the container's or the machine's memory, less where the runtime needs more than the other
 * half; at most half of the heap. Bytes.
 */
export function defaultBudget(facts: MemoryFacts): number {
  const there = memoryLimit(facts) ?? UNKNOWN_BYTES;
  const most = Math.min(there * SHARE, there - RUNTIME_BYTES, facts.heap * SHARE);
  return Math.floor(Math.max(most, LEAST_BYTES));
}

/** So much of the memory that is there is not touched: for the system's own buffers. */
const SPARE = 1 / 4;

/** Pages of the executable count as memory of the process, but the system can drop them. Bytes. */
const MAPPED_BYTES = 50e6;

/** From this part of the most on, garbage is collected at once. */
const TIGHT = 3 / 4;

/** How often the process's memory is looked at, and collected at most, in milliseconds. */
const LOOK_MS = 250;
const COLLECT_MS = 1000;

/** What a watch goes by. */
export interface MemoryWatchOptions {
  /** Memory of the process, in bytes. @default what the system says */
  readonly resident?: () => number;
  /** Bytes that are counted as in use: what was counted since the last look will be taken yet. @default 0 */
  readonly counted?: () => number;
  /** Collects all garbage. @default the runtime's own, where it was started with `--expose-gc` */
  readonly collect?: () => void;
}

/**
 * Watches the memory of the process against what there is. The collector of V8 is in no hurry: it lets
 * a busy heap grow to several times what is alive in it, and knows nothing of the limit of a container.
 */
export class MemoryWatch implements Disposable {
  readonly #most: number;
  readonly #resident: () => number;
  readonly #counted: () => number;
  readonly #collect: (() => void) | undefined;
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #now: number;
  #countedThen = 0;
  #collected = -Infinity;

  /** Looks from now on, where there is a limit. */
  constructor(facts: MemoryFacts, options: MemoryWatchOptions = {}) {
    this.#most = (memoryLimit(facts) ?? Infinity) * (1 - SPARE) + MAPPED_BYTES;
    this.#resident = options.resident ?? (() => Deno.memoryUsage().rss);
    this.#counted = options.counted ?? (() => 0);
    this.#collect = options.collect ?? (globalThis as { readonly gc?: () => void }).gc;
    this.#now = this.#resident();
    if (this.#most === Infinity) return;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    Deno.unrefTimer(this.#timer as unknown as number);
  }

  /** By how many bytes the process may grow now; less than none if it is too large already. */
  room(): number {
    return this.#most - this.#now - Math.max(this.#counted() - this.#countedThen, 0);
  }

  /** Ends the watch. */
  [Symbol.dispose]() {
    clearInterval(this.#timer);
  }

  #look() {
    this.#now = this.#resident();
    this.#countedThen = this.#counted();
    if (this.#now < this.#most * TIGHT || performance.now() - this.#collected < COLLECT_MS) return;
    this.#collect?.();
    this.#collected = performance.now();
    this.#now = this.#resident();
  }
}
