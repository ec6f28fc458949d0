/**
 * The archives of a source, a page at a time, for whoever may see the list. However many ask, a page
 * costs a look at each folder's time and a listing of the folders on that page.
 *
 * @module
 */

import { mapAtMost } from "../lib/concurrency.ts";
import { codeOf, StorageError } from "./errors.ts";
import { filesOf } from "./listing.ts";
import { unlessAborted } from "../lib/abort.ts";
import { isJunk, isUnfinished } from "./junk.ts";
import { isHash, isHidden } from "./names.ts";
import type { FileSource, SourceFolder } from "./source.ts";

/** Archives on a page. */
export const ARCHIVES_PER_PAGE = 100;

/** At most this many archives are listed at the same time, for all pages together. */
const LISTED_AT_ONCE = 4;

/** At most this many requests wait for pages. */
const MAX_WAITING = 100;

/** An archive that takes longer, in milliseconds, is shown as one that could not be listed. */
const ROW_MS = 3000;

/** After so many milliseconds a page is shown with what is known by then. */
const PAGE_MS = 10_000;

/** An archive whose files are known. */
export interface ListedArchive {
  /** Name of the folder, and the key in the link. */
  readonly hash: string;
  /** Number of files in the archive. */
  readonly files: number;
  /** Total size of the files in bytes. */
  readonly bytes: number;
  /** When the archive was last changed; an invalid date if that is beyond what a `Date` can hold. */
  readonly newest: Date;
}

/** Why a folder has no files to show. */
export type Problem =
  /** Nothing in it goes into an archive, or it must not be read. */
  | "empty"
  /** A name in it is not valid UTF-8. */
  | "names"
  /** Files are being added or renamed in it. */
  | "changing"
  /** It could not be listed in time. */
  | "slow"
  /** Something else. */
  | "other";

/** A folder that gives no archive, at least not now. */
export interface UnlistedArchive {
  /** Name of the folder. */
  readonly hash: string;
  /** Why. */
  readonly problem: Problem;
}

/** One page of the list. */
export interface ArchivePage {
  /** Its number, from 1. */
  readonly number: number;
  /** How many pages there are, at least 1. */
  readonly pages: number;
  /** Position of the first row in the whole list, from 1. */
  readonly first: number;
  /** Position of the last row. */
  readonly last: number;
  /** How many archives there are on all pages. */
  readonly total: number;
  /**
   * The archives, newest first. The time of the folder decides on which page an archive is, the time
   * that is shown decides where on the page.
   */
  readonly rows: readonly (ListedArchive | UnlistedArchive)[];
  /** Names of the folders that no link can reach, the newest first. */
  readonly unreachable: readonly string[];
}

/** An archive that could not be listed. */
export interface FailedListing {
  /** Name of the folder. */
  readonly hash: string;
  /** What went wrong. */
  readonly error: unknown;
}

/** How pages are made. */
export interface ArchivePagesOptions {
  /** Lists the folders. */
  readonly source: FileSource;
  /** Told of the archives on a page that could not be listed; each of them is on the page too. */
  readonly onFailed?: (failed: readonly FailedListing[]) => void;
  /** At most this many requests wait. @default 100 */
  readonly maxWaiting?: number;
  /** Milliseconds for one archive. @default 3000 */
  readonly rowMs?: number;
  /** Milliseconds for a page. @default 10000 */
  readonly pageMs?: number;
}

/** A page that is to be made, for as long as somebody waits for it. */
interface Job {
  readonly number: number;
  readonly end: AbortController;
  readonly result: PromiseWithResolvers<ArchivePage>;
  waiting: number;
}

interface Row {
  readonly row: ListedArchive | UnlistedArchive;
  readonly folder: SourceFolder;
}

/**
 * Makes one page at a time, in the background. Requests for the same page share it if it was begun
 * after they came: so an archive that was added before a request is always on its page.
 */
export class ArchivePages {
  readonly #source: FileSource;
  readonly #onFailed: (failed: readonly FailedListing[]) => void;
  readonly #maxWaiting: number;
  readonly #rowMs: number;
  readonly #pageMs: number;
  readonly #queue: Job[] = [];
  #waiting = 0;
  #working = false;

  /** Touches nothing yet. */
  constructor(options: ArchivePagesOptions) {
    this.#source = options.source;
    this.#onFailed = options.onFailed ?? (() => {});
    this.#maxWaiting = options.maxWaiting ?? MAX_WAITING;
    this.#rowMs = options.rowMs ?? ROW_MS;
    this.#pageMs = options.pageMs ?? PAGE_MS;
  }

  /**
   * A page of the list; the last one if there are not so many.
   *
   * @param signal aborts when the caller no longer waits
   * @throws {StorageError} `EBUSY` if too many wait already, `ETIMEDOUT` if the folders cannot be
   *   found out in time
   */
  async get(number: number, signal?: AbortSignal): Promise<ArchivePage> {
    signal?.throwIfAborted();
    if (this.#waiting >= this.#maxWaiting) {
      throw new StorageError("EBUSY", "list archives: too many wait already");
    }
    const job = this.#queue.find((job) => job.number === number) ?? this.#enqueue(number);
    this.#waiting++;
    job.waiting++;
    try {
      return await unlessAborted(job.result.promise, signal);
    } finally {
      this.#waiting--;
      if (--job.waiting === 0) this.#abandon(job);
    }
  }

  #enqueue(number: number): Job {
    const result = Promise.withResolvers<ArchivePage>();
    result.promise.catch(() => {}); // everybody may have left
    const job = { number, end: new AbortController(), result, waiting: 0 };
    this.#queue.push(job);
    this.#work();
    return job;
  }

  #abandon(job: Job) {
    const at = this.#queue.indexOf(job);
    if (at >= 0) this.#queue.splice(at, 1);
    job.end.abort(new StorageError("ECANCELED", "list archives: nobody waits any longer"));
  }

  /** Never rejects. */
  async #work() {
    if (this.#working) return;
    this.#working = true;
    for (let job = this.#queue.shift(); job; job = this.#queue.shift()) {
      await this.#make(job).then(job.result.resolve, job.result.reject);
    }
    this.#working = false;
  }

  async #make({ number: wanted, end }: Job): Promise<ArchivePage> {
    const { signal } = end;
    const timer = setTimeout(() => end.abort(slow()), this.#pageMs);
    try {
      const task = this.#source.folders({ background: true, signal });
      const folders = await unlessAborted(task, signal);
      const archives = folders.filter(({ name }) => isHash(name));
      const pages = Math.max(Math.ceil(archives.length / ARCHIVES_PER_PAGE), 1);
      const number = Math.min(wanted, pages);
      const start = (number - 1) * ARCHIVES_PER_PAGE;
      const rows = await this.#rows(archives.slice(start, start + ARCHIVES_PER_PAGE), signal);
      const unreachable = folders.map(({ name }) => name).filter(isUnreachable);
      const [first, last, total] = [start + 1, start + rows.length, archives.length];
      return { number, pages, first, last, total, rows, unreachable };
    } finally {
      clearTimeout(timer);
    }
  }

  async #rows(folders: readonly SourceFolder[], signal: AbortSignal) {
    const failed: FailedListing[] = [];
    const rows = await mapAtMost(folders, async (folder): Promise<Row> => {
      const hash = folder.name;
      try {
        return { folder, row: await this.#row(hash, signal) };
      } catch (error) {
        failed.push({ hash, error });
        return { folder, row: { hash, problem: problemOf(error) } };
      }
    }, { limit: LISTED_AT_ONCE });
    const left = signal.aborted && codeOf(signal.reason) === "ECANCELED";
    if (failed.length > 0 && !left) this.#onFailed(failed);
    return rows.sort((a, b) => compareNumbers(shownTime(b), shownTime(a))).map(({ row }) => row);
  }

  async #row(hash: string, page: AbortSignal): Promise<ListedArchive | UnlistedArchive> {
    page.throwIfAborted();
    const end = new AbortController();
    const leave = () => end.abort(page.reason);
    const timer = setTimeout(() => end.abort(slow()), this.#rowMs);
    page.addEventListener("abort", leave, { once: true });
    try {
      const { signal } = end;
      // A listing may go on without its signal: others can share it.
      const task = this.#source.list(hash, { background: true, signal });
      const listing = await unlessAborted(task, signal);
      if (!listing) return { hash, problem: "empty" };
      const files = filesOf(listing);
      const bytes = files.reduce((sum, { size }) => sum + size, 0);
      return { hash, files: files.length, bytes, newest: new Date(listing.lastModified * 1000) };
    } finally {
      clearTimeout(timer);
      page.removeEventListener("abort", leave);
    }
  }
}

/**
 * True for a folder that no link can reach by mistake. What is hidden is meant to be: albums are
 * filled under such names. Junk is nobody's album.
 */
export function isUnreachable(name: string): boolean {
  return !isHash(name) && !isHidden(name) && !isJunk(name) && !isUnfinished(name);
}

/** In whole seconds, so that archives of the same second stay in the order of their folders. */
function shownTime({ row, folder }: Row): number {
  const time = "newest" in row ? row.newest.getTime() : NaN;
  return Math.floor((Number.isNaN(time) ? folder.mtimeMs : time) / 1000);
}

function compareNumbers(a: number, b: number) {
  return a < b ? -1 : a > b ? 1 : 0; // a difference of infinities is no number
}

function problemOf(error: unknown): Problem {
  switch (codeOf(error)) {
    case "EILSEQ":
      return "names";
    case "EAGAIN":
      return "changing";
    case "ETIMEDOUT":
      return "slow";
    default:
      return "other";
  }
}

function slow() {
  return new StorageError("ETIMEDOUT", "list archives: takes too long");
}
