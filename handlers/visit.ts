/**
 * What a request for an archive finds, once it may be shown: every answer about an archive begins
 * here, so that all of them agree on whether there is one.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { partsOf } from "../engines/parts.ts";
import { type ArchiveQuery, QueryError } from "../http/query.ts";
import { isSigned } from "../http/signature.ts";
import { describeError, log, redact } from "../lib/log.ts";
import type { MemoryBudget } from "../lib/memory_budget.ts";
import { isLasting } from "../storage/errors.ts";
import {
  fileNameOf,
  type Label,
  NO_LABEL,
  parseLabel,
  partFileName,
  type PartNumber,
  plainFileName,
  plainPartFileName,
} from "../storage/label.ts";
import type { Listing } from "../storage/listing.ts";
import { findRows } from "../storage/selection.ts";
import { decodeSelection } from "../storage/selection_token.ts";
import type { Settling } from "../storage/settling.ts";
import type { FileSource } from "../storage/source.ts";
import type { Rows, Subsets } from "../storage/subset.ts";

/** Of at most this many archives it is known which broken label was told of. */
const MAX_TOLD = 1000;

/** An archive that may be shown. Its listing counts against the memory until it is disposed of. */
export interface Visit extends Disposable {
  /** The archive. */
  readonly hash: string;
  /** What of it is asked for. */
  readonly query: ArchiveQuery;
  /** What its owner says of it. */
  readonly label: Label;
  /** What was chosen of it. */
  readonly listing: Listing;
  /** All that it holds. */
  readonly whole: Listing;
  /** All that was chosen, where only a part of it is asked for; else the same as `listing`. */
  readonly chosen: Listing;
  /** Name under which a client saves what was chosen, without a path. */
  readonly name: string;
  /** The same in characters that every client can write. */
  readonly filename: string;
  /** When the label or a signed link ends, whichever is first, in milliseconds since 1970. */
  readonly expires: number | null;
}

/** Which links are good. */
export interface SigningOptions {
  /** Whether a link must be signed; where it need not be, a signature must still be right. */
  readonly mode: "signed" | "both";
  /** Secrets that sign links, each of them good, the first one for new links. */
  readonly secrets: readonly string[];
}

/** What archives are found with. */
export interface VisitOptions {
  /** Lists the folders once they have settled. */
  readonly settling: Settling;
  /** What listings count against. */
  readonly memory: MemoryBudget;
  /** Reads labels; what was wrong with them is told once. */
  readonly labels: Labels;
  /** Shares what was chosen between those who chose the same. */
  readonly subsets: Subsets;
  /** Which links are good. @default all of them, signed or not */
  readonly signing?: SigningOptions;
  /** Milliseconds since 1970. @default the system's clock */
  readonly now?: () => number;
}

/** Thrown for an archive that is there, but not at this time. */
export class ClosedError extends Error {
  /** Always `ClosedError`. */
  override readonly name = "ClosedError";
  /** Whether its time is over, or yet to come. */
  readonly when: "over" | "yet to come";

  /** Takes whether its time is over, or yet to come. */
  constructor(when: ClosedError["when"]) {
    super(`archive: its time is ${when}`);
    this.when = when;
  }
}

/** Thrown for a part that an archive does not have. */
export class MissingPartError extends Error {
  /** Always `MissingPartError`. */
  override readonly name = "MissingPartError";
  /** The part, and how many there are. */
  readonly part: PartNumber;

  /** Takes the part that is asked for, and how many there are. */
  constructor(part: PartNumber) {
    super(`archive: part ${part.number} of ${part.count}`);
    this.part = part;
  }
}

/**
 * Finds the archive of a hash; null if there is none, whatever the reason. A link that is not good is
 * none either, and that without a look at the disk: nobody can tell by it what there is.
 *
 * @throws {ClosedError} if it is there, and its time is over or yet to come
 * @throws {MissingFilesError} for a choice of files that are not there
 * @throws {StaleSelectionError} for a choice that was made when there were other files
 * @throws {MissingPartError} for a part that is not there
 * @throws {QueryError} for a choice that no form has made
 */
export async function visit(
  hash: string,
  query: ArchiveQuery,
  options: VisitOptions & { readonly signal?: AbortSignal },
): Promise<Visit | null> {
  const { settling, memory, labels, subsets, signing, now = Date.now, signal } = options;
  if (!isGood(hash, query, signing)) return null;
  const whole = await settling.list(hash, signal);
  if (!whole) return null;
  using taken = new DisposableStack();
  taken.use(memory.countShared(whole, whole.memory));
  const label = await labels.read(hash, signal);
  if (signing && isPast(query, now())) throw new ClosedError("over");
  if (!isOpen(label, now())) return null;
  const rows = chosenRows(whole, query);
  const chosen = rows ? subsets.take(whole, rows) : whole;
  taken.use(memory.countShared(chosen, chosen.memory));
  const part = findPart(chosen, query);
  const listing = part ? subsets.take(chosen, [part]) : chosen;
  taken.use(memory.countShared(listing, listing.memory));
  const counted = taken.move();
  return {
    ...{ hash, query, label, listing, chosen, whole },
    ...namesOf(hash, label, part && part.count > 1 ? part : undefined),
    expires: endOf(query, label, signing),
    [Symbol.dispose]: () => counted.dispose(),
  };
}

function namesOf(hash: string, { title }: Label, part?: PartNumber) {
  const filename = plainFileName(hash);
  const name = title === undefined ? filename : fileNameOf(title) ?? filename;
  if (!part) return { name, filename };
  return { name: partFileName(name, part), filename: plainPartFileName(filename, part) };
}

/** Which rows of an archive are asked for; null for all. */
function chosenRows(whole: Listing, { files, selection }: ArchiveQuery): Rows[] | null {
  if (selection === undefined) return files.length === 0 ? null : findRows(whole, files);
  const rows = decodeSelection(whole, selection);
  if (rows) return rows;
  const known = "selection";
  throw new QueryError({ kind: "value", parameter: known, value: selection, known });
}

/** Which rows are the part that is asked for; undefined if it is no part. */
function findPart(listing: Listing, { part }: ArchiveQuery): (Rows & PartNumber) | undefined {
  if (!part) return undefined;
  const parts = partsOf(listing, part.size);
  const found = parts[part.number - 1];
  if (!found) throw new MissingPartError({ number: part.number, count: parts.length });
  return { start: found.start, end: found.end, number: part.number, count: parts.length };
}

/** A signature that nobody checks ends nothing. */
function endOf({ signature }: ArchiveQuery, { expires }: Label, signing?: SigningOptions) {
  const ends = [
    ...typeof expires === "number" ? [expires] : [],
    ...signing && signature ? [signature.expires * 1000] : [],
  ];
  return ends.length === 0 ? null : Math.min(...ends);
}

/** Whether a link may be followed, as far as its signature goes. */
function isGood(hash: string, { files, signature }: ArchiveQuery, signing?: SigningOptions) {
  if (!signing) return true;
  if (!signature) return signing.mode === "both";
  return isSigned({ hash, files, signature }, signing.secrets);
}

function isPast({ signature }: ArchiveQuery, now: number) {
  return signature !== undefined && now >= signature.expires * 1000;
}

/** False if an archive is closed and nobody may know why. */
function isOpen({ expires, notBefore }: Label, now: number) {
  if (expires === "broken") return false;
  if (expires !== undefined && now >= expires) throw new ClosedError("over");
  if (notBefore !== undefined && now < notBefore) throw new ClosedError("yet to come");
  return true;
}

/** Reads the labels of a source. What is wrong with one is a line in the log, once for each change. */
export class Labels {
  readonly #source: FileSource;
  readonly #told = new LRUCache<string, string>({ max: MAX_TOLD });

  /** Reads nothing yet. */
  constructor(source: FileSource) {
    this.#source = source;
  }

  /**
   * What the owner of an archive says of it; nothing if there is no label that can be understood.
   *
   * @throws {StorageError} if it cannot be read now, or must not be: it may name an end
   */
  async read(hash: string, signal?: AbortSignal): Promise<Label> {
    let text;
    try {
      text = await this.#source.label?.(hash, { signal }) ?? null;
    } catch (error) {
      if (!isLasting(error) || error.code === "EACCES") throw error;
      this.#tell(hash, error.message, [describeError(error, hash)]);
      return NO_LABEL;
    }
    if (text === null) {
      this.#told.delete(hash);
      return NO_LABEL;
    }
    const { label, problems } = parseLabel(text);
    if (problems.length > 0) this.#tell(hash, text, problems, label.expires === "broken");
    else this.#told.delete(hash);
    return label;
  }

  #tell(hash: string, text: string, problems: readonly string[], closed = false) {
    const state = createHash("sha256").update(text).digest("base64");
    if (this.#told.get(hash) === state) return;
    this.#told.set(hash, state);
    const message = closed
      ? "a label cannot be understood, and its archive is closed until it can: {why}"
      : "a label cannot be understood, at least not all of it: {why}";
    log.warn(message, { archive: redact(hash), why: problems.join("; ") });
  }
}
