/**
 * The archives of a source, a page at a time, for whoever may see the list. However many ask, a page
 * costs a look at each folder's time and a listing of the folders on that page.
 *
 * @module
 */

import { unlessAborted } from "../lib/abort.ts";
import { ArchiveOverview } from "./archive_overview.ts";
import { mapAtMost } from "../lib/concurrency.ts";
import { codeOf, StorageError } from "./errors.ts";
import { filesOf } from "./listing.ts";
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

/** Where there are no more archives than that, a page waits for all of its rows. */
const FEW_ARCHIVES = 12;

/** What the owner of an archive says of it, as far as it is in the list. */
export interface RowLabel {
  /** What it is called. */
  readonly title?: string;
  /** When it ends, in milliseconds since 1970; `broken` if that makes no sense. */
  readonly expires?: number | "broken";
  /** When it begins, likewise. */
  readonly notBefore?: number;
}

/** Orders of the list. What has no title, or no end, comes last there. */
export type ArchiveOrder = "newest" | "title" | "size" | "expires";

/** Which archives are wanted, and in which order. */
export interface ArchiveView {
  /** Part of a title or hash, in small letters or capitals. @default all archives */
  readonly search?: string;
  /** In which order. @default "newest" */
  readonly order?: ArchiveOrder;
}

/** An archive whose files are known. */
export interface ListedArchive extends RowLabel {
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

/** An archive whose files are not counted yet. */
export interface PendingArchive extends RowLabel {
  /** Name of the folder. */
  readonly hash: string;
  /** Always true. */
  readonly pending: true;
  /** When its folder was last changed; an invalid date if nobody can tell. */
  readonly newest: Date;
}

/** A folder that gives no archive, at least not now. */
export interface UnlistedArchive extends RowLabel {
  /** Name of the folder. */
  readonly hash: string;
  /** Why. */
  readonly problem: Problem;
}

/** A row of the list. */
export type ArchiveRow = ListedArchive | PendingArchive | UnlistedArchive;

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
  readonly rows: readonly ArchiveRow[];
  /**
   * True if some of it is not known yet, be it counts of a row or which rows there are: it is looked
   * into meanwhile, and a page that is asked for again has more. Left out where all is known.
   */
  readonly incomplete?: true;
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
  /**
   * After so many milliseconds a page is given with what is known, and the rest is looked into for
   * the next time. @default as long as a page may take
   */
  readonly fillMs?: number;
  /** Reads what the owner of an archive says. @default nobody says anything */
  readonly label?: (hash: string, signal: AbortSignal) => Promise<RowLabel>;
}

/** A page that is to be made, for as long as somebody waits for it. */
interface Job {
  readonly number: number;
  readonly view: ArchiveView;
  readonly end: AbortController;
  readonly result: PromiseWithResolvers<ArchivePage>;
  waiting: number;
}

interface Row {
  readonly row: ArchiveRow;
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
  readonly #labels: ArchiveOverview<RowLabel>;
  readonly #counts: ArchiveOverview<ListedArchive | UnlistedArchive>;
  readonly #label: (hash: string, signal: AbortSignal) => Promise<RowLabel>;
  readonly #fillMs: number | undefined;
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
    this.#fillMs = options.fillMs;
    this.#label = options.label ?? (() => Promise.resolve({}));
    this.#labels = new ArchiveOverview({ find: (hash) => this.#labelOf(hash) });
    this.#counts = new ArchiveOverview({
      find: (hash) => this.#row(hash).catch((error) => ({ hash, problem: problemOf(error) })),
    });
  }

  /**
   * A page of the list; the last one if there are not so many.
   *
   * @param signal aborts when the caller no longer waits
   * @throws {StorageError} `EBUSY` if too many wait already, `ETIMEDOUT` if the folders cannot be
   *   found out in time
   */
  async get(number: number, signal?: AbortSignal, view: ArchiveView = {}): Promise<ArchivePage> {
    signal?.throwIfAborted();
    if (this.#waiting >= this.#maxWaiting) {
      throw new StorageError("EBUSY", "list archives: too many wait already");
    }
    const same = (job: Job) =>
      job.number === number && job.view.search === view.search && job.view.order === view.order;
    const job = this.#queue.find(same) ?? this.#enqueue(number, view);
    this.#waiting++;
    job.waiting++;
    try {
      return await unlessAborted(job.result.promise, signal);
    } finally {
      this.#waiting--;
      if (--job.waiting === 0) this.#abandon(job);
    }
  }

  #enqueue(number: number, view: ArchiveView): Job {
    const result = Promise.withResolvers<ArchivePage>();
    const job = { number, view, end: new AbortController(), result, waiting: 0 };
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

  async #make({ number: wanted, view, end }: Job): Promise<ArchivePage> {
    const { signal } = end;
    const timer = setTimeout(() => end.abort(slow()), this.#pageMs);
    try {
      const began = performance.now();
      const task = this.#source.folders({ background: true, signal });
      const folders = await unlessAborted(task, signal);
      const all = folders.filter(({ name }) => isHash(name));
      using patience = this.#patience(all.length, began, signal);
      const { archives, missing } = await this.#select(all, view, patience);
      const pages = Math.max(Math.ceil(archives.length / ARCHIVES_PER_PAGE), 1);
      const number = Math.min(wanted, pages);
      const start = (number - 1) * ARCHIVES_PER_PAGE;
      const shown = archives.slice(start, start + ARCHIVES_PER_PAGE);
      const { rows, unknown } = await this.#rows(shown, { ...view, signal, patience });
      const unreachable = folders.map(({ name }) => name).filter(isUnreachable);
      const [first, last, total] = [start + 1, start + rows.length, archives.length];
      const page = { number, pages, first, last, total, rows, unreachable };
      return missing || unknown ? { ...page, incomplete: true } : page;
    } finally {
      clearTimeout(timer);
    }
  }

  /** How long to wait for what would make a page complete. */
  #patience(archives: number, began: number, signal: AbortSignal): Patience {
    const end = new AbortController();
    if (this.#fillMs === undefined || archives <= FEW_ARCHIVES) {
      return { signal, isOver: () => signal.aborted, [Symbol.dispose]: () => {} };
    }
    const left = this.#fillMs - (performance.now() - began);
    const timer = setTimeout(() => end.abort(), Math.max(left, 0));
    return {
      signal: AbortSignal.any([signal, end.signal]),
      isOver: () => end.signal.aborted || signal.aborted,
      [Symbol.dispose]: () => clearTimeout(timer),
    };
  }

  /** The archives that are wanted, in their order; whether some could not be looked into in time. */
  async #select(archives: readonly SourceFolder[], view: ArchiveView, patience: Patience) {
    const { search = "", order = "newest" } = view;
    const needed: Pick<ArchiveOverview<unknown>, "fill" | "get">[] = [];
    if (search !== "" || order === "title" || order === "expires") needed.push(this.#labels);
    if (order === "size") needed.push(this.#counts);
    for (const one of needed) {
      await unlessAborted(one.fill(archives), patience.signal).catch(() => {});
    }
    const isUnknown = (folder: SourceFolder) => needed.some((one) => one.get(folder) === undefined);
    const facts = (folder: SourceFolder): Sought => ({
      ...this.#counts.get(folder),
      ...this.#labels.get(folder),
      hash: folder.name,
    });
    const words = wordsOf(search);
    const found = words.length === 0
      ? [...archives]
      : archives.filter((folder) => matches(facts(folder), words));
    if (order !== "newest") {
      const rows = new Map(found.map((folder) => [folder, facts(folder)]));
      const compare = COMPARE[order];
      found.sort((a, b) => compare(rows.get(a)!, rows.get(b)!));
    }
    return { archives: found, missing: archives.some(isUnknown) };
  }

  async #rows(
    folders: readonly SourceFolder[],
    { signal, patience, order = "newest" }: ArchiveView & {
      readonly signal: AbortSignal;
      readonly patience: Patience;
    },
  ) {
    const failed: FailedListing[] = [];
    const isPatient = patience.signal === signal;
    const look = async (folder: SourceFolder) => {
      const hash = folder.name;
      try {
        const row = await this.#row(hash, isPatient ? signal : undefined);
        this.#counts.set(folder, row);
        return row;
      } catch (error) {
        failed.push({ hash, error });
        return { hash, problem: problemOf(error) } as const;
      }
    };
    const rows = await mapAtMost(folders, async (folder): Promise<Row> => {
      const newest = new Date(folder.mtimeMs);
      const pending = { hash: folder.name, pending: true, newest } as const;
      const known: ArchiveRow = this.#counts.get(folder) ?? pending;
      if (isPatient) {
        return { folder, row: await this.#withLabel(await look(folder), folder, patience) };
      }
      if (patience.isOver()) return { folder, row: await this.#withLabel(known, folder, patience) };
      const row: ArchiveRow = await unlessAborted<ArchiveRow>(look(folder), patience.signal).catch(
        () => known,
      );
      return { folder, row: await this.#withLabel(row, folder, patience) };
    }, { limit: LISTED_AT_ONCE });
    const left = signal.aborted && codeOf(signal.reason) === "ECANCELED";
    if (failed.length > 0 && !left) this.#onFailed(failed);
    const pending = rows.filter(({ row }) => "pending" in row).map(({ folder }) => folder);
    if (pending.length > 0) this.#counts.fill(pending);
    const unlabelled = isPatient
      ? []
      : folders.filter((one) => this.#labels.get(one) === undefined);
    if (unlabelled.length > 0) this.#labels.fill(unlabelled);
    if (order === "newest") rows.sort((a, b) => compareNumbers(shownTime(b), shownTime(a)));
    const unknown = pending.length > 0 || unlabelled.length > 0;
    return { rows: rows.map(({ row }) => row), unknown };
  }

  /** A row with what the owner says: as it is now, or as far as it is known where time is short. */
  async #withLabel(row: ArchiveRow, folder: SourceFolder, { signal }: Patience) {
    const look = async () => {
      const label = await this.#labelOf(folder.name);
      this.#labels.set(folder, label);
      return label;
    };
    const known = this.#labels.get(folder);
    if (signal.aborted) return { ...row, ...known };
    return { ...row, ...await unlessAborted(look(), signal).catch(() => known) };
  }

  /** Nothing where nobody can tell. */
  async #labelOf(hash: string): Promise<RowLabel> {
    const end = new AbortController();
    const timer = setTimeout(() => end.abort(slow()), this.#rowMs);
    try {
      const label = await unlessAborted(this.#label(hash, end.signal), end.signal);
      const { title, expires, notBefore } = label;
      return {
        ...(title !== undefined && { title }),
        ...(expires !== undefined && { expires }),
        ...(notBefore !== undefined && { notBefore }),
      };
    } catch (error) {
      if (codeOf(error) === "EACCES") return { expires: "broken" };
      return {}; // the listing of the same folder fails as well, and tells why
    } finally {
      clearTimeout(timer);
    }
  }

  async #row(hash: string, page?: AbortSignal): Promise<ListedArchive | UnlistedArchive> {
    page?.throwIfAborted();
    const end = new AbortController();
    const leave = () => end.abort(page?.reason);
    const timer = setTimeout(() => end.abort(slow()), this.#rowMs);
    page?.addEventListener("abort", leave, { once: true });
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
      page?.removeEventListener("abort", leave);
    }
  }
}

/** How long something is waited for. */
interface Patience extends Disposable {
  /** Aborts when it is over. */
  readonly signal: AbortSignal;
  readonly isOver: () => boolean;
}

/** What is known of an archive by which it is found, or has its place. */
type Sought = RowLabel & { readonly hash: string; readonly bytes?: number };

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

const COMPARE: Readonly<
  Record<Exclude<ArchiveOrder, "newest">, (a: Sought, b: Sought) => number>
> = {
  title: (a, b) =>
    Number(a.title === undefined) - Number(b.title === undefined) ||
    collator.compare(a.title ?? a.hash, b.title ?? b.hash),
  size: (a, b) => compareNumbers(b.bytes ?? -1, a.bytes ?? -1),
  expires: (a, b) => compareNumbers(endOf(a), endOf(b)),
};

function endOf({ expires }: RowLabel) {
  return typeof expires === "number" ? expires : Infinity;
}

/** The words of a search: each of them must be found. */
function wordsOf(search: string) {
  return plain(search).split(/\s+/).filter((word) => word !== "");
}

function matches({ hash, title = "" }: Sought, words: readonly string[]) {
  const text = plain(`${title} ${hash}`);
  return words.every((word) => text.includes(word));
}

/** Letters as they are typed: without capitals, and in one form of those that have two. */
function plain(text: string) {
  return text.normalize("NFKC").toLowerCase();
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
