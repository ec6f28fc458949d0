/**
 * What is known of many archives, looked into in the background: for a search among titles, an order
 * by size, and rows that took too long.
 *
 * @module
 */

import { LRUCache } from "lru-cache";
import type { SourceFolder } from "./source.ts";

/** Of at most this many archives something is known: a few hundred bytes of each. */
const MAX_KNOWN = 20_000;

/** So many are looked into at the same time, besides those that somebody waits for. */
const AT_ONCE = 2;

/** When nobody has asked for so many milliseconds, nothing more is looked into. */
const IDLE_MS = 30_000;

/** A folder's own time does not tell of changes further down: after so long it is looked into again. */
const KEPT_MS = 600_000;

/** How a fact of an archive is found out. */
export interface OverviewOptions<T> {
  /** Finds it out. It must not reject. */
  readonly find: (hash: string) => Promise<T>;
  /** Milliseconds since any fixed time. @default that of the runtime */
  readonly now?: () => number;
}

interface Known<T> {
  readonly value: T;
  readonly mtimeMs: number;
  readonly at: number;
}

/** Finds out one fact of each archive, a few at a time, for as long as somebody asks. */
export class ArchiveOverview<T> {
  readonly #find: (hash: string) => Promise<T>;
  readonly #now: () => number;
  readonly #known = new LRUCache<string, Known<T>>({ max: MAX_KNOWN });
  /** What is to be looked into, the most urgent first. */
  #wanted = new Map<string, SourceFolder>();
  readonly #underWay = new Set<string>();
  #asked = 0;
  #workers = 0;
  #done = Promise.withResolvers<void>();

  /** Looks into nothing yet. */
  constructor({ find, now = () => performance.now() }: OverviewOptions<T>) {
    this.#find = find;
    this.#now = now;
  }

  /** What was found out of a folder that has not changed since; undefined if nothing was. */
  get({ name, mtimeMs }: SourceFolder): T | undefined {
    const known = this.#known.get(name);
    if (known?.mtimeMs !== mtimeMs || this.#now() - known.at >= KEPT_MS) return undefined;
    return known.value;
  }

  /** Takes in what somebody else has found out. */
  set({ name, mtimeMs }: SourceFolder, value: T) {
    this.#known.set(name, { value, mtimeMs, at: this.#now() });
  }

  /**
   * Looks into folders of which nothing is known, before all others that wait. Settles when nothing
   * waits any longer, be it that all is known or that nobody asks; never rejects.
   */
  fill(folders: readonly SourceFolder[]): Promise<void> {
    this.#asked = this.#now();
    const unknown = folders.filter((folder) =>
      !this.#underWay.has(folder.name) && this.get(folder) === undefined
    );
    const urgent = unknown.map((folder) => [folder.name, folder] as const);
    const all = new Map([...urgent, ...this.#wanted]);
    this.#wanted = new Map([...all].slice(0, MAX_KNOWN));
    if (this.#wanted.size === 0 && this.#workers === 0) return Promise.resolve();
    if (this.#workers === 0) this.#done = Promise.withResolvers();
    while (this.#workers < AT_ONCE && this.#wanted.size > 0) this.#work();
    return this.#done.promise;
  }

  async #work() {
    this.#workers++;
    for (let folder = this.#next(); folder; folder = this.#next()) {
      this.#underWay.add(folder.name);
      this.set(folder, await this.#find(folder.name));
      this.#underWay.delete(folder.name);
    }
    if (--this.#workers === 0) this.#done.resolve();
  }

  #next() {
    if (this.#now() - this.#asked >= IDLE_MS) this.#wanted.clear();
    for (const [key, folder] of this.#wanted) {
      this.#wanted.delete(key);
      return folder;
    }
    return undefined;
  }
}
