/**
 * Looks at the files of a large folder, shared among threads: the one that lists the folder takes some
 * of them, and so does every other that has nothing to do. Everything here may block; it runs in the
 * threads of the pool only.
 *
 * Whoever helps writes what it saw of plain files into memory that both have. Everything else, be it a
 * symlink, an error, or a helper that does not come back, is left to the thread that lists.
 *
 * @module
 */

import { sep } from "node:path";
import { type EntryState, NUMBERS, writeRow } from "../listing.ts";
import { stateOf } from "./stat.ts";

/** The files of a smaller folder are looked at before another thread has begun. */
const MANY_NAMES = 1000;

/** So many files are taken at a time. */
const TAKEN_AT_ONCE = 64;

/** A helper looks at no more files than this in one go: there may be something else to do by then. */
const HELPED_AT_ONCE = 4096;

/** A helper is waited for no longer than this, in milliseconds: to look oneself is never wrong. */
const PATIENCE_MS = 100;

/** Stands between two names; no name can hold it. */
const SEPARATOR = "\0";

/** Two counters come before the rows: the next row that nobody has taken, and turns of helpers. */
const NEXT = 0;
const TURNS = 1;
const COUNTERS = 2;

/** What is known of a row. */
const NOTHING = 0;
const PLAIN_FILE = 1;
const OTHER = 2;

/** What a helper is asked to look at. */
export interface LookRequest {
  /** Absolute path of the folder. */
  readonly directory: string;
  /** Names in it, with a zero between two. */
  readonly names: string;
  /** Where the results go. */
  readonly memory: SharedArrayBuffer;
}

/** The memory that threads share: rows in the order of the names. */
class Rows {
  readonly #control: Int32Array;
  readonly #numbers: Float64Array;
  readonly #count: number;

  constructor(memory: SharedArrayBuffer, count: number) {
    this.#count = count;
    this.#numbers = new Float64Array(memory, 0, count * NUMBERS);
    this.#control = new Int32Array(memory, count * NUMBERS * 8, COUNTERS + count);
  }

  static lengthOf(count: number) {
    return count * NUMBERS * 8 + (COUNTERS + count) * 4;
  }

  /** The next rows that nobody has taken: the first of them and the one after the last. */
  take(): readonly [from: number, to: number] {
    const from = Math.min(Atomics.add(this.#control, NEXT, TAKEN_AT_ONCE), this.#count);
    return [from, Math.min(from + TAKEN_AT_ONCE, this.#count)];
  }

  set(row: number, state: EntryState | null) {
    if (state) writeRow(this.#numbers, row, state);
    Atomics.store(this.#control, COUNTERS + row, state ? PLAIN_FILE : OTHER);
  }

  /** What a helper saw; null if it was no plain file, undefined if there is nothing yet. */
  get(row: number): EntryState | null | undefined {
    const kind = Atomics.load(this.#control, COUNTERS + row);
    if (kind !== PLAIN_FILE) return kind === NOTHING ? undefined : null;
    const [size, mtimeMs, mode, dev, ino] = this.#numbers.subarray(row * NUMBERS);
    return { size, mtimeMs, mode, dev, ino };
  }

  /** Tells whoever waits that there is something new. */
  announce() {
    Atomics.add(this.#control, TURNS, 1);
    Atomics.notify(this.#control, TURNS);
  }

  /** Waits until there may be something in the row, at most for so many milliseconds. */
  wait(row: number, milliseconds: number) {
    const turns = Atomics.load(this.#control, TURNS);
    if (this.get(row) === undefined) Atomics.wait(this.#control, TURNS, turns, milliseconds);
  }
}

/** The looks at one folder, as the thread has them that lists it. */
export class SharedLooks {
  readonly #rows: Rows;
  #waitUntil = Infinity;
  /** To be handed to whoever may help. */
  readonly request: LookRequest;

  /** `directory` is the absolute path of the folder. */
  constructor(directory: string, names: readonly string[]) {
    const memory = new SharedArrayBuffer(Rows.lengthOf(names.length));
    this.#rows = new Rows(memory, names.length);
    this.request = { directory, names: names.join(SEPARATOR), memory };
  }

  /** True if there are so many names that help is worth asking for. */
  static pays(names: readonly string[]): boolean {
    return names.length >= MANY_NAMES;
  }

  /** Rows that nobody else looks at. */
  *take(): Generator<number> {
    for (let [row, end] = this.#rows.take(); row < end; [row, end] = this.#rows.take()) {
      while (row < end) yield row++;
    }
  }

  /**
   * What a helper saw, once all other rows are taken; null if it was no plain file, or the helper takes
   * too long.
   */
  seen(row: number): EntryState | null {
    let state = this.#rows.get(row);
    if (state !== undefined) return state;
    this.#waitUntil = Math.min(this.#waitUntil, performance.now() + PATIENCE_MS);
    while (state === undefined) {
      const left = this.#waitUntil - performance.now();
      if (left <= 0) return null;
      this.#rows.wait(row, left);
      state = this.#rows.get(row);
    }
    return state;
  }
}

/** Looks at some of the files; true if there may be more of them to be taken. */
export function helpLook({ directory, names, memory }: LookRequest): boolean {
  const list = names.split(SEPARATOR);
  const rows = new Rows(memory, list.length);
  for (let done = 0; done < HELPED_AT_ONCE; done += TAKEN_AT_ONCE) {
    const [from, to] = rows.take();
    if (from === to) return false;
    for (let row = from; row < to; row++) rows.set(row, plainStateOf(directory + sep + list[row]));
    rows.announce();
  }
  return true;
}

/** Null if it is no plain file, or cannot be looked at. */
function plainStateOf(file: string): EntryState | null {
  try {
    const stat = Deno.lstatSync(file);
    return stat.isFile ? stateOf(stat) : null;
  } catch {
    return null;
  }
}
