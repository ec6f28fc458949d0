/**
 * `POST /archive/<hash>/`: a choice of files that is too long for a form in a link. It is kept nowhere:
 * the answer leads to a link that says what was chosen.
 *
 * @module
 */

import { formLength, readForm } from "../http/form_body.ts";
import { seeOtherResponse } from "../http/headers.ts";
import {
  type ArchiveQuery,
  MAX_FILES,
  NothingChosenError,
  parseArchiveQuery,
  takeFormMark,
} from "../http/query.ts";
import type { MemoryBudget } from "../lib/memory_budget.ts";
import type { Listing } from "../storage/listing.ts";
import { findRows } from "../storage/selection.ts";
import { encodeSelection } from "../storage/selection_token.ts";

/** A form with the names of 10,000 files in Cyrillic has about 2 MB. */
const MAX_FORM_BYTES = 4 << 20;

/** A form has this long to come, in milliseconds. */
const FORM_MS = 15_000;

/** Memory that a form takes while it is read, in bytes for each of its own. */
const BYTES_A_BYTE = 8;

/** Longest query of the link in characters: many proxies take no head of more than 8 KiB. */
const MAX_QUERY = 6000;

/** Thrown where a choice fits into no link. */
export class LongSelectionError extends Error {
  /** Always `LongSelectionError`. */
  override readonly name = "LongSelectionError";
}

/** A form that was sent. */
export interface SentForm {
  /** What is asked for; its files may be more than a link can name. */
  readonly query: ArchiveQuery;
  /** What else stands in the link and the form, as a query. */
  readonly kept: URLSearchParams;
}

/** Counts what a form takes of memory while it is read and answered. */
export function reserveForm(
  request: Request,
  memory: MemoryBudget,
  signal: AbortSignal,
): Promise<Disposable> {
  return memory.reserve(BYTES_A_BYTE * formLength(request, MAX_FORM_BYTES), signal);
}

/**
 * The form that was sent, with what stands in the link.
 *
 * @throws {QueryError} if what it asks for cannot be meant so
 * @throws {NothingChosenError} if nothing was chosen
 * @throws {FormBodyError} if it is too long, or takes too long
 */
export async function readSelectionForm(request: Request, given: string): Promise<SentForm> {
  const form = await readForm(request, { maxBytes: MAX_FORM_BYTES, timeout: FORM_MS });
  // The page puts what stays of its link into the form's address and into its fields.
  const inLink = new URLSearchParams(`?${given}`);
  const inForm = [...new URLSearchParams(`?${form}`)]
    .filter(([name, value]) => name === "file" || !inLink.getAll(name).includes(value));
  const kept = new URLSearchParams([...inLink, ...inForm]);
  takeFormMark(kept);
  const files = [...new Set(kept.getAll("file").map((name) => name.normalize("NFC")))];
  if (files.length === 0) throw new NothingChosenError("choose files: none");
  kept.delete("file");
  // One of the names stands for all: there may be more than a link can have.
  const one = files.slice(0, 1).map((name) => ["file", name]);
  const query = parseArchiveQuery(new URLSearchParams([...kept, ...one]).toString());
  return { query: { ...query, files }, kept };
}

/**
 * Leads to the link of what was chosen: with the names if they fit into it, else with a short text for
 * them.
 *
 * @throws {MissingFilesError} for names that are not there
 * @throws {LongSelectionError} if it fits into no link
 */
export function selectionResponse(
  hash: string,
  { query: { files }, kept }: SentForm,
  whole: Listing,
): Response {
  const link = (added: readonly (readonly [string, string])[]) =>
    new URLSearchParams([...added.map(([name, value]) => [name, value]), ...kept]).toString();
  const path = `/archive/${hash}/`;
  const rows = findRows(whole, files);
  const named = files.length <= MAX_FILES ? link(files.map((name) => ["file", name])) : "";
  if (named !== "" && named.length <= MAX_QUERY) return seeOtherResponse({ path, query: named });
  const short = link([["selection", encodeSelection(whole, rows)]]);
  if (short.length > MAX_QUERY) throw new LongSelectionError("choose files: too many for a link");
  return seeOtherResponse({ path, query: short });
}
